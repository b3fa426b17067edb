import type { Coverage } from '../contract/coverage.ts';
import { known, type MissingReason, present, type Reading } from '../contract/reading.ts';
import type { HostState } from '../host/port.ts';
import type { GpuState } from '../nvml/port.ts';
import { xidEntry } from '../xid/catalogue.ts';
import type { Incident } from '../xid/events.ts';
import type { NodeFacts } from './facts.ts';
import { grouped } from './support/grouped.ts';
import { NOT_THERE, readingsIn } from './support/readings.ts';

/** What must have been read before anything may be called healthy, and was not. */
export const gapsOf = (facts: NodeFacts): readonly string[] => [
  ...driverGaps(facts),
  ...busGaps(facts),
  ...hostGaps(facts),
  ...logGaps(facts),
];

/** Every reading by which a rule tells a fault; one that is missing hides that fault. */
const DECIDING: readonly (readonly [name: string, read: (gpu: GpuState) => Reading<unknown>])[] = [
  ['name', ({ name }) => name],
  ['UUID', ({ uuid }) => uuid],
  ['PCI address', ({ pci }) => pci],
  ['minor number', ({ minorNumber }) => minorNumber],
  ['NUMA node', ({ numaNode }) => numaNode],
  ['virtualization mode', ({ virtualizationMode }) => virtualizationMode],
  ['recovery action', ({ recoveryAction }) => recoveryAction],
  ['reset status', ({ resetRequired }) => resetRequired],
  ['drain and reset status', ({ drainAndResetRecommended }) => drainAndResetRecommended],
  ['row remap', ({ remappedRows }) => remappedRows],
  ['row remap histogram', ({ remapHistogram }) => remapHistogram],
  ['page retirement', ({ retiredPagesPending }) => retiredPagesPending],
  ['retired pages', ({ retiredPagesDoubleBit }) => retiredPagesDoubleBit],
  ['retired pages', ({ retiredPagesSingleBit }) => retiredPagesSingleBit],
  ['SRAM errors', ({ sramErrors }) => sramErrors],
  ['SRAM errors', ({ eccByLocation }) => eccByLocation.sramUncorrectedVolatile],
  ['DRAM errors', ({ eccByLocation }) => eccByLocation.dramUncorrectedVolatile],
  ['unrepairable memory', ({ unrepairableMemory }) => unrepairableMemory],
  ['pending repair', ({ repairPending }) => repairPending],
  ['ECC mode', ({ eccMode }) => eccMode],
  ['MIG mode', ({ migMode }) => migMode],
  ['InfoROM', ({ inforom }) => inforom.configurationChecksum],
  ['InfoROM', ({ inforom }) => inforom.valid],
  ['NVLink', ({ nvlinks }) => nvlinks],
  ['NVLink state', linkState],
  ['fabric', ({ fabric }) => fabric],
  ['PCIe width', ({ pcieWidthCurrent }) => pcieWidthCurrent],
  ['PCIe width', ({ pcieWidthMax }) => pcieWidthMax],
  ['PCIe generation', ({ pcieGenerationCurrent }) => pcieGenerationCurrent],
  ['PCIe generation', ({ pcieGenerationMax }) => pcieGenerationMax],
  ['PCIe replays', ({ pcieReplayCounter }) => pcieReplayCounter],
  ['memory temperature', ({ memoryTemperatureC }) => memoryTemperatureC],
  ['temperature limits', ({ thermal }) => thermal.gpuMaxC],
  ['temperature limits', ({ thermal }) => thermal.memoryMaxC],
  ['temperature margin', ({ thermal }) => thermal.marginC],
  ['slowdown counters', ({ violations }) => violations.hwThermalNs],
  ['slowdown counters', ({ violations }) => violations.hwPowerBrakeNs],
  ['slowdown counters', ({ violations }) => violations.thermalNs],
  ['performance state', ({ performanceState }) => performanceState],
  ['utilization', ({ gpuUtilizationPercent }) => gpuUtilizationPercent],
  ['SM clock', ({ smClockMhz }) => smClockMhz],
  ['application clock', ({ applicationGraphicsClockMhz }) => applicationGraphicsClockMhz],
  ['power limit', ({ powerLimitMw }) => powerLimitMw],
  ['processes', ({ processes }) => processes],
  ['something else', anyLost],
];

/** Every driver of every GPU gives these: where one is missing, an old driver is no excuse. */
const ALWAYS: typeof DECIDING = [
  ['memory', ({ memory }) => memory],
  ['temperature', ({ temperatureC }) => temperatureC],
  ['clocks event reasons', ({ clocksEventReasons }) => clocksEventReasons],
  ['ECC', ({ eccUncorrectedVolatile }) => eccUncorrectedVolatile],
];

const isOnlyUnsupported = (reason: MissingReason): boolean => reason === 'not_supported';

const NOTHING_MISSING = present(undefined);

function linkState({ nvlinks }: GpuState): Reading<unknown> {
  const unread = known(nvlinks)?.links.find(({ state }) => !state.ok);
  return unread?.state ?? NOTHING_MISSING;
}

/** One reading that calls the GPU lost among others that are well accuses nobody, and is no all-clear. */
function anyLost(gpu: GpuState): Reading<unknown> {
  const lost = readingsIn(gpu).find(reading => !reading.ok && reading.reason === 'gpu_is_lost');
  return lost ?? NOTHING_MISSING;
}

function driverGaps({ driver }: NodeFacts): readonly string[] {
  if (!driver.initialized.ok) return [`NVML: ${driver.initialized.reason}`];
  if (driver.gpus.length === 0) return ['NVML counts no GPU'];
  const texts = driver.gpus.flatMap(gpu => {
    const text = unreadText(gpu);
    return text === undefined ? [] : [{ index: gpu.index, text }];
  });
  return [...grouped(texts, ({ text }) => text)].map(
    ([text, gpus]) => `GPU ${gpus.map(({ index }) => index).join(', ')}: ${text}`,
  );
}

