import { pciKey } from '../contract/pci.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Asker } from './ask.ts';
import { clocksEventReasons } from './clocks-event-reasons.ts';
import { COMPUTE_MODES, NOT_AVAILABLE_32, PERFORMANCE_STATE_UNKNOWN } from './enums.ts';
import type { Value } from './functions.ts';
import { readBar1, readMemory, readProcesses } from './memory-readings.ts';
import type { GpuField } from './messages.ts';
import type { GpuState } from './port.ts';
import type { Handle } from './shapes.ts';

/** Reads one field of one GPU, with as few calls as it takes. */
export const readGpuField = (field: ReadField, asker: Asker, gpu: Handle): Reading<unknown> =>
  GPU_READERS[field](asker, gpu);

type ReadField = Exclude<GpuField, 'handle'>;
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
  gpuUtilizationPercent: (ask, gpu) =>
    mapReading(ask.call('deviceGetUtilizationRates', gpu), rates => rates.gpu),
  memoryUtilizationPercent: (ask, gpu) =>
    mapReading(ask.call('deviceGetUtilizationRates', gpu), rates => rates.memory),
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
  migMode: (ask, gpu) => modes(ask.call('deviceGetMigMode', gpu)),
  recoveryAction: (ask, gpu) => ask.call('deviceGetFieldValue', gpu, 'gpuRecoveryAction'),
  processes: readProcesses,
};

/** The next step of a reading that may itself come to nothing. */
const andThen = <A, B>(reading: Reading<A>, step: (value: A) => Reading<B>): Reading<B> =>
  reading.ok ? step(reading.value) : reading;

/** Text of the driver and of firmware: plain, one line, bounded. */
const plain = (reading: Reading<string>): Reading<string> =>
  andThen(reading, value => {
    const text = plainText(value, 96);
    return text === '' ? missing('no_data') : present(text);
  });

function pciOf(info: Value<'deviceGetPciInfo'>): Reading<string> {
  const key = pciKey(info.busId) ?? pciKey(info.busIdLegacy);
  return key === undefined ? missing('unreadable', plainText(info.busId, 32)) : present(key);
}

/** 64-bit counters as numbers; above 2^53 a number would lie. */
const counted = (reading: Reading<bigint>): Reading<number> =>
  andThen(reading, value =>
    value > BigInt(Number.MAX_SAFE_INTEGER)
      ? missing('unreadable', `0x${value.toString(16)}`)
      : present(Number(value)),
  );

const enabled = (reading: Reading<number>): Reading<boolean> =>
  mapReading(reading, state => state !== 0);

const modes = (reading: Reading<{ readonly current: number; readonly pending: number }>) =>
  mapReading(reading, ({ current, pending }) => ({
    current: current !== 0,
    pending: pending !== 0,
  }));

const computeMode = (mode: number): string => COMPUTE_MODES[mode] ?? `unknown_${mode}`;

const remappedRows = (rows: Value<'deviceGetRemappedRows'>) => ({
  corrected: rows.corrected,
  uncorrected: rows.uncorrected,
  pending: rows.pending !== 0,
  failureOccurred: rows.failureOccurred !== 0,
});
