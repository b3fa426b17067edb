import * as z from 'zod';
import { summaryLine, type Written } from '../../contract/answer.ts';
import { optional } from '../../contract/optional.ts';
import { known, MissingReason } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { HostState, Nic } from '../../host/port.ts';
import type { DriverState, GpuState, NvLink } from '../../nvml/port.ts';
import { HEAD, head } from '../head.ts';
import { countsOf } from '../support/gpu-counters.ts';
import { fieldValues } from '../support/gpu-fields.ts';
import {
  errorLine,
  type GpuRow,
  gpuName,
  gpuRows,
  gpuSelector,
  selectRows,
} from '../support/gpu-rows.ts';
import { hostnameOf, readNode } from '../support/read-node.ts';
import { Kept, keptLines, keptOf } from '../support/searched.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const Counters = z.record(z.string(), z.number());

const LinkRow = z
  .strictObject({
    link: z.int(),
    /** The link's state, or why it could not be read. */
    state: z.string(),
    remoteType: z.string().optional(),
    remotePci: z.string().optional(),
    version: z.string().optional(),
    speedMbps: z.number().optional(),
    errors: Counters.optional(),
  })
  .meta({ listedKeys: ['link', 'state', 'remotePci', 'errors'] });

/**
 * The links of one GPU. `expected` is the device's own count of wired links and never a constant;
 * `links` names those that are not active and one with most of the errors, with detail full all of
 * them.
 */
const NvLinkRow = z
  .strictObject({
    index: z.int().optional(),
    pci: z.string().optional(),
    error: z.string().optional(),
    nvlinkUnavailable: MissingReason.optional(),
    expected: z.int().optional(),
    active: z.int().optional(),
    version: z.string().optional(),
    speedMbps: z.number().optional(),
    errors: Counters.optional(),
    links: z.array(LinkRow).optional(),
    fabric: z.record(z.string(), z.unknown()).optional(),
    c2c: z.record(z.string(), z.unknown()).optional(),
    numaNode: z.string().optional(),
    cpuAffinity: z.string().optional(),
  })
  .meta({
    listedKeys: ['index', 'pci', 'error', 'expected', 'active', 'errors', 'links', 'fabric'],
  });
type NvLinkRow = z.infer<typeof NvLinkRow>;

/** The links, fabric and place of one GPU. */
function nvLinkRow(driver: DriverState, row: GpuRow, full: boolean): NvLinkRow {
  const { index, pci, error } = row;
  const place = {
    ...optional({ index, pci }),
  };
  const gpu = driver.gpus.find(other => other.index === index);
  if (!gpu || error !== undefined) return { ...place, ...optional({ error }) };
  const { values } = fieldValues(gpu, ['fabric', 'c2c', 'cpuAffinity', 'memoryAffinity']);
  const group = z.record(z.string(), z.unknown()).optional();
  const text = z.string().optional();
  const fabric = group.parse(values['fabric']);
  const c2c = group.parse(values['c2c']);
  const cpus = text.parse(values['cpuAffinity']);
  const numa = text.parse(values['memoryAffinity']);
  return {
    ...place,
    ...linksOf(gpu, full),
    ...(fabric && { fabric }),
    ...(c2c && { c2c }),
    ...optional({ numaNode: numa, cpuAffinity: cpus }),
  };
}

function linksOf({ nvlinks }: GpuState, full: boolean): Partial<NvLinkRow> {
  if (!nvlinks.ok) return { nvlinkUnavailable: nvlinks.reason };
  const { links } = nvlinks.value;
  const rows = links.map(linkRow);
  const errors: Record<string, number> = {};
  for (const row of rows) {
    for (const [name, amount] of Object.entries(row.errors ?? {})) {
      errors[name] = (errors[name] ?? 0) + amount;
    }
  }
  const active = links.filter(isActive);
  const [first] = active;
  const version = first && known(first.version);
  const speed = first && known(first.speedMbps);
  const total = errorsOf({ errors });
  // Errors spread over all links are told by their sum; those of one link name it.
  const shown = full
    ? rows
    : rows.filter(row => row.state !== 'active' || errorsOf(row) > total / 2);
  return {
    expected: links.length,
    active: active.length,
    ...optional({ version: version && plainText(version, 16), speedMbps: speed }),
    ...(Object.keys(errors).length > 0 && { errors }),
    ...(shown.length > 0 && { links: shown }),
  };
}

