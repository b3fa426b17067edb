import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Unreachable } from '../../src/cluster/port.ts';
import { POD_END_MS_MAX, SHUTDOWN_MS_MAX } from '../../src/contract/limits.ts';
import { VERSION } from '../../src/contract/version.ts';
import { openKubernetesLink } from '../../src/session/kubernetes-link.ts';
import { SilentNode } from '../../src/session/link.ts';
import { createSession } from '../../src/session/session.ts';
import { asJson, FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';
import { agent, answer, initialized, runAgent } from './fake-agent.ts';
import { container, runKubelet } from './fake-kubelet.ts';

const signal = new AbortController().signal;
const silent = () => {};
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

async function session() {
  const cluster = await api.connect();
  let suffix = 0;
  return createSession({
    target: 'node-a',
    openLink: (stop, onProgress, onHeld) =>
      openKubernetesLink(
        {
          cluster,
          node: 'node-a',
          namespace: 'gpu-mcp',
          pod: { image: 'example/gpu-mcp:1' },
          lifetime: 'auto',
          randomSuffix: () => `s${suffix++}`,
          onHeld,
        },
        stop,
        onProgress,
      ),
  });
}

const ask = (tool: string, input: Json = {}) => ({ tool, input, signal, onProgress: silent });
const left = () => [...api.list('jobs'), ...api.list('pods')];

test('no pod before the first call; calls at once share one; close leaves nothing', async () => {
  runKubelet(api);
  runAgent(
    api,
    agent(({ name, arguments: input }) => answer(`${name} ${JSON.stringify(input)}`)),
  );
  const it = await session();
  expect(api.requests).toEqual([]);
  const answers = await Promise.all([
    it.call(ask('a', { limit: 5 })),
    it.call(ask('b')),
    it.start(signal, silent),
  ]);
  expect(answers.slice(0, 2)).toMatchObject([
    { content: [{ text: 'a {"limit":5}' }] },
    { content: [{ text: 'b {}' }] },
  ]);
  expect(api.seen('POST', /jobs$/)).toHaveLength(1);
  const [job] = api.list('jobs');
  const uid = asJson(job?.['metadata'])['uid'];
  const podUid = asJson(api.list('pods')[0]?.['metadata'])['uid'];
  const closed = await Promise.all([it.close(), it.close()]);
  expect(closed[0]).toEqual({
    removed: 'job gpu-mcp/gpu-mcp-node-a-s0',
    verified: true,
    left: [],
  });
  expect(left()).toEqual([]);
  const deletion = api.seen('DELETE', /jobs/);
  expect(deletion).toHaveLength(1);
  expect(deletion[0]?.body).toEqual({
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: 'Background',
    gracePeriodSeconds: 1,
    preconditions: { uid },
  });
  // Its pod is deleted beside it: the garbage collector takes its time.
  const podDeletion = api.seen('DELETE', /pods/);
  expect(podDeletion.map(({ path }) => path)).toEqual([
    '/api/v1/namespaces/gpu-mcp/pods/gpu-mcp-node-a-s0-abcde',
  ]);
  expect(podDeletion[0]?.body['preconditions']).toEqual({ uid: podUid });
  await expect(it.call(ask('a'))).rejects.toThrow('the session with node-a is closed');
});

test('a session that was never used is closed without a word to the cluster', async () => {
  const it = await session();
  expect(await it.close()).toEqual({ removed: null, verified: true, left: [] });
  expect(api.requests).toEqual([]);
});

test('a close during the start takes back what was made', async () => {
  runKubelet(api, () => ({ statuses: [] }));
  const it = await session();
  const { onCreate } = api;
  const made = new Promise<void>(resolve => {
    api.onCreate = (...both) => {
      onCreate(...both);
      resolve();
    };
  });
  const called = it.call(ask('a')).catch(error => error);
  await made;
  await it.close();
  expect((await called).message).toBe('the session with node-a is closed');
  expect(left()).toEqual([]);
});

test('progress: of the start to everybody who waits, of the agent to its caller', async () => {
  runKubelet(api);
  let heard: () => void = silent;
  const listened = new Promise<void>(resolve => {
    heard = resolve;
  });
  runAgent(api, (message, socket) =>
    agent((params, { id }) => {
      const say = (line: Json) =>
        socket.send(Buffer.concat([Buffer.of(1), Buffer.from(`${JSON.stringify(line)}\n`)]));
      const progressToken = asJson(params['_meta'])['progressToken'];
      say({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken, progress: 1, message: 'reading\u00078 GPUs' },
      });
      // The SDK's client drops a progress that comes right before the result.
      void listened.then(() => say({ jsonrpc: '2.0', id, ...answer('done') }));
      return undefined;
    })(message),
  );
  const it = await session();
  const said: string[] = [];
  await it.call({
    ...ask('a'),
    onProgress: text => {
      said.push(text);
      if (text.startsWith('reading')) heard();
    },
  });
  expect(said).toEqual([
    'pod gpu-mcp/gpu-mcp-node-a-s0 is being created on node-a',
    'pod gpu-mcp/gpu-mcp-node-a-s0-abcde is running',
    'reading 8 GPUs',
  ]);
  await it.close();
});

