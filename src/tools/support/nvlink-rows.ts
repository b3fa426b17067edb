import * as z from 'zod';
import { optional } from '../../contract/optional.ts';
import { known, MissingReason } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DriverState, GpuState, NvLink } from '../../nvml/port.ts';
import { countsOf } from './gpu-counters.ts';
import { fieldValues } from './gpu-fields.ts';
import type { GpuRow } from './gpu-rows.ts';

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
export const NvLinkRow = z
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
export type NvLinkRow = z.infer<typeof NvLinkRow>;

/** The links, fabric and place of one GPU. */
export function nvLinkRow(driver: DriverState, row: GpuRow, full: boolean): NvLinkRow {
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
export const isActive = ({ state }: NvLink): boolean =>
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
export interface Matrix {
  readonly order: number[];
  readonly rows: string[][];
}

/**
 * The matrix of all GPUs of the driver: NV and the number of active links where two are joined by
 * NVLink (both to switches: the smaller number), else the way over PCI.
 */
export function matrixOf(driver: DriverState): Matrix | undefined {
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
