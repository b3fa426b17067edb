import { describe, expect, test } from 'vitest';
import type {
  ClusterContainer,
  ClusterDevice,
  ClusterNode,
  StackPod,
} from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { taintedDevices } from '../../src/findings/rules/device-taints.ts';
import { gpuStack } from '../../src/findings/rules/gpu-stack.ts';
import { platformActions } from '../../src/findings/rules/platform-actions.ts';
import { aContainer, aNode, aPod } from '../fakes/cluster-view.ts';

const part = (
  of: StackPod['part'],
  containers: readonly Partial<ClusterContainer>[],
  changed: Partial<StackPod> = {},
): StackPod => ({
  ...aPod({
    namespace: 'gpu-operator',
    name: `nvidia-${of.replaceAll(' ', '-')}-x7k2p`,
    phase: 'Pending',
    containers: containers.map(one => aContainer({ gpus: {}, state: 'waiting', ...one })),
  }),
  part: of,
  ...changed,
});
const runs = (of: StackPod['part']) => part(of, [{ state: 'running' }], { phase: 'Running' });
/** As GPU Operator's operands look while a part before them is not there. */
const waitsFor = (of: StackPod['part'], init: string) =>
  part(of, [
    { name: init, init: true, state: 'running' },
    { name: 'main', reason: 'PodInitializing' },
  ]);

function stackOf(stack: readonly StackPod[], node: Partial<ClusterNode> = {}) {
  return gpuStack({
    cluster: {
      node: present(aNode(node)),
      pods: present({ namespace: null, total: 20, gpuPods: [], stack }),
    },
  });
}