test('an agent that dies during a call says how, and the next call starts a new one', async () => {
  runKubelet(api);
  let calls = 0;
  runAgent(api, (message, socket) =>
    agent(() => {
      calls += 1;
      if (calls > 1) return answer('second agent');
      const [pod] = api.list('pods');
      api.put('pods', {
        ...pod,
        status: {
          phase: 'Failed',
          containerStatuses: [container({ terminated: { reason: 'OOMKilled', exitCode: 137 } })],
        },
      });
      socket.send(Buffer.concat([Buffer.of(2), Buffer.from('FATAL: heap out of memory\n')]));
      socket.send(Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]));
      socket.close(1000);
      return undefined;
    })(message),
  );
  const it = await session();
  await expect(it.call(ask('get_gpu_health'))).rejects.toMatchObject({
    message:
      'the session with node-a ended during get_gpu_health: the agent in pod gpu-mcp/gpu-mcp-node-a-s0-abcde ended: OOMKilled, exit code 137; its last words: FATAL: heap out of memory',
    exit: 4,
  });
  expect(await it.call(ask('get_gpu_health'))).toMatchObject({
    content: [{ text: 'second agent' }],
  });
  expect(api.seen('POST', /jobs$/)).toHaveLength(2);
  await it.close();
  expect(left()).toEqual([]);
});

test.each([
  ['during a look', 1],
  ['between two looks', 0],
])(
  'a view that goes on ends with its pod’s hour, %s; whoever asks again has another',
  async (_when, looks) => {
    runKubelet(api);
    let calls = 0;
    let over: Promise<void> = Promise.resolve();
    runAgent(api, (message, socket) =>
      agent(() => {
        calls += 1;
        if (calls > looks + 1) return answer('another agent');
        const end = () => {
          const [pod] = api.list('pods');
          api.put('pods', { ...pod, status: { phase: 'Failed', reason: 'DeadlineExceeded' } });
          socket.send(Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]));
          socket.close(1000);
        };
        if (calls <= looks) return answer('a look');
        if (looks === 1) {
          end();
          return undefined;
        }
        over = new Promise(resolve => {
          socket.once('close', () => resolve());
          setImmediate(end);
        });
        return answer('a look');
      })(message),
    );
    const it = await session();
    const look = () => it.call({ ...ask('glance'), isLive: true });
    await look();
    await over;
    if (looks === 0) await until(() => left().length === 0);
    const words = 'the agent on node-a has had its hour and was ended';
    await expect(look()).rejects.toMatchObject({ message: words, exit: 4 });
    await expect(look()).rejects.toThrow(words);
    expect(api.seen('POST', /jobs$/)).toHaveLength(1);
    expect(await it.call(ask('a'))).toMatchObject({ content: [{ text: 'another agent' }] });
    expect(await look()).toMatchObject({ content: [{ text: 'another agent' }] });
    await it.close();
    expect(left()).toEqual([]);
  },
);

