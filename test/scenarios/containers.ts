import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** A machine with RDMA and pods, the first of them with what its container sees. */
const holding = (sees: object) => ({
  ...h100({ host: { nics: [{ name: 'mlx5_0' }] } }),
  pods: [
    { namespace: 'ml', name: 'train-0', gpus: [0, 1], sees },
    { namespace: 'ml', name: 'train-1', gpus: [2, 3] },
  ],
});

/** Nothing holds the GPUs of the first pod: with what it sees, nothing can. */
const IDLE = {
  deviceGetComputeRunningProcesses: [],
  deviceGetUtilizationRates: { gpu: 0, memory: 0 },
  deviceGetMemoryInfo: { total: 85520809984, reserved: 598736896, free: 84922073088, used: 0 },
  deviceGetMemoryInfoV1: { total: 85520809984, free: 84922073088, used: 598736896 },
};

const idle = (scenario: Scenario): Scenario => ({
  ...scenario,
  machine: { ...scenario.machine, gpus: { 0: { answers: IDLE }, 1: { answers: IDLE } } },
});

const kept = (name: string, sees: object, finding: string): Scenario => ({
  ...{ name, truth: 'configuration', machine: holding(sees) },
  ...{ verdict: 'warning', findings: [`container-view-${finding}`] },
});

const remarked = (name: string, sees: object, finding: string): Scenario => ({
  ...kept(name, sees, finding),
  ...{ truth: 'healthy', verdict: 'healthy' },
});

const well = (name: string, sees: object): Scenario => ({
  ...{ name, truth: 'healthy', machine: holding(sees) },
  ...{ verdict: 'healthy', findings: [] },
});

/** What a container itself sees of the GPUs that its pod was given. */
export const CONTAINERS: readonly Scenario[] = [
  well('two pods see what they were given', {}),
  idle(kept('the driver was updated under a pod', { driver: '535.183.06' }, 'libraries')),
  idle(
    remarked(
      'an image brings libraries of another driver',
      { driver: '535.183.06', ownLibraries: true },
      'libraries',
    ),
  ),
  remarked(
    'libraries of another driver in a pod that holds its GPUs all the same',
    { driver: '535.183.06' },
    'libraries',
  ),
  kept('a pod sees one GPU of two', { withoutGpus: [1] }, 'device-nodes'),
  kept('a daemon-reload took the devices of a pod', { mayOpenGpus: false }, 'device-cgroup'),
  well('version 1 of cgroups says that the devices may be opened', { mayOpenGpus: true }),
  idle(
    kept(
      'CUDA_VISIBLE_DEVICES of a pod begins with a GPU of the node that is not its own',
      { visibleDevices: { CUDA_VISIBLE_DEVICES: '2,3' } },
      'visible-devices',
    ),
  ),
  well('CUDA_VISIBLE_DEVICES names the GPUs as the container counts them', {
    visibleDevices: { CUDA_VISIBLE_DEVICES: '1,0' },
  }),
  remarked(
    'CUDA_VISIBLE_DEVICES names one GPU that is not there',
    { visibleDevices: { CUDA_VISIBLE_DEVICES: '0,5' } },
    'visible-devices',
  ),
  remarked('a full /dev/shm', { sharedMemoryMib: { size: 64, used: 63 } }, 'shared-memory'),
  remarked(
    'little memory that may be locked',
    { lockedMemoryBytes: 65_536, rdma: true },
    'locked-memory',
  ),
  remarked(
    'a loader was killed at the limit of its container',
    { oomKills: 2, memoryLimitBytes: 2 ** 35 },
    'memory-kills',
  ),
  remarked('a CPU limit throttles a pod', { throttledPercent: 64 }, 'cpu-throttled'),
];
