import { down, few, limits, linked, product, refused } from './machines.ts';
import type { Thread } from './threads.ts';

const FIELD = 'deviceGetFieldValue';
const NO_FABRIC = { state: 0, status: 0, cliqueId: 0, healthMask: 0, healthSummary: 0 };
const healthy = { truth: 'healthy', verdict: 'healthy', findings: [] } as const;

/** Machines that a monitor took for ill or might have, and that were well. */
export const WELL_THREADS: readonly Thread[] = [
  {
    name: 'thread: a tray of GB200 with a fabric that tells no health',
    source: 'https://github.com/leptonai/gpud/pull/1106',
    ended: 'healthy',
    machine: {
      like: 'gb200',
      everyGpu: {
        answers: {
          deviceGetGpuFabricInfoV3: {
            ...NO_FABRIC,
            state: 3,
            cliqueId: 4_026,
            clusterUuid: '9c6f5af353bf49b5a436b66766c413c3',
          },
        },
      },
    },
    ...healthy,
  },
  {
    name: 'thread: one H100 by itself supports no fabric',
    source: 'https://github.com/leptonai/gpud/pull/1140',
    ended: 'no fault: a check was taken back',
    machine: few('h200', ['0000:00:06'], {
      answers: { deviceGetVirtualizationMode: 1, deviceGetGpuFabricInfoV3: NO_FABRIC },
      faults: refused(`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`),
    }),
    ...healthy,
  },
  {
    name: 'thread: a GH200 without switches',
    source: 'https://github.com/leptonai/gpud/pull/1206',
    ended: 'no fault: a check had taken it for an H200',
    machine: few('gb200', ['0009:01:00'], {
      answers: {
        ...product('NVIDIA GH200 480GB', 9, 9),
        deviceGetGpuFabricInfoV3: NO_FABRIC,
      },
      faults: refused(`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`, 'deviceGetPlatformInfo'),
    }),
    ...healthy,
  },
  {
    name: 'thread: two H100 NVL with six of 18 links down',
    source: 'https://github.com/Azure/azurehpc-health-checks/issues/162',
    ended: 'no fault: the bridges have twelve links',
    machine: few('h100-pcie', ['0000:17:00', '0000:65:00'], {
      answers: {
        ...product('NVIDIA H100 NVL', 9, 9),
        ...limits(400_000),
        ...linked(18, 26_562),
        ...down(4, 5, 10, 11, 16, 17),
        deviceGetVirtualizationMode: 1,
      },
    }),
    ...healthy,
  },
  {
    name: 'thread: a single A100 PCIe without a bridge has twelve links down',
    source: 'https://github.com/NVIDIA/NVSentinel/pull/1481',
    ended: 'no fault: a false alarm of DCGM was silenced',
    machine: few('h100-pcie', ['0000:17:00'], {
      answers: {
        ...product('NVIDIA A100 80GB PCIe', 7, 8),
        ...limits(300_000),
        [`${FIELD} nvlinkCount`]: 12,
        [`${FIELD} nvlinkState`]: 0,
      },
      faults: refused('deviceGetGpuFabricInfoV3', 'deviceGetGpuFabricInfoV2'),
    }),
    ...healthy,
  },
  {
    name: 'thread: an idle GPU has a link of generation 1',
    source: 'https://github.com/Syllo/nvtop/issues/6',
    ended: 'no fault: it comes up under load',
    machine: {
      like: 'l40s',
      everyGpu: {
        answers: {
          deviceGetCurrPcieLinkGeneration: 1,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
          deviceGetCurrentClocksEventReasons: 1,
          'deviceGetClockInfo sm': 210,
          'deviceGetClockInfo graphics': 210,
          deviceGetPowerUsage: 34_000,
          deviceGetPerformanceState: 8,
        },
      },
    },
    ...healthy,
  },
];
