import { present } from '../../src/contract/reading.ts';
import { type Answers, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** nvml.h: nvmlClocksThrottleReasonHwSlowdown, HwPowerBrakeSlowdown. */
const BRAKED = 0x88;
const SECOND_NS = 1_000_000_000;

const every = (answers: Answers) =>
  Object.fromEntries(Array.from({ length: 8 }, (_, at) => [at, answers]));
const onGpu6 = (answers: Answers) => h100({ gpus: { 6: answers } });

/** An air-cooled board with two fans. */
const l40s = (temperatureC: number, ...fans: (number | 'unknown')[]) => ({
  like: 'l40s',
  everyGpu: {
    answers: {
      deviceGetNumFans: fans.length,
      deviceGetTemperature: temperatureC,
      ...Object.fromEntries(
        fans.map((percent, at) => [`deviceGetFanSpeed ${at}`, percent === 'unknown' ? 0 : percent]),
      ),
    },
    faults: Object.fromEntries(
      fans.flatMap((percent, at) =>
        percent === 'unknown' ? [[`deviceGetFanSpeed ${at}`, { return: 'unknown' }]] : [],
      ),
    ),
  },
});

/** The bits and their counter in both readings, two seconds apart. */
const lasting =
  (counter: 'hwThermalNs' | 'hwPowerBrakeNs', ranNs: number): NonNullable<Scenario['facts']> =>
  facts => ({
    ...facts,
    earlier: {
      ...facts.driver,
      takenAtMs: facts.driver.takenAtMs - 2_000,
      gpus: facts.driver.gpus.map(gpu =>
        gpu.index === 6
          ? {
              ...gpu,
              violations: {
                ...gpu.violations,
                [counter]: { ok: true, value: 10 * SECOND_NS - ranNs },
              },
            }
          : gpu,
      ),
    },
  });

/** The bit of the brake on these GPUs two seconds ago, and how long its counter ran since. */
const brakedBefore =
  (indexes: readonly number[], ranNs: number): NonNullable<Scenario['facts']> =>
  facts => ({
    ...facts,
    earlier: {
      ...facts.driver,
      takenAtMs: facts.driver.takenAtMs - 2_000,
      gpus: facts.driver.gpus.map(gpu =>
        indexes.includes(gpu.index)
          ? {
              ...gpu,
              clocksEventReasons: present(['hw_slowdown', 'hw_power_brake_slowdown']),
              violations: {
                ...gpu.violations,
                hwPowerBrakeNs: present(10 * SECOND_NS - ranNs),
              },
            }
          : gpu,
      ),
    },
  });

/** Thermometers, fans, and what they say beside their limits and their neighbours. */
export const HEAT: readonly Scenario[] = [
  {
    name: 'a GPU is at the temperature at which it shuts itself down',
    truth: 'hardware',
    machine: onGpu6({ deviceGetTemperature: 92 }),
    verdict: 'critical',
    findings: ['over-temperature:0000:d1:00'],
  },
  {
    name: 'all GPUs are at the temperature at which they shut themselves down',
    truth: 'host',
    machine: h100({ every: {}, gpus: every({ deviceGetTemperature: 93 }) }),
    verdict: 'critical',
    findings: ['over-temperature'],
  },
  {
    name: 'all GPUs have used up their margin and are near their limit: the room is hot',
    truth: 'host',
    machine: h100({
      gpus: every({
        deviceGetTemperature: 85,
        deviceGetMarginTemperature: { marginTemperature: -3 },
      }),
    }),
    verdict: 'warning',
    findings: ['over-temperature'],
  },
  {
    name: 'HBM of 104 °C where the driver tells no limit of it',
    truth: 'hardware',
    machine: h100({
      every: { 'deviceGetTemperatureThreshold memoryMax': 0 },
      gpus: { 6: { 'deviceGetFieldValue memoryTemperature': 104 } },
    }),
    verdict: 'warning',
    findings: ['over-temperature:0000:d1:00'],
  },
  {
    name: 'HBM of a B200 above the limit that its driver gives',
    truth: 'hardware',
    machine: {
      like: 'b200',
      everyGpu: { answers: { 'deviceGetTemperatureThreshold memoryMax': 100 } },
      gpus: { 6: { answers: { 'deviceGetFieldValue memoryTemperature': 101 } } },
    },
    verdict: 'warning',
    findings: ['over-temperature:0000:d1:00'],
  },
  {
    name: 'HBM of 95 °C where the driver tells no limit of it',
    truth: 'healthy',
    machine: h100({
      every: { 'deviceGetTemperatureThreshold memoryMax': 0 },
      gpus: every({ 'deviceGetFieldValue memoryTemperature': 95 }),
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one GPU is far hotter than its neighbours at the same power: good to know',
    truth: 'healthy',
    machine: onGpu6({ deviceGetTemperature: 84 }),
    verdict: 'healthy',
    findings: ['hotter-than-neighbours:0000:d1:00'],
  },
  {
    name: 'the memory of one GPU is 22 °C hotter than that of its neighbours at the same power',
    truth: 'healthy',
    machine: onGpu6({ 'deviceGetFieldValue memoryTemperature': 93 }),
    verdict: 'healthy',
    findings: ['hotter-than-neighbours:0000:d1:00'],
  },
  {
    name: 'one GPU works and is hot, its neighbours do nothing and are cool',
    truth: 'healthy',
    machine: h100({
      gpus: {
        ...every({
          deviceGetTemperature: 34,
          deviceGetPowerUsage: 71_000,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
          deviceGetCurrentClocksEventReasons: 1,
          'deviceGetClockInfo sm': 345,
        }),
        6: { deviceGetTemperature: 84 },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'every second GPU gets the warm air of the one before it',
    truth: 'healthy',
    machine: h100({
      gpus: Object.fromEntries([1, 3, 5, 7].map(at => [at, { deviceGetTemperature: 80 }])),
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a fan stands still on a hot board',
    truth: 'hardware',
    machine: l40s(78, 0, 90),
    verdict: 'warning',
    findings: ['fan-stopped'],
  },
  {
    name: 'a fan stands still on a hot board, and another one could not be read',
    truth: 'hardware',
    machine: l40s(78, 'unknown', 0),
    verdict: 'warning',
    findings: ['fan-stopped'],
  },
  {
    name: 'one of two fans gives an error',
    truth: 'unknown',
    machine: l40s(69, 55, 'unknown'),
    verdict: 'unknown',
    findings: [],
  },
  {
    name: 'fans that turn on a hot board',
    truth: 'healthy',
    machine: l40s(82, 90, 90),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the power brake holds one GPU down in both readings and all the time between them',
    truth: 'host',
    machine: h100({
      every: { 'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS },
      gpus: { 6: { deviceGetCurrentClocksEventReasons: BRAKED } },
    }),
    facts: lasting('hwPowerBrakeNs', 2 * SECOND_NS),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  ...[4, 5].map(
    (count): Scenario => ({
      name: `${count} of eight GPUs are braked by their power supply`,
      truth: 'host',
      machine: h100({
        gpus: Object.fromEntries(
          Array.from({ length: count }, (_, at) => [
            at,
            { deviceGetCurrentClocksEventReasons: BRAKED },
          ]),
        ),
      }),
      verdict: 'warning',
      findings: ['hardware-slowdown'],
    }),
  ),
  {
    name: 'the power brake held one GPU down for a moment, and is gone: good to know',
    truth: 'healthy',
    machine: h100({ every: { 'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS } }),
    facts: brakedBefore([6], SECOND_NS / 100),
    verdict: 'healthy',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  {
    name: 'the power brake held all GPUs down for a moment, and is gone: good to know',
    truth: 'healthy',
    machine: h100({ every: { 'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS } }),
    facts: brakedBefore([0, 1, 2, 3, 4, 5, 6, 7], SECOND_NS / 100),
    verdict: 'healthy',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'the power brake held all GPUs down until just now, for most of the time',
    truth: 'host',
    machine: h100({ every: { 'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS } }),
    facts: brakedBefore([0, 1, 2, 3, 4, 5, 6, 7], 1.5 * SECOND_NS),
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'all GPUs are idle, and the general slowdown bit of all is set while clocks change',
    truth: 'healthy',
    machine: h100({
      gpus: every({
        deviceGetCurrentClocksEventReasons: 8,
        deviceGetUtilizationRates: { gpu: 0, memory: 0 },
      }),
    }),
    verdict: 'healthy',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'a GPU whose margin is that of its shutdown, near its limit',
    truth: 'hardware',
    machine: onGpu6({
      deviceGetTemperature: 86,
      deviceGetMarginTemperature: { marginTemperature: -5 },
      'deviceGetFieldValue shutdownTlimit': -5,
    }),
    verdict: 'critical',
    findings: ['over-temperature:0000:d1:00'],
  },
];
