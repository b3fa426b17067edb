import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConnectionFlags } from '../../src/cluster/kubernetes-cluster.ts';
import { KUBELET_LOOK_MS, POD_EVENTS_AFTER_MS } from '../../src/contract/limits.ts';
import { type StartOptions, startPod } from '../../src/session/kubernetes-link.ts';
import { SilentNode } from '../../src/session/link.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { container, type Fate, node, runKubelet } from './fake-kubelet.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let suffix = 0;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

/** Starts a pod on node-a; the test looks at what it says and leaves. */
async function start(
  more: Partial<StartOptions> = {},
  flags: ConnectionFlags = {},
  onProgress: (text: string) => void = () => {},
) {
  const cluster = await api.connect(flags);
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
  return startPod(options, signal, onProgress);
}

const left = () => [...api.list('jobs'), ...api.list('pods')];
const creations = () => api.seen('POST', /(?:jobs|pods)$/).map(({ path }) => path);

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
    const hint = expect.stringMatching(/^kubectl |^did you mean node-c\?$/);
    await expect(start()).rejects.toMatchObject({
      message: expect.stringContaining(sentence),
      hint,
    });
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
      hint: expect.any(String),
      exit: 4,
    });
    expect(left()).toEqual([]);
    // Only what ran has a log.
    const logs = api.seen('GET', /\/log$/).map(({ query }) => query.toString());
    expect(logs).toEqual(name.includes('log') ? ['container=mcp&tailLines=10'] : []);
  });

  test('what the kubelet does is told once, however often it says so', async () => {
    const event = { type: 'Normal', reason: 'Pulling', message: 'Pulling image "a:1"' };
    runKubelet(api, () => ({ statuses: [{ phase: 'Pending' }], events: [event, event] }));
    api.answer = ({ path }) => {
      if (path.endsWith('/log')) return status(403, 'Forbidden', 'no log');
      if (path.endsWith('/events')) void seen.then(() => becomes());
      return undefined;
    };
    let told = () => {};
    const seen = new Promise<void>(resolve => {
      told = resolve;
    });
    const becomes = () => {
      const [pod] = api.list('pods');
      const terminated = { reason: 'Error', exitCode: 1 };
      const containerStatuses = [container({ terminated })];
      api.put('pods', { ...pod, status: { phase: 'Failed', containerStatuses } });
    };
    const progress: string[] = [];
    void pass(POD_EVENTS_AFTER_MS);
    const started = start({}, {}, text => {
      progress.push(text);
      if (text.startsWith('pulling')) told();
    });
    await expect(started).rejects.toThrow(/ended at once \(Error, exit code 1\)$/);
    expect(progress.filter(text => text === 'pulling image a:1')).toHaveLength(1);
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
      void pass(POD_EVENTS_AFTER_MS);
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
    const heard = (text: string) => text.includes('i/o timeout') && void pass(1_000);
    await expect(start({ startMsMax: 1_000 }, {}, heard)).rejects.toMatchObject({
      message:
        'the pod for node "node-a" did not run within 1 s: it is ErrImagePull; last: pulling the image failed, the kubelet tries again: i/o timeout',
      hint: "kubectl describe pod gpu-mcp-node-a-s0-abcde -n gpu-mcp while it starts; is the node's kubelet healthy?",
    });
    expect(left()).toEqual([]);
  });

  test('a Job that makes no pod is given up', async () => {
    runKubelet(api);
    api.onCreate = () => void pass(1_000);
    await expect(start({ startMsMax: 1_000 })).rejects.toMatchObject({
      message: 'the pod for node "node-a" did not run within 1 s: no pod was made',
      hint: "does the cluster's Job controller work? kubectl describe job gpu-mcp-node-a-s0 -n gpu-mcp; or --lifetime pod",
    });
    expect(left()).toEqual([]);
  });

  test('a pod that no kubelet takes note of is given up as soon as its node’s lease is late', async () => {
    runKubelet(api, () => ({ statuses: [] }));
    api.nowMs = Date.parse('2031-01-01T12:00:20Z');
    api.put('leases', {
      metadata: { namespace: 'kube-node-lease', name: 'node-a' },
      spec: { leaseDurationSeconds: 40, renewTime: '2031-01-01T12:00:00.5Z' },
    });
    const state = { over: false };
    const starting = start().finally(() => {
      state.over = true;
    });
    const looks = async () => {
      while (!state.over) {
        await pass(KUBELET_LOOK_MS);
        await new Promise(setImmediate);
      }
    };
    void looks();
    await expect(starting).rejects.toThrow(
      /^the kubelet of node "node-a" has not reported for 20 s, .*; pod gpu-mcp\/gpu-mcp-node-a-s0-abcde does not start there$/,
    );
    await expect(starting).rejects.toBeInstanceOf(SilentNode);
    expect(left()).toEqual([]);
  });

  test('the pod is deleted beside its Job: nobody waits for the garbage collector', async () => {
    runKubelet(api, () => waiting('InvalidImageName', ''));
    await expect(start()).rejects.toThrow('cannot be pulled');
    expect(api.seen('DELETE', /pods/).map(({ path }) => path)).toEqual([
      '/api/v1/namespaces/gpu-mcp/pods/gpu-mcp-node-a-s0-abcde',
    ]);
  });

  test('a pod that could not be deleted is left to its reaper', async () => {
    runKubelet(api, () => waiting('InvalidImageName', ''));
    api.answer = ({ method }) =>
      method === 'DELETE' ? status(403, 'Forbidden', 'no deletion') : undefined;
    const reaper = { guard: vi.fn(), dismiss: vi.fn() };
    await expect(start({ lifetime: 'pod', startReaper: () => reaper })).rejects.toThrow(
      'cannot be pulled',
    );
    expect(reaper.dismiss).not.toHaveBeenCalled();
  });

  test('a bare pod whose answer never comes is taken back by its name', async () => {
    runKubelet(api);
    api.answer = ({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('pods')) return undefined;
      api.put('pods', body);
      void pass(100);
      return 'silence';
    };
    await expect(start({ lifetime: 'pod' }, { requestTimeout: '100ms' })).rejects.toThrow(
      'does not answer (timed out)',
    );
    expect(left()).toEqual([]);
  });

  test('a Job that something holds back is none with --lifetime job', async () => {
    runKubelet(api);
    api.answer = ({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('jobs')) return undefined;
      return { code: 201, body: api.put('jobs', { ...body, spec: { suspend: true } }) };
    };
    await expect(start({ lifetime: 'job' })).rejects.toMatchObject({
      message: 'something holds the Job gpu-mcp/gpu-mcp-node-a-s0 back (suspend)',
      hint: '--lifetime pod starts the pod without a Job',
    });
    expect(left()).toEqual([]);
  });

  test('a node that lacks one directory after another is given up after six tries', async () => {
    const path = (pod: Json) => /"hostPath":\{"path":"([^"]+)"/.exec(JSON.stringify(pod))?.[1];
    runKubelet(api, pod => {
      void pass(POD_EVENTS_AFTER_MS);
      const message = `hostPath type check failed: ${path(pod)} is not a directory`;
      return {
        statuses: [{ phase: 'Pending' }],
        events: [{ type: 'Warning', reason: 'FailedMount', message }],
      };
    });
    const labels = {
      'nvidia.com/gpu.deploy.driver': 'true',
      'cloud.google.com/gke-accelerator': 'nvidia-h100',
    };
    const debian = { operatingSystem: 'linux', osImage: 'Debian 12', kubeletVersion: 'v1.37.2' };
    api.put('nodes', node({ metadata: { name: 'node-a', labels }, status: { nodeInfo: debian } }));
    const pod = { image: 'example/gpu-mcp:1', profile: 'mounted' as const };
    await expect(start({ pod })).rejects.toThrow('the node has no directory /etc/alternatives');
    expect(creations()).toHaveLength(6);
    expect(left()).toEqual([]);
  });

  test('a creation whose answer never comes is taken back by its name', async () => {
    runKubelet(api);
    api.answer = ({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('jobs')) return undefined;
      api.put('jobs', body);
      void pass(100);
      return 'silence';
    };
    await expect(start({}, { requestTimeout: '100ms' })).rejects.toThrow(
      'does not answer (timed out)',
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
        randomSuffix: () => 'abc',
      },
      stop.signal,
      () => stop.abort(new Error('Ctrl-C')),
    );
    await expect(started).rejects.toThrow('Ctrl-C');
    expect(left()).toEqual([]);
  });
});
