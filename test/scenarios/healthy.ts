import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** Stories of src/simulation that have no fault, without their cluster; test/simulation holds them all. */
const WELL = [
  ...['dgx-h100', 'training-job', 'healthy-t4', 'mig-a100', 'b200', 'gb200'],
  ...['job-pending', 'node-cordoned'],
];

/** What is told of them beside: remarks. */
const INFOS: Readonly<Record<string, readonly string[]>> = {
  'healthy-t4': ['persistence-off'],
  'mig-a100': ['mig-without-instances:0000:0f:00'],
};

/** Healthy machines under full load: nothing above info may be told of any of them. */
export const HEALTHY: readonly Scenario[] = [
  ...[...new Set([...WELL, ...GPU_TYPES])].map(
    (name): Scenario => ({
      name: `the healthy machine ${name} under full load`,
      truth: 'healthy',
      machine: { like: name },
      verdict: 'healthy',
      findings: INFOS[name] ?? [],
    }),
  ),
  {
    name: 'eight H100 with everything that newer drivers tell',
    truth: 'healthy',
    machine: h100(),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: '97 % of memory, 99 % of the power limit, one lifetime ECC error',
    truth: 'healthy',
    machine: h100({
      every: { deviceGetPowerUsage: 699_100, 'deviceGetTotalEccErrors uncorrected aggregate': 1 },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'eight GPUs that idle with low clocks and narrowed links',
    truth: 'healthy',
    machine: h100({
      every: {
        deviceGetCurrPcieLinkGeneration: 1,
        deviceGetUtilizationRates: { gpu: 0, memory: 0 },
        deviceGetCurrentClocksEventReasons: 1,
        'deviceGetClockInfo sm': 345,
        deviceGetPowerUsage: 71_000,
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a few NVLink and PCIe errors since boot on every GPU',
    truth: 'healthy',
    machine: h100({
      every: { 'deviceGetFieldValue nvlinkCrc': 120, deviceGetPcieReplayCounter: 14 },
      host: {
        pci: Object.fromEntries(
          H100.map((_, at) => [at, { aerCorrectable: 30 + at, aerNonFatal: 1 }]),
        ),
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
];
