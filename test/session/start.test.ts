import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  JOB_POD_MS_MAX,
  POD_EVENTS_AFTER_MS,
  POD_LOOK_AGAIN_MS,
  WHO_AM_I_MS_MAX,
} from '../../src/contract/limits.ts';
import { type StartOptions, startPod } from '../../src/session/kubernetes-link.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';
import { container, runKubelet } from './fake-kubelet.ts';

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
    expect(started.holding.left.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
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

test('says until when it lives by the API server’s clock: this machine’s may be hours off', async () => {
  runKubelet(api);
  api.nowMs = Date.parse('2031-01-01T12:00:00Z');
  await start();
  const annotations = {
    'gpu-mcp/expires-at': expect.stringMatching(/^2031-01-01T(12:59:|13:00:)/),
  };
  expect(api.list('jobs')[0]).toMatchObject({ metadata: { annotations } });
});

test('a container that the cluster put in is said, and the pod guarded: its Job does not end by itself', async () => {
  const sidecar = { name: 'istio-proxy', state: { running: {} } };
  runKubelet(api, () => ({
    statuses: [{ phase: 'Running', containerStatuses: [sidecar, container({ running: {} })] }],
  }));
  const reaper = { guard: vi.fn(), dismiss: vi.fn() };
  const { started, progress } = await start({ startReaper: () => reaper });
  expect(progress.at(-1)).toBe('the cluster put more containers into the pod: istio-proxy');
  expect(reaper.guard).toHaveBeenLastCalledWith(started.holding.left);
  expect(started.holding.left.map(({ kind }) => kind)).toEqual(['job', 'pod']);
});

test('of many nodes a Job is guarded before it is asked for', async () => {
  runKubelet(api);
  const reaper = { guard: vi.fn(), dismiss: vi.fn() };
  const startReaper = () => {
    expect(api.list('jobs')).toEqual([]);
    return reaper;
  };
  const { started } = await start({ startReaper, amongMany: true });
  expect(reaper.guard).toHaveBeenLastCalledWith(started.holding.left);
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
      startReaper: () => {
        expect(api.list('pods')).toEqual([]);
        return reaper;
      },
    });
    const named = { kind: 'pod', namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-s0' };
    expect(reaper.guard.mock.calls.slice(0, 2)).toEqual([[[]], [[{ ...named, uid: '' }]]]);
    expect(started.holding.left).toEqual([
      expect.objectContaining({ kind: 'pod', name: 'gpu-mcp-node-a-s0' }),
    ]);
    expect(reaper.guard).toHaveBeenLastCalledWith([{ ...named, uid: started.pod.uid }]);
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
    expect(started.holding.left.map(({ kind }) => kind)).toEqual(['pod']);
    expect(api.list('jobs')).toEqual([]);
  });
});

describe('a Job that its controller has not heard of', () => {
  /** Jobs make no pod. */
  function deafController() {
    runKubelet(api);
    const { onCreate } = api;
    api.onCreate = (resource, object) => {
      if (resource === 'pods') onCreate(resource, object);
      else void pass(JOB_POD_MS_MAX);
    };
    return onCreate;
  }

  test('is taken back for a bare pod: the controller may back off for 45 s', async () => {
    deafController();
    const reaper = { guard: vi.fn(), dismiss: vi.fn() };
    const { started, progress } = await start({ startReaper: () => reaper });
    expect(progress).toContain(
      'job gpu-mcp/gpu-mcp-node-a-s0 has made no pod in 4 s: its controller is slow; trying without a Job',
    );
    expect(api.list('jobs')).toEqual([]);
    expect(started.holding.left.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'pod gpu-mcp-node-a-s1',
    ]);
    expect(reaper.guard).toHaveBeenCalled();
  });

  test('is waited for where no bare pod may be made', async () => {
    const onCreate = deafController();
    let jobs = 0;
    const deaf = api.onCreate;
    api.onCreate = (resource, object) => {
      jobs += 1;
      if (jobs === 1) deaf(resource, object);
      else onCreate(resource, object);
    };
    api.answer = ({ method, path }) =>
      method === 'POST' && path.endsWith('pods')
        ? status(
            403,
            'Forbidden',
            'pods is forbidden: User "alice" cannot create resource "pods" in API group "" in the namespace "gpu-mcp"',
          )
        : undefined;
    const { started } = await start();
    expect(started.holding.left.map(({ kind }) => kind)).toEqual(['job', 'pod']);
    expect(creations().map(path => path.split('/').at(-1))).toEqual(['jobs', 'pods', 'jobs']);
  });

  test('is waited for where the user wants a Job', async () => {
    deafController();
    const starting = start({ lifetime: 'job', startMsMax: JOB_POD_MS_MAX });
    await expect(starting).rejects.toThrow('did not run within 4 s: no pod was made');
    expect(left()).toEqual([]);
  });
});

describe('a watch of the pod that says nothing', () => {
  beforeEach(() => {
    runKubelet(api);
    api.answer = ({ query }) => (query.has('watch') ? 'silence' : undefined);
  });

  test('is not relied on: who waits looks again', async () => {
    const starting = start({ lifetime: 'job' });
    await until(() => api.list('pods').length > 0);
    void pass(POD_LOOK_AGAIN_MS);
    const { started } = await starting;
    expect(started.pod.name).toBe('gpu-mcp-node-a-s0-abcde');
  });

  test('makes no Job late whose pod runs', async () => {
    const starting = start();
    await until(() => api.list('pods').length > 0);
    void pass(JOB_POD_MS_MAX);
    await starting;
    expect(creations()).toEqual(['/apis/batch/v1/namespaces/gpu-mcp/jobs']);
  });

  test('hides no deletion', async () => {
    runKubelet(api, () => ({ statuses: [{ phase: 'Pending' }] }));
    const starting = start({ lifetime: 'job' });
    starting.catch(() => undefined);
    await until(() => api.list('pods').length > 0);
    await pass(POD_LOOK_AGAIN_MS);
    await until(
      () => api.seen('GET', /pods$/).filter(({ query }) => !query.has('watch')).length > 0,
    );
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    api.remove('pods', 'gpu-mcp', 'gpu-mcp-node-a-s0-abcde');
    void pass(POD_LOOK_AGAIN_MS);
    await expect(starting).rejects.toThrow('was deleted before it ran');
  });
});

test('a user’s name that the API server does not tell is not waited for', async () => {
  runKubelet(api);
  api.answer = ({ path }) => (path.endsWith('selfsubjectreviews') ? 'silence' : undefined);
  void pass(WHO_AM_I_MS_MAX);
  await start();
  expect(JSON.stringify(api.list('jobs'))).not.toContain('gpu-mcp/user');
});

test('a directory that the node lacks is left out at the second try', async () => {
  const mounts = (pod: Json) => JSON.stringify(pod).includes('"/run/log"');
  runKubelet(api, pod => {
    if (mounts(pod)) void pass(POD_EVENTS_AFTER_MS);
    return mounts(pod)
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
        };
  });
  const pod = { image: 'example/gpu-mcp:1', profile: 'mounted' as const };
  const { started, progress } = await start({ pod });
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
