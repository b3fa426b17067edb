import { describe, expect, test } from 'vitest';
import type {
  ClusterEvent,
  ClusterNode,
  ClusterPod,
  ClusterView,
  StackPod,
} from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import type { StackLog } from '../../src/contract/stack-log.ts';
import { noneRegistered } from '../../src/findings/rules/gpu-registration.ts';
import { podsNotStarting } from '../../src/findings/rules/pods-not-starting.ts';
import { aNode } from '../fakes/cluster-view.ts';
import { ago, part, READ_AT, runs, stackOf, waitsFor } from '../fakes/stack.ts';

const event = (
  reason: string,
  message: string,
  secondsAgo = 10,
  type = 'Warning',
): ClusterEvent => ({
  ...{ type: type === 'Warning' ? 'Warning' : 'Normal', reason, message, count: 9 },
  ...{ firstAt: ago(secondsAgo + 60), lastAt: ago(secondsAgo), from: 'kubelet' },
});
const NO_HANDLER = event(
  'FailedCreatePodSandBox',
  'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "nvidia" is configured',
);
const said = (cause: StackLog['cause'], text: string): Partial<StackPod> => ({
  log: present({
    ...{ container: 'x', previous: false, lines: 9, bytes: 99, requests: 1, text },
    ...(cause && { cause }),
  }),
});
const CRASHES = { reason: 'CrashLoopBackOff', restarts: 6 } as const;

