import { type Answers, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** nvml.h: nvmlClocksEventReasonSwPowerCap, SyncBoost. */
const POWER_CAP = 4;
const SYNC_BOOST = 0x10;

const everyIndex = (answers: Answers, but: Readonly<Record<number, Answers>> = {}) =>
  Object.fromEntries(Array.from({ length: 8 }, (_, at) => [at, but[at] ?? answers]));

/** Answers of some of eight H100, and what is told of them: at most a warning. */
const under =
  (machineOf: (answers: Answers) => object) =>
  (name: string, truth: Scenario['truth'], answers: Answers, ...findings: string[]): Scenario => ({
    name,
    truth,
    machine: machineOf(answers),
    verdict: truth === 'healthy' ? 'healthy' : 'warning',
    findings,
  });

const onGpu6 = under(answers => h100({ gpus: { 6: answers } }));
const onAll = under(answers => h100({ gpus: everyIndex(answers) }));

/** Busy, cold, and not reading its memory. */
const WAITS = {
  deviceGetUtilizationRates: { gpu: 100, memory: 0 },
  deviceGetPowerUsage: 120_000,
  deviceGetCurrentClocksEventReasons: 0,
  'deviceGetClockInfo sm': 1980,
};

const clocks = (mhz: number, reasons: number, over: Answers = {}): Answers => ({
  'deviceGetClockInfo sm': mhz,
  deviceGetCurrentClocksEventReasons: reasons,
  ...over,
});

/** How fast busy GPUs are against what they could be, and what holds them. */
export const UNDER_LOAD: readonly Scenario[] = [
  onAll(
    'all GPUs work at 600 of 1980 MHz and none says why',
    'configuration',
    clocks(600, 0),
    'slow-clocks',
  ),
  onAll('all GPUs work at 1400 of 1980 MHz: someone saves power', 'healthy', clocks(1400, 0)),
  onAll(
    'low application clocks, and clocks as they were set',
    'healthy',
    clocks(1095, 2, {
      'deviceGetApplicationsClock graphics': 1095,
      'deviceGetDefaultApplicationsClock graphics': 1980,
    }),
    'application-clocks',
  ),
  onAll('low clocks near the power limit are full load', 'healthy', clocks(1000, POWER_CAP)),
  onAll('clocks that the slowest GPU of a boost group sets', 'healthy', clocks(1000, SYNC_BOOST)),
  onGpu6(
    'one GPU is capped for power, far below its limit, at a third of its clock',
    'host',
    clocks(600, POWER_CAP, { deviceGetPowerUsage: 250_000 }),
    'slow-clocks:0000:d1:00',
  ),
  onGpu6(
    'one GPU is capped for power at a third of its limit',
    'host',
    { deviceGetPowerUsage: 250_000 },
    'slow-clocks:0000:d1:00',
  ),
  onGpu6('one GPU is capped at four fifths of its limit for a moment', 'healthy', {
    deviceGetPowerUsage: 560_000,
  }),
  onAll(
    'the memory of all GPUs is clocked at three fifths',
    'configuration',
    { 'deviceGetClockInfo memory': 1593, deviceGetCurrentClocksEventReasons: 0 },
    'slow-clocks',
  ),
  onGpu6(
    'one GPU draws full power for a third of the clock of its neighbours',
    'hardware',
    { 'deviceGetClockInfo sm': 600 },
    'slow-clocks:0000:d1:00',
  ),
  onGpu6('one GPU needs more power for its work than its neighbours', 'healthy', {
    'deviceGetClockInfo sm': 1100,
  }),
  onGpu6('a desktop keeps a GPU busy at idle clocks', 'healthy', {
    ...clocks(210, 0),
    deviceGetPerformanceState: 8,
    deviceGetPowerUsage: 31_000,
    deviceGetComputeRunningProcesses: [],
    deviceGetGraphicsRunningProcesses: [{ pid: 41_216, usedGpuMemory: 82_942_361_600 }],
  }),
  onGpu6(
    'one busy GPU stays in the performance state of idle ones',
    'configuration',
    { deviceGetPerformanceState: 8 },
    'slow-clocks:0000:d1:00',
  ),
  {
    name: 'one of two A10 is clocked at half of the other and gives no reason',
    truth: 'configuration',
    machine: {
      like: 'a10',
      everyGpu: { answers: { 'deviceGetMaxClockInfo sm': 0 } },
      gpus: [{}, { answers: clocks(630, 0) }],
    },
    verdict: 'warning',
    findings: ['slow-clocks:0000:00:1f'],
  },
  onGpu6(
    'one GPU is held to 300 W, its limit is set to 700 W',
    'host',
    { deviceGetEnforcedPowerLimit: 300_000, deviceGetPowerUsage: 298_000 },
    'power-limit-enforced:0000:d1:00',
  ),
  {
    name: 'a Grace Hopper whose CPU takes a third of the power',
    truth: 'healthy',
    machine: {
      like: 'gb200',
      everyGpu: {
        answers: {
          'deviceGetFieldValue powerInstant 1': 1_400_000,
          deviceGetEnforcedPowerLimit: 800_000,
          deviceGetPowerUsage: 790_000,
        },
      },
    },
    verdict: 'healthy',
    findings: [],
  },
  onAll(
    'all GPUs may draw 200 of 700 W',
    'configuration',
    {
      deviceGetPowerManagementLimit: 200_000,
      deviceGetEnforcedPowerLimit: 200_000,
      deviceGetPowerUsage: 199_000,
    },
    'power-cap',
  ),
  onAll(
    'eight GPUs are busy, cold, and do not touch their memory',
    'application',
    WAITS,
    'waiting',
  ),
  {
    name: 'seven GPUs wait and the eighth does nothing',
    truth: 'application',
    machine: h100({
      gpus: everyIndex(WAITS, {
        5: {
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
          deviceGetPowerUsage: 71_000,
          deviceGetCurrentClocksEventReasons: 1,
          'deviceGetClockInfo sm': 345,
        },
      }),
    }),
    verdict: 'warning',
    findings: ['waiting'],
  },
  onAll('a light kernel that reads some memory', 'healthy', {
    ...WAITS,
    deviceGetUtilizationRates: { gpu: 100, memory: 8 },
  }),
];