const errorsOf = ({ errors = {} }: { readonly errors?: Record<string, number> | undefined }) =>
  Object.values(errors).reduce((sum, amount) => sum + amount, 0);

/** A sleeping link is up: it saves power. */
const isActive = ({ state }: NvLink): boolean =>
  state.ok && (state.value === 'active' || state.value === 'sleep');

function linkRow(link: NvLink): z.infer<typeof LinkRow> {
  const counted = countsOf(link.errors).filter(([, amount]) => amount > 0);
  const { remotePci, remoteType, version, speedMbps } = link;
  return {
    link: link.link,
    state: link.state.ok
      ? link.state.value === 'sleep'
        ? 'active'
        : link.state.value
      : link.state.reason,
    ...(remoteType.ok && { remoteType: remoteType.value }),
    ...(remotePci.ok && { remotePci: plainText(remotePci.value, 24) }),
    ...(version.ok && { version: plainText(version.value, 16) }),
    ...(speedMbps.ok && { speedMbps: speedMbps.value }),
    ...(counted.length > 0 && { errors: Object.fromEntries(counted) }),
  };
}

/** Who is linked with whom, in the words of `nvidia-smi topo -m`: NV18, PIX, NODE, SYS. */
interface Matrix {
  readonly order: number[];
  readonly rows: string[][];
}

/**
 * The matrix of all GPUs of the driver: NV and the number of active links where two are joined by
 * NVLink (both to switches: the smaller number), else the way over PCI.
 */
function matrixOf(driver: DriverState): Matrix | undefined {
  const pairs = known(driver.topology);
  if (!pairs || driver.gpus.length < 2) return undefined;
  const order = driver.gpus.map(({ index }) => index);
  const rows = driver.gpus.map(a =>
    driver.gpus.map(b => {
      if (a.index === b.index) return 'X';
      const nvlinks = linksBetween(a, b);
      if (nvlinks > 0) return `NV${nvlinks}`;
      const pair = pairs.find(({ gpus }) => gpus.includes(a.index) && gpus.includes(b.index));
      return pair ? (pair.path.ok ? pair.path.value : '?') : '?';
    }),
  );
  // A table of question marks tells nothing.
  return rows.flat().every(cell => cell === 'X' || cell === '?') ? undefined : { order, rows };
}

function linksBetween(a: GpuState, b: GpuState): number {
  const active = (gpu: GpuState) => (known(gpu.nvlinks)?.links ?? []).filter(isActive);
  const pci = known(b.pci);
  const direct = active(a).filter(({ remotePci }) => pci !== undefined && known(remotePci) === pci);
  if (direct.length > 0) return direct.length;
  const toSwitch = (gpu: GpuState) =>
    active(gpu).filter(({ remoteType }) => known(remoteType) === 'switch').length;
  return Math.min(toSwitch(a), toSwitch(b));
}

const NICS_MAX = 32;

const NicRow = z
  .strictObject({
    name: z.string(),
    kind: z.string(),
    /** Of each port: state and rate, or why not. */
    ports: z.array(z.string()),
    /** Indexes of the GPUs that are nearest, and how near they are. */
    nearest: z.array(z.int()),
    path: z.string().optional(),
  })
  .meta({ listedKeys: ['name', 'kind', 'ports', 'nearest'] });

/** What a drawing of the links is made from. */
export const TopologyFacts = z.strictObject({
  ...HEAD,
  gpus: z.array(NvLinkRow),
  switches: z.int().min(0).describe('NVSwitches on the PCI bus.'),
  matrix: z
    .strictObject({ order: z.array(z.int()), rows: z.array(z.array(z.string())) })
    .optional(),
  matrixUnavailable: MissingReason.optional(),
  peerAccess: z.array(z.string()).describe('Pairs whose peer access is not ok.'),
  nics: z.array(NicRow),
  nicsUnavailable: MissingReason.optional(),
  kept: Kept.exactOptional(),
});
export type TopologyFacts = z.infer<typeof TopologyFacts>;

