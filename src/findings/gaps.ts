import type { Coverage } from '../contract/coverage.ts';
import { needIn } from '../contract/needs.ts';
import { known, mapReading, type Reading, reasonWords } from '../contract/reading.ts';
import type { HostState } from '../host/port.ts';
import type { GpuState } from '../nvml/port.ts';
import { labelOf } from '../nvml/readings.ts';
import { xidEntry } from '../xid/catalogue.ts';
import type { Incident } from '../xid/events.ts';
import { SXID_LEAST, sxidEntry } from '../xid/sxid-catalogue.ts';
import type { NodeFacts } from './facts.ts';
import {
  ALWAYS_GIVEN,
  ANY,
  type DecidingPath,
  isExcused,
  LABELS,
  type Part,
  type Path,
} from './labels.ts';
import type { Rule } from './rule.ts';
import { isJudgedByBus } from './rules/pcie-link.ts';
import { RULES } from './rules.ts';
import { proofsOf } from './support/expected-readings.ts';
import { isNear } from './support/nics.ts';
import { readingsAt, saysLost } from './support/readings.ts';
import { THRESHOLDS } from './support/thresholds.ts';

/** A reading by which some rule tells a fault: one that is missing hides that fault. */
export interface Deciding {
  readonly part: Part;
  readonly path: string;
  readonly keys: readonly string[];
  readonly label: string;
}

const PARTS = ['gpu', 'driver', 'host', 'owner'] as const;

/**
 * What any GPU tells of itself, as long as its board is well: an error in their place is a sign of
 * its own, whether or not a rule goes by the value. DCGM: DCGM_FR_POWER_UNREADABLE.
 */
const VITAL = [
  ...(['powerUsageMw', 'powerLimitMw', 'enforcedPowerLimitMw', 'fans', 'fans.percent'] as const),
  ...(['smClockMhz', 'graphicsClockMhz', 'memoryClockMhz'] as const),
] as const satisfies readonly Path<'gpu'>[];

/** What decides by the rules' own word, and of a GPU what is vital: what all drivers give comes first. */
export function decidingOf(rules: readonly Rule[]): readonly Deciding[] {
  return PARTS.flatMap(part => {
    const decided = new Set<string>(rules.flatMap(({ reads }) => reads[part]?.decides ?? []));
    const always = ALWAYS_GIVEN.filter(path => decided.has(path));
    const labels =
      part === 'gpu'
        ? [...new Set([...always, ...decided, ...VITAL])].map(
            path => [path, gpuLabel(path)] as const,
          )
        : Object.entries(LABELS[part]).filter(([path]) => decided.has(path));
    return labels.map(([path, label]) => ({ part, path, keys: path.split('.'), label }));
  });
}

const gpuLabel = (path: string): string =>
  path === ANY ? 'something else' : (labelOf(path) ?? path);

const DECIDING = decidingOf(RULES);

/** What must have been read before anything may be called healthy, and was not. */
export function gapsOf(facts: NodeFacts, deciding = DECIDING): readonly string[] {
  const of = (part: Part) => deciding.filter(row => row.part === part);
  return [
    ...driverGaps(facts, of('driver')),
    ...gpuGaps(facts, of('gpu')),
    ...busGaps(facts, of('host')),
    ...hostGaps(facts, of('host'), of('owner')),
    ...logGaps(facts),
  ];
}

interface Unread {
  readonly label: string;
  /** One of MISSING_REASONS, or with more to say of it. */
  readonly reason: string;
}

/** Of a part that was read, what decides and is missing without an excuse, or in spite of one. */
const unreadIn = (
  state: unknown,
  rows: readonly Deciding[],
  proof: (row: Deciding) => string | undefined = () => undefined,
): readonly Unread[] =>
  rows.flatMap((row): readonly Unread[] => {
    const { part, path, keys, label } = row;
    if (path === ANY) return saysLost(state) ? [{ label, reason: 'gpu_is_lost' }] : [];
    for (const reading of readingsAt(state, keys)) {
      if (!reading.ok && !isExcused(part, path, reading.reason)) {
        return [{ label, reason: wordsOf(reading) }];
      }
    }
    const because = proof(row);
    return because === undefined ? [] : [{ label, reason: `not_supported, ${because}` }];
  });

/** A reason, or what our pod lacks for the reading. */
const wordsOf = ({ reason, detail }: Missing): string => needIn(detail) ?? reason;
type Missing = Pick<Reading<never> & { readonly ok: false }, 'reason' | 'detail'>;

