import { describe, expect, test } from 'vitest';
import type { ContainerState, NodeState, ObjectEvent, PodState } from '../../src/cluster/port.ts';
import { told } from '../../src/contract/errors.ts';
import { readEventSign, readPodSign, unusableNode } from '../../src/session/start-signs.ts';

const container = (changed: Partial<ContainerState>): ContainerState => ({
  ...{ name: 'mcp', image: 'example/gpu-mcp:1', restarts: 0 },
  ...{ state: 'waiting', reason: '', message: '', ...changed },
});
const other = container({ name: 'sidecar', state: 'running' });

const event = (reason: string, message: string, more: Partial<ObjectEvent> = {}): ObjectEvent => ({
  ...{ type: 'Warning', reason, message, count: 1, firstAt: '', lastAt: '', from: '' },
  ...more,
});

/** A pod that is being made, with another container before ours. */
const pod = (changed: Partial<PodState>, ours: Partial<ContainerState> = {}): PodState => ({
  ...{ namespace: 'gpu-mcp', name: 'p-1', uid: 'u', node: 'node-a', labels: {}, annotations: {} },
  ...{ phase: 'Pending', reason: '', message: '', createdAt: '', startedAt: '', limits: {} },
  ...{ deleting: false, hasEnded: false, containers: [other, container(ours)], ...changed },
});
const failed = (sentence: string, hint: string, ran = false) => ({
  ...{ kind: 'failed', sentence, hint, ran },
});
const waiting = (say?: string) => ({ kind: 'waiting', say });

const PULL_HINT = '--image names another place for it, --image-pull-secret the login';
const noImage = (why: string) =>
  failed(`the image example/gpu-mcp:1 cannot be pulled: ${why}`, PULL_HINT);

test('an image that only nodes can hold is not looked for elsewhere: the hint says how it gets there', () => {
  const absent = { image: 'localhost/gpu-mcp:1', reason: 'ErrImageNeverPull', message: 'absent' };
  const sign = readPodSign(pod({}, absent), 0);
  expect(sign).toMatchObject({
    kind: 'failed',
    hint: expect.stringMatching(/kind load .*k3s ctr .*ctr -n k8s\.io .*skopeo copy .*--image/),
  });
});

