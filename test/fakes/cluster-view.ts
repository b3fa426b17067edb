import type {
  ClusterContainer,
  ClusterNode,
  ClusterPod,
  ClusterView,
} from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';

/** A well node of eight GPUs; what a test wants otherwise is laid over it. */
export const aNode = (changed: Partial<ClusterNode> = {}): ClusterNode => ({
  name: 'gpu-3',
  labels: { 'nvidia.com/gpu.count': '8', 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' },
  instanceType: 'p5.48xlarge',
  cordoned: false,
  taints: [],
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
      since: '2026-02-08T12:00:00Z',
    },
    {
      type: 'MemoryPressure',
      status: 'False',
      reason: 'KubeletHasSufficientMemory',
      message: '',
      since: '2026-02-08T12:00:00Z',
    },
  ],
  capacity: { 'nvidia.com/gpu': 8 },
  allocatable: { 'nvidia.com/gpu': 8 },
  kubeletVersion: 'v1.34.1',
  containerRuntime: 'containerd://2.1.4',
  bootId: '00000000000000000000000000000001',
  createdAt: '2026-02-08T11:59:00Z',
  ...changed,
});

/** A container that runs; what a test wants otherwise is laid over it. */
export const aContainer = (changed: Partial<ClusterContainer> = {}): ClusterContainer => ({
  name: 'main',
  init: false,
  gpus: { 'nvidia.com/gpu': 8 },
  restarts: 0,
  state: 'running',
  reason: '',
  message: '',
  startedAt: '2026-03-01T09:00:00Z',
  ...changed,
});

/** A running pod of a Job with one container. */
export const aPod = (changed: Partial<ClusterPod> = {}): ClusterPod => ({
  namespace: 'team-a',
  name: 'train-0',
  uid: 'uid-train-0',
  node: 'gpu-3',
  owner: 'Job/train',
  phase: 'Running',
  reason: '',
  message: '',
  createdAt: '2026-03-01T08:59:00Z',
  startedAt: '2026-03-01T08:59:30Z',
  deleting: false,
  gpus: { 'nvidia.com/gpu': 8 },
  claims: [],
  containers: [aContainer()],
  ...changed,
});

/** What the cluster says of that node; all of it could be read. */
export const aView = (changed: Partial<ClusterView> = {}): ClusterView => ({
  node: present(aNode()),
  pods: present({ namespace: null, total: 12, gpuPods: [] }),
  nodeEvents: present([]),
  ...changed,
});