describe('a pod of the stack of which nothing begins', () => {
  const CREATING = { name: 'main', reason: 'ContainerCreating' };
  const idle = (
    seconds: number,
    events: readonly ClusterEvent[] | undefined,
    of = 'device plugin',
  ) =>
    part(of === 'driver' ? 'driver' : 'device plugin', [CREATING], {
      startedAt: ago(seconds),
      ...(events && { events: present(events) }),
    });

  test.each<readonly [string, number, readonly ClusterEvent[] | undefined, boolean]>([
    ['nobody tells why, for less than ten minutes', 599, undefined, false],
    ['nobody tells why, for ten minutes', 600, undefined, true],
    ['it is refused, for less than two minutes', 119, [NO_HANDLER], false],
    ['it is refused, for two minutes', 120, [NO_HANDLER], true],
    [
      'it was refused and has got on since',
      300,
      [event('Pulling', 'Pulling image "x"', 5, 'Normal'), NO_HANDLER],
      false,
    ],
    [
      'it was refused after it had got on',
      300,
      [NO_HANDLER, event('Pulling', 'Pulling image "x"', 50, 'Normal')],
      true,
    ],
    [
      'it is warned of what stands in its way nowhere',
      300,
      [
        event('MissingClusterDNS', 'kubelet does not have ClusterDNS IP configured'),
        event('FailedToRetrieveImagePullSecret', 'Unable to retrieve some image pull secrets'),
      ],
      false,
    ],
    [
      'others write of it after its refusal',
      300,
      [event('Scheduled', 'Successfully assigned', 1, 'Normal'), NO_HANDLER],
      true,
    ],
  ])('%s', (_, seconds, events, isStuck) => {
    expect(stackOf([idle(seconds, events)])).toHaveLength(isStuck ? 1 : 0);
  });

  test('is told by the last word of the kubelet', () => {
    const [clue] = stackOf([idle(1_500, [NO_HANDLER])]);
    expect(clue).toMatchObject({
      title: 'The device plugin of the node is stuck: the container runtime has no handler nvidia',
      ...{ severity: 'warning', confidence: 'high' },
      advice: expect.stringMatching(/^The container toolkit writes that handler/),
      evidence: [
        { what: expect.stringContaining('container main has not begun for 25 min') },
        {
          what: expect.stringMatching(/^event FailedCreatePodSandBox: .*no runtime for "nvidia"/),
          ...{ source: 'events of the pod', count: 9, time: ago(70), lastTime: ago(10) },
          command: expect.stringMatching(/^kubectl describe pod -n gpu-operator /),
        },
      ],
    });
  });

  test('that only pulls its image, or whose events may not be read, is less sure', () => {
    const pulling = event('Pulling', 'Pulling image "nvcr.io/nvidia/driver:580"', 900, 'Normal');
    const [pulls] = stackOf([idle(1_200, [pulling])]);
    expect(pulls).toMatchObject({
      title: 'The device plugin of the node is stuck: container main has not begun for 20 min',
      confidence: 'medium',
      wouldChange: expect.stringContaining('still being pulled'),
      evidence: [{}, { what: expect.stringContaining('event Pulling: Pulling image') }],
    });
    const unread = { ...idle(1_200, undefined), events: missing('no_permission') };
    expect(stackOf([unread])[0]?.counterEvidence).toEqual([
      'its events were not read: no permission',
    ]);
  });

  test('on a kubelet that has not taken it up says so', () => {
    const { startedAt: _, ...own } = part('driver', [{ name: 'main' }], { createdAt: ago(900) });
    expect(stackOf([own])[0]?.title).toContain('the kubelet has not taken the pod up');
  });

  test('counts from what of it ended last, and not while one before it runs', () => {
    const done = (secondsAgo: number) => ({
      ...{ name: 'first', init: true, state: 'terminated' as const, reason: 'Completed' },
      ended: { exitCode: 0, reason: 'Completed', message: '', finishedAt: ago(secondsAgo) },
    });
    const waits = { name: 'main', reason: 'PodInitializing' };
    expect(stackOf([part('DCGM', [done(599), waits])])).toEqual([]);
    expect(stackOf([part('DCGM', [done(601), waits])])[0]?.title).toContain('for 10 min');
    const [clue] = stackOf([waitsFor('DCGM', 'toolkit-validation')]);
    expect(clue?.title).toContain('init container toolkit-validation waits');
    expect(stackOf([part('DCGM', [waits], { phase: 'Succeeded' })])).toEqual([]);
  });

  test('stands behind the toolkit that is to write the handler it lacks', () => {
    const [clue] = stackOf([
      idle(900, [NO_HANDLER]),
      part('container toolkit', [{ name: 'ctr', ...CRASHES }]),
      part('DCGM', [{ name: 'exporter', ...CRASHES }]),
    ]);
    expect(clue?.title).toContain('The container toolkit of the node is stuck');
    expect(clue?.evidence.slice(1).map(({ what }) => what)).toEqual([
      'wait behind it: device plugin',
      'stuck as well: DCGM',
    ]);
  });

  test.each([
    [
      'FailedMount',
      'MountVolume.SetUp failed for volume "x" : configmap "licensing" not found',
      'a ConfigMap or Secret that it mounts does not exist',
    ],
    [
      'FailedMount',
      'MountVolume.SetUp failed for volume "x" : hostPath type check failed: /run/nvidia is not a directory',
      'a folder or file of the host that it mounts is not there',
    ],
    [
      'FailedMount',
      'Unable to attach or mount volumes: timed out',
      'a volume of it cannot be mounted',
    ],
    [
      'FailedCreatePodSandBox',
      'Failed to create pod sandbox: plugin type="multus" failed (add): cni plugin not initialized',
      'the network plugin does not give it a network',
    ],
    [
      'NetworkNotReady',
      'network is not ready: container runtime network not ready',
      'the network plugin does not give it a network',
    ],
    [
      'FailedCreatePodSandBox',
      'dial unix /run/containerd/containerd.sock: connect: connection refused',
      'the container runtime does not answer',
    ],
    [
      'FailedCreatePodSandBox',
      'RuntimeHandler: no runtime for "gvisor" is configured',
      'the container runtime has no handler for its RuntimeClass',
    ],
    ['FailedCreatePodSandBox', 'something else', 'the runtime cannot create its sandbox'],
    [
      'FailedPrepareDynamicResources',
      'Failed to prepare dynamic resources: NodePrepareResources failed',
      'the DRA driver does not prepare what it claims',
    ],
    [
      'FailedPrepareDynamicResources',
      'Failed to prepare dynamic resources: prepare dynamic resources: ResourceClaim a: DRA driver gpu.nvidia.com is not registered',
      'the DRA driver that it needs is not registered with the kubelet',
    ],
    [
      'Failed',
      'Error: nvidia-container-cli: initialization error: nvml error',
      'NVIDIA’s runtime cannot give it a GPU',
    ],
    [
      'FailedUnheard',
      'of by us',
      'container main has not begun for 5 min, FailedUnheard, of by us',
    ],
  ])('%s: %s', (reason, message, is) => {
    expect(stackOf([idle(300, [event(reason, message)])])[0]?.title).toBe(
      `The device plugin of the node is stuck: ${is}`,
    );
  });
});

