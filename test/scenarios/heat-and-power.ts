import { missing, present } from '../../src/contract/reading.ts';
import { THRESHOLDS } from '../../src/findings/support/thresholds.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { withGpu } from '../fakes/facts.ts';
import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** nvml.h: nvmlClocksEventReason*, nvmlClocksThrottleReason*. */
const REASON = { powerCap: 4, hw: 8, swThermal: 0x20, hwThermal: 0x40, powerBrake: 0x80 };
const SECOND_NS = 1_000_000_000;

const H100_BUS = ['1b', '43', '52', '61'].map(bus => `0000:${bus}:00`);

/** So many H100, of which the first ones are held down by the power brake. */
const braked = (of: number, count: number) => ({
  like: 'h100-sxm',
  gpus: Array.from({ length: of }, (_, at) =>
    at < count
      ? { answers: { deviceGetCurrentClocksEventReasons: REASON.hw | REASON.powerBrake } }
      : {},
  ),
  // A virtual machine: a bare one of this board has eight.
  everyGpu: { answers: { deviceGetVirtualizationMode: 1 } },
  host: { pci: H100_BUS.slice(0, of).map(pci => ({ pci })) },
});

/** What was read of GPU 6, and of the GPUs before it, two seconds ago. */
const twoSecondsAgo =
  (before: (gpu: GpuState) => Partial<GpuState>): NonNullable<Scenario['facts']> =>
  facts => ({
    ...facts,
    earlier: {
      ...facts.driver,
      takenAtMs: facts.driver.takenAtMs - 2_000,
      gpus: facts.driver.gpus.map(gpu => ({ ...gpu, ...before(gpu) })),
    },
  });

/** How long the counter of the brake ran in these two seconds. */
const brakeRan = (share: number, { violations }: GpuState) => ({
  violations: { ...violations, hwPowerBrakeNs: present((10 - 2 * share) * SECOND_NS) },
});

