import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type StartOptions, startPod } from '../../src/session/start.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { container, type Fate, node, runKubelet } from './fake-kubelet.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let suffix = 0;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

async function start(more: Partial<StartOptions> = {}) {
  const cluster = await api.connect();
  const progress: string[] = [];
  const options: StartOptions = {
    cluster,
    node: 'node-a',
    namespace: 'gpu-mcp',
    pod: { image: 'example/gpu-mcp:1' },
    lifetime: 'auto',
    clock: { nowMs: () => 0 },
    randomSuffix: () => `s${suffix++}`,
    ...more,
  };
  suffix = 0;
  const started = await startPod(options, signal, message => progress.push(message));
  return { started, progress };
}

const left = () => [...api.list('jobs'), ...api.list('pods')];
const creations = () => api.seen('POST', /(?:jobs|pods)$/).map(({ path }) => path);

describe('a start that goes well', () => {
  test('makes one Job, says each step, and knows what to delete', async () => {
    runKubelet(api);
    const { started, progress } = await start();
    expect(creations()).toEqual(['/apis/batch/v1/namespaces/gpu-mcp/jobs']);
    expect(progress).toEqual([
      'pod gpu-mcp/gpu-mcp-node-a-s0 is being created on node-a',
      'pod gpu-mcp/gpu-mcp-node-a-s0-abcde is running',
    ]);
    expect(started.objects.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'job gpu-mcp-node-a-s0',
      'pod gpu-mcp-node-a-s0-abcde',
    ]);
  });

  test('needs one round trip before the creation, and asks for no events', async () => {
    runKubelet(api);
    await start();
    const requests = api.requests
      .filter(({ query }) => !query.has('watch'))
      .map(({ method, path }) => `${method} ${path}`);
    expect(requests.toSorted()).toEqual([
      'GET /api/v1/nodes/node-a',
      'POST /apis/authentication.k8s.io/v1/selfsubjectreviews',
      'POST /apis/batch/v1/namespaces/gpu-mcp/jobs',
    ]);
    expect(api.seen('GET', /events$/)).toEqual([]);
  });

  test('names the user in the annotations', async () => {
    runKubelet(api);
    await start();
    expect(api.list('jobs')[0]).toMatchObject({
      metadata: { annotations: { 'gpu-mcp/user': 'alice@example.com', 'gpu-mcp/node': 'node-a' } },
    });
  });
});