describe('the status of the pod', () => {
  test.each<[string, PodState, object]>([
    ['nothing yet', pod({ containers: [] }), waiting()],
    ['being made', pod({}, { reason: 'ContainerCreating' }), waiting()],
    ['our container runs', pod({}, { state: 'running' }), { kind: 'running' }],
    [
      'deleted, though it runs',
      pod({ deleting: true }, { state: 'running' }),
      failed('pod gpu-mcp/p-1 was deleted before it ran', 'who deleted it? kubectl get events'),
    ],
    [
      'ended, with its words',
      pod({}, { state: 'terminated', reason: 'Error', exitCode: 3, message: 'no\ndriver' }),
      failed(
        'pod gpu-mcp/p-1 ended at once (Error, exit code 3): no driver',
        'is it the right image?',
        true,
      ),
    ],
    [
      'ended without a word',
      pod({}, { state: 'terminated' }),
      failed('pod gpu-mcp/p-1 ended at once (exit code unknown)', 'is it the right image?', true),
    ],
    ...['OutOfpods', 'Evicted', 'Preempting'].map((reason): [string, PodState, object] => [
      `no room: ${reason}`,
      pod({ phase: 'Failed', reason }),
      failed(
        `the kubelet of node-a refused pod gpu-mcp/p-1: ${reason}`,
        'the node is full, and a higher --priority-class would evict another pod: kubectl get pods -A --field-selector spec.nodeName=node-a shows whose; kubectl gpu-mcp nodes needs no pod',
      ),
    ]),
    [
      'refused for another reason',
      pod({ phase: 'Failed', reason: 'NodeAffinity', message: 'no match' }),
      failed(
        'the kubelet of node-a refused pod gpu-mcp/p-1: NodeAffinity: no match',
        'kubectl describe node tells what it lacks',
      ),
    ],
    [
      'no such image',
      pod({}, { reason: 'ErrImagePull', message: 'a: not found' }),
      noImage('a: not found'),
    ],
    [
      'a registry that is slow',
      pod({}, { reason: 'ErrImagePull', message: 'i/o timeout' }),
      waiting('pulling the image failed, the kubelet tries again: i/o timeout'),
    ],
    ['between two pulls', pod({}, { reason: 'ImagePullBackOff', message: 'not found' }), waiting()],
    ...['InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'].map(
      (reason): [string, PodState, object] => [
        `${reason} without a word`,
        pod({}, { reason }),
        noImage(reason),
      ],
    ),
    [
      'an image with a word',
      pod({}, { reason: 'InvalidImageName', message: 'bad' }),
      noImage('bad'),
    ],
    ...['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'].map(
      (reason): [string, PodState, object] => [
        reason,
        pod({}, { reason, message: 'no such file' }),
        failed(
          'the container of pod gpu-mcp/p-1 cannot be created: no such file',
          'kubectl describe pod p-1 -n gpu-mcp',
        ),
      ],
    ),
  ])('%s', (_name, state, sign) => {
    expect(readPodSign(state, 0)).toEqual(sign);
  });

  test('a pull that failed before is not waited for', () => {
    const state = pod({}, { reason: 'ErrImagePull', message: 'i/o timeout' });
    expect(readPodSign(state, 1)).toEqual(noImage('i/o timeout'));
  });

  test.each([
    ...['dial tcp 10.0.0.1:443: connection refused', 'no route to host', 'x509: unknown authority'],
    ...[
      'lookup registry.example on 10.96.0.10:53: server misbehaving',
      'NOT FOUND',
      'unauthorized',
    ],
    ...['authentication required', 'pull access denied', '403 Forbidden', 'manifest unknown'],
    ...['no match for platform in manifest', 'no matching manifest for linux/arm64'],
    ...['invalid reference format', 'repository does not exist', 'no such host'],
  ])('asking the registry again does not help: %s', message => {
    const state = pod({}, { reason: 'ErrImagePull', message });
    expect(readPodSign(state, 0)).toEqual(noImage(message));
  });
});

describe('an event', () => {
  const refusal = { sentence: told`a rule refuses the pod`, hint: 'ask its owner' };
  const noDirectory = (path: string) =>
    `MountVolume.SetUp failed for volume "x" : hostPath type check failed: ${path} is not a directory`;

  test.each<[string, ObjectEvent, object]>([
    [
      'a refusal that we know',
      event('FailedCreate', 'forbidden', { refusal }),
      failed('a rule refuses the pod', refusal.hint),
    ],
    ...['is forbidden: no', 'request denied', 'Job.batch is invalid'].map(
      (words): [string, ObjectEvent, object] => [
        `a refusal: ${words}`,
        event('FailedCreate', words),
        failed(
          `the cluster refuses the pod: ${words}`,
          'kubectl gpu-mcp manifest pod prints the pod',
        ),
      ],
    ),
    [
      'a webhook that is slow',
      event('FailedCreate', 'deadline exceeded'),
      waiting('deadline exceeded'),
    ],
    [
      'a directory that the pod mounts',
      event('FailedMount', noDirectory('/run/log')),
      { kind: 'lacking', path: '/run/log' },
    ],
    [
      'a directory that it does not mount',
      event('FailedMount', noDirectory('/opt')),
      waiting(noDirectory('/opt')),
    ],
    ['another mount', event('FailedMount', 'no secret'), waiting('no secret')],
    ...['FailedCreatePodSandBox', 'NetworkNotReady', 'FailedPostStartHook'].map(
      (reason): [string, ObjectEvent, object] => [
        reason,
        event(reason, 'cni\tdown'),
        waiting('cni down'),
      ],
    ),
    ...[
      'Failed to create pod sandbox: rpc error: failed to get sandbox runtime: no runtime for "nvidia" is configured',
      'failed to find runtime handler nvidia from runtime list map[]',
    ].map((words): [string, ObjectEvent, object] => [
      words,
      event('FailedCreatePodSandBox', words),
      {
        ...{ kind: 'failed', ran: false },
        sentence: `the node has no runtime for the pod's RuntimeClass: ${words}`,
        hint: '--runtime-class names another; --profile unmounted needs none',
      },
    ]),
    ['a pull', event('Pulling', 'Pulling image "a/b:1"'), waiting('pulling image a/b:1')],
    ['a pull of something', event('Pulling', 'Pulling'), waiting('pulling image ')],
    ['a pull that is done', event('Pulled', 'Successfully pulled image'), waiting('image pulled')],
    ['an image that was there', event('Pulled', 'already present on machine'), waiting()],
    ['anything else', event('Scheduled', 'assigned'), waiting()],
  ])('%s', (_name, seen, sign) => {
    expect(readEventSign(seen, ['/usr', '/run/log'])).toEqual(sign);
  });
});

