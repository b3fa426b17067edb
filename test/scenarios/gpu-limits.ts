import { present } from '../../src/contract/reading.ts';
import { THRESHOLDS as T } from '../../src/findings/support/thresholds.ts';
import {
  above,
  answer,
  atLimits,
  below,
  each,
  from,
  GPU_6,
  type Limit,
  of6,
  part,
  twoSecondsBefore,
} from './limits.ts';
import type { Answers } from './machines.ts';
import type { Scenario } from './scenario.ts';

const remapped = (over: object) => ({
  deviceGetRemappedRows: { corrected: 0, uncorrected: 0, pending: 0, failureOccurred: 0, ...over },
});

/** What memory may count and wear. */
const MEMORY: readonly Limit[] = [
  ...(['volatile', 'aggregate'] as const).map(
    (since): Limit => ({
      of: `errors corrected in SRAM, ${since}`,
      edge: above(T.correctedSram),
      machine: answer(`deviceGetMemoryErrorCounter corrected ${since} sram`),
      truth: 'hardware',
      findings: [`ecc-corrected:${GPU_6}`],
    }),
  ),
  {
    of: 'errors corrected in DRAM on every GPU alike',
    edge: above(T.corrected),
    machine: value => each({ 'deviceGetTotalEccErrors corrected volatile': value }),
    truth: 'hardware',
    findings: ['ecc-corrected'],
  },
  {
    of: 'errors corrected beside neighbours without any',
    edge: from(T.correctedCompared),
    machine: answer('deviceGetTotalEccErrors corrected volatile'),
    truth: 'hardware',
    findings: [`ecc-corrected:${GPU_6}`],
  },
  {
    of: 'rows remapped for uncorrected errors, near what DCGM allows',
    edge: from(T.remapsNearLimit),
    machine: of6(uncorrected => remapped({ uncorrected })),
    truth: 'hardware',
    findings: [`row-remaps-many:${GPU_6}`],
  },
  {
    of: 'rows remapped for errors of both kinds',
    edge: from(T.remapsNearLimit),
    machine: of6(value => remapped({ corrected: value - 200, uncorrected: 200 })),
    truth: 'hardware',
    findings: [`row-remaps-many:${GPU_6}`],
  },
  {
    of: 'rows remapped for uncorrected errors in its life',
    edge: from(T.uncorrectedRemaps),
    machine: of6(uncorrected => remapped({ uncorrected })),
    truth: 'hardware',
    findings: [`row-remap-limit:${GPU_6}`],
    well: [`row-remaps-many:${GPU_6}`],
  },
];

/** nvml.h: nvmlClocksEventReason*, nvmlClocksThrottleReason*. */
const REASON = { none: 0, powerCap: 4, hwThermal: 0x48 };
const BUSY_MW = 700_000;
const HBM = 85_520_809_984;
const clock = (mhz: number, reasons: number, over: Answers = {}): Answers => ({
  'deviceGetClockInfo sm': mhz,
  deviceGetCurrentClocksEventReasons: reasons,
  ...over,
});
const WAITS = clock(1980, REASON.none, {
  deviceGetUtilizationRates: { gpu: 100, memory: 0 },
  deviceGetPowerUsage: 120_000,
});
const slow = {
  truth: 'configuration',
  findings: [`slow-clocks:${GPU_6}`],
} as const;
const capped = { ...slow, truth: 'host' } as const;
const waits = { truth: 'application', findings: ['waiting'] } as const;