export const getNvlinkTopology = defineTool({
  name: 'get_nvlink_topology',
  title: 'NVLink, fabric and topology',
  description:
    'Tells for each GPU which NVLinks are down, their error counters and far ends, fabric registration and health, chip-to-chip link; the paths between GPUs, pairs without peer access, the nearest NICs. ' +
    'Ask when NCCL is slow or hangs. Small counters are normal.',
  input: z.strictObject({
    gpu: gpuSelector,
    detail: z.enum(['summary', 'full']).default('summary').describe('full lists every link.'),
  }),
  output: TopologyFacts,
  async observe(input, instruments, signal) {
    const facts = await readNode(instruments, undefined, signal);
    const { driver, host } = facts;
    const rows = selectRows(gpuRows(facts, ['name']), input.gpu);
    const gpus = rows.map(row => nvLinkRow(driver, row, input.detail === 'full'));
    const matrix = matrixOf(driver);
    const devices = known(host.pciDevices) ?? [];
    return {
      ...head(instruments, hostnameOf(facts), summaryOf(gpus)),
      gpus,
      switches: devices.filter(device => device.kind === 'nvswitch').length,
      ...(matrix && { matrix }),
      ...(driver.topology.ok ? {} : { matrixUnavailable: driver.topology.reason }),
      peerAccess: withoutPeerAccess(driver),
      nics: (known(host.nics) ?? []).slice(0, NICS_MAX).map(nic => nicRow(nic, driver)),
      ...nicsReason(host),
      ...keptOf(facts),
    };
  },
  lines(facts) {
    const gpus = facts.gpus.toSorted((a, b) => downOf(b) - downOf(a));
    return [
      summaryLine(facts),
      ...gpus.flatMap(gpuLines),
      ...(facts.matrix ? matrixLines(facts.matrix) : []),
      ...(facts.matrixUnavailable === undefined
        ? []
        : [`matrix not read: ${facts.matrixUnavailable}`]),
      ...facts.peerAccess.map(pair => `no peer access: ${pair}`),
      ...(facts.switches > 0 ? [plural(facts.switches, 'NVSwitch', 'NVSwitches')] : []),
      ...facts.nics.map(
        nic =>
          `NIC ${nic.name} (${nic.kind}): ${nic.ports.join('; ') || 'no port'}${nic.nearest.length > 0 ? `, nearest GPU ${nic.nearest.join(', ')}${nic.path === undefined ? '' : ` by ${nic.path}`}` : ''}`,
      ),
      ...(facts.nicsUnavailable === undefined ? [] : [`NICs not read: ${facts.nicsUnavailable}`]),
      ...keptLines(facts.kept, Date.parse(facts.takenAt)),
    ];
  },
});

const nicsReason = ({ nics }: HostState) => (nics.ok ? {} : { nicsUnavailable: nics.reason });

const downOf = (gpu: NvLinkRow): number =>
  gpu.error === undefined ? (gpu.expected ?? 0) - (gpu.active ?? 0) : Number.MAX_SAFE_INTEGER;

function summaryOf(gpus: readonly NvLinkRow[]): string {
  const linked = gpus.filter(gpu => (gpu.expected ?? 0) > 0);
  const down = linked.filter(gpu => downOf(gpu) > 0);
  const broken = gpus.filter(gpu => gpu.error !== undefined).length;
  const unread = gpus.filter(
    gpu => gpu.nvlinkUnavailable !== undefined && gpu.nvlinkUnavailable !== 'not_supported',
  ).length;
  const parts = [
    linked.length === 0
      ? broken + unread === 0
        ? 'No GPU here has NVLink'
        : 'No NVLink could be read'
      : down.length === 0
        ? `All NVLinks of ${plural(linked.length, 'GPU')} are active (${[...new Set(linked.map(gpu => gpu.active))].join(', ')} each)`
        : `NVLinks are down on ${down.map(gpu => `GPU ${gpu.index} (${gpu.active} of ${gpu.expected} active)`).join(', ')}`,
    ...(broken > 0 ? [`${plural(broken, 'GPU')} could not be opened`] : []),
    ...(unread > 0 ? [`the links of ${plural(unread, 'GPU')} could not be read`] : []),
  ];
  return `${parts.join('; ')}.`;
}

/** Statuses are NVML_P2P_STATUS_* in lower case; GPUs that do not support it are no fault. */
function withoutPeerAccess(driver: DriverState): string[] {
  return (known(driver.topology) ?? []).flatMap(({ gpus: [a, b], p2pRead }) =>
    p2pRead.ok && p2pRead.value !== 'ok'
      ? [`GPU ${a} and ${b}: ${plainText(p2pRead.value, 48)}`]
      : [],
  );
}

