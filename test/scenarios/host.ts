import type {
  ClusterDevice,
  ClusterNode,
  ClusterView,
  StackPod,
} from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const GIB = 1024 ** 3;
const disk = (over: object) => ({ resources: { filesystems: [{ mountPoint: '/', ...over }] } });
const space = (availableBytes: number) => ({
  totalBytes: 1000 * GIB,
  availableBytes,
  inodesTotal: 60_000_000,
  inodesFree: 58_000_000,
});

/** Four adapters, each beside two GPUs, as on many machines. */
const nics = (first: object = {}) =>
  [0, 1, 2, 3].map(at => ({
    name: `mlx5_${at}`,
    pci: `0000:${20 + at}:00`,
    gpuPaths: [
      { gpuPci: H100[at * 2], path: 'PXB' },
      { gpuPci: H100[at * 2 + 1], path: 'PXB' },
    ],
    ports: [at === 0 ? first : {}],
  }));

/** The machine around the GPUs and its network. */
export const HOST: readonly Scenario[] = [
  {
    name: 'a disk has become read-only',
    truth: 'host',
    machine: h100({ host: disk({ mountPoint: '/var/lib/containerd', readOnly: true }) }),
    verdict: 'critical',
    findings: ['disk-read-only:/var/lib/containerd'],
  },
  {
    name: 'a root file system that is read-only by design is no fault',
    truth: 'healthy',
    machine: h100({ host: disk({ readOnly: true, readOnlyByDesign: true }) }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the disk of the kubelet is nearly full',
    truth: 'host',
    machine: h100({ host: disk({ space: space(50 * GIB) }) }),
    verdict: 'warning',
    findings: ['disk-full:/'],
  },
  {
    name: 'a disk did not answer in time',
    truth: 'host',
    machine: h100({
      log: [
        [900, 'nvme nvme0: I/O 24 QID 5 timeout, aborting'],
        [870, 'nvme nvme0: I/O 24 QID 5 timeout, reset controller'],
      ],
    }),
    verdict: 'warning',
    findings: ['disk-stalled:nvme0'],
  },
  {
    name: 'a virtual drive without a disk is no fault',
    truth: 'healthy',
    machine: h100({
      log: [[900, 'Buffer I/O error on dev sr0, logical block 0, async page read']],
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a slot lost its card, and nothing is below its port',
    truth: 'host',
    machine: h100({
      log: [[700, 'pcieport 0000:a0:01.0: pciehp: Slot(7): Card not present']],
    }),
    verdict: 'warning',
    findings: ['slot-down:7'],
  },
  {
    name: 'below the port of a slot that was lost there is a GPU again',
    truth: 'healthy',
    machine: h100({
      host: { pci: { 4: { bridges: [{ pci: '0000:a0:01' }] } } },
      log: [[700, 'pcieport 0000:a0:01.0: pciehp: Slot(7): Card not present']],
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the shared memory of the host is full',
    truth: 'host',
    machine: h100({
      host: { resources: { sharedMemory: { totalBytes: 1024 * GIB, availableBytes: GIB } } },
    }),
    verdict: 'warning',
    findings: ['host-shm-full'],
  },
  {
    name: 'a job uses much of the shared memory of the host',
    truth: 'healthy',
    machine: h100({
      host: { resources: { sharedMemory: { totalBytes: 1024 * GIB, availableBytes: 60 * GIB } } },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'there is no device node for CUDA, as before the first program',
    truth: 'healthy',
    machine: h100({
      host: { deviceNodes: [...H100.map((_, index) => `nvidia${index}`), 'nvidiactl'] },
    }),
    verdict: 'healthy',
    findings: ['uvm-absent'],
  },
  {
    name: 'the host is out of memory',
    truth: 'host',
    machine: h100({
      host: { resources: { memory: { totalBytes: 2048 * GIB, availableBytes: 50 * 1024 ** 2 } } },
    }),
    verdict: 'warning',
    findings: ['host-memory-full'],
  },
  {
    name: 'the memory of the host has uncorrected errors',
    truth: 'host',
    machine: h100({ host: { resources: { edac: { corrected: 12, uncorrected: 1 } } } }),
    verdict: 'warning',
    findings: ['host-hardware-error'],
  },
  {
    name: 'the processor reports a machine check: log and taint are one finding',
    truth: 'host',
    machine: h100({
      host: { resources: { kernelTaint: 4096 + 16 } },
      log: [[800, 'mce: [Hardware Error]: CPU 12: Machine Check: 0 Bank 5: bea0000000000108']],
    }),
    verdict: 'warning',
    findings: ['host-hardware-error'],
  },
  {
    name: 'a program is stuck in the kernel, but not in the driver',
    truth: 'healthy',
    machine: h100({
      log: [[800, 'INFO: task kworker/u449:1:993 blocked for more than 120 seconds.']],
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the clock of the node is not synchronized: good to know',
    truth: 'healthy',
    machine: h100({
      host: {
        resources: {
          clock: {
            synchronized: false,
            maximumErrorMicroseconds: 16_000_000,
          },
        },
      },
    }),
    verdict: 'healthy',
    findings: ['clock-not-synchronized'],
  },
  {
    name: 'the network port beside two GPUs is down',
    truth: 'host',
    machine: h100({ host: { nics: nics({ state: 'DOWN', physicalState: 'Polling' }) } }),
    verdict: 'warning',
    findings: ['nic-down:mlx5_0-port-1'],
  },
  {
    name: 'the network port beside two GPUs runs at half of its rate',
    truth: 'host',
    machine: h100({ host: { nics: nics({ rateGbps: 200 }) } }),
    verdict: 'warning',
    findings: ['nic-degraded:mlx5_0-port-1'],
  },
  {
    name: 'an adapter of another board is made for half of the rate',
    truth: 'healthy',
    machine: h100({
      host: {
        nics: nics({ rateGbps: 200 }).map((nic, at) =>
          at === 0 ? { ...nic, boardId: 'MT_0000000884' } : nic,
        ),
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the network port beside two GPUs has lost its link nine times',
    truth: 'host',
    machine: h100({ host: { nics: nics({ counters: { link_downed: 9 } }) } }),
    verdict: 'warning',
    findings: ['nic-flapping:mlx5_0-port-1'],
  },
  {
    name: 'all network ports are well',
    truth: 'healthy',
    machine: h100({ host: { nics: nics() } }),
    verdict: 'healthy',
    findings: [],
  },
];

const NODE: ClusterNode = {
  name: 'gpu-7',
  labels: { 'nvidia.com/gpu.count': '8' },
  cordoned: false,
  taints: [],
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: '',
      since: '2026-02-01T00:00:00Z',
    },
    {
      type: 'DiskPressure',
      status: 'False',
      reason: '',
      message: '',
      since: '2026-02-01T00:00:00Z',
    },
  ],
  capacity: { 'nvidia.com/gpu': 8 },
  allocatable: { 'nvidia.com/gpu': 8 },
  kubeletVersion: 'v1.33.1',
  containerRuntime: 'containerd://2.0.4',
  bootId: '5f0c3a7c1d9e4b26a8837e0f9c41d2b6',
  createdAt: '2026-01-01T00:00:00Z',
};

export const cluster =
  (over: Partial<ClusterNode> = {}, beside: Partial<ClusterView> = {}) =>
  (facts: NodeFacts): NodeFacts => {
    const none = { ok: false, reason: 'not_read' } as const;
    const node = { ok: true, value: { ...NODE, ...over } } as const;
    return {
      ...facts,
      cluster: { node, pods: none, nodeEvents: none, ...beside },
    };
  };

const PLUGIN: StackPod = {
  ...aPod({
    namespace: 'gpu-operator',
    name: 'nvidia-device-plugin-daemonset-zt6vd',
    containers: [
      aContainer({ gpus: {}, state: 'waiting', name: 'plugin', reason: 'CrashLoopBackOff' }),
    ],
  }),
  part: 'device plugin',
};
const TAINTED: ClusterDevice = {
  ...{ driver: 'gpu.nvidia.com', pool: 'gpu-7', name: 'gpu-3' },
  taints: [{ key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' }],
};

/** What the cluster says of the node. */
export const CLUSTER: readonly Scenario[] = [
  {
    name: 'the cluster has nothing to say against the node',
    truth: 'healthy',
    machine: h100(),
    facts: cluster(),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a provider gives the node a condition for its GPUs',
    truth: 'unknown',
    machine: h100(),
    facts: cluster({
      conditions: [
        {
          type: 'AcceleratedHardwareReady',
          status: 'False',
          reason: 'NvidiaXID95Error',
          message: 'XID 95',
          since: '2026-02-28T00:00:00Z',
        },
      ],
    }),
    verdict: 'warning',
    findings: ['node-condition:AcceleratedHardwareReady'],
  },
  {
    name: 'the kubelet of the node does not report',
    truth: 'unknown',
    machine: h100(),
    facts: cluster({
      conditions: [
        {
          type: 'Ready',
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          since: '2026-02-28T00:00:00Z',
        },
      ],
    }),
    verdict: 'critical',
    findings: ['node-condition:Ready'],
  },
  {
    name: 'someone has cordoned the node: good to know',
    truth: 'healthy',
    machine: h100(),
    facts: cluster({ cordoned: true, cordonedBy: { manager: 'kubectl-cordon' } }),
    verdict: 'healthy',
    findings: ['node-cordoned'],
  },
  {
    name: 'the node may give out 7 of its 8 GPUs',
    truth: 'unknown',
    machine: h100(),
    facts: cluster({ allocatable: { 'nvidia.com/gpu': 7 } }),
    verdict: 'warning',
    findings: ['fewer-allocatable'],
  },
  {
    name: 'the node is labelled with more GPUs than the driver counts',
    truth: 'hardware',
    machine: h100(),
    facts: cluster({ labels: { 'nvidia.com/gpu.count': '9' } }),
    verdict: 'critical',
    findings: ['fewer-gpus-than-labelled'],
  },
  {
    name: 'the device plugin of the node does not start',
    truth: 'configuration',
    machine: h100(),
    facts: cluster(
      {},
      { pods: present({ namespace: null, total: 9, gpuPods: [], stack: [PLUGIN] }) },
    ),
    verdict: 'warning',
    findings: ['gpu-stack-stuck'],
  },
  {
    name: 'DRA keeps a GPU from pods that the driver reads',
    truth: 'unknown',
    machine: h100(),
    facts: cluster({}, { devices: present([TAINTED]) }),
    verdict: 'warning',
    findings: ['device-taint:gpu-3:gpu.nvidia.com/xid'],
  },
  {
    name: 'the platform is about to end the node',
    truth: 'host',
    machine: h100(),
    facts: cluster({
      taints: [
        { key: 'cloud.google.com/impending-node-termination', value: '', effect: 'NoSchedule' },
      ],
    }),
    verdict: 'warning',
    findings: ['platform-action:cloud.google.com/impending-node-termination'],
  },
];