/** How fast a GPU that works is, and what it draws. */
const WORK: readonly Limit[] = [
  {
    of: 'MHz of 1980 that its neighbours have not either',
    edge: below(part(T.ownClockShare, 1_980)),
    machine: of6(value => clock(value, REASON.none)),
    ...slow,
    well: slow.findings,
  },
  {
    of: 'MHz beside busy neighbours at 1980',
    edge: below(part(T.clockShare, 1_980)),
    machine: value => each(clock(1_980, REASON.none), clock(value, REASON.none)),
    ...slow,
  },
  {
    of: 'MHz for the power that its neighbours take for 1756',
    edge: below(part(T.cappedClockShare, 1_756)),
    machine: value => each(clock(1_756, REASON.powerCap), clock(value, REASON.powerCap)),
    truth: 'hardware',
    findings: slow.findings,
  },
  {
    of: 'MHz of 2620 of the memory',
    edge: below(part(T.clockShare, 2_620)),
    machine: of6(value => ({
      'deviceGetMaxClockInfo memory': 2_620,
      'deviceGetClockInfo memory': value,
    })),
    ...slow,
  },
  {
    of: 'is the performance state of a busy GPU',
    edge: from(T.idleState),
    machine: answer('deviceGetPerformanceState'),
    ...slow,
  },
  {
    of: '% busy at a low clock',
    edge: from(T.fullLoadPercent),
    machine: of6(gpu =>
      clock(600, REASON.none, { deviceGetUtilizationRates: { gpu, memory: 40 } }),
    ),
    ...slow,
  },
  {
    of: 'mW drawn at a low clock under a power cap',
    edge: below(part(T.cappedShare, BUSY_MW)),
    machine: of6(value => clock(1_000, REASON.powerCap, { deviceGetPowerUsage: value })),
    ...capped,
  },
  {
    of: 'mW drawn at full clock under a power cap',
    edge: below(part(T.cappedAloneShare, BUSY_MW)),
    machine: of6(value => clock(1_755, REASON.powerCap, { deviceGetPowerUsage: value })),
    ...capped,
  },
  {
    of: 'mW allowed of 700000 that were set',
    edge: below(part(T.enforcedShare, BUSY_MW)),
    machine: of6(value => ({
      deviceGetEnforcedPowerLimit: value,
      deviceGetPowerUsage: 350_000,
      deviceGetCurrentClocksEventReasons: REASON.none,
    })),
    truth: 'host',
    findings: [`power-limit-enforced:${GPU_6}`],
  },
  {
    of: 'mW set on all GPUs of 700000',
    edge: below(part(T.setLimitShare, BUSY_MW)),
    machine: value =>
      each({
        deviceGetPowerManagementLimit: value,
        deviceGetEnforcedPowerLimit: value,
        deviceGetPowerUsage: 340_000,
      }),
    truth: 'configuration',
    findings: ['power-cap'],
    remarks: ['power-cap'],
  },
  {
    of: '% busy without doing work',
    edge: from(T.waitingBusyPercent),
    machine: of6(gpu => ({ ...WAITS, deviceGetUtilizationRates: { gpu, memory: 0 } })),
    ...waits,
  },
  {
    of: '% of the memory busy on a GPU that draws nothing',
    edge: below(T.waitingMemoryPercent),
    machine: of6(memory => ({ ...WAITS, deviceGetUtilizationRates: { gpu: 100, memory } })),
    ...waits,
  },
  {
    of: 'mW drawn by a GPU that touches no memory',
    edge: below(part(T.waitingPowerShare, BUSY_MW)),
    machine: of6(value => ({ ...WAITS, deviceGetPowerUsage: value })),
    ...waits,
  },
  {
    of: 'bytes in use on a GPU without a process',
    edge: from(T.leakedBytes),
    machine: of6(used => ({
      deviceGetComputeRunningProcesses: [],
      deviceGetMemoryInfo: { total: HBM, reserved: 0, used, free: HBM - used },
    })),
    truth: 'application',
    findings: [`leaked-context:${GPU_6}`],
  },
];

const margin = (degrees: number) => ({
  deviceGetMarginTemperature: { marginTemperature: degrees },
});
/** Slowed down for heat, its thermometer at this, those of the neighbours at 60. */
const slowedAt = (own: Answers) =>
  each(
    { deviceGetTemperature: 60, deviceGetPowerUsage: BUSY_MW },
    { deviceGetCurrentClocksEventReasons: REASON.hwThermal, ...own },
  );