describe('an image that does not come', () => {
  test.each([
    [
      'ErrImagePull: rpc error: code = NotFound desc = failed to pull: x: not found',
      'its image is not in the registry',
    ],
    [
      'failed to resolve image: pull access denied, repository does not exist or may require authorization',
      'the registry of its image wants a login, or has no such image',
    ],
    [
      'unexpected status from HEAD request: 401 Unauthorized',
      'the registry of its image wants a login, or has no such image',
    ],
    ['dial tcp: lookup nvcr.io: no such host', 'the registry of its image is not reached'],
    [
      'tls: failed to verify certificate: x509: certificate signed by unknown authority',
      'the registry of its image is not reached',
    ],
    [
      'do request: Head "https://nvcr.io/v2/": context deadline exceeded',
      'the registry of its image is not reached',
    ],
    [
      'code = DeadlineExceeded desc = context deadline exceeded',
      'container main ImagePullBackOff, code = DeadlineExceeded desc = context deadline exceeded',
    ],
    [
      'code = NotFound desc = nvcr.io/nvidia/driver:570.403.2: not found',
      'its image is not in the registry',
    ],
    [
      'unexpected status code: 403',
      'the registry of its image wants a login, or has no such image',
    ],
    ['429 Too Many Requests - toomanyrequests', 'the registry of its image refuses so many pulls'],
    [
      'failed to extract layer: no space left on device',
      'no space is left on the node for its image',
    ],
    ['Back-off pulling image "x"', 'container main ImagePullBackOff, Back-off pulling image "x"'],
  ])('%s', (message, is) => {
    const pod = part('device plugin', [{ name: 'main', reason: 'ImagePullBackOff', message }]);
    const [clue] = stackOf([pod]);
    expect(clue?.title).toBe(`The device plugin of the node is stuck: ${is}`);
    expect(clue?.advice).not.toContain('driver image');
  });

  test('of a driver is told with what its tag names, and of one that is beside it not', () => {
    const message = 'code = NotFound desc = not found';
    const of = (name: string) =>
      stackOf([
        part('driver', [{ name, reason: 'ErrImagePull', message }], { phase: 'Running' }),
      ])[0];
    expect(of('nvidia-driver-ctr')?.advice).toContain('The tag of a driver image names');
    expect(of('openshift-driver-toolkit-ctr')).toMatchObject({
      title:
        'OpenShift’s Driver Toolkit beside the driver of the node is stuck: its image is not in the registry',
      severity: 'warning',
      advice: expect.not.stringContaining('driver image'),
    });
  });
});

