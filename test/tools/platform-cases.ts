import type { Blame } from '../../src/contract/finding.ts';
import type { Json } from '../cluster/fake-api-server.ts';

/**
 * What clusters said in public threads, as an API server has it, and what a person found out there.
 * Written before the rules were asked; names of nodes and pods are ours.
 */
export interface PlatformCase {
  readonly name: string;
  readonly thread: string;
  /** The simulated machine under it: what the node itself shows. */
  readonly machine: 'dgx-h100' | 'lost-gpu';
  readonly node?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly unschedulable?: boolean;
    readonly taints?: readonly Json[];
    readonly conditions?: readonly Json[];
  };
  readonly events?: readonly Json[];
  readonly objects?: readonly (readonly [resource: string, object: Json])[];
  /** Whose matter it is by the thread; the finding that says so has these words. */
  readonly blame: Blame;
  readonly says: RegExp;
  /** What it must not lead to where the GPUs are well: see the test. */
  readonly hardware: boolean;
}

const of = (type: string, status: string, reason: string, message: string): Json => ({
  ...{ type, status, reason, message },
  lastTransitionTime: '2026-03-01T11:40:00Z',
});
const event = (reason: string, message: string, component: string, type = 'Warning'): Json => ({
  ...{ type, reason, message, count: 1, source: { component } },
  lastTimestamp: '2026-03-01T11:50:00Z',
});
const state = (value: string): Readonly<Record<string, string>> => ({
  'dgxc.nvidia.com/nvsentinel-state': value,
  'k8saas.nvidia.com/cordon-by': 'NVSentinel',
  'k8saas.nvidia.com/cordon-reason': 'Syslog-fatal-error-ruleset',
  'k8saas.nvidia.com/cordon-timestamp': '2026-03-01T11-40-10Z',
});
const slice = (driver: string, devices: readonly Json[]): readonly [string, Json] => [
  'resourceslices',
  {
    metadata: { name: `gpu-3-${driver}` },
    spec: {
      ...{ driver, nodeName: 'gpu-3', devices },
      pool: { name: 'gpu-3', generation: 1, resourceSliceCount: 1 },
    },
  },
];
const gpus = (taints: readonly Json[]) =>
  slice(
    'gpu.nvidia.com',
    Array.from({ length: 8 }, (_, index) => ({ name: `gpu-${index}`, taints })),
  );
const CHANNEL = slice('compute-domain.nvidia.com', [{ name: 'channel-0' }, { name: 'daemon' }]);
const domain = (status: string, nodes: readonly Json[], numNodes = 0) =>
  [
    'computedomains',
    {
      metadata: { namespace: 'team-a', name: 'train' },
      spec: { numNodes },
      status: { status, nodes },
    },
  ] as const;