describe('the GPU stack of a node', () => {
  test('that runs is no finding, and neither is one that comes up', () => {
    expect(stackOf([runs('driver'), runs('device plugin')])).toEqual([]);
    expect(stackOf([part('DCGM', [{ reason: 'ContainerCreating' }])])).toEqual([]);
    expect(stackOf([part('validator', [{ state: 'terminated' }], { phase: 'Succeeded' })])).toEqual(
      [],
    );
  });

  test.each([
    [
      'a driver image that is not there for this kernel',
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'ImagePullBackOff' }]),
      'The driver of the node is stuck: container nvidia-driver-ctr ImagePullBackOff',
      'There is no such driver image',
    ],
    [
      'a driver that does not build',
      part('driver', [
        {
          name: 'nvidia-driver-ctr',
          reason: 'CrashLoopBackOff',
          restarts: 7,
          endedBefore: { exitCode: 1, reason: 'Error', message: '' },
        },
      ]),
      'The driver of the node is stuck: container nvidia-driver-ctr CrashLoopBackOff, exit code 1',
      'kernel without headers',
    ],
    [
      'a toolkit that waits for a driver that nobody deploys',
      waitsFor('container toolkit', 'driver-validation'),
      'The container toolkit of the node is stuck: init container driver-validation waits',
      'It waits for the driver',
    ],
    [
      'a device plugin that the runtime cannot start',
      part('device plugin', [
        {
          name: 'nvidia-device-plugin',
          reason: 'CreateContainerError',
          message: 'no runtime for "nvidia" is configured',
        },
      ]),
      'The device plugin of the node is stuck: container nvidia-device-plugin CreateContainerError, no runtime for "nvidia" is configured',
      'runtime class nvidia',
    ],
    [
      'a validator whose CUDA program fails',
      part('validator', [
        {
          name: 'cuda-validation',
          init: true,
          reason: 'CrashLoopBackOff',
          endedBefore: { exitCode: 1, reason: 'Error', message: '' },
        },
      ]),
      'The validator of the node is stuck: init container cuda-validation CrashLoopBackOff, exit code 1',
      'See the log of that container',
    ],
    [
      'a DRA driver',
      part('DRA driver', [{ name: 'gpus', reason: 'CrashLoopBackOff' }]),
      'The DRA driver of the node is stuck: container gpus CrashLoopBackOff',
      'See the log of that container',
    ],
    [
      'a pod that the kubelet refused',
      part('MIG manager', [], { phase: 'Failed', reason: 'Evicted' }),
      'The MIG manager of the node is stuck: Evicted',
      'See the log of that container',
    ],
  ])('%s', (_what, pod, title, advice) => {
    const [clue, ...others] = stackOf([runs('feature discovery'), pod]);
    expect(others).toEqual([]);
    expect(clue).toMatchObject({ title, severity: 'warning', action: 'fix_configuration' });
    expect(clue?.advice).toContain(advice);
    expect(clue?.evidence[0]?.command).toContain(`kubectl logs -n gpu-operator ${pod.name}`);
  });

  test('the first part is told, those that wait for it stand behind it', () => {
    const [clue] = stackOf([
      waitsFor('DCGM', 'toolkit-validation'),
      waitsFor('device plugin', 'toolkit-validation'),
      waitsFor('container toolkit', 'driver-validation'),
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'CrashLoopBackOff' }]),
      runs('MIG manager'),
    ]);
    expect(clue?.title).toContain('The driver of the node is stuck');
    expect(clue?.evidence[1]?.what).toBe('wait behind it: container toolkit, device plugin, DCGM');
  });

  test('of two of a kind the one that breaks is told, not the one that waits', () => {
    const [clue] = stackOf([
      waitsFor('validator', 'toolkit-validation'),
      part('validator', [{ name: 'cuda-validation', init: true, reason: 'CrashLoopBackOff' }]),
    ]);
    expect(clue?.title).toContain('cuda-validation CrashLoopBackOff');
  });

  test('what is being deleted is nobody’s trouble any more', () => {
    const crashed = part('driver', [{ reason: 'CrashLoopBackOff' }], { deleting: true });
    expect(stackOf([crashed])).toEqual([]);
  });

  test('what only watches is no warning', () => {
    const [clue] = stackOf([part('DCGM', [{ reason: 'CrashLoopBackOff' }])]);
    expect(clue?.severity).toBe('info');
  });

  test.each([
    ['nvidia.com/mig.config.state', 'failed', 'warning', 'MIG could not be set to all-1g.10gb'],
    [
      'nvidia.com/mig.config.state',
      'rebooting',
      'info',
      'MIG is being set to all-1g.10gb: rebooting',
    ],
    ['nvidia.com/mig.config.state', 'success', undefined, undefined],
    [
      'nvidia.com/gpu-driver-upgrade-state',
      'upgrade-failed',
      'warning',
      'The operator could not upgrade the driver of this node',
    ],
    [
      'nvidia.com/gpu-driver-upgrade-state',
      'drain-required',
      'info',
      'The operator is upgrading the driver of this node: drain-required',
    ],
    ['nvidia.com/gpu-driver-upgrade-state', 'upgrade-done', undefined, undefined],
  ])('label %s=%s', (key, value, severity, title) => {
    const [clue] = stackOf([], {
      labels: { [key]: value, 'nvidia.com/mig.config': 'all-1g.10gb' },
    });
    expect([clue?.severity, clue?.title]).toEqual([severity, title]);
  });
});