/** From best to worst, as nvidia-smi topo orders them. */
const PATHS = ['PIX', 'PXB', 'PHB', 'NODE', 'SYS'];

function nicRow(nic: Nic, driver: DriverState): z.infer<typeof NicRow> {
  const best = PATHS.find(path => nic.gpuPaths.some(other => other.path === path));
  const near = nic.gpuPaths.filter(({ path }) => path === best).map(({ gpuPci }) => gpuPci);
  return {
    name: plainText(nic.name, 32),
    kind: nic.kind,
    ports: nic.ports.slice(0, 4).map(({ state, rateGbps }) => {
      const rate = known(rateGbps);
      return `${state.ok ? plainText(state.value, 16) : state.reason}${rate === undefined ? '' : ` ${rate} Gb/s`}`;
    }),
    nearest: driver.gpus
      .filter(gpu => near.includes(known(gpu.pci) ?? ''))
      .map(({ index }) => index),
    ...optional({ path: best }),
  };
}

function gpuLines(gpu: NvLinkRow): Written[] {
  const name = gpuName(gpu);
  if (gpu.error !== undefined) return [errorLine(name, gpu.error)];
  const links =
    gpu.expected === undefined
      ? `NVLink ${gpu.nvlinkUnavailable ?? 'not read'}`
      : `${gpu.active} of ${gpu.expected} NVLinks active${gpu.version === undefined ? '' : `, NVLink ${gpu.version}`}${gpu.speedMbps === undefined ? '' : ` at ${gpu.speedMbps} MB/s a link`}`;
  const fabric = gpu.fabric && `fabric ${fabricText(gpu.fabric)}`;
  const c2c = gpu.c2c && `C2C ${words(gpu.c2c)}`;
  const numa = gpu.numaNode === undefined ? undefined : `NUMA ${gpu.numaNode}`;
  const errors = gpu.errors && `errors: ${words(gpu.errors)}`;
  return [
    [name, links, errors, fabric, c2c, numa].filter(part => part !== undefined).join('  '),
    ...(gpu.links ?? []).map(
      link =>
        `  link ${link.link}  ${link.state}${link.remoteType === undefined ? '' : ` to ${link.remoteType}`}${link.remotePci === undefined ? '' : ` ${link.remotePci}`}${link.errors ? `  errors: ${words(link.errors)}` : ''}`,
    ),
  ];
}

const FabricWords = z.looseObject({
  state: z.string(),
  status: z.string().optional(),
  cliqueId: z.number().optional(),
  clusterUuid: z.string().optional(),
  summary: z.string().optional(),
  health: z.record(z.string(), z.unknown()).optional(),
});

/** Registration and health in a few words: of the health fields only those that are a fault. */
function fabricText(fabric: Readonly<Record<string, unknown>>): string {
  const { state, status, cliqueId, clusterUuid, summary, health } = FabricWords.parse(fabric);
  const faults = Object.entries(health ?? {}).flatMap(([name, value]) =>
    value === 'fault'
      ? [`${name} fault`]
      : name === 'incorrectConfiguration' && value !== 'none' && value !== 'not_supported'
        ? [`incorrect configuration: ${String(value)}`]
        : [],
  );
  return [
    state.replaceAll('_', ' '),
    ...(status === undefined || status === 'success' ? [] : [status]),
    ...(cliqueId === undefined ? [] : [`clique ${cliqueId}`]),
    ...(clusterUuid === undefined ? [] : [`of ${clusterUuid}`]),
    ...(faults.length > 0 ? faults : health ? ['healthy'] : []),
    ...(summary === undefined || summary === 'healthy' ? [] : [summary]),
  ].join(', ');
}

/** Names and values, nested ones in brackets. */
const words = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([key, value]) =>
      typeof value === 'object' && value !== null
        ? `${key} (${words(Object.fromEntries(Object.entries(value)))})`
        : `${key} ${String(value)}`,
    )
    .join(', ');

function matrixLines({ order, rows }: { order: number[]; rows: string[][] }): string[] {
  const cell = (text: string) => text.padEnd(6);
  return [
    `${cell('')}${order.map(index => cell(`GPU${index}`)).join('')}`.trimEnd(),
    ...rows.map((row, at) => `${cell(`GPU${order[at]}`)}${row.map(cell).join('')}`.trimEnd()),
  ];
}