describe('what only runs beside a part', () => {
  const main = { name: 'nvidia-driver-ctr', state: 'running', ready: true } as const;
  const beside = (name: string, own: Partial<StackPod> = {}) =>
    part('driver', [main, { name, ...CRASHES }], { phase: 'Running', ...own });

  test.each([
    ['nvidia-peermem-ctr', 'GPUDirect RDMA (nvidia-peermem)'],
    ['nvidia-fs-ctr', 'GPUDirect Storage (nvidia-fs)'],
    ['nvidia-gdrcopy-ctr', 'GDRCopy'],
    ['config-manager', 'The config manager'],
  ])('%s is not the part, and takes no GPU from pods', (name, words) => {
    const [clue] = stackOf([
      beside(name, said('build', 'make: *** [Makefile:110: module] Error 2')),
    ]);
    expect(clue).toMatchObject({
      title: `${words} beside the driver of the node is stuck: its module does not build for this kernel`,
      severity: 'info',
    });
    expect(clue?.advice).toMatch(/^(?:GPUs work without it|What runs keeps)/);
  });

  test('stands behind its part, and behind every other', () => {
    const broken = {
      name: 'nvidia-driver-ctr',
      state: 'running',
      ready: false,
      startedAt: ago(3_600),
    };
    const both = part('driver', [
      { ...broken, state: 'running' },
      { name: 'nvidia-fs-ctr', ...CRASHES },
    ]);
    expect(stackOf([both])[0]?.title).toContain(
      'The driver of the node is stuck: container nvidia-driver-ctr',
    );
    const [clue] = stackOf([
      beside('nvidia-peermem-ctr'),
      part('DCGM', [{ name: 'exporter', ...CRASHES }]),
    ]);
    expect(clue).toMatchObject({
      title: expect.stringContaining('The DCGM of the node is stuck'),
      severity: 'info',
    });
  });
});

test('the MPS control daemon goes before the device plugin that waits for it', () => {
  const [clue] = stackOf([
    part('device plugin', [{ name: 'nvidia-device-plugin', ...CRASHES }]),
    part('MPS control daemon', [{ name: 'mps-control-daemon-ctr', ...CRASHES }]),
  ]);
  expect(clue?.title).toContain('The MPS control daemon of the node is stuck');
});

test('what is ended for its memory says so, with what raises it', () => {
  const endedBefore = { exitCode: 137, reason: 'OOMKilled', message: '' };
  const [clue] = stackOf([part('DCGM', [{ name: 'exporter', ...CRASHES, endedBefore }])]);
  expect(clue).toMatchObject({
    title:
      'The DCGM of the node is stuck: container exporter CrashLoopBackOff, OOMKilled, exit code 137',
    advice: expect.stringContaining('memory limit'),
  });
});

describe('a validation that fails', () => {
  const validator = (name: string) =>
    part('validator', [{ name, init: true, ...CRASHES }], {
      name: 'nvidia-operator-validator-4kqzl',
    });
  const tried = (name: string, changed: Partial<StackPod> = {}) => {
    const ended = { exitCode: 1, reason: 'Error', message: '' };
    const own = { name: 'cuda-validation', init: true, reason: 'Error', ended };
    return part('validator', [{ ...own, state: 'terminated' }], {
      name,
      phase: 'Failed',
      ...changed,
    });
  };

  test('is told by the pod that it tried', () => {
    const [clue] = stackOf([
      validator('cuda-validation'),
      tried('nvidia-cuda-validator-7vx4d', said('not-initialized', 'system not yet initialized')),
    ]);
    expect(clue).toMatchObject({
      title:
        'The validator of the node is stuck: CUDA finds the GPUs not ready, as before Fabric Manager has set up NVLink',
      evidence: [
        { what: expect.stringContaining('pod gpu-operator/nvidia-cuda-validator-7vx4d') },
        {},
      ],
    });
  });

  test.each([
    ['another validation', 'plugin-validation', tried('nvidia-cuda-validator-7vx4d')],
    [
      'a pod of nobody known',
      'cuda-validation',
      tried('nvidia-cuda-validator-x', { isClaim: true }),
    ],
    ['a pod of elsewhere', 'cuda-validation', tried('nvidia-cuda-validator-x', { namespace: 'b' })],
  ])('and not by %s', (_, validation, other) => {
    const [clue] = stackOf([validator(validation), other]);
    expect(clue?.evidence[0]?.what).toContain('nvidia-operator-validator-4kqzl');
  });

  test('that is over is nobody’s trouble, whatever was tried', () => {
    expect(stackOf([runs('validator'), tried('nvidia-cuda-validator-7vx4d')])).toEqual([]);
  });
});