describe('a device of DRA', () => {
  const device = (taints: ClusterDevice['taints']): ClusterDevice => ({
    ...{ driver: 'gpu.nvidia.com', pool: 'node-a', name: 'gpu-3', uuid: 'GPU-3' },
    ...(taints && { taints }),
  });
  const clueOf = (taint: { key: string; value: string; effect: string }, error?: string) =>
    taintedDevices({ devices: present([device([{ ...taint, since: '2026-03-01T10:00:00Z' }])]) }, [
      { index: 3, uuid: 'GPU-3', error },
    ])[0];

  test('without a taint is no finding', () => {
    expect(taintedDevices({ devices: present([device(undefined)]) }, [])).toEqual([]);
  });

  test('that a fatal XID keeps from pods is told with its GPU, and whether that answers now', () => {
    const taint = { key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' };
    expect(clueOf(taint)).toMatchObject({
      severity: 'warning',
      title: 'DRA keeps GPU 3 (gpu-3) from pods: gpu.nvidia.com/xid=79',
      evidence: [{ time: '2026-03-01T10:00:00Z' }, { what: 'the driver reads this GPU now' }],
    });
    expect(clueOf(taint)?.advice).toContain('restart the DRA kubelet plugin');
    expect(clueOf(taint, 'gpu_is_lost')?.advice).toContain('Act by the finding on this GPU');
  });

  test('that is a part of a GPU is told with that GPU', () => {
    const part = { ...device([{ key: 'k', value: '', effect: 'NoSchedule' }]), uuid: 'MIG-1' };
    const gpus = [{ index: 3, uuid: 'GPU-3' }];
    const devices = present([{ ...part, name: 'mig-1', parentUuid: 'GPU-3' }]);
    expect(taintedDevices({ devices }, gpus)[0]?.title).toBe(
      'DRA keeps GPU 3 (mig-1) from pods: k',
    );
  });

  test('of which DRA only notes something keeps nobody away', () => {
    expect(clueOf({ key: 'gpu.nvidia.com/xid', value: '31', effect: 'None' })).toMatchObject({
      severity: 'info',
      title: 'DRA notes gpu.nvidia.com/xid=31 on GPU 3 (gpu-3)',
    });
    const unwatched = clueOf({ key: 'gpu.nvidia.com/unmonitored', value: '', effect: 'None' });
    expect(unwatched?.advice).toContain('cannot watch this device');
  });

  test('that an admin keeps from pods is no matter of the driver', () => {
    const clue = clueOf({ key: 'example.com/maintenance', value: 'x', effect: 'NoExecute' });
    expect(clue?.advice).toContain('DeviceTaintRule');
  });
});

describe('what the platform does', () => {
  const actionsOf = (node: Partial<ClusterNode>) =>
    platformActions({ cluster: { node: present(aNode(node)) } }).map(({ title }) => title);

  test('nothing on a plain node', () => expect(actionsOf({})).toEqual([]));

  test('maintenance that GKE has planned, by its Unix time', () => {
    const labels = { 'cloud.google.com/scheduled-maintenance-time': '1772366400' };
    expect(actionsOf({ labels })).toEqual([
      'The platform maintains this node from 2026-03-01T12:00:00Z on',
    ]);
    const odd = { 'cloud.google.com/scheduled-maintenance-time': 'soon' };
    expect(actionsOf({ labels: odd })).toEqual([]);
  });

  test('an event that AKS has scheduled, where it is true', () => {
    const event = { type: 'RebootScheduled', reason: 'VMEvent', message: 'at 12:00', since: '' };
    expect(actionsOf({ conditions: [{ ...event, status: 'True' }] })).toEqual([
      'The platform has announced RebootScheduled for this node',
    ]);
    expect(actionsOf({ conditions: [{ ...event, status: 'False' }] })).toEqual([]);
  });

  test.each([
    ['cloud.google.com/impending-node-termination', 'GKE ends this node'],
    ['aws-node-termination-handler/spot-itn', 'AWS takes back this spot instance'],
    ['karpenter.sh/disrupted', 'Karpenter replaces or removes this node'],
    ['ToBeDeletedByClusterAutoscaler', 'The cluster autoscaler removes this node'],
    ['node.kubernetes.io/out-of-service', 'Somebody has declared this node out of service'],
  ])('a node that is taken by the taint %s', (key, title) => {
    expect(actionsOf({ taints: [{ key, value: '', effect: 'NoSchedule' }] })).toEqual([title]);
    expect(actionsOf({ taints: [{ key: `x-${key}`, value: '', effect: 'NoSchedule' }] })).toEqual(
      [],
    );
  });
});