/** Clocks that are held down, heat, and limits that someone has set. */
export const HEAT_AND_POWER: readonly Scenario[] = [
  {
    name: 'one GPU is slowed down by its hardware for heat, beside cool neighbours',
    truth: 'hardware',
    machine: h100({
      gpus: {
        6: {
          deviceGetCurrentClocksEventReasons: REASON.hw | REASON.hwThermal,
          deviceGetTemperature: 90,
          'deviceGetClockInfo sm': 1200,
        },
      },
    }),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  {
    name: 'all GPUs are slowed down for heat: one finding on the machine',
    truth: 'host',
    machine: h100({
      every: {
        deviceGetCurrentClocksEventReasons: REASON.hw | REASON.hwThermal,
        deviceGetTemperature: 88,
      },
    }),
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'the power brake holds all GPUs down',
    truth: 'host',
    machine: h100({
      every: { deviceGetCurrentClocksEventReasons: REASON.hw | REASON.powerBrake },
    }),
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'one GPU is slowed down by the driver for heat',
    truth: 'host',
    machine: h100({
      gpus: { 6: { deviceGetCurrentClocksEventReasons: REASON.swThermal | REASON.powerCap } },
    }),
    verdict: 'warning',
    findings: ['software-thermal-slowdown:0000:d1:00'],
  },
  {
    name: 'the memory of one GPU is hotter than allowed, that of its neighbours cool',
    truth: 'hardware',
    machine: h100({ gpus: { 6: { 'deviceGetFieldValue memoryTemperature': 101 } } }),
    verdict: 'warning',
    findings: ['over-temperature:0000:d1:00'],
  },
  {
    name: 'a margin of -1 on one hot GPU while all others have 27',
    truth: 'hardware',
    machine: h100({
      gpus: {
        6: { deviceGetMarginTemperature: { marginTemperature: -1 }, deviceGetTemperature: 86 },
      },
    }),
    verdict: 'warning',
    findings: ['over-temperature:0000:d1:00'],
  },
  {
    name: 'a margin of 0 on every cool H100 is a known quirk',
    truth: 'healthy',
    machine: h100({ every: { deviceGetMarginTemperature: { marginTemperature: 0 } } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a margin of -1 on one H100 whose thermometers are all far from their limits',
    truth: 'healthy',
    machine: h100({ gpus: { 6: { deviceGetMarginTemperature: { marginTemperature: -1 } } } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'limits of 0 °C are none',
    truth: 'healthy',
    machine: h100({
      every: {
        'deviceGetTemperatureThreshold gpuMax': 0,
        'deviceGetTemperatureThreshold memoryMax': 0,
        'deviceGetTemperatureThreshold slowdown': 0,
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the general slowdown bit of an idle GPU is set while its clocks change',
    truth: 'healthy',
    machine: h100({
      gpus: {
        6: {
          deviceGetCurrentClocksEventReasons: REASON.hw,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
        },
      },
    }),
    verdict: 'healthy',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  {
    name: 'the general slowdown bit of a busy GPU is its power supply or its heat',
    truth: 'host',
    machine: h100({ gpus: { 6: { deviceGetCurrentClocksEventReasons: REASON.hw } } }),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  {
    name: 'a counter of slowdown that tells of more years than the node is up',
    truth: 'healthy',
    machine: h100({
      every: { 'deviceGetFieldValue hwThermalSlowdown': 0 },
      gpus: { 6: { 'deviceGetFieldValue hwThermalSlowdown': Number.MAX_SAFE_INTEGER } },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a light load on one GPU needs no high clock',
    truth: 'healthy',
    machine: h100({
      gpus: {
        6: {
          'deviceGetClockInfo sm': 900,
          deviceGetCurrentClocksEventReasons: 0,
          deviceGetUtilizationRates: { gpu: 12, memory: 1 },
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'three of eight GPUs have a lower power limit: no outliers, but worth a remark',
    truth: 'healthy',
    machine: h100({
      gpus: Object.fromEntries(
        [0, 1, 2].map(index => [index, { deviceGetPowerManagementLimit: 400_000 }]),
      ),
    }),
    verdict: 'healthy',
    findings: ['power-cap'],
  },
  {
    name: 'between two readings one GPU was held down for half of the time',
    truth: 'host',
    machine: h100({ every: { 'deviceGetFieldValue hwThermalSlowdown': SECOND_NS } }),
    facts: facts => ({
      ...facts,
      earlier: {
        ...facts.driver,
        takenAtMs: facts.driver.takenAtMs - 2_000,
        gpus: facts.driver.gpus.map(gpu =>
          gpu.index === 6
            ? { ...gpu, violations: { ...gpu.violations, hwThermalNs: { ok: true, value: 0 } } }
            : gpu,
        ),
      },
    }),
    verdict: 'warning',
    findings: ['throttled:0000:d1:00'],
  },
  {
    name: 'one GPU was held down for ten hours at some time: good to know',
    truth: 'healthy',
    machine: h100({
      every: { 'deviceGetFieldValue hwThermalSlowdown': SECOND_NS },
      gpus: { 6: { 'deviceGetFieldValue hwThermalSlowdown': 36_000 * SECOND_NS } },
    }),
    verdict: 'healthy',
    findings: ['throttled-before:0000:d1:00'],
  },
  {
    name: 'one GPU has a lower power limit than its neighbours',
    truth: 'configuration',
    machine: h100({
      gpus: { 6: { deviceGetPowerManagementLimit: 400_000, deviceGetEnforcedPowerLimit: 400_000 } },
    }),
    verdict: 'warning',
    findings: ['power-limit-outlier:0000:d1:00'],
  },
  {
    name: 'all GPUs have a lower power limit than the default: someone’s choice',
    truth: 'healthy',
    machine: h100({
      every: { deviceGetPowerManagementLimit: 500_000, deviceGetEnforcedPowerLimit: 500_000 },
    }),
    verdict: 'healthy',
    findings: ['power-cap'],
  },
  {
    name: 'one busy GPU is locked to low clocks and gives no reason',
    truth: 'configuration',
    machine: h100({
      gpus: { 6: { 'deviceGetClockInfo sm': 900, deviceGetCurrentClocksEventReasons: 0 } },
    }),
    verdict: 'warning',
    findings: ['slow-clocks:0000:d1:00'],
  },
  {
    name: 'one GPU has lower application clocks than its neighbours',
    truth: 'configuration',
    machine: h100({ gpus: { 6: { 'deviceGetApplicationsClock graphics': 1200 } } }),
    verdict: 'warning',
    findings: ['clocks-outlier:0000:d1:00'],
  },
  {
    name: 'all GPUs have application clocks below the default: someone’s choice',
    truth: 'healthy',
    machine: h100({
      every: {
        'deviceGetApplicationsClock graphics': 1500,
        'deviceGetDefaultApplicationsClock graphics': 1980,
      },
    }),
    verdict: 'healthy',
    findings: ['application-clocks'],
  },
  {
    name: 'three of four GPUs are braked by their power supply: one finding on the machine',
    truth: 'host',
    machine: braked(4, 3),
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'two of three GPUs are braked by their power supply: too few to be the machine',
    truth: 'host',
    machine: braked(3, 2),
    verdict: 'warning',
    findings: H100_BUS.slice(0, 2).map(pci => `hardware-slowdown:${pci}`),
  },
  {
    name: 'an idle GPU is slowed down for heat by its hardware: that is no change of clocks',
    truth: 'host',
    machine: h100({
      gpus: {
        6: {
          deviceGetCurrentClocksEventReasons: REASON.hw | REASON.hwThermal,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
        },
      },
    }),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  ...[
    ['as long as is called lasting', THRESHOLDS.lastingShare.value, REASON.powerBrake],
    ['a little less than is called lasting', 0.85, REASON.powerBrake],
    ['as long as is no moment, and is gone', THRESHOLDS.slowdownShare.value, 0],
  ].map(
    ([what, share, now]): Scenario => ({
      name: `the brake held one GPU down ${what}`,
      truth: 'host',
      machine: h100({
        every: { 'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS },
        gpus: { 6: { deviceGetCurrentClocksEventReasons: Number(now) } },
      }),
      facts: twoSecondsAgo(gpu =>
        gpu.index === 6
          ? {
              clocksEventReasons: present(['hw_power_brake_slowdown']),
              ...brakeRan(Number(share), gpu),
            }
          : {},
      ),
      verdict: 'warning',
      findings: ['hardware-slowdown:0000:d1:00'],
    }),
  ),
  {
    name: 'the general slowdown bit of one GPU was set, and is gone: nothing lasts',
    truth: 'host',
    machine: h100(),
    facts: twoSecondsAgo(({ index, clocksEventReasons }) => ({
      clocksEventReasons: index === 6 ? present(['hw_slowdown']) : clocksEventReasons,
    })),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
  {
    name: 'the brake holds three of four GPUs down, one of them all the time, one for a moment',
    truth: 'host',
    machine: {
      ...braked(4, 3),
      everyGpu: {
        answers: {
          deviceGetVirtualizationMode: 1,
          'deviceGetFieldValue hwPowerBrakeSlowdown': 10 * SECOND_NS,
        },
      },
    },
    facts: twoSecondsAgo(gpu => brakeRan([1, 0.5, 0.01, 0][gpu.index] ?? 0, gpu)),
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'the general slowdown bit of four GPUs is set, of which one works',
    truth: 'host',
    machine: {
      ...braked(4, 0),
      everyGpu: {
        answers: {
          deviceGetVirtualizationMode: 1,
          deviceGetCurrentClocksEventReasons: REASON.hw,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
        },
      },
      gpus: [
        { answers: { deviceGetUtilizationRates: { gpu: 100, memory: 50 } } },
        ...Array.from({ length: 3 }, () => ({})),
      ],
    },
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  ...[10, 11].map(
    (degrees): Scenario => ({
      name: `a GPU is slowed down for heat ${degrees} °C below its limit`,
      truth: 'host',
      machine: h100({
        every: { 'deviceGetTemperatureThreshold slowdown': 80 },
        gpus: {
          6: {
            deviceGetTemperature: 80 - degrees,
            deviceGetCurrentClocksEventReasons: REASON.swThermal,
          },
        },
      }),
      verdict: 'warning',
      findings: ['software-thermal-slowdown:0000:d1:00'],
    }),
  ),
  {
    name: 'a GPU is braked that tells neither its temperature, nor its limit, nor its clocks',
    truth: 'host',
    machine: h100({ gpus: { 6: { deviceGetCurrentClocksEventReasons: REASON.powerBrake } } }),
    facts: facts =>
      withGpu(facts, 6, {
        temperatureC: missing('timeout'),
        slowdownTemperatureC: missing('not_supported'),
        smClockMhz: missing('timeout'),
      }),
    verdict: 'warning',
    findings: ['hardware-slowdown:0000:d1:00'],
  },
];
