import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PodChange } from '../../src/cluster/port.ts';
import { namesLike } from '../../src/contract/names-like.ts';
import { FakeApiServer, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

const put = (name: string, phase = 'Pending') =>
  api.put('pods', { metadata: { name, namespace: 'gpu-mcp' }, status: { phase } });

describe('nodes', () => {
  const nodes = (...names: string[]) => {
    for (const name of names) api.put('nodes', { metadata: { name } });
  };

  test('come in the order of their names', async () => {
    nodes('node-c', 'node-a', 'node-b');
    const found = await (await api.connect()).listNodes('', signal);
    expect(found.map(({ name }) => name)).toEqual(['node-a', 'node-b', 'node-c']);
  });

  test('of many are read page by page', async () => {
    api.answer = ({ query }) => {
      const page = query.get('continue') ?? '1';
      const metadata = page === '3' ? {} : { continue: String(Number(page) + 1) };
      const items = [{ metadata: { name: `node-${page}` } }];
      return { code: 200, body: { kind: 'NodeList', metadata, items } };
    };
    const found = await (await api.connect()).listNodes('gpu=true', signal);
    expect(found.map(({ name }) => name)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(api.requests.map(({ query }) => query.toString())).toEqual([
      'labelSelector=gpu%3Dtrue&limit=500',
      'labelSelector=gpu%3Dtrue&limit=500&continue=2',
      'labelSelector=gpu%3Dtrue&limit=500&continue=3',
    ]);
  });

  test('that do not exist: those like it, or where to look', async () => {
    nodes('gpu-1', 'gpu-2', 'other');
    const cluster = await api.connect();
    await expect(cluster.getNode('gpu-3', signal)).rejects.toMatchObject({
      ...{ code: 404, reason: 'NotFound', hint: 'did you mean gpu-1 or gpu-2?' },
    });
    await expect(cluster.getNode('something', signal)).rejects.toMatchObject({
      hint: 'kubectl get nodes',
    });
    api.answer = ({ path }) =>
      path.endsWith('/nodes') ? status(403, 'Forbidden', 'no') : undefined;
    await expect(cluster.getNode('gpu-3', signal)).rejects.toMatchObject({
      ...{ message: 'node "gpu-3" was not found', hint: 'kubectl get nodes' },
    });
  });

  test('that may not be read are not called absent', async () => {
    api.answer = () => status(403, 'Forbidden', 'no');
    await expect((await api.connect()).getNode('gpu-3', signal)).rejects.toThrow(
      'get node "gpu-3": no',
    );
  });
});

test.each([
  ['gpu', ['a-gpu-1', 'x', 'gpu'], ['a-gpu-1', 'gpu']],
  ['ab', ['xaby', 'ac', 'abcde'], ['ac', 'xaby']],
  [
    'node-1',
    ['nodes-11', 'mode-1', 'node-1-a', 'node', 'far-away'],
    ['node-1-a', 'mode-1', 'nodes-11'],
  ],
  ['kitten', ['sitting', 'sitten', ''], ['sitten']],
])('names like %s', (wanted, known, alike) => {
  expect(namesLike(wanted, known)).toEqual(alike);
});

describe('a deletion', () => {
  const object = { kind: 'pod', namespace: 'gpu-mcp', name: 'a', uid: 'u' } as const;
  const remove = async (more: object = {}) =>
    (await api.connect()).deleteObject({ ...object, ...more }, signal);

  test('of what is not there any more', async () => {
    expect(await remove()).toBe('gone');
  });

  test('of what is another object by now', async () => {
    put('a');
    expect(await remove()).toBe('gone');
    expect(api.list('pods')).toHaveLength(1);
  });

  test('by name alone, where nobody knows its uid', async () => {
    put('a');
    expect(await remove({ uid: '' })).toBe('deleted');
    expect(api.seen('DELETE', /a$/)[0]?.body).toEqual({
      ...{ apiVersion: 'v1', kind: 'DeleteOptions' },
      ...{ propagationPolicy: 'Background', gracePeriodSeconds: 1 },
    });
  });

  test('that is refused', async () => {
    api.answer = () => status(403, 'Forbidden', 'no');
    await expect(remove({ kind: 'job' })).rejects.toThrow(
      'delete job "a" in namespace "gpu-mcp": no',
    );
    expect(api.requests[0]?.path).toBe('/apis/batch/v1/namespaces/gpu-mcp/jobs/a');
  });
});

test('a log is its last lines, of one container', async () => {
  const pod = { namespace: 'gpu-mcp', name: 'a' };
  const cluster = await api.connect();
  expect(await cluster.podLog(pod, { container: 'mcp', linesMax: 7 }, signal)).toBe(
    'a line of the log\n',
  );
  const [seen] = api.requests;
  expect([seen?.path, seen?.query.toString()]).toEqual([
    '/api/v1/namespaces/gpu-mcp/pods/a/log',
    'container=mcp&tailLines=7',
  ]);
});

test('an object of another name is not the one that was asked for', async () => {
  api.answer = () => ({ code: 200, body: { kind: 'Node', metadata: { name: 'node-b' } } });
  await expect((await api.connect()).getNode('node-a', signal)).rejects.toThrow(
    'a Node of the name "node-b"',
  );
});

test('a Status of failure under code 200 deletes nothing', async () => {
  const body = { kind: 'Status', status: 'Failure', message: 'not today' };
  api.answer = () => ({ code: 200, body });
  const pod = { kind: 'pod' as const, namespace: 'gpu-mcp', name: 'a', uid: '' };
  await expect((await api.connect()).deleteObject(pod, signal)).rejects.toThrow(
    'a Status that is no success (not today)',
  );
});

describe('a watch', () => {
  const query = { namespace: 'gpu-mcp', labelSelector: '' };

  /** The first so many changes of pods; `between` runs after each. */
  async function changes(count: number, between: (seen: number) => void = () => {}) {
    const stop = new AbortController();
    const seen: string[] = [];
    const told = ({ type, pod }: PodChange) => `${type} ${pod.name} ${pod.phase}`;
    for await (const change of (await api.connect()).watchPods(query, stop.signal)) {
      seen.push(told(change));
      if (seen.length === count) break;
      between(seen.length);
    }
    stop.abort();
    return seen;
  }

  test('tells what is there, what changes and what goes', async () => {
    put('a');
    const seen = await changes(3, seen => {
      if (seen === 1) put('a', 'Running');
      else api.remove('pods', 'gpu-mcp', 'a');
    });
    expect(seen).toEqual(['present a Pending', 'present a Running', 'deleted a Running']);
  });

  test.each([
    ['a login page', '<html>\n<title>Sign in</title>\n'],
    ['a login page without an end of a line', '<html><title>Sign in</title>'],
    ['a list', `${JSON.stringify({ kind: 'PodList', items: [] })}\n`],
    ['a list without an end of a line', JSON.stringify({ kind: 'PodList', items: [] })],
  ])('that %s answers ends at once', async (_name, body) => {
    api.answer = () => ({ code: 200, body });
    await expect(changes(1)).rejects.toThrow(/answers with .* \(HTTP 200\)/);
    expect(api.requests).toHaveLength(1);
  });

  test('that ends in the midst of an event is opened again', async () => {
    put('a');
    let tries = 0;
    api.answer = () => {
      tries += 1;
      return tries === 1 ? { code: 200, body: '{"type":"ADDED","object":{"meta' } : undefined;
    };
    expect(await changes(1)).toEqual(['present a Pending']);
    expect(api.requests).toHaveLength(2);
  });

  test('that breaks is opened again', async () => {
    put('a');
    const seen = await changes(2, () => api.cut());
    expect(seen).toEqual(['present a Pending', 'present a Pending']);
    expect(api.seen('GET', /pods$/)).toHaveLength(2);
  });

  test.each([500, 410, 503])('that the API server refuses with %i is tried again', async code => {
    put('a');
    let tries = 0;
    api.answer = () => {
      tries += 1;
      return tries === 1 ? status(code, 'Later', 'not now') : undefined;
    };
    expect(await changes(1)).toEqual(['present a Pending']);
  });

  test.each([400, 404, 499])('that it refuses with %i is not', async code => {
    api.answer = () => status(code, 'No', 'never');
    await expect(changes(1)).rejects.toThrow('never');
    expect(api.requests).toHaveLength(1);
  });

  test('that ends with an error of its own is opened again', async () => {
    put('a');
    const bookmark = { type: 'BOOKMARK', object: {} };
    const error = { type: 'ERROR', object: { message: 'too old' } };
    let tries = 0;
    api.answer = () => {
      tries += 1;
      const body = [bookmark, error].map(line => `${JSON.stringify(line)}\n`).join('');
      return tries === 1 ? { code: 200, body } : undefined;
    };
    expect(await changes(1)).toEqual(['present a Pending']);
    expect(api.requests).toHaveLength(2);
  });

  test('that is not allowed is asked for instead, each change once', async () => {
    put('a');
    api.answer = ({ query: asked }) =>
      asked.has('watch') ? status(403, 'Forbidden', 'no watch') : undefined;
    const seen = await changes(3, seen => {
      if (seen === 1) put('b');
      else api.remove('pods', 'gpu-mcp', 'a');
    });
    expect(seen).toEqual(['present a Pending', 'present b Pending', 'deleted a Pending']);
  });
});

describe('a creation', () => {
  const body = { metadata: { name: 'a', namespace: 'n' }, spec: { suspend: true, template: {} } };

  test('goes into the namespace of the object, else into ours', async () => {
    const cluster = await api.connect();
    expect(await cluster.createJob(body, signal)).toEqual({
      ...{ kind: 'job', namespace: 'n', name: 'a', uid: expect.stringMatching(/^uid-/) },
      suspended: true,
    });
    expect(await cluster.createPod({ metadata: { name: 'a' } }, signal)).toMatchObject({
      ...{ kind: 'pod', namespace: 'gpu-mcp', suspended: false },
    });
    expect(api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /apis/batch/v1/namespaces/n/jobs',
      'POST /api/v1/namespaces/gpu-mcp/pods',
    ]);
  });

  test.each([
    [{ metadata: { name: 'a' } }, 'create job "a" in namespace "gpu-mcp": no'],
    [{}, 'create job "" in namespace "gpu-mcp": no'],
  ])('that is refused says what it was', async (job, message) => {
    api.answer = () => status(403, 'Forbidden', 'no');
    await expect((await api.connect()).createJob(job, signal)).rejects.toThrow(message);
  });
});

test.each([
  ['alice@example.com', 'alice@example.com'],
  ['', undefined],
])('the user that the API server sees: %j', async (username, user) => {
  api.answer = () => ({
    code: 201,
    body: { kind: 'SelfSubjectReview', status: { userInfo: { username } } },
  });
  expect(await (await api.connect()).whoAmI(signal)).toBe(user);
  expect(api.requests[0]).toMatchObject({
    ...{ method: 'POST', path: '/apis/authentication.k8s.io/v1/selfsubjectreviews' },
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  });
});

describe('what we say we did where it was refused', () => {
  beforeEach(() => {
    api.answer = () => status(422, 'Invalid', 'no');
  });
  const pod = { namespace: 'n', name: 'a' };
  const connected = () => api.connect();
  test.each<[string, () => Promise<unknown>]>([
    ['list nodes', async () => (await connected()).listNodes('', signal)],
    ['get pod "a" in namespace "n"', async () => (await connected()).getPod(pod, signal)],
    [
      'read the log of pod "a" in namespace "n"',
      async () => (await connected()).podLog(pod, { container: 'c', linesMax: 1 }, signal),
    ],
    ['ask who I am', async () => (await connected()).whoAmI(signal)],
    ['list jobs', async () => (await connected()).listOwn(null, signal)],
    [
      'list pods in namespace "n"',
      async () => (await connected()).listPods({ namespace: 'n' }, signal),
    ],
    ['list pods', async () => (await connected()).listPods({ namespace: null }, signal)],
  ])('%s', async (doing, ask) => {
    await expect(ask()).rejects.toThrow(`${doing}: no`);
  });
});

test('events about one object, as they come; objects of ours, of both kinds', async () => {
  const put = (name: string, about: string) =>
    api.put('events', {
      metadata: { name, namespace: 'gpu-mcp' },
      ...{ involvedObject: { name: about }, reason: name, message: '' },
    });
  put('one', 'a');
  put('other', 'b');
  const cluster = await api.connect();
  const seen: string[] = [];
  for await (const { reason } of cluster.watchEvents({ namespace: 'gpu-mcp', name: 'a' }, signal)) {
    seen.push(reason);
    if (seen.length === 2) break;
    api.remove('events', 'gpu-mcp', 'one');
    put('two', 'a');
  }
  expect(seen).toEqual(['one', 'two']);
  const labels = { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' };
  api.put('jobs', { metadata: { name: 'j', namespace: 'gpu-mcp', labels } });
  api.put('pods', { metadata: { name: 'p', namespace: 'gpu-mcp', labels } });
  api.put('pods', { metadata: { name: 'foreign', namespace: 'gpu-mcp' } });
  const own = await cluster.listOwn('gpu-mcp', signal);
  expect(own.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['job j', 'pod p']);
  expect(await cluster.listPods({ namespace: 'gpu-mcp' }, signal)).toHaveLength(2);
  api.answer = () => status(403, 'Forbidden', 'no');
  await expect(cluster.getPod({ namespace: 'gpu-mcp', name: 'p' }, signal)).rejects.toThrow('no');
});