describe('without Jobs', () => {
  const forbidden = status(
    403,
    'Forbidden',
    'jobs.batch is forbidden: User "alice" cannot create resource "jobs" in API group "batch" in the namespace "gpu-mcp"',
  );

  test('the pod goes bare, guarded by a reaper that knew its name before it existed', async () => {
    runKubelet(api);
    api.answer = ({ method, path }) =>
      method === 'POST' && path.endsWith('jobs') ? forbidden : undefined;
    const reaper = { guard: vi.fn(), dismiss: vi.fn() };
    const { started } = await start({
      startReaper: guarded => {
        expect(guarded).toEqual({ namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-s0' });
        expect(api.list('pods')).toEqual([]);
        return reaper;
      },
    });
    expect(started.objects).toEqual([
      expect.objectContaining({ kind: 'pod', name: 'gpu-mcp-node-a-s0' }),
    ]);
    expect(reaper.guard).toHaveBeenCalledWith(started.pod.uid);
    expect(reaper.dismiss).not.toHaveBeenCalled();
  });

  test('--lifetime job says what is missing and makes nothing', async () => {
    runKubelet(api);
    api.answer = ({ method, path }) =>
      method === 'POST' && path.endsWith('jobs') ? forbidden : undefined;
    await expect(start({ lifetime: 'job' })).rejects.toThrow(
      'user "alice" may not create jobs.batch',
    );
    expect(left()).toEqual([]);
  });

  test('a Job that Kueue suspends is taken back', async () => {
    runKubelet(api);
    const { onCreate } = api;
    api.onCreate = (resource, object) => resource === 'pods' && onCreate(resource, object);
    api.answer = ({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('jobs')) return undefined;
      const held: Json = { ...body, spec: { suspend: true } };
      return { code: 201, body: api.put('jobs', held) };
    };
    const { started } = await start();
    expect(started.objects.map(({ kind }) => kind)).toEqual(['pod']);
    expect(api.list('jobs')).toEqual([]);
  });
});

describe('nodes that take no pod create nothing', () => {
  const ready = (state: string, message: string) => ({
    status: {
      conditions: [
        { type: 'Ready', status: state, message, lastTransitionTime: '2026-08-20T03:00:00Z' },
      ],
    },
  });
  test.each<[string, Json, string]>([
    ['one that does not exist', { metadata: { name: 'node-c' } }, 'node "node-a" was not found'],
    [
      'one whose kubelet is silent',
      node(ready('Unknown', 'Kubelet stopped posting node status.')),
      'node "node-a" is not ready since 2026-08-20T03:00:00Z: its kubelet does not report (Kubelet stopped posting node status.)',
    ],
    [
      'one without a network',
      node(ready('False', 'cni plugin not initialized')),
      'node "node-a" is not ready since 2026-08-20T03:00:00Z (cni plugin not initialized)',
    ],
    [
      'a Windows node',
      node({ status: { nodeInfo: { operatingSystem: 'windows' } } }),
      'node "node-a" runs Windows',
    ],
    [
      'a virtual node',
      node({ metadata: { name: 'node-a', labels: { type: 'virtual-kubelet' } } }),
      'is a virtual one',
    ],
  ])('%s', async (_name, object, sentence) => {
    api.put('nodes', object);
    await expect(start()).rejects.toThrow(sentence);
    expect(creations()).toEqual([]);
  });
});

describe('a start that fails says why at once and leaves nothing', () => {
  const waiting = (reason: string, message: string): Fate => ({
    statuses: [
      { phase: 'Pending', containerStatuses: [container({ waiting: { reason, message } })] },
    ],
  });
  test.each<[string, Fate, string]>([
    [
      'an image that does not exist',
      waiting('ErrImagePull', 'failed to resolve reference "example/gpu-mcp:1": not found'),
      'the image example/gpu-mcp:1 cannot be pulled: failed to resolve reference "example/gpu-mcp:1": not found',
    ],
    [
      'an image name that is none',
      waiting('InvalidImageName', ''),
      'cannot be pulled: InvalidImageName',
    ],
    [
      'a registry that times out twice',
      {
        statuses: ['ErrImagePull', 'ImagePullBackOff', 'ErrImagePull'].map(reason => ({
          phase: 'Pending',
          containerStatuses: [container({ waiting: { reason, message: 'i/o timeout' } })],
        })),
      },
      'cannot be pulled: i/o timeout',
    ],
    [
      'a container that cannot be created',
      waiting('CreateContainerError', 'executable file not found'),
      'the container of pod gpu-mcp/gpu-mcp-node-a-s0-abcde cannot be created: executable file not found',
    ],
    [
      'a full node',
      {
        statuses: [
          {
            phase: 'Failed',
            reason: 'OutOfpods',
            message: 'Node did not have enough resource: pods',
          },
        ],
      },
      'the kubelet of node-a refused pod gpu-mcp/gpu-mcp-node-a-s0-abcde: OutOfpods: Node did not have enough resource: pods',
    ],
    [
      'an agent that ends at once, with its log',
      {
        statuses: [
          {
            phase: 'Failed',
            containerStatuses: [container({ terminated: { reason: 'Error', exitCode: 127 } })],
          },
        ],
      },
      'ended at once (Error, exit code 127); its log ends with: a line of the log',
    ],
    ['a pod that somebody deletes', { statuses: [] }, 'was deleted before it ran'],
  ])('%s', async (name, fate, sentence) => {
    runKubelet(api, () => fate);
    if (name.includes('deletes')) {
      const { onCreate } = api;
      api.onCreate = (resource, object) => {
        onCreate(resource, object);
        api.remove('pods', 'gpu-mcp', 'gpu-mcp-node-a-s0-abcde');
      };
    }
    await expect(start()).rejects.toMatchObject({
      message: expect.stringContaining(sentence),
      exit: 4,
    });
    expect(left()).toEqual([]);
  });

  test('Pod Security refuses the pod: the Job only has an event to say so', async () => {
    runKubelet(api);
    api.onCreate = (_resource, object) => {
      const { metadata } = object;
      const name =
        metadata && typeof metadata === 'object' && 'name' in metadata ? metadata.name : '';
      api.put('events', {
        metadata: { namespace: 'gpu-mcp', name: 'e' },
        involvedObject: { name },
        type: 'Warning',
        reason: 'FailedCreate',
        message:
          'Error creating: pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged',
      });
    };
    await expect(start()).rejects.toThrow(
      "the namespace's Pod Security standard baseline:latest refuses the pod: privileged",
    );
    expect(left()).toEqual([]);
  });

  test('the API server refuses the bare pod: its reaper is dismissed', async () => {
    runKubelet(api);
    api.answer = ({ method, path }) =>
      method === 'POST' && path.endsWith('pods')
        ? status(403, 'Forbidden', 'admission webhook "w" denied the request: no')
        : undefined;
    const reaper = { guard: vi.fn(), dismiss: vi.fn() };
    await expect(start({ lifetime: 'pod', startReaper: () => reaper })).rejects.toThrow(
      'admission webhook "w" refuses the pod: no',
    );
    expect(reaper.dismiss).toHaveBeenCalledOnce();
  });

  test('a pod that never runs is given up, with the last words of the cluster', async () => {
    runKubelet(api, () => waiting('ErrImagePull', 'i/o timeout'));
    await expect(start({ startMsMax: 1_000 })).rejects.toThrow(
      'the pod for node "node-a" did not run within 1 s: it is ErrImagePull; last: pulling the image failed, the kubelet tries again: i/o timeout',
    );
    expect(left()).toEqual([]);
  });

  test('a user who gives up gets his own reason', async () => {
    runKubelet(api, () => ({ statuses: [] }));
    const stop = new AbortController();
    const cluster = await api.connect();
    const started = startPod(
      {
        cluster,
        node: 'node-a',
        namespace: 'gpu-mcp',
        pod: { image: 'example/gpu-mcp:1' },
        lifetime: 'auto',
        clock: { nowMs: () => 0 },
        randomSuffix: () => 'abc',
      },
      stop.signal,
      () => stop.abort(new Error('Ctrl-C')),
    );
    await expect(started).rejects.toThrow('Ctrl-C');
    expect(left()).toEqual([]);
  });
});

test('a directory that the node lacks is left out at the second try', async () => {
  const mounts = (pod: Json) => JSON.stringify(pod).includes('"/run/log"');
  runKubelet(api, pod =>
    mounts(pod)
      ? {
          statuses: [{ phase: 'Pending' }],
          events: [
            {
              type: 'Warning',
              reason: 'FailedMount',
              message:
                'MountVolume.SetUp failed for volume "run-log" : hostPath type check failed, /run/log is not a directory',
            },
          ],
        }
      : {
          statuses: [{ phase: 'Running', containerStatuses: [container({ running: {} })] }],
        },
  );
  const { started, progress } = await start();
  expect(progress).toContain('the node has no /run/log: trying without it');
  expect(started.pod.name).toBe('gpu-mcp-node-a-s1-abcde');
  expect(left().map(object => JSON.stringify(object).includes('s0'))).toEqual([false, false]);
});

test('without the right to watch the pod is asked for', async () => {
  runKubelet(api);
  api.answer = ({ query }) =>
    query.has('watch')
      ? status(
          403,
          'Forbidden',
          'pods is forbidden: User "alice" cannot watch resource "pods" in API group "" in the namespace "gpu-mcp"',
        )
      : undefined;
  const { started } = await start();
  expect(started.pod.name).toBe('gpu-mcp-node-a-s0-abcde');
});
