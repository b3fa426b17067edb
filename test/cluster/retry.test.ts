import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { retriesOf } from '../../src/cluster/retry.ts';
import { type Answer, FakeApiServer, status } from './fake-api-server.ts';

const NOW = Date.parse('2026-08-20T12:00:00Z');
const waits = (method: 'GET' | 'POST' | 'DELETE', code: number, retryAfter?: string) => {
  const retries = retriesOf(method);
  const found: number[] = [];
  for (let ms = retries.waitMs(code, retryAfter, NOW); ms !== undefined; ) {
    found.push(ms);
    ms = retries.waitMs(code, retryAfter, NOW);
  }
  return found;
};

describe('a busy API server', () => {
  test('is asked again five times, each after twice the time', () => {
    expect(waits('GET', 429)).toEqual([250, 500, 1_000, 2_000, 4_000]);
    expect(waits('DELETE', 503)).toEqual([250, 500, 1_000, 2_000, 4_000]);
  });

  test.each([
    ['1', 1_000],
    ['0', 0],
    ['3600', 10_000],
    ['Thu, 20 Aug 2026 12:00:03 GMT', 3_000],
    ['Thu, 20 Aug 2026 11:00:00 GMT', 0],
  ])('that says when to come back, %s, is taken at its word, within a limit', (after, ms) => {
    expect(waits('POST', 503, after)).toEqual([ms, ms, ms, ms, ms]);
  });

  test('makes nothing twice: a create is sent again only where it was not begun', () => {
    expect(waits('POST', 500)).toEqual([]);
    expect(waits('POST', 429)).toHaveLength(5);
    expect(waits('POST', 503, 'soon')).toEqual([]);
  });

  test.each([400, 401, 403, 404, 409, 410, 501])('that answers %i has answered', code => {
    expect(waits('GET', code, '1')).toEqual([]);
  });
});

test('a watch counts refusals and breaks together, and each change is a new beginning', () => {
  const retries = retriesOf('WATCH');
  expect(retries.waitMs(503, undefined, NOW)).toBe(250);
  expect(retries.brokenMs()).toBe(500);
  expect(retries.waitMs(429, '7', NOW)).toBe(2_000);
  retries.begun();
  const waits = Array.from({ length: 41 }, () => retries.brokenMs());
  expect(waits.slice(0, 6)).toEqual([250, 500, 1_000, 2_000, 2_000, 2_000]);
  expect(waits.slice(-2)).toEqual([2_000, undefined]);
});

const signal = new AbortController().signal;
let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  api.put('nodes', { metadata: { name: 'node-a' } });
});
afterEach(() => api[Symbol.asyncDispose]());

describe('over the wire', () => {
  beforeEach(() => {
    api.put('pods', { metadata: { name: 'p', namespace: 'gpu-mcp' } });
  });

  /** Refuses the first `times` requests. */
  const refuse = (times: number, code: number) => {
    let seen = 0;
    api.answer = () => {
      seen += 1;
      const busy = { ...status(code, 'TooManyRequests', 'later'), headers: { 'Retry-After': '0' } };
      return seen <= times ? busy : undefined;
    };
  };

  test('a question and a deletion come through', async () => {
    const cluster = await api.connect();
    refuse(5, 429);
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    refuse(5, 503);
    const pod = { kind: 'pod' as const, namespace: 'gpu-mcp', name: 'p', uid: '' };
    expect(await cluster.deleteObject(pod, signal)).toBe('deleted');
    expect(api.list('pods')).toEqual([]);
  });

  test('a watch that is refused sends what a question would, and no more', async () => {
    refuse(5, 429);
    const stop = new AbortController();
    const query = { namespace: 'gpu-mcp' };
    for await (const { pod } of (await api.connect()).watchPods(query, stop.signal)) {
      expect(pod.name).toBe('p');
      break;
    }
    expect(api.requests).toHaveLength(6);
  });

  test('one refusal too many is the answer', async () => {
    refuse(6, 429);
    const cluster = await api.connect();
    await expect(cluster.listNodes('', signal)).rejects.toThrow('list nodes: later');
    expect(api.requests).toHaveLength(6);
  });

  test('an expired page begins the list anew, and gives up in the end', async () => {
    let expired = 0;
    const pages = (times: number) => {
      expired = 0;
      api.answer = ({ query }) => {
        if (!query.has('continue')) {
          const items = [{ metadata: { name: 'node-1' } }];
          return { code: 200, body: { kind: 'NodeList', metadata: { continue: 'x' }, items } };
        }
        expired += 1;
        if (expired <= times) return status(410, 'Expired', 'the continue token is too old');
        const items = [{ metadata: { name: 'node-2' } }];
        return { code: 200, body: { kind: 'NodeList', metadata: {}, items } };
      };
    };
    const cluster = await api.connect();
    pages(2);
    const found = await cluster.listNodes('', signal);
    expect(found.map(({ name }) => name)).toEqual(['node-1', 'node-2']);
    pages(3);
    await expect(cluster.listNodes('', signal)).rejects.toThrow('too old');
  });
});