describe('what the operator is told to hold back', () => {
  const DEPLOY = 'nvidia.com/gpu.deploy.';
  const MIG = 'nvidia.com/mig.config.state';
  const idsOf = (labels: Readonly<Record<string, string>>, ...stack: readonly StackPod[]) =>
    stackOf(stack, { labels }).map(({ id, severity }) => `${id} ${severity}`);
  const paused = { [`${DEPLOY}device-plugin`]: 'paused-for-mig-change' };

  test.each<
    readonly [string, Readonly<Record<string, string>>, readonly StackPod[], readonly string[]]
  >([
    ['is deployed', { [`${DEPLOY}device-plugin`]: 'true' }, [], []],
    ['was left paused by who is gone', paused, [], ['operator-paused warning']],
    [
      'is paused while MIG is set',
      { ...paused, [MIG]: 'pending' },
      [runs('MIG manager')],
      ['mig-configuration info'],
    ],
    [
      'stays paused after that failed',
      { ...paused, [MIG]: 'failed' },
      [],
      ['mig-configuration warning'],
    ],
    ['only watches', { [`${DEPLOY}dcgm`]: 'paused-for-mig-change' }, [], ['operator-paused info']],
    [
      'was switched off and paused',
      { [`${DEPLOY}device-plugin`]: 'mixed_paused-for-driver-upgrade' },
      [runs('driver')],
      ['operator-paused warning'],
    ],
    [
      'is paused while the driver is upgraded',
      {
        [`${DEPLOY}device-plugin`]: 'paused-for-driver-upgrade',
        'nvidia.com/gpu-driver-upgrade-state': 'pod-restart-required',
      },
      [],
      ['driver-upgrade info'],
    ],
    ['is switched off', { [`${DEPLOY}operands`]: 'false' }, [], ['operator-switched-off info']],
    ['is switched off and only watches', { [`${DEPLOY}dcgm`]: 'false' }, [], []],
    ['is a driver of the host', { [`${DEPLOY}driver`]: 'pre-installed' }, [], []],
  ])('%s', (_, labels, stack, ids) => {
    expect(idsOf(labels, ...stack)).toEqual(ids);
  });

  test('the driver manager that works is no rest of one', () => {
    const labels = { [`${DEPLOY}device-plugin`]: 'paused-for-driver-upgrade' };
    expect(idsOf(labels, waitsFor('driver', 'k8s-driver-manager'))).toEqual([
      'gpu-stack-stuck warning',
    ]);
  });
});

describe('each state of a driver’s upgrade says what is done with the node', () => {
  const titleOf = (state: string) =>
    stackOf([], { labels: { 'nvidia.com/gpu-driver-upgrade-state': state } })[0]?.title;

  test.each([
    ['upgrade-required', 'is to upgrade the driver of this node and has not begun'],
    ['cordon-required', 'is upgrading the driver of this node: it cordons the node'],
    [
      'wait-for-jobs-required',
      'is to upgrade the driver of this node and waits for its jobs to end',
    ],
    [
      'pod-deletion-required',
      'is upgrading the driver of this node: it deletes the pods that use GPUs',
    ],
    ['drain-required', 'is upgrading the driver of this node: it drains the node'],
    [
      'node-maintenance-required',
      'is to upgrade the driver of this node and waits for the maintenance operator',
    ],
    ['post-maintenance-required', 'is upgrading the driver of this node: its maintenance is done'],
    ['pod-restart-required', 'is upgrading the driver of this node: it starts the driver pod anew'],
    ['validation-required', 'is upgrading the driver of this node: the new one is being validated'],
    ['uncordon-required', 'has upgraded the driver of this node and is about to uncordon it'],
    ['upgrade-failed', 'could not upgrade the driver of this node'],
    ['of-tomorrow', 'notes of-tomorrow of the upgrade of the driver of this node'],
  ])('%s', (state, title) => {
    expect(titleOf(state)).toBe(`The operator ${title}`);
  });
});

