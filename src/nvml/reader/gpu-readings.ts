import { mapReading, missing, present } from '../../contract/reading.ts';
import type { GpuField } from '../messages.ts';
import type { GpuState } from '../port.ts';
import { clocksEventReasons } from '../table/clocks-event-reasons.ts';
import {
  ARCHITECTURES,
  BRANDS,
  COMPUTE_MODES,
  NOT_AVAILABLE_32,
  PERFORMANCE_STATE_UNKNOWN,
  VIRTUALIZATION_MODES,
} from '../table/enums.ts';
import type { Value } from '../table/functions.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import {
  readAddressingMode,
  readC2c,
  readHostVgpuMode,
  readPlatform,
  readRepairPending,
  readUnrepairableMemory,
} from './board-readings.ts';
import { readFabric } from './fabric-readings.ts';
import {
  readEccByLocation,
  readEngines,
  readGsp,
  readInforom,
  readPcieCounters,
  readPower,
  readRemapHistogram,
  readSramErrors,
  readSramUniqueErrors,
  readThermal,
  readViolations,
} from './group-readings.ts';
import { readAllProcesses, readBar1, readMemory, readProcesses } from './memory-readings.ts';
import { readMigInstances, readMigProfiles } from './mig-readings.ts';
import { readNvLinks } from './nvlink-readings.ts';
import {
  andThen,
  counted,
  enabled,
  isOlder,
  listOf,
  modes,
  named,
  pciOf,
  plain,
} from './reading-steps.ts';

/** Reads one field of one GPU, with as few calls as it takes. */
export const readGpuField = (field: ReadField, asker: Asker, gpu: Handle): GpuState[ReadField] =>
  GPU_READERS[field](asker, gpu);

/** The same where only counters are wanted: of a link, not where it ends. */
export const readCountersField: typeof readGpuField = (field, asker, gpu) =>
  field === 'nvlinks' ? readNvLinks(asker, gpu, { ends: false }) : readGpuField(field, asker, gpu);

/** GPM needs the sample of the reading before: gpm-readings.ts. */
type ReadField = Exclude<GpuField, 'handle' | 'gpm'>;
type Reader<F extends ReadField> = (asker: Asker, gpu: Handle) => GpuState[F];

