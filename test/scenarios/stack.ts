import type {
  ClusterContainer,
  ClusterNode,
  ClusterView,
  ComputeDomain,
  StackPod,
} from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';
import { cluster } from './host.ts';
import { few } from './machines.ts';
import type { Scenario } from './scenario.ts';

const { startedAt: _, ...UNSTARTED } = aContainer({ gpus: {}, state: 'waiting' });

/** A pod of NVIDIA's software that has not started. */
const part = (
  of: StackPod['part'],
  containers: readonly Partial<ClusterContainer>[],
  changed: Partial<StackPod> = {},
): StackPod => ({
  ...aPod({
    namespace: 'gpu-operator',
    name: `nvidia-${of.toLowerCase().replaceAll(' ', '-')}-x7k2p`,
    phase: 'Pending',
    containers: containers.map(own => ({ ...UNSTARTED, ...own })),
  }),
  part: of,
  ...changed,
});

/** Its init container runs until what it waits for is there. */
const waits = (of: StackPod['part'], init: string, changed: Partial<StackPod> = {}) =>
  part(
    of,
    [
      { name: init, init: true, state: 'running', startedAt: '2026-03-01T11:00:00Z' },
      { name: 'main', reason: 'PodInitializing' },
    ],
    changed,
  );
const crashes = (of: StackPod['part'], name: string, own: Partial<ClusterContainer> = {}) =>
  part(of, [{ name, reason: 'CrashLoopBackOff', ...own }]);

/** A node of one GPU, with so many pods of the stack. */
const given = (stack: readonly StackPod[], node: Partial<ClusterNode> = {}) => ({
  machine: few('t4', ['0000:3b:00'], {}),
  facts: cluster(
    {
      labels: {},
      capacity: { 'nvidia.com/gpu': 1 },
      allocatable: { 'nvidia.com/gpu': 1 },
      ...node,
    },
    { pods: present({ namespace: null, total: 9, gpuPods: [], stack }) },
  ),
});

const stuck = (name: string, ...stack: readonly StackPod[]): Scenario => ({
  ...{ name, truth: 'configuration', ...given(stack) },
  ...{ verdict: 'warning', findings: ['gpu-stack-stuck'] },
});
const well = (name: string, stack: readonly StackPod[], node?: Partial<ClusterNode>): Scenario => ({
  ...{ name, truth: 'healthy', ...given(stack, node) },
  ...{ verdict: 'healthy', findings: [] },
});
const labelled = (
  name: string,
  labels: Readonly<Record<string, string>>,
  rule: string,
  verdict: 'warning' | 'healthy',
  stack: readonly StackPod[] = [],
): Scenario => ({
  ...{ name, truth: verdict === 'healthy' ? 'healthy' : 'configuration' },
  ...given(stack, { labels }),
  ...{ verdict, findings: [rule] },
});
const announced = (name: string, node: Partial<ClusterNode>, of: string): Scenario => ({
  ...{ name, truth: 'host', ...given([], node) },
  ...{ verdict: 'warning', findings: [`platform-action:${of}`] },
});

/** What the cluster says of a node whose GPU reads well. */
const seen = (
  name: string,
  node: Partial<ClusterNode>,
  beside: Partial<ClusterView>,
  findings: readonly string[],
): Scenario => ({
  ...{ name, truth: 'configuration', verdict: 'warning', findings },
  machine: given([]).machine,
  facts: cluster(
    {
      ...{ labels: {}, capacity: { 'nvidia.com/gpu': 1 }, allocatable: { 'nvidia.com/gpu': 1 } },
      ...node,
    },
    beside,
  ),
});
const DEVICE = { driver: 'gpu.nvidia.com', pool: 'gpu-7', name: 'gpu-0' };
const domain = (status: string): ComputeDomain => ({
  ...{ namespace: 'team-a', name: 'ComputeDomain/train', status },
  nodes: [{ node: 'gpu-7', clique: '', status }],
});

/** Running, of an image of this version. */
const runs = (
  of: StackPod['part'],
  version: string | undefined,
  changed: Partial<StackPod> = {},
): StackPod => ({
  ...part(of, [{ state: 'running' }], { phase: 'Running', ...changed }),
  ...(version === undefined ? {} : { version }),
});
/** What its machine has loaded. */
const T4_DRIVER = '550.90.07';
const EXPORTER = { name: 'nvidia-dcgm-exporter-hj2rk' };
const remark = (name: string, finding: string, ...stack: readonly StackPod[]): Scenario => ({
  ...{ name, truth: 'healthy', ...given(stack) },
  ...{ verdict: 'healthy', findings: [finding] },
});