test('a connection that is cut ends the call with its reason', async () => {
  runKubelet(api);
  runAgent(
    api,
    agent(() => {
      api.cut();
      void pass(POD_END_MS_MAX);
      return undefined;
    }),
  );
  const it = await session();
  const error = await it.call(ask('a')).catch(one => one);
  expect(error.message).toMatch(
    /^the session with node-a ended during a: the connection broke \(WebSocket 1006\)/,
  );
  await it.close();
  expect(left()).toEqual([]);
});

test('a cancelled call is cancelled in the agent, and the session goes on', async () => {
  runKubelet(api);
  const seen: unknown[] = [];
  let told: () => void = silent;
  const cancelled = new Promise<void>(resolve => {
    told = resolve;
  });
  const stop = new AbortController();
  runAgent(api, message => {
    seen.push(message['method']);
    if (message['method'] === 'notifications/cancelled') told();
    return agent(({ name }) => {
      if (name === 'fast') return answer('still here');
      stop.abort(new Error('enough'));
      return undefined;
    })(message);
  });
  const it = await session();
  await expect(it.call({ ...ask('slow'), signal: stop.signal })).rejects.toThrow('enough');
  await cancelled;
  expect(await it.call(ask('fast'))).toMatchObject({ content: [{ text: 'still here' }] });
  await it.close();
});

test('an agent of another version is refused and removed', async () => {
  runKubelet(api);
  runAgent(api, message => (message['method'] === 'initialize' ? initialized('0.0.1') : undefined));
  const it = await session();
  await expect(it.call(ask('a'))).rejects.toThrow(
    `the agent on node-a is version 0.0.1, this plugin is ${VERSION}`,
  );
  expect(left()).toEqual([]);
});

test('a protocol error of the agent is an error of this tool, in its words', async () => {
  runKubelet(api);
  runAgent(
    api,
    agent(() => ({ error: { code: -32602, message: 'Tool nope not found' } })),
  );
  const it = await session();
  await expect(it.call(ask('nope'))).rejects.toThrow('node-a refused nope: Tool nope not found');
  await it.close();
});

test('an agent that does not begin is removed before the call has failed', async () => {
  runKubelet(api);
  let atDeletion = '';
  api.answer = ({ method }) => {
    if (method === 'DELETE') atDeletion ||= outcome;
    return undefined;
  };
  let outcome = 'not known yet';
  runAgent(api, message =>
    message['method'] === 'initialize' ? { error: { code: -32603, message: 'no' } } : undefined,
  );
  const it = await session();
  outcome = await it.call(ask('a')).then(
    () => 'answered',
    () => 'failed',
  );
  expect({ outcome, atDeletion, left: left() }).toEqual({
    ...{ outcome: 'failed', atDeletion: 'not known yet', left: [] },
  });
});

test('what an earlier agent left, because the API server was away, is said at the end', async () => {
  runKubelet(api);
  runAgent(
    api,
    agent(() => {
      api.answer = () => status(403, 'Forbidden', 'gone mad');
      api.cut();
      void pass(POD_END_MS_MAX);
      return undefined;
    }),
  );
  const it = await session();
  await it.call(ask('a')).catch(() => undefined);
  const closed = await it.close();
  expect(closed).toMatchObject({ removed: null, verified: false });
  expect(closed.left.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    'job gpu-mcp-node-a-s0',
    'pod gpu-mcp-node-a-s0-abcde',
  ]);
});