/** `memory, ECC not read (timeout)`; undefined where all that decides was read. */
function unreadText(gpu: GpuState): string | undefined {
  if (!gpu.handle.ok) return `nothing was read (${gpu.handle.reason})`;
  const unread = [
    ...ALWAYS.flatMap(row => missingIn(gpu, row, isOnlyUnsupported)),
    ...DECIDING.flatMap(row => missingIn(gpu, row, reason => NOT_THERE.includes(reason))),
  ];
  // A guest sees its share of a GPU: ECC, temperature and links are its host's to read.
  const guest = known(gpu.virtualizationMode) === 'vgpu' ? [VIRTUAL] : [];
  const texts = [...grouped(unread, ({ reason }) => reason)].map(
    ([reason, rows]) => `${namesOf(rows)} not read (${reason})`,
  );
  const text = [...texts, ...guest].join('; ');
  return text === '' ? undefined : text;
}

const VIRTUAL = 'a virtual GPU: only its host can judge the hardware';

function missingIn(
  gpu: GpuState,
  [name, read]: (typeof DECIDING)[number],
  excuses: (reason: MissingReason) => boolean,
) {
  const reading = read(gpu);
  return reading.ok || excuses(reading.reason) ? [] : [{ name, reason: reading.reason }];
}

const NAMES_MAX = 6;

function namesOf(rows: readonly { readonly name: string }[]): string {
  const names = [...new Set(rows.map(({ name }) => name))];
  const more = names.length - NAMES_MAX;
  return [...names.slice(0, NAMES_MAX), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** Without the bus nobody can say that the driver has every GPU. */
function busGaps({ host, driver }: NodeFacts): readonly string[] {
  if (!host.pciDevices.ok) return [`PCI bus: ${host.pciDevices.reason}`];
  const onBus = new Set(host.pciDevices.value.map(({ pci }) => pci));
  const unseen = driver.gpus.flatMap(gpu => known(gpu.pci) ?? []).filter(pci => !onBus.has(pci));
  return unseen.length === 0
    ? []
    : [`PCI bus: ${unseen.length} GPUs of the driver were not seen on it`];
}

/** The same of the host. What a node has not, or what is not shown to our pod, hides nothing. */
const OF_HOST: readonly (readonly [name: string, read: (host: HostState) => Reading<unknown>])[] = [
  ['file systems', ({ resources }) => resources.filesystems],
  ['memory of the host', ({ resources }) => resources.memory],
  ['memory errors of the host', ({ resources }) => resources.edac],
  ['kernel taint', ({ resources }) => resources.kernelTaint],
  ['network adapters', ({ nics }) => nics],
  ['programs of NVIDIA', ({ daemons }) => daemons],
  ['kernel module', ({ moduleVersion }) => moduleVersion],
  ['device nodes', ({ deviceNodes }) => deviceNodes],
  ['holders of GPU devices', ({ deviceHolders }) => deviceHolders],
  // Without it no line of the kernel log can be told to be of this boot.
  ['boot id', ({ bootId }) => bootId],
  ["the kubelet's devices", ({ pods }) => pods.allocatable],
  ["the kubelet's allocations", ({ pods }) => pods.allocations],
  ['CDI specifications', ({ containerToolkit }) => containerToolkit.cdiSpecs],
];

function hostGaps({ host }: NodeFacts): readonly string[] {
  const unread = OF_HOST.flatMap(([name, read]) => {
    const reading = read(host);
    const excused =
      !reading.ok && [...NOT_THERE, 'not_found', 'driver_not_loaded'].includes(reading.reason);
    return reading.ok || excused ? [] : [{ name, reason: reading.reason }];
  });
  return [...grouped(unread, ({ reason }) => reason)].map(
    ([reason, rows]) => `host: ${namesOf(rows)} not read (${reason})`,
  );
}

/** Read beside the kernel log and no substitute for it: crash dumps, logs of NVIDIA's daemons. */
const OF_DAEMONS_AND_CRASHES = /pstore|fabricmanager|nvidia-imex/;

function logGaps({ log }: NodeFacts): readonly string[] {
  if (!log) return ['the kernel log was not searched'];
  const read = log.coverage.filter(
    ({ available, source }) => available && !OF_DAEMONS_AND_CRASHES.test(source),
  );
  if (read.length === 0) return ['no kernel log could be read'];
  if (read.every(({ records }) => records === 0)) return ['the kernel log holds no record'];
  // What one source lost, another may have kept.
  const lost = Math.min(...read.filter(({ records }) => records > 0).map(source => source.lost));
  return [
    ...(lost === 0 ? [] : [`${lost} records of the kernel log were lost`]),
    ...unreadPlaces(log.coverage),
    ...unknownXids(log.incidents),
  ];
}

/** What looks like an XID and is no event: another program's word, a user's, or a form not known. */
const unreadPlaces = (coverage: readonly Coverage[]): readonly string[] =>
  coverage.flatMap(({ source, unread = [] }) =>
    unread.map(
      ({ reason, count }) => `${source}: not read although like an XID: ${count} because ${reason}`,
    ),
  );

/** A number newer than our catalogue: what it says of the GPU nobody here knows. */
function unknownXids(incidents: readonly Incident[]): readonly string[] {
  const codes = incidents
    .filter(({ sinceThen }) => sinceThen === null)
    .flatMap(({ root }) => root.xid ?? []);
  return [...new Set(codes)]
    .filter(code => xidEntry(code) === undefined)
    .slice(0, NAMES_MAX)
    .map(code => `XID ${code} is not in the catalogue: what it means is not known`);
}