export const PLATFORM_CASES: readonly PlatformCase[] = [
  {
    name: 'the EKS agent cannot reach DCGM and calls the hardware not ready',
    thread: 'https://github.com/aws/containers-roadmap/issues/2555',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /EKS.*DCGM/s, hardware: false },
    node: {
      conditions: [
        of('AcceleratedHardwareReady', 'False', 'DCGMError', 'failed to initialize DCGM'),
      ],
    },
  },
  {
    name: 'the EKS agent has no DCGM server where its DaemonSet does not tolerate the taint',
    thread: 'https://github.com/aws/containers-roadmap/issues/2567',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /EKS.*DCGM/s, hardware: false },
    node: {
      taints: [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }],
      conditions: [of('AcceleratedHardwareReady', 'False', 'DCGMError', 'no DCGM host engine')],
    },
  },
  {
    name: 'two DCGM health codes by turns, so that Karpenter never repairs',
    thread: 'https://github.com/kubernetes-sigs/karpenter/issues/2833',
    ...{ machine: 'dgx-h100', blame: 'unknown', says: /EKS.*DCGMHealthCode101/s, hardware: false },
    node: {
      conditions: [
        of(
          'AcceleratedHardwareReady',
          'False',
          'DCGMHealthCode101',
          'DCGM detected issues in health check system with error code 101',
        ),
      ],
    },
  },
  {
    name: 'NVSentinel keeps a node whose conditions are all well',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/458',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /NVSentinel.*left/s, hardware: false },
    node: {
      ...{ unschedulable: true, labels: state('quarantined') },
      conditions: [
        of('SysLogsXIDError', 'False', 'SysLogsXIDErrorIsHealthy', 'No Health Failures'),
      ],
    },
  },
  {
    name: 'the label remediation-failed stays while another fault keeps the node',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1416',
    ...{ machine: 'lost-gpu', blame: 'unknown', says: /NVSentinel.*person/s, hardware: true },
    node: {
      ...{ unschedulable: true, labels: state('remediation-failed') },
      conditions: [
        of(
          'SysLogsXIDError',
          'True',
          'SysLogsXIDErrorIsNotHealthy',
          'ErrorCode:79 GPU:3 PCI:0000:3b:00 GPU has fallen off the bus Recommended Action=RESTART_BM;',
        ),
      ],
    },
  },
  {
    name: 'remediation-failed on a node that NVSentinel has uncordoned and that is well',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1347',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /NVSentinel.*left/s, hardware: false },
    node: { labels: { 'dgxc.nvidia.com/nvsentinel-state': 'remediation-failed' } },
  },
  {
    name: 'a drain for XID 79 is under way',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1415',
    ...{ machine: 'lost-gpu', blame: 'unknown', says: /NVSentinel.*do not uncordon/s },
    hardware: true,
    node: {
      ...{ unschedulable: true, labels: state('draining') },
      conditions: [
        of(
          'SysLogsXIDError',
          'True',
          'SysLogsXIDErrorIsNotHealthy',
          'ErrorCode:79 GPU:3 PCI:0000:3b:00 Xid 79, GPU has fallen off the bus Recommended Action=RESTART_BM;',
        ),
      ],
    },
  },
  {
    name: 'an admin has cordoned the node before NVSentinel found anything',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1424',
    ...{ machine: 'dgx-h100', blame: 'unknown', says: /cordoned/, hardware: false },
    node: { unschedulable: true },
  },
  {
    name: 'NVSentinel cannot reach DCGM',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1415',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /NVSentinel.*DCGM/s, hardware: false },
    node: {
      conditions: [
        of(
          'GpuDcgmConnectivityFailure',
          'True',
          'GpuDcgmConnectivityFailureIsNotHealthy',
          'ErrorCode:DCGM_CONNECTIVITY_ERROR Failed to connect to DCGM for health check Recommended Action=CONTACT_SUPPORT;',
        ),
      ],
    },
  },
  {
    name: 'the taint of an XID stays on a GPU that is well again',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/1455',
    ...{ machine: 'dgx-h100', blame: 'unknown', says: /DRA.*restart/s, hardware: false },
    objects: [
      slice('gpu.nvidia.com', [
        {
          name: 'gpu-3',
          taints: [{ key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' }],
        },
      ]),
    ],
  },
  {
    name: 'one GPU is lost, and all eight have the taint',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/663',
    ...{ machine: 'lost-gpu', blame: 'unknown', says: /8 devices.*every/s, hardware: true },
    objects: [gpus([{ key: 'gpu.nvidia.com/gpu-lost', effect: 'NoSchedule' }])],
  },
  {
    name: 'a ComputeDomain is not ready because of this node',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/767',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /ComputeDomain.*IMEX/s },
    hardware: false,
    objects: [
      CHANNEL,
      domain('NotReady', [
        { name: 'gpu-3', cliqueID: 'a.1', status: 'NotReady' },
        { name: 'gpu-4', cliqueID: 'a.1', status: 'Ready' },
      ]),
    ],
  },
  {
    name: 'nvidia-imex of the host holds what the daemon of the ComputeDomain needs',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/524',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /ComputeDomain.*host/s },
    hardware: false,
    objects: [
      CHANNEL,
      domain('NotReady', [{ name: 'gpu-3', cliqueID: 'a.1', status: 'NotReady' }], 1),
    ],
  },
  {
    name: 'all nodes of a ComputeDomain are ready, its status is behind',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/1486',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /ComputeDomain.*all of its/s },
    hardware: false,
    objects: [CHANNEL, domain('NotReady', [{ name: 'gpu-3', cliqueID: 'a.1', status: 'Ready' }])],
  },
  {
    name: 'the DRA driver is gone, its slices stay, and pods go on to be bound',
    thread: 'https://github.com/kubernetes/kubernetes/issues/141912',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /DRA.*(?:not run|stuck|no pod)/s },
    hardware: false,
    objects: [
      gpus([]),
      [
        'pods',
        {
          metadata: { namespace: 'default', name: 'train-0', uid: 'u1' },
          spec: {
            nodeName: 'gpu-3',
            resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }],
            containers: [{ name: 'main', resources: { claims: [{ name: 'gpu' }] } }],
          },
          status: { phase: 'Pending' },
        },
      ],
    ],
  },
  {
    name: 'Azure preempts a spot node in half a minute',
    thread: 'https://github.com/Azure/karpenter-provider-azure/pull/1594',
    ...{ machine: 'dgx-h100', blame: 'host', says: /(?:Azure|AKS).*Preempt/s, hardware: false },
    node: {
      conditions: [
        of(
          'VMEventScheduled',
          'True',
          'VMEventScheduled',
          'Preempt Scheduled: Sun, 01 Mar 2026 12:00:45 GMT',
        ),
      ],
    },
  },
  {
    name: 'Azure freezes the machine for some seconds',
    thread: 'https://github.com/Azure/AKS/issues/3719',
    ...{ machine: 'dgx-h100', blame: 'host', says: /(?:Azure|AKS).*seconds/s, hardware: false },
    events: [
      event('FreezeScheduled', 'Node condition FreezeScheduled is now: True', 'aks-npd', 'Normal'),
    ],
    node: {
      conditions: [of('FreezeScheduled', 'True', 'FreezeScheduled', 'Host server maintenance')],
    },
  },
  {
    name: 'a reboot that Azure has scheduled',
    thread: 'https://github.com/Azure/AKS/issues/2062',
    ...{ machine: 'dgx-h100', blame: 'host', says: /(?:Azure|AKS).*[Rr]eboot/s, hardware: false },
    events: [
      event(
        'RebootScheduled',
        'Node condition RebootScheduled is now: True, reason: RebootScheduled',
        'custom-scheduledevents-plugin-monitor',
        'Normal',
      ),
    ],
  },
  {
    name: 'AWS takes back a spot instance, told by an event of Karpenter alone',
    thread: 'https://github.com/aws/karpenter-provider-aws/issues/8160',
    ...{ machine: 'dgx-h100', blame: 'host', says: /spot/i, hardware: false },
    events: [event('SpotInterrupted', 'Spot interruption warning was triggered', 'karpenter')],
    node: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] },
  },
  {
    name: 'an instance that AWS has terminated stays as a node while its pods terminate',
    thread: 'https://github.com/aws/karpenter-provider-aws/issues/9226',
    ...{ machine: 'dgx-h100', blame: 'host', says: /terminat/i, hardware: false },
    events: [
      event('InstanceTerminating', 'Instance is terminating', 'karpenter'),
      event(
        'TerminatingOnInterruption',
        'Interruption triggered termination for the Node',
        'karpenter',
      ),
    ],
  },
];