/** How each field of GpuState is read: nvml.h's getter, and what is made of its value. */
const GPU_READERS: { readonly [F in ReadField]: Reader<F> } = {
  name: (ask, gpu) => plain(ask.call('deviceGetName', gpu)),
  uuid: (ask, gpu) => plain(ask.call('deviceGetUUID', gpu)),
  serial: (ask, gpu) => plain(ask.call('deviceGetSerial', gpu)),
  pci: (ask, gpu) => andThen(ask.call('deviceGetPciInfo', gpu), pciOf),
  minorNumber: (ask, gpu) => ask.call('deviceGetMinorNumber', gpu),
  vbios: (ask, gpu) => plain(ask.call('deviceGetVbiosVersion', gpu)),
  memory: readMemory,
  bar1: readBar1,
  temperatureC: (ask, gpu) => ask.call('deviceGetTemperature', gpu, 'gpu'),
  slowdownTemperatureC: (ask, gpu) => ask.call('deviceGetTemperatureThreshold', gpu, 'slowdown'),
  shutdownTemperatureC: (ask, gpu) => ask.call('deviceGetTemperatureThreshold', gpu, 'shutdown'),
  powerUsageMw: (ask, gpu) => ask.call('deviceGetPowerUsage', gpu),
  powerLimitMw: (ask, gpu) => ask.call('deviceGetPowerManagementLimit', gpu),
  enforcedPowerLimitMw: (ask, gpu) => ask.call('deviceGetEnforcedPowerLimit', gpu),
  defaultPowerLimitMw: (ask, gpu) => ask.call('deviceGetPowerManagementDefaultLimit', gpu),
  graphicsClockMhz: (ask, gpu) => ask.call('deviceGetClockInfo', gpu, 'graphics'),
  smClockMhz: (ask, gpu) => ask.call('deviceGetClockInfo', gpu, 'sm'),
  memoryClockMhz: (ask, gpu) => ask.call('deviceGetClockInfo', gpu, 'memory'),
  maxGraphicsClockMhz: (ask, gpu) => ask.call('deviceGetMaxClockInfo', gpu, 'graphics'),
  maxSmClockMhz: (ask, gpu) => ask.call('deviceGetMaxClockInfo', gpu, 'sm'),
  maxMemoryClockMhz: (ask, gpu) => ask.call('deviceGetMaxClockInfo', gpu, 'memory'),
  applicationGraphicsClockMhz: (ask, gpu) =>
    ask.call('deviceGetApplicationsClock', gpu, 'graphics'),
  applicationMemoryClockMhz: (ask, gpu) => ask.call('deviceGetApplicationsClock', gpu, 'memory'),
  gpuUtilizationPercent: (ask, gpu) => mapReading(ask.utilization(gpu), rates => rates.gpu),
  memoryUtilizationPercent: (ask, gpu) => mapReading(ask.utilization(gpu), rates => rates.memory),
  clocksEventReasons: (ask, gpu) =>
    mapReading(ask.call('deviceGetCurrentClocksEventReasons', gpu), clocksEventReasons),
  performanceState: (ask, gpu) =>
    andThen(ask.call('deviceGetPerformanceState', gpu), state =>
      state === PERFORMANCE_STATE_UNKNOWN ? missing('unknown') : present(state),
    ),
  persistenceMode: (ask, gpu) => enabled(ask.call('deviceGetPersistenceMode', gpu)),
  computeMode: (ask, gpu) => mapReading(ask.call('deviceGetComputeMode', gpu), computeMode),
  eccMode: (ask, gpu) => modes(ask.call('deviceGetEccMode', gpu)),
  eccCorrectedVolatile: (ask, gpu) =>
    counted(ask.call('deviceGetTotalEccErrors', gpu, 'corrected', 'volatile')),
  eccUncorrectedVolatile: (ask, gpu) =>
    counted(ask.call('deviceGetTotalEccErrors', gpu, 'uncorrected', 'volatile')),
  eccCorrectedAggregate: (ask, gpu) =>
    counted(ask.call('deviceGetTotalEccErrors', gpu, 'corrected', 'aggregate')),
  eccUncorrectedAggregate: (ask, gpu) =>
    counted(ask.call('deviceGetTotalEccErrors', gpu, 'uncorrected', 'aggregate')),
  retiredPagesSingleBit: (ask, gpu) =>
    mapReading(ask.call('deviceGetRetiredPages', gpu, 'singleBit'), pages => pages.length),
  retiredPagesDoubleBit: (ask, gpu) =>
    mapReading(ask.call('deviceGetRetiredPages', gpu, 'doubleBit'), pages => pages.length),
  retiredPagesPending: (ask, gpu) => enabled(ask.call('deviceGetRetiredPagesPendingStatus', gpu)),
  remappedRows: (ask, gpu) => mapReading(ask.call('deviceGetRemappedRows', gpu), remappedRows),
  pcieGenerationCurrent: (ask, gpu) => ask.call('deviceGetCurrPcieLinkGeneration', gpu),
  pcieGenerationMax: (ask, gpu) => ask.call('deviceGetMaxPcieLinkGeneration', gpu),
  pcieWidthCurrent: (ask, gpu) => ask.call('deviceGetCurrPcieLinkWidth', gpu),
  pcieWidthMax: (ask, gpu) => ask.call('deviceGetMaxPcieLinkWidth', gpu),
  pcieReplayCounter: (ask, gpu) =>
    andThen(ask.call('deviceGetPcieReplayCounter', gpu), count =>
      count === NOT_AVAILABLE_32 ? missing('not_supported') : present(count),
    ),
  migMode: (ask, gpu) => modes(ask.migMode(gpu)),
  recoveryAction: (ask, gpu) => ask.field(gpu, 'gpuRecoveryAction'),
  processes: readProcesses,
  boardPartNumber: (ask, gpu) => plain(ask.call('deviceGetBoardPartNumber', gpu)),
  boardId: (ask, gpu) => ask.call('deviceGetBoardId', gpu),
  multiGpuBoard: (ask, gpu) => enabled(ask.call('deviceGetMultiGpuBoard', gpu)),
  brand: (ask, gpu) => named(ask.call('deviceGetBrand', gpu), BRANDS),
  architecture: (ask, gpu) => named(ask.call('deviceGetArchitecture', gpu), ARCHITECTURES),
  computeCapability: (ask, gpu) =>
    mapReading(
      ask.call('deviceGetCudaComputeCapability', gpu),
      ({ major, minor }) => `${major}.${minor}`,
    ),
  moduleId: (ask, gpu) => ask.call('deviceGetModuleId', gpu),
  inforom: readInforom,
  gsp: readGsp,
  memoryTemperatureC: (ask, gpu) => ask.field(gpu, 'memoryTemperature'),
  thermal: readThermal,
  fanPercents: fans,
  power: readPower,
  energyMj: (ask, gpu) => ask.field(gpu, 'totalEnergy'),
  violations: readViolations,
  defaultApplicationGraphicsClockMhz: (ask, gpu) =>
    ask.call('deviceGetDefaultApplicationsClock', gpu, 'graphics'),
  defaultApplicationMemoryClockMhz: (ask, gpu) =>
    ask.call('deviceGetDefaultApplicationsClock', gpu, 'memory'),
  eccByLocation: readEccByLocation,
  sramErrors: readSramErrors,
  sramUniqueErrors: readSramUniqueErrors,
  remapHistogram: readRemapHistogram,
  repairPending: readRepairPending,
  unrepairableMemory: readUnrepairableMemory,
  pcieCounters: readPcieCounters,
  nvlinks: (ask, gpu) => readNvLinks(ask, gpu, { ends: true }),
  c2c: readC2c,
  fabric: readFabric,
  platform: readPlatform,
  cpuAffinity: (ask, gpu) => mapReading(ask.call('deviceGetCpuAffinity', gpu), listOf),
  memoryAffinity: (ask, gpu) => mapReading(ask.call('deviceGetMemoryAffinity', gpu), listOf),
  numaNode: (ask, gpu) => ask.call('deviceGetNumaNodeId', gpu),
  migInstances: readMigInstances,
  engines: readEngines,
  accountingMode: (ask, gpu) => enabled(ask.call('deviceGetAccountingMode', gpu)),
  addressingMode: readAddressingMode,
  virtualizationMode: (ask, gpu) => named(ask.virtualizationMode(gpu), VIRTUALIZATION_MODES),
  hostVgpuMode: readHostVgpuMode,
  bridgeChips: (ask, gpu) =>
    mapReading(ask.call('deviceGetBridgeChipInfo', gpu), ({ bridgeCount }) => bridgeCount),
  lastBlackBoxFlushMs: (ask, gpu) =>
    mapReading(ask.call('deviceGetLastBBXFlushTime', gpu), ({ timestamp }) =>
      Number(timestamp / 1000n),
    ),
  resetRequired: (ask, gpu) => enabled(ask.field(gpu, 'resetStatus')),
  drainAndResetRecommended: (ask, gpu) => enabled(ask.field(gpu, 'drainAndResetStatus')),
  allProcesses: readAllProcesses,
  migProfiles: readMigProfiles,
};

const computeMode = (mode: number): string => COMPUTE_MODES[mode] ?? `unknown_${mode}`;

const remappedRows = (rows: Value<'deviceGetRemappedRows'>) => ({
  corrected: rows.corrected,
  uncorrected: rows.uncorrected,
  pending: rows.pending !== 0,
  failureOccurred: rows.failureOccurred !== 0,
});

/** One number per fan; a board without fans has none. Up to R470 there is one number for all. */
function fans(ask: Asker, gpu: Handle): GpuState['fanPercents'] {
  const count = ask.call('deviceGetNumFans', gpu);
  if (isOlder(count)) return mapReading(ask.call('deviceGetFanSpeedV1', gpu), speed => [speed]);
  if (!count.ok) return count;
  const percents: number[] = [];
  for (let fan = 0; fan < Math.min(count.value, FANS_MAX); fan++) {
    const percent = ask.call('deviceGetFanSpeed', gpu, fan);
    if (!percent.ok) return percent;
    percents.push(percent.value);
  }
  return present(percents);
}

const FANS_MAX = 16;