describe('after a start that failed', () => {
  test('a close waits until what it made was seen gone', async () => {
    runKubelet(api);
    api.answer = ({ method, path }) => {
      if (path.endsWith('/attach')) return status(401, 'Unauthorized', 'Unauthorized');
      const [, kind, name] = /(jobs|pods)\/([^/]+)$/.exec(path) ?? [];
      if (method !== 'DELETE' || name === undefined) return undefined;
      // Its kubelet takes a second.
      const metadata = { namespace: 'gpu-mcp', name };
      return { code: 200, body: { kind: kind === 'jobs' ? 'Job' : 'Pod', metadata } };
    };
    const it = await session();
    await expect(it.call(ask('a'))).rejects.toThrow(/does not accept the credentials/);
    const closing = it.close();
    await until(() => api.seen('GET', /pods\/gpu-mcp-node-a-s0/).length >= 1);
    api.remove('pods', 'gpu-mcp', 'gpu-mcp-node-a-s0-abcde');
    api.remove('jobs', 'gpu-mcp', 'gpu-mcp-node-a-s0');
    expect(await closing).toMatchObject({ verified: true, left: [] });
  });

  test.each([
    new SilentNode('the kubelet of node "node-a" is dead'),
    new Unreachable('the API server does not answer'),
  ])('nobody is waited for who cannot remove it: $message', async error => {
    const pod = { kind: 'pod' as const, namespace: 'gpu-mcp', name: 'one', uid: 'u' };
    const held = {
      ...{ name: 'pod gpu-mcp/one', left: [pod], remove: async () => true },
      ...{ isGone: vi.fn(async () => true), guard: vi.fn() },
    };
    const it = createSession({
      target: 'node-a',
      openLink: async (_signal, _onProgress, onHeld) => {
        onHeld(held);
        throw error;
      },
    });
    await expect(it.call(ask('a'))).rejects.toBe(error);
    expect(await it.close()).toEqual({ removed: null, verified: false, left: [pod] });
    expect(held.isGone).not.toHaveBeenCalled();
    expect(held.guard).toHaveBeenCalled();
  });
});

test('a close that hangs ends in time, and names what it leaves', async () => {
  runKubelet(api);
  runAgent(
    api,
    agent(() => answer('x')),
  );
  const it = await session();
  await it.call(ask('a'));
  api.answer = () => 'silence';
  const closing = it.close();
  await until(() => api.seen('DELETE', /./).length >= 2);
  await pass(SHUTDOWN_MS_MAX);
  const { verified, left: still } = await closing;
  expect(verified).toBe(false);
  expect(still.map(({ kind }) => kind)).toEqual(['job', 'pod']);
});

test('a close while the create has no answer yet names what may have been made', async () => {
  runKubelet(api);
  api.answer = ({ method, path }) =>
    method === 'POST' && /jobs/.test(path) ? 'silence' : undefined;
  const it = await session();
  const called = it.call(ask('a')).catch(() => undefined);
  await until(() => api.seen('POST', /jobs/).length >= 1);
  const closing = it.close();
  await pass(SHUTDOWN_MS_MAX);
  expect(await closing).toEqual({
    ...{ removed: null, verified: false },
    left: [{ kind: 'job', namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-s0', uid: '' }],
  });
  api.cut();
  await called;
});

test('a link is told what it is opened for: the first call, and none for a start without one', async () => {
  const opened: unknown[] = [];
  const refused = () =>
    createSession({
      target: 'node-a',
      openLink: async (_stop, _onProgress, _onHeld, first) => {
        opened.push(first);
        throw new Error('no link');
      },
    });
  const it = refused();
  const calls = [it.call(ask('triage_gpu_node', { since: '1h' })), it.call(ask('b'))];
  await Promise.allSettled(calls);
  await Promise.allSettled([refused().start(signal, silent)]);
  expect(opened).toEqual([{ tool: 'triage_gpu_node', input: { since: '1h' } }, undefined]);
});