/** Written when the rules stood, which were not changed for them. */
export const PLATFORM_CASES_AFTER: readonly PlatformCase[] = [
  {
    name: 'a handler of Azure events has drained the node for a freeze and left it so',
    thread: 'https://github.com/maksim-paskal/aks-node-termination-handler/issues/43',
    ...{ machine: 'dgx-h100', blame: 'host', says: /Azure.*seconds/s, hardware: false },
    node: {
      unschedulable: true,
      conditions: [of('FreezeScheduled', 'True', 'FreezeScheduled', 'Virtual machine is paused')],
    },
  },
  {
    name: 'a drain was cancelled, and the node is rebooted all the same',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/121',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /NVSentinel repairs.*nothing/s },
    hardware: false,
    node: {
      labels: { 'dgxc.nvidia.com/nvsentinel-state': 'remediating' },
      conditions: [of('GpuMemWatch', 'False', 'GpuMemWatchIsHealthy', 'No Health Failures')],
    },
  },
  {
    name: 'a fresh quarantine whose drain was cancelled by the one before',
    thread: 'https://github.com/NVIDIA/NVSentinel/issues/1451',
    ...{ machine: 'dgx-h100', blame: 'unknown', says: /NVSentinel.*do not uncordon/s },
    hardware: false,
    node: {
      ...{ unschedulable: true, labels: state('quarantined') },
      conditions: [
        of(
          'GpuNvlinkWatch',
          'True',
          'GpuNvlinkWatchIsNotHealthy',
          'ErrorCode:DCGM_FR_NVLINK_DOWN GPU:2 link is down Recommended Action=RESTART_VM;',
        ),
      ],
    },
  },
  {
    name: 'two ComputeDomains on one clique, the second of which does not come up',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/892',
    ...{ machine: 'dgx-h100', blame: 'configuration', says: /ComputeDomain.*IMEX/s },
    hardware: false,
    objects: [
      CHANNEL,
      domain('Ready', [{ name: 'gpu-3', cliqueID: 'a.1', status: 'Ready' }]),
      [
        'computedomains',
        {
          metadata: { namespace: 'team-b', name: 'stress-b' },
          spec: { numNodes: 0 },
          status: {
            status: 'NotReady',
            nodes: [{ name: 'gpu-3', cliqueID: 'a.1', status: 'NotReady' }],
          },
        },
      ],
    ],
  },
  {
    name: 'Karpenter ends a spot node as soon as it is there',
    thread: 'https://github.com/aws/karpenter-provider-aws/issues/4935',
    ...{ machine: 'dgx-h100', blame: 'host', says: /spot/, hardware: false },
    events: [
      event('SpotInterrupted', 'Spot interruption warning was triggered', 'karpenter'),
      event('RegisteredNode', 'Node gpu-3 event: Registered Node', 'node-controller', 'Normal'),
    ],
  },
  {
    name: 'GKE preempts the node of a training job',
    thread: 'https://github.com/kubeflow/trainer/issues/999',
    ...{ machine: 'dgx-h100', blame: 'host', says: /GKE ends this node/, hardware: false },
    node: {
      labels: { 'cloud.google.com/gke-preemptible': 'true' },
      taints: [{ key: 'cloud.google.com/impending-node-termination', effect: 'NoSchedule' }],
    },
  },
  {
    name: 'the kubelet stops reporting when a GPU is given by DRA',
    thread: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/501',
    ...{ machine: 'dgx-h100', blame: 'unknown', says: /Ready=Unknown/, hardware: false },
    node: { conditions: [of('Ready', 'Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting')] },
    objects: [gpus([])],
  },
  {
    name: 'Karpenter would repair the node and is kept from it',
    thread: 'https://github.com/kubernetes-sigs/karpenter/issues/2833',
    ...{ machine: 'dgx-h100', blame: 'host', says: /Karpenter would repair/, hardware: false },
    events: [
      event('NodeRepairBlocked', 'more then 20% nodes are unhealthy in the nodepool', 'karpenter'),
    ],
  },
];