describe('a connection that breaks', () => {
  /** Breaks at the first `times` requests. */
  const broken = (times: number, how: 'reset' | Answer) => {
    let seen = 0;
    api.answer = () => {
      seen += 1;
      return seen <= times ? how : undefined;
    };
  };

  test.each([
    ['before its answer', 'reset'],
    ['amid its answer', { code: 200, body: '{"kind":"Node",', isCut: true }],
  ] as const)('%s has a question asked once more', async (_, how) => {
    const cluster = await api.connect();
    broken(1, how);
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    expect(api.requests).toHaveLength(2);
    broken(2, how);
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow('(ECONNRESET)');
    expect(api.requests).toHaveLength(4);
  });

  test('is told with the requests that an answer took, and its bytes', async () => {
    const cluster = await api.connect();
    api.put('pods', { metadata: { name: 'p', namespace: 'gpu-mcp' }, spec: { nodeName: 'a' } });
    const { asked: whole } = await cluster.targetJob('pod/p', signal);
    broken(1, { code: 200, body: '{"kind":"Pod",', isCut: true });
    const { asked } = await cluster.targetJob('pod/p', signal);
    expect(asked).toEqual({
      requests: (whole?.requests ?? 0) + 1,
      bytes: (whole?.bytes ?? 0) + '{"kind":"Pod",'.length,
    });
  });

  test('or a refusal is told with what it sent', async () => {
    const cluster = await api.connect();
    const { asked } = await cluster.view({ node: 'node-a' }, signal);
    const refused = status(403, 'Forbidden', 'no pods for you');
    api.answer = ({ path }) => (path.endsWith('/pods') ? refused : undefined);
    const before = api.requests.length;
    const now = await cluster.view({ node: 'node-a' }, signal);
    const { pods, asked: then } = now;
    expect(pods).toMatchObject({ ok: false });
    const refusals = api.requests.slice(before).filter(({ path }) => path.endsWith('/pods')).length;
    const list = Buffer.byteLength(JSON.stringify({ kind: 'PodList', metadata: {}, items: [] }));
    const said = Buffer.byteLength(JSON.stringify(refused.body));
    expect((then?.bytes ?? 0) - (asked?.bytes ?? 0)).toBe(refusals * said - list);
  });

  // All kept connections lead to an API server that is not there any more.
  test('takes the other kept ones with it: the second time a new one is asked', async () => {
    const cluster = await api.connect();
    await Promise.all([1, 2, 3].map(() => cluster.getNode('node-a', signal)));
    const { connections } = api;
    expect(connections).toBe(3);
    api.answer = ({ port }) =>
      api.ports.slice(0, connections).includes(port) ? 'reset' : undefined;
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    expect(api.connections).toBe(connections + 1);
  });

  test('by our own end has nobody asked any more', async () => {
    const cluster = await api.connect();
    const { promise: isAsked, resolve } = Promise.withResolvers<void>();
    api.answer = () => {
      resolve();
      return 'silence';
    };
    const stop = new AbortController();
    const asked = cluster.getNode('node-a', stop.signal);
    await isAsked;
    // A second question would find an answer.
    api.answer = () => undefined;
    cluster.close();
    await expect(asked).rejects.toThrow('(ECONNRESET)');
    expect(api.requests).toHaveLength(1);
  });

  test('makes and deletes nothing twice', async () => {
    const cluster = await api.connect();
    const pod = { metadata: { name: 'p', namespace: 'gpu-mcp' }, spec: { containers: [] } };
    broken(1, 'reset');
    await expect(cluster.createPod(pod, signal)).rejects.toThrow('(ECONNRESET)');
    broken(1, 'reset');
    const ref = { kind: 'pod' as const, namespace: 'gpu-mcp', name: 'p', uid: '' };
    await expect(cluster.deleteObject(ref, signal)).rejects.toThrow('(ECONNRESET)');
    expect(api.requests.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
  });

  test('before an attach is let through has it asked for once more', async () => {
    const cluster = await api.connect();
    const at = { namespace: 'gpu-mcp', name: 'p', container: 'agent' };
    api.onAttach = socket => socket.send(Buffer.from([1]));
    broken(1, 'reset');
    const stream = await cluster.attach(at, signal);
    stream.destroy();
    expect(api.requests).toHaveLength(2);
    broken(2, 'reset');
    await expect(cluster.attach(at, signal)).rejects.toThrow('(ECONNRESET)');
    expect(api.requests).toHaveLength(4);
  });
});