const violated = (hwThermalNs: number) =>
  twoSecondsBefore(gpu => ({
    violations: { ...gpu.violations, hwThermalNs: present(1e10 - hwThermalNs) },
  }));

/** How hot it is, beside its limits and beside its neighbours. */
const HEAT: readonly Limit[] = [
  {
    of: '°C in all GPUs that may have 87 for work',
    edge: [87, 88],
    machine: value => each({ deviceGetTemperature: value }),
    truth: 'host',
    findings: ['over-temperature'],
  },
  {
    of: '°C in the memory of all GPUs, which may have 95',
    edge: [95, 96],
    machine: value => each({ 'deviceGetFieldValue memoryTemperature': value }),
    truth: 'host',
    findings: ['over-temperature'],
  },
  {
    of: '°C in the memory of all GPUs where the driver tells no limit',
    edge: above(T.hbmMaxC),
    machine: value =>
      each({
        'deviceGetTemperatureThreshold memoryMax': 0,
        'deviceGetFieldValue memoryTemperature': value,
      }),
    truth: 'host',
    findings: ['over-temperature'],
  },
  {
    of: '°C of margin on one warm GPU while all others have 27',
    edge: [1, 0],
    machine: of6(value => ({ ...margin(value), deviceGetTemperature: 80 })),
    truth: 'hardware',
    findings: [`over-temperature:${GPU_6}`],
  },
  {
    of: '°C on a board whose fan stands still',
    edge: from(T.fansRunC),
    machine: value => ({
      like: 'l40s',
      everyGpu: {
        answers: {
          deviceGetNumFans: 1,
          'deviceGetFanSpeed 0': 0,
          deviceGetTemperature: value,
        },
      },
    }),
    truth: 'hardware',
    findings: ['fan-stopped'],
  },
  {
    of: '°C beside neighbours at 60, slowed down: the room’s heat, and from there on its own',
    edge: from({ value: 60 + T.hotAloneC.value }),
    machine: value => slowedAt({ deviceGetTemperature: value }),
    truth: 'hardware',
    findings: [`hardware-slowdown:${GPU_6}`],
    well: [`hardware-slowdown:${GPU_6}`],
    wellTruth: 'host',
  },
  {
    of: 'mW drawn by neighbours that are cooler: too little to be compared, and enough',
    edge: from(part(T.samePowerShare, BUSY_MW)),
    machine: value =>
      each(
        { deviceGetTemperature: 60, deviceGetPowerUsage: value },
        {
          deviceGetCurrentClocksEventReasons: REASON.hwThermal,
          deviceGetTemperature: 80,
          deviceGetPowerUsage: BUSY_MW,
        },
      ),
    truth: 'hardware',
    findings: [`hardware-slowdown:${GPU_6}`],
    well: [`hardware-slowdown:${GPU_6}`],
    wellTruth: 'host',
  },
  {
    of: 'ns of two seconds held down for heat',
    edge: from(part(T.slowdownShare, 2e9)),
    machine: () => each({ 'deviceGetFieldValue hwThermalSlowdown': 1e10 }),
    facts: violated,
    truth: 'host',
    findings: [`throttled:${GPU_6}`],
  },
];

/** The limits of a GPU, and machines on which several meet. */
export const GPU_LIMITS: readonly Scenario[] = [
  ...atLimits([...MEMORY, ...WORK, ...HEAT]),
  {
    name: 'a GPU too hot in core, memory and margin, its clocks held down for it',
    truth: 'hardware',
    machine: each(
      {},
      {
        deviceGetTemperature: 88,
        'deviceGetFieldValue memoryTemperature': 96,
        ...margin(-1),
        deviceGetCurrentClocksEventReasons: 0x20,
      },
    ),
    verdict: 'warning',
    findings: ['software-thermal-slowdown:0000:d1:00'],
  },
  {
    name: 'a margin of 0 on one warm GPU while its neighbours have 5: the room is warm',
    truth: 'healthy',
    machine: each({ ...margin(5), deviceGetTemperature: 80 }, margin(0)),
    verdict: 'healthy',
    findings: [],
  },
];