describe('GPUs of a node that offers none', () => {
  const plugin = runs('device plugin');
  const told = (
    stack: readonly StackPod[],
    {
      node = {},
      ...view
    }: { readonly node?: Partial<ClusterNode> } & Omit<Partial<ClusterView>, 'node'> = {},
    counted: { readonly nvml?: number; readonly kubelet?: number } = {},
  ) =>
    noneRegistered(
      {
        node: present(aNode({ capacity: {}, allocatable: {}, labels: {}, ...node })),
        pods: present({ namespace: null, total: 9, gpuPods: [], stack, readAt: READ_AT }),
        devices: missing('not_found'),
        ...view,
      },
      { nvml: 8, kubelet: undefined, ...counted },
    );

  test('by a device plugin that runs and has registered none', () => {
    expect(told([plugin], { node: { capacity: { 'nvidia.com/gpu': 0 } } })).toMatchObject([
      {
        id: 'no-gpu-registered',
        ...{ severity: 'warning', confidence: 'medium', counterEvidence: [] },
        title:
          'The driver has 8 GPUs, and the node offers none of them to pods: its device plugin has registered none',
        evidence: [
          { what: 'capacity of nvidia.com/gpu: 0' },
          { command: `kubectl logs -n gpu-operator ${plugin.name} -c main` },
        ],
      },
    ]);
  });

  test('by no device plugin: a warning where one is meant to be there', () => {
    const labels = { 'nvidia.com/gpu.deploy.device-plugin': 'true' };
    expect(told([], { node: { labels } })[0]).toMatchObject({
      title: expect.stringContaining('no device plugin has a pod here'),
      severity: 'warning',
    });
    expect(told([])[0]?.severity).toBe('info');
    expect(told([{ ...plugin, isClaim: true }])[0]?.severity).toBe('info');
  });

  test('though the kubelet lists some says so', () => {
    expect(told([plugin], {}, { kubelet: 8 })[0]?.counterEvidence).toEqual([
      'the kubelet itself lists 8 devices',
    ]);
  });

  test.each<readonly [string, () => readonly unknown[]]>([
    [
      'the node offers some',
      () => told([], { node: { capacity: { 'nvidia.com/mig-1g.10gb': 7 } } }),
    ],
    [
      'DRA publishes some',
      () =>
        told([], { devices: present([{ driver: 'gpu.nvidia.com', pool: 'a', name: 'gpu-0' }]) }),
    ],
    ['DRA was not asked', () => told([], { devices: missing('no_permission') })],
    [
      'pods of others are not seen',
      () => told([], { pods: present({ namespace: 'a', total: 1, gpuPods: [], stack: [] }) }),
    ],
    ['DRA is to give them out', () => told([runs('DRA driver')])],
    ['the driver has none', () => told([plugin], {}, { nvml: 0 })],
    ['another rule compares the kubelet', () => told([plugin], {}, { kubelet: 0 })],
    [
      'a part of the stack is stuck, which says why',
      () => told([part('driver', [{ name: 'ctr', ...CRASHES }])]),
    ],
    [
      'the operator is told to deploy none',
      () => told([], { node: { labels: { 'nvidia.com/gpu.deploy.operands': 'false' } } }),
    ],
  ])('are no finding where %s', (_, clues) => {
    expect(clues()).toEqual([]);
  });
});