const MIG = 'nvidia.com/mig.config.state';
const DEPLOY = 'nvidia.com/gpu.deploy.';
const UPGRADE = 'nvidia.com/gpu-driver-upgrade-state';
const OFED = 'nvidia.com/ofed-driver-upgrade-state';
const PLANNED = 'cloud.google.com/scheduled-maintenance-time';
const UNTIL_INIT = { exitCode: 1, reason: 'Error', message: 'unable to load the nvidia module' };
/** As containerd puts down a container that it has lost. */
const LOST = { exitCode: 255, reason: 'Unknown', message: '' };
const AGAIN = { state: 'running', restarts: 1, startedAt: '2026-03-01T11:59:50Z' } as const;
const RUNNING = { phase: 'Running' } as const;
const EVENT = {
  ...{ type: 'RebootScheduled', reason: 'RebootScheduled', message: 'at 12:00 UTC' },
  since: '2026-03-01T10:00:00Z',
};

/** NVIDIA's software on the node, and what the platform does with it. */
export const STACK: readonly Scenario[] = [
  {
    ...given([runs('driver', '570.124.06')]),
    ...{ name: 'the driver pod runs, and another driver than its own is loaded' },
    ...{ truth: 'configuration', verdict: 'warning', findings: ['driver-image-version'] },
  },
  well('the driver pod is of the loaded driver', [runs('driver', T4_DRIVER)]),
  well('a precompiled driver, whose tag names a branch alone', [runs('driver', undefined)]),
  {
    ...given([runs('driver', '570.124.06')], { labels: { [UPGRADE]: 'pod-restart-required' } }),
    ...{ name: 'the driver pod is of another driver while the operator upgrades' },
    ...{ truth: 'healthy', verdict: 'healthy', findings: ['driver-upgrade'] },
  },
  well('the driver pod of another version goes', [
    runs('driver', '570.124.06', { deleting: true }),
  ]),
  remark(
    'the exporter is of another DCGM than the host engine beside it: good to know',
    'dcgm-versions',
    runs('DCGM', '3.3.9'),
    runs('DCGM', '4.2.3', EXPORTER),
  ),
  well('exporter and host engine differ by a release', [
    runs('DCGM', '4.1.1'),
    runs('DCGM', '4.2.3', EXPORTER),
  ]),
  well('a second exporter and a run of diagnostics are no host engine that anyone asks', [
    runs('DCGM', '3.3.9', { name: 'dcgm-metrics-b' }),
    runs('DCGM', '3.1.8', { name: 'dcgm-diag-run1' }),
    runs('DCGM', '4.2.3', EXPORTER),
  ]),
  well('an exporter brings its engine along', [runs('DCGM', '4.2.3', EXPORTER)]),
  {
    ...given([runs('DCGM', '4.2.3', EXPORTER)]),
    ...{ name: 'DCGM beside a driver of before it: good to know' },
    machine: {
      ...few('t4', ['0000:3b:00'], {}),
      host: {
        pci: [{ pci: '0000:3b:00' }],
        module: { version: '418.226.00', kind: 'proprietary' },
      },
    },
    ...{ truth: 'healthy', verdict: 'healthy', findings: ['dcgm-driver'] },
  },
  stuck(
    'no driver image for this kernel, and three parts wait for it',
    waits('DCGM', 'toolkit-validation'),
    waits('device plugin', 'toolkit-validation'),
    waits('container toolkit', 'driver-validation'),
    part('driver', [{ name: 'nvidia-driver-ctr', reason: 'ImagePullBackOff' }]),
    part('driver', [{ name: 'nvidia-driver-ctr', reason: 'ErrImagePull' }], { name: 'another' }),
    part('feature discovery', [{ name: 'main', state: 'running' }], { phase: 'Running' }),
  ),
  stuck(
    'the driver container ends while it builds, seven times',
    crashes('driver', 'nvidia-driver-ctr', { restarts: 7, endedBefore: UNTIL_INIT }),
  ),
  stuck(
    'the toolkit waits for a driver that nobody deploys',
    waits('container toolkit', 'driver-validation'),
  ),
  stuck(
    'the old driver is held by a program, so that the new one waits',
    waits('driver', 'k8s-driver-manager'),
  ),
  stuck(
    'the driver waits for the network’s, which a module of storage holds',
    waits('driver', 'mofed-validation'),
    part('network operator', [
      {
        ...{ name: 'network-operator-init-container', init: true, reason: 'CrashLoopBackOff' },
        endedBefore: UNTIL_INIT,
      },
      { name: 'mofed-container', reason: 'PodInitializing' },
    ]),
  ),
  stuck(
    'the driver waits for the network’s, which nobody deploys',
    waits('driver', 'mofed-validation'),
  ),
  remark(
    'the network’s driver waits until the node is drained: good to know',
    'gpu-stack-stuck',
    waits('network operator', 'network-operator-init-container'),
  ),
  stuck(
    'the toolkit cannot have the runtime restarted, and tries again',
    part('container toolkit', [{ ...AGAIN, ready: false, endedBefore: UNTIL_INIT }], RUNNING),
    waits('device plugin', 'toolkit-validation'),
  ),
  well('the toolkit has restarted the runtime, which lost its containers', [
    part('container toolkit', [{ ...AGAIN, endedBefore: LOST }], RUNNING),
    part('device plugin', [{ ...AGAIN, ready: false, endedBefore: LOST }], RUNNING),
  ]),
  stuck('the device plugin waits for the toolkit', waits('device plugin', 'toolkit-validation')),
  stuck('the validator waits for the device plugin', waits('validator', 'plugin-validation')),
  stuck('an init container waits that is not of the operator', waits('DRA driver', 'init-driver')),
  stuck(
    'an image of the device plugin is not there',
    part('device plugin', [{ name: 'plugin', reason: 'ErrImagePull', message: 'not found' }]),
  ),
  stuck(
    'the runtime has no class for the device plugin',
    part('device plugin', [
      { name: 'plugin', reason: 'CreateContainerError', message: 'no runtime for "nvidia"' },
    ]),
  ),
  stuck(
    'the program of the validator fails beside a validator that waits',
    waits('validator', 'toolkit-validation', { name: 'waits' }),
    part('validator', [
      { name: 'cuda-validation', init: true, reason: 'CrashLoopBackOff', endedBefore: UNTIL_INIT },
    ]),
    waits('validator', 'driver-validation', { name: 'waits-too' }),
  ),
  stuck(
    'the kubelet has put the MIG manager out',
    part('MIG manager', [], { phase: 'Failed', reason: 'Evicted' }),
  ),
  {
    ...stuck('DCGM alone does not start', crashes('DCGM', 'exporter')),
    ...{ truth: 'healthy', verdict: 'healthy' },
  },
  well('the stack comes up, and what ended is no trouble', [
    part('DCGM', [{ reason: 'ContainerCreating' }, { reason: '' }]),
    part('validator', [], { phase: 'Failed' }),
    part('container toolkit', [{ state: 'running' }], { phase: 'Pending', reason: 'x' }),
    waits('device plugin', 'toolkit-validation', { phase: 'Running' }),
    { ...crashes('driver', 'nvidia-driver-ctr'), deleting: true },
  ]),
  labelled(
    'MIG could not be configured',
    { [MIG]: 'failed', 'nvidia.com/mig.config': 'all-1g.10gb' },
    'mig-configuration',
    'warning',
  ),
  labelled(
    'MIG is being configured',
    { [MIG]: 'rebooting', 'nvidia.com/mig.config': 'all-1g.10gb' },
    'mig-configuration',
    'healthy',
    [runs('MIG manager', undefined)],
  ),
  labelled(
    'MIG is being configured, to what is not said',
    { [MIG]: 'pending', [`${DEPLOY}device-plugin`]: 'paused-for-mig-change' },
    'mig-configuration',
    'healthy',
    [runs('MIG manager', undefined)],
  ),
  labelled(
    'MIG was to be configured, and its manager is gone',
    { [MIG]: 'pending', [`${DEPLOY}device-plugin`]: 'paused-for-mig-change' },
    'mig-configuration',
    'warning',
  ),
  labelled(
    'MIG could not be configured, and the device plugin stays paused',
    { [MIG]: 'failed', [`${DEPLOY}device-plugin`]: 'paused-for-mig-change' },
    'mig-configuration',
    'warning',
    [runs('MIG manager', undefined)],
  ),
  labelled(
    'MIG is configured, and the device plugin was left paused',
    { [MIG]: 'success', [`${DEPLOY}device-plugin`]: 'paused-for-mig-change' },
    'operator-paused',
    'warning',
  ),
  labelled(
    'a driver manager ended before it took back what it had paused',
    { [`${DEPLOY}dcgm`]: 'paused-for-driver-upgrade' },
    'operator-paused',
    'healthy',
    [runs('driver', undefined)],
  ),
  labelled(
    'the driver manager works, and the device plugin is paused for that',
    { [`${DEPLOY}device-plugin`]: 'paused-for-driver-upgrade' },
    'gpu-stack-stuck',
    'warning',
    [waits('driver', 'k8s-driver-manager')],
  ),
  labelled(
    'somebody has switched the operator off for this node: good to know',
    { [`${DEPLOY}operands`]: 'false' },
    'operator-switched-off',
    'healthy',
  ),
  labelled(
    'the driver could not be upgraded',
    { [UPGRADE]: 'upgrade-failed' },
    'driver-upgrade',
    'warning',
  ),
  labelled(
    'the driver is being upgraded',
    { [UPGRADE]: 'drain-required' },
    'driver-upgrade',
    'healthy',
  ),
  labelled(
    'the network’s driver could not be upgraded',
    { [OFED]: 'upgrade-failed' },
    'network-driver-upgrade',
    'warning',
  ),
  labelled(
    'the network’s driver is being upgraded',
    { [OFED]: 'pod-restart-required' },
    'network-driver-upgrade',
    'healthy',
  ),
  well('the operator has done what it was told', [], {
    labels: { [MIG]: 'success', [UPGRADE]: 'upgrade-done', [OFED]: 'upgrade-done' },
  }),
  well('the operator has no driver to upgrade', [], { labels: { [UPGRADE]: '' } }),
  announced(
    'the platform has planned maintenance',
    { labels: { [PLANNED]: '1772366400' } },
    'maintenance',
  ),
  announced(
    'the platform maintains the node now',
    { labels: { 'cloud.google.com/active-node-maintenance': 'ONGOING', [PLANNED]: '1772366400' } },
    'maintenance',
  ),
  ...['soon', '0', '-1', '4e9', '1.5'].map(at =>
    well(`a time of maintenance that is none: ${at}`, [], { labels: { [PLANNED]: at } }),
  ),
  announced(
    'the platform will reboot the machine',
    { conditions: [{ ...EVENT, status: 'True' }] },
    'RebootScheduled',
  ),
  well('the platform has no reboot in mind', [], {
    conditions: [{ ...EVENT, status: 'False' }],
  }),
  announced(
    'the cloud takes a spot instance back',
    {
      taints: [
        {
          ...{ key: 'aws-node-termination-handler/spot-itn', value: 'i-0', effect: 'NoSchedule' },
          since: '2026-03-01T11:58:00Z',
        },
      ],
    },
    'aws-node-termination-handler/spot-itn',
  ),
  {
    ...seen(
      'NVSentinel drains the node for what it believes of a GPU',
      {
        labels: { 'dgxc.nvidia.com/nvsentinel-state': 'draining' },
        conditions: [
          {
            ...{ type: 'GpuMemWatch', status: 'True', reason: 'GpuMemWatchIsNotHealthy' },
            message:
              'ErrorCode:DCGM_FR_FAULTY_MEMORY GPU:0 bad Recommended Action=CONTACT_SUPPORT;',
            since: '2026-03-01T11:40:00Z',
          },
        ],
      },
      {},
      ['node-condition:GpuMemWatch', 'nvsentinel'],
    ),
    truth: 'unknown',
  },
  well('another program has cordoned the node', [], {
    labels: { 'k8saas.nvidia.com/cordon-by': 'ann' },
  }),
  seen(
    'DRA goes on to offer devices of a driver that is gone, and a pod waits',
    {},
    {
      devices: present([DEVICE]),
      pods: present({
        ...{ namespace: null, total: 9, stack: [] },
        gpuPods: [aPod({ phase: 'Pending', gpus: {}, claims: ['gpu'] })],
      }),
    },
    ['dra-driver-gone'],
  ),
  seen(
    'the DRA driver runs and publishes no GPU',
    {},
    {
      devices: present([]),
      pods: present({
        ...{ namespace: null, total: 9, gpuPods: [] },
        stack: [part('DRA driver', [{ name: 'gpus', state: 'running', ready: true }], RUNNING)],
      }),
    },
    ['dra-none-published'],
  ),
  seen(
    'the device plugin runs and has registered no GPU',
    { capacity: { 'nvidia.com/gpu': 0 }, allocatable: { 'nvidia.com/gpu': 0 } },
    {
      devices: missing('not_found'),
      pods: present({
        ...{ namespace: null, total: 9, gpuPods: [] },
        stack: [runs('device plugin', undefined)],
      }),
    },
    ['no-gpu-registered'],
  ),
  seen(
    'a job’s pod does not start, for the runtime has no handler nvidia',
    {},
    {
      pods: present({
        ...{ namespace: null, total: 9, stack: [], readAt: '2026-03-01T12:00:00Z' },
        gpuPods: [
          aPod({
            phase: 'Pending',
            containers: [{ ...UNSTARTED, reason: 'ContainerCreating' }],
            events: present([
              {
                ...{ type: 'Warning', reason: 'FailedCreatePodSandBox', count: 40 },
                message: 'failed to get sandbox runtime: no runtime for "nvidia" is configured',
                ...{ lastAt: '2026-03-01T11:59:50Z', from: 'kubelet' },
              },
            ]),
          }),
        ],
      }),
    },
    ['pod-not-starting:team-a/train-0'],
  ),
  seen(
    'the IMEX daemon of a ComputeDomain is not ready here',
    {},
    { computeDomains: present([domain('NotReady')]) },
    ['compute-domain:team-a/train'],
  ),
  {
    ...seen(
      'a ComputeDomain is ready here',
      {},
      { computeDomains: present([domain('Ready')]) },
      [],
    ),
    ...{ truth: 'healthy', verdict: 'healthy' },
  },
];
