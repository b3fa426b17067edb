import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** nvml.h: nvmlClocksEventReason*, nvmlClocksThrottleReason*. */
const REASON = { powerCap: 4, hw: 8, swThermal: 0x20, hwThermal: 0x40, powerBrake: 0x80 };
const SECOND_NS = 1_000_000_000;

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
];