describe('a pod of a job of which nothing begins', () => {
  const pod = (name: string, events: readonly ClusterEvent[] | undefined, seconds = 900) => {
    const { events: _, ...own } = part('DCGM', [{ name: 'main', reason: 'ContainerCreating' }]);
    const { part: __, ...bare } = own;
    return {
      ...{ ...bare, namespace: 'team-a', name, uid: name, owner: 'Job/train' },
      ...{ startedAt: ago(seconds), ...(events && { events: present(events) }) },
    };
  };
  const told = (gpuPods: readonly ClusterPod[], stack: readonly StackPod[] = []) =>
    podsNotStarting({
      cluster: { pods: present({ namespace: null, total: 9, gpuPods, stack, readAt: READ_AT }) },
    });

  test('for what any pod would meet here is a warning, once for a job', () => {
    expect(told([pod('train-0', undefined), pod('train-1', [NO_HANDLER])])).toMatchObject([
      {
        id: 'pod-not-starting:team-a/train-1',
        title:
          'Pod team-a/train-1, and 1 more of its job, has not begun for 15 min: the container runtime has no handler nvidia',
        ...{ severity: 'warning', action: 'fix_configuration', confidence: 'high' },
        evidence: [
          { command: 'kubectl describe pod -n team-a train-1' },
          { what: expect.stringContaining('event FailedCreatePodSandBox') },
        ],
      },
    ]);
  });

  test('for what it asks for itself is good to know', () => {
    const own = event('FailedMount', 'MountVolume.SetUp failed: configmap "x" not found');
    expect(told([pod('train-0', [own])])).toMatchObject([
      { severity: 'info', action: 'watch', title: expect.stringContaining('ConfigMap or Secret') },
    ]);
    expect(told([pod('train-0', []), pod('train-1', undefined)])[0]?.title).toMatch(
      /^Pod team-a\/train-0, .* no event says why$/,
    );
  });

  test.each<readonly [string, readonly ClusterEvent[] | undefined, number]>([
    ['has just left a queue', [event('Scheduled', 'Successfully assigned', 20, 'Normal')], 0],
    ['was given long ago', [event('Scheduled', 'Successfully assigned', 900, 'Normal')], 1],
    ['was given so long ago that the event is over', [], 1],
    ['was given nobody knows when', undefined, 0],
  ])('that its kubelet has not taken up and that %s', (_, events, count) => {
    const { startedAt: __, ...waiting } = pod('train-0', events);
    expect(told([{ ...waiting, createdAt: ago(20_000) }])).toHaveLength(count);
  });

  test('whose events nobody has read does not say that none tells why', () => {
    const refused = { ...pod('train-0', undefined), events: missing('no_permission') };
    for (const each of [pod('train-0', undefined), refused]) {
      expect(told([each])[0]?.title).toMatch(/why is not known, its events were not read$/);
    }
  });

  test.each([
    [
      'the path of a volume',
      'FailedMount',
      'MountVolume.SetUp failed: mount.nfs: 10.0.0.1:/no runtime for "nvidia" is configured',
    ],
    ['the path of a volume, of the hook', 'FailedMount', 'mount.nfs: 10.0.0.1:/nvml error'],
    [
      'its network',
      'FailedCreatePodSandBox',
      'plugin type="multus-cni" failed (add): cannot find a network-attachment-definition (nvml error)',
    ],
    [
      'its claim',
      'FailedPrepareDynamicResources',
      'prepare dynamic resources: NodePrepareResources failed for ResourceClaim a: invalid: DRA driver gpu.nvidia.com is not registered',
    ],
  ])('accuses no node by words that its owner chooses: %s', (_, reason, message) => {
    expect(told([pod('train-0', [event(reason, message)])])).toMatchObject([
      { severity: 'info', action: 'watch' },
    ]);
  });

  test('is none that has just been given to the node, or is of the stack', () => {
    expect(told([pod('train-0', undefined, 599)])).toEqual([]);
    const validator = { ...part('validator', []), uid: 'train-0' };
    expect(told([pod('train-0', [NO_HANDLER])], [validator])).toEqual([]);
  });
});