/** `memory, ECC not read (timeout)`, one text for each reason. */
const textsOf = (unread: readonly Unread[]): readonly string[] =>
  [...Map.groupBy(unread, ({ reason }) => reason)].map(
    ([reason, members]) => `${labelsOf(members)} not read (${reason})`,
  );

const NAMED_MAX = 6;

function labelsOf(unread: readonly Unread[]): string {
  const labels = [...new Set(unread.map(({ label }) => label))];
  const more = labels.length - NAMED_MAX;
  return [...labels.slice(0, NAMED_MAX), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

const decides = (rows: readonly Deciding[], path: string) => rows.some(row => row.path === path);

function driverGaps({ driver }: NodeFacts, rows: readonly Deciding[]): readonly string[] {
  if (!driver.initialized.ok && decides(rows, 'initialized')) {
    return [`NVML: ${wordsOf(driver.initialized)}`];
  }
  if (driver.gpus.length === 0) return ['NVML counts no GPU'];
  return [...textsOf(unreadIn(driver, rows)), ...undecodedRecords(driver)].map(
    text => `NVML: ${text}`,
  );
}

/** Records of hardware errors of which nobody here can say what they tell. */
function undecodedRecords({ errorRecords }: NodeFacts['driver']): readonly string[] {
  const found = known(errorRecords);
  if (found === undefined) return [];
  const { undecoded, isWhole } = found;
  return [
    ...(undecoded > 0 ? ['hardware error records not decoded (of no form that is known)'] : []),
    ...(isWhole ? [] : ['not all hardware error records read: too many']),
  ];
}

/** Indexes of the GPUs of which something that decides was not read. */
export const unjudgedGpus = (facts: NodeFacts): readonly number[] =>
  gapsByGpu(
    facts,
    DECIDING.filter(({ part }) => part === 'gpu'),
  ).map(({ index }) => index);

const gpuGaps = (facts: NodeFacts, rows: readonly Deciding[]): readonly string[] =>
  [...Map.groupBy(gapsByGpu(facts, rows), ({ text }) => text)].map(
    ([text, gpus]) => `GPU ${gpus.map(({ index }) => index).join(', ')}: ${text}`,
  );

function gapsByGpu(facts: NodeFacts, rows: readonly Deciding[]) {
  const { driver } = facts;
  if (!driver.initialized.ok) return [];
  const proofs = proofsOf(facts);
  return driver.gpus.flatMap(gpu => {
    const text = unreadText(gpu, rows, proofs(gpu));
    return text === '' ? [] : [{ index: gpu.index, text }];
  });
}

/** `memory, ECC not read (timeout)`; empty where all that decides was read. */
function unreadText(
  gpu: GpuState,
  rows: readonly Deciding[],
  proof: (row: Deciding) => string | undefined,
): string {
  if (!gpu.handle.ok && decides(rows, 'handle')) {
    return `nothing was read (${reasonWords(gpu.handle.reason)})`;
  }
  // A guest sees its share of a GPU: ECC, temperature and links are its host's to read.
  const guest = known(gpu.virtualizationMode) === 'vgpu' ? [VIRTUAL] : [];
  return [...textsOf(unreadIn(gpu, rows, proof)), ...unbelieved(gpu), ...guest].join('; ');
}

/** What no GPU at work has: its sensor is broken, and what it would have said is unknown. */
function unbelieved(gpu: GpuState): readonly string[] {
  const isWorking = (known(gpu.gpuUtilizationPercent) ?? 0) >= THRESHOLDS.fullLoadPercent.value;
  const degrees = known(gpu.temperatureC);
  return isWorking
    ? [
        ...(degrees !== undefined && degrees <= 0
          ? [`temperature not believed (${degrees} °C at full load)`]
          : []),
        ...(known(gpu.powerUsageMw) === 0 ? ['power draw not believed (0 W at full load)'] : []),
      ]
    : [];
}

const VIRTUAL = 'a virtual GPU: only its host can judge the hardware';

/** Without the bus nobody can say that the driver has every GPU. */
function busGaps({ host, driver }: NodeFacts, rows: readonly Deciding[]): readonly string[] {
  if (!host.pciDevices.ok) {
    return decides(rows, 'pciDevices') ? [`PCI bus: ${wordsOf(host.pciDevices)}`] : [];
  }
  const onBus = new Set(host.pciDevices.value.map(({ pci }) => pci));
  const unseen = driver.gpus.flatMap(gpu => known(gpu.pci) ?? []).filter(pci => !onBus.has(pci));
  return unseen.length === 0
    ? []
    : [`PCI bus: ${unseen.length} GPUs of the driver were not seen on it`];
}

function hostGaps(
  facts: NodeFacts,
  ofHost: readonly Deciding[],
  ofOwners: readonly Deciding[],
): readonly string[] {
  const rows = ofHost.filter(({ path }) => path !== 'pciDevices');
  const byBus = facts.driver.gpus.some(gpu => isJudgedByBus(facts, gpu));
  const unread = [
    ...unreadIn(judgedHost(facts), byBus ? rows : rows.filter(isNotOfBus)),
    ...unreadIn(facts.owners, ofOwners),
  ];
  return [...textsOf(unread), ...unseenProcesses(facts)].map(text => `host: ${text}`);
}

/** Who holds a GPU or hangs in the driver may be among those that nobody looked at. */
function unseenProcesses({ host, owners, driver }: NodeFacts): readonly string[] {
  const leftOut = known(host.processesLeftOut) ?? 0;
  const onGpus = new Set(
    driver.gpus.flatMap(({ processes }) => (known(processes) ?? []).map(({ pid }) => pid)),
  );
  const unowned =
    owners === undefined ? 0 : onGpus.size - owners.filter(({ pid }) => onGpus.has(pid)).length;
  return [
    ...(leftOut > 0 ? [`${leftOut} processes were not looked at: there are too many`] : []),
    ...(unowned > 0
      ? [`${unowned} processes on the GPUs were not looked up: there are too many`]
      : []),
  ];
}

/** The host without what no rule judges: adapters that are not beside a GPU. */
const judgedHost = ({ host }: NodeFacts): HostState => ({
  ...host,
  nics: mapReading(host.nics, nics => nics.filter(isNear)),
});

const LINKS_OF_BUS: readonly string[] = [
  'pciDevices.currentLinkWidth',
  'pciDevices.currentLinkSpeed',
  'pciDevices.maxLinkSpeed',
  'pciDevices.bridges.maxLinkSpeed',
] satisfies readonly DecidingPath<'host'>[];

const isNotOfBus = ({ path }: Deciding): boolean => !LINKS_OF_BUS.includes(path);

/** Read beside the kernel log and no substitute for it: crash dumps, logs of NVIDIA's daemons. */
const OF_DAEMONS_AND_CRASHES = /pstore|fabricmanager|nvidia-imex/;

function logGaps({ log }: NodeFacts): readonly string[] {
  if (!log) return ['the kernel log was not searched'];
  const read = log.coverage.filter(
    ({ available, source }) => available && !OF_DAEMONS_AND_CRASHES.test(source),
  );
  if (read.length === 0) {
    const [need] = log.coverage.flatMap(({ unavailable }) => needIn(unavailable) ?? []);
    return [`no kernel log could be read${need === undefined ? '' : ` (${need})`}`];
  }
  if (read.every(({ records }) => records === 0)) return ['the kernel log holds no record'];
  // What one source lost, another may have kept.
  const lost = Math.min(...read.filter(({ records }) => records > 0).map(source => source.lost));
  return [
    ...(lost === 0 ? [] : [`${lost} records of the kernel log were lost`]),
    ...unreadPlaces(log.coverage),
    ...unknownCodes(log.incidents),
  ];
}

/** What looks like an XID and is no event: another program's word, a user's, or a form not known. */
const unreadPlaces = (coverage: readonly Coverage[]): readonly string[] =>
  coverage.flatMap(({ source, unread = [] }) =>
    unread.map(
      ({ reason, count }) => `${source}: not read although like an XID: ${count} because ${reason}`,
    ),
  );

/** A number newer than our catalogues: what it says of the device nobody here knows. */
function unknownCodes(incidents: readonly Incident[]): readonly string[] {
  const codes = incidents
    .filter(({ sinceThen }) => sinceThen === null)
    .flatMap(incident => incident.codes);
  return [...new Set(codes)]
    .filter(code => xidEntry(code) === undefined && sxidEntry(code) === undefined)
    .slice(0, NAMED_MAX)
    .map(
      code =>
        `${code < SXID_LEAST ? 'XID' : 'SXid'} ${code} is not in the catalogue: what it means is not known`,
    );
}