describe('a node', () => {
  const node = (changed: Partial<NodeState>): NodeState => ({
    ...{ name: 'node-a', labels: {}, annotations: {}, unschedulable: true, taints: [] },
    ...{ conditions: [], osImage: '', operatingSystem: 'linux', architecture: 'amd64' },
    ...{ kernelVersion: '', kubeletVersion: '', containerRuntime: '', bootId: '', capacity: {} },
    ...{ allocatable: {}, createdAt: '', declaredFeatures: [], ...changed },
  });
  const ready = (status: string, message = '', since = '') => [
    { type: 'MemoryPressure', status: 'True', reason: '', message: 'full', since: '' },
    { type: 'Ready', status, reason: '', message, since },
  ];

  test.each([
    ['that is ready, though cordoned', node({ conditions: ready('True') })],
    ['that says nothing of it', node({})],
  ])('%s takes the pod', (_name, state) => {
    expect(unusableNode(state)).toBeUndefined();
  });

  test.each([
    [
      'with Windows',
      node({ operatingSystem: 'windows' }),
      'node "node-a" runs Windows; only Linux nodes can be read',
    ],
    [
      'that is virtual',
      node({ labels: { type: 'virtual-kubelet' } }),
      'node "node-a" is a virtual one: it runs no privileged pods',
    ],
    [
      'that was never ready',
      node({ conditions: ready('False') }),
      'node "node-a" is not ready since its start; no pod can start there',
    ],
    [
      'that is silent',
      node({ conditions: ready('Unknown', 'stopped\nposting', '2026-08-20T03:00:00Z') }),
      'node "node-a" is not ready since 2026-08-20T03:00:00Z: its kubelet does not report (stopped posting); no pod can start there',
    ],
  ])('%s takes none', (_name, state, sentence) => {
    expect(unusableNode(state)).toEqual({ sentence, hint: 'kubectl describe node node-a' });
  });
});

test('of the words of an event no more is said than is shown', () => {
  const shown = () => '…';
  const refusal = { sentence: told`quota: ${'rival'}`, hint: 'ask' };
  for (const told of [
    event('FailedCreate', 'pods "x" is forbidden: rival'),
    event('FailedCreate', 'exceeded quota: rival', { refusal }),
    event('FailedCreate', 'rival'),
    event('FailedCreatePodSandBox', 'no runtime for "rival" is configured'),
    event('FailedCreatePodSandBox', 'rival'),
    event('FailedMount', 'rival'),
    event('NetworkNotReady', 'cni of rival is not ready'),
    event('Pulling', 'Pulling image "rival/a:1"'),
  ]) {
    expect(JSON.stringify(readEventSign(told, []))).toContain('rival');
    const kept = readEventSign(told, [], shown);
    expect(JSON.stringify(kept)).not.toContain('rival');
    expect(kept).toMatchObject({ kind: readEventSign(told, []).kind });
  }
});
