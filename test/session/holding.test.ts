import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  LATE_CREATE_MS,
  POD_GONE_MS_MAX,
  REAP_RETRY_MS,
  REMOVE_MS_MAX,
  REMOVE_TRY_MS_MAX,
} from '../../src/contract/limits.ts';
import { Holding } from '../../src/session/holding.ts';
import {
  type Answer,
  FakeApiServer,
  type SeenRequest,
  status,
} from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

const JOB = { kind: 'job', namespace: 'gpu-mcp', name: 'one' } as const;
const POD = { kind: 'pod', namespace: 'gpu-mcp', name: 'one-abcde' } as const;

/** A Job and its pod, held. */
async function held() {
  const reaper = { guard: vi.fn(), dismiss: vi.fn() };
  const startReaper = vi.fn(() => reaper);
  const holding = new Holding(await api.connect(), startReaper);
  for (const object of [JOB, POD]) {
    api.put(`${object.kind}s`, { metadata: { ...object, uid: `uid-of-${object.name}` } });
    holding.add({ ...object, uid: `uid-of-${object.name}` });
  }
  return { holding, reaper, startReaper };
}

const names = (holding: Holding) => holding.left.map(({ kind, name }) => `${kind} ${name}`);
const onDelete =
  (answer: (path: string) => Answer | 'silence' | undefined) =>
  ({ method, path }: SeenRequest) =>
    method === 'DELETE' ? answer(path) : undefined;

test('what the API server says is deleted is not left, and needs nobody after us', async () => {
  const { holding, startReaper } = await held();
  expect(await holding.remove()).toBe(true);
  expect(await holding.isGone()).toBe(true);
  expect(names(holding)).toEqual([]);
  expect(startReaper).not.toHaveBeenCalled();
  // Nothing more had to be asked: the answers said it.
  expect(api.seen('GET', /./)).toEqual([]);
});

test.each([
  ['refused at once: nothing was made', 0, []],
  ['done, answered as failed, and refused when it is asked again', 1, ['job one']],
])('a create that is %s', async (_what, failures, left) => {
  const cluster = await api.connect();
  const holding = new Holding(cluster, undefined);
  let asked = 0;
  api.answer = () => {
    asked += 1;
    return asked <= failures
      ? { ...status(503, 'ServiceUnavailable', 'later'), headers: { 'Retry-After': '0' } }
      : status(409, 'Conflict', 'the object has been modified');
  };
  const { signal } = new AbortController();
  const job = { metadata: { namespace: JOB.namespace, name: JOB.name } };
  await expect(holding.create(JOB, () => cluster.createJob(job, signal))).rejects.toThrow();
  expect(names(holding)).toEqual(left);
});

test.each([
  ['was not made is not told as deleted', false, null],
  ['was made all the same is', true, 'job gpu-mcp/one'],
])('what failed to be made and %s', async (_what, isMade, name) => {
  const holding = new Holding(await api.connect(), undefined);
  const failing = holding.create(JOB, async () => {
    if (isMade) api.put('jobs', { metadata: { ...JOB, uid: 'uid' } });
    throw new Error('the answer was lost');
  });
  await expect(failing).rejects.toThrow('lost');
  expect(await holding.remove()).toBe(true);
  expect(await holding.isGone()).toBe(true);
  expect(holding.name).toBe(name);
});

test('what still ends is left until it was seen gone', async () => {
  const { holding, startReaper } = await held();
  api.answer = onDelete(path => (/pods/.test(path) ? { code: 200, body: aPod() } : undefined));
  expect(await holding.remove()).toBe(true);
  expect(names(holding)).toEqual(['pod one-abcde']);
  // The cluster does the rest: another process could do no more.
  holding.guard();
  expect(startReaper).not.toHaveBeenCalled();
  const gone = holding.isGone();
  await until(() => api.seen('GET', /pods/).length >= 2);
  api.remove('pods', 'gpu-mcp', 'one-abcde');
  expect(await gone).toBe(true);
  expect(names(holding)).toEqual([]);
});

test('a connection that breaks while it is looked at costs a look, and no claim', async () => {
  const holding = new Holding(await api.connect(), undefined, {
    ...{ namespace: 'gpu-mcp', labelSelector: 'session=x' },
  });
  api.put('pods', { metadata: { ...POD, uid: 'uid', labels: { session: 'x' } } });
  holding.add({ ...POD, uid: 'uid' });
  api.answer = onDelete(path => (/pods/.test(path) ? { code: 200, body: aPod() } : undefined));
  expect(await holding.remove()).toBe(true);
  const broken: string[] = [];
  api.answer = ({ method, path }) => {
    // The first look at the pod, and the first list of the session's pods.
    if (method !== 'GET' || broken.includes(path)) return undefined;
    broken.push(path);
    if (path.endsWith('/pods/one-abcde')) api.remove('pods', 'gpu-mcp', 'one-abcde');
    api.cut();
    return 'silence';
  };
  expect(await holding.isGone()).toBe(true);
  expect(broken.map(path => path.replace(/.*gpu-mcp\//, ''))).toEqual(['pods/one-abcde', 'pods']);
});

test('what is never seen gone is not claimed', async () => {
  const { holding } = await held();
  api.answer = onDelete(path => (/pods/.test(path) ? { code: 200, body: aPod() } : undefined));
  await holding.remove();
  const gone = holding.isGone();
  await pass(POD_GONE_MS_MAX);
  expect(await gone).toBe(false);
  expect(names(holding)).toEqual(['pod one-abcde']);
});

test.each([
  [504, 'Timeout'],
  [500, 'ServerTimeout'],
  [500, 'InternalError'],
  [502, 'BadGateway'],
  [503, 'ServiceUnavailable'],
])('what is made behind the answer %d %s is removed, and not claimed before', async (code, why) => {
  const cluster = await api.connect();
  const reaper = { guard: vi.fn(), dismiss: vi.fn() };
  const holding = new Holding(cluster, () => reaper);
  api.answer = ({ method }) =>
    method === 'POST'
      ? { ...status(code, why, 'gave up'), headers: { 'Retry-After': '0' } }
      : undefined;
  const spec = { apiVersion: 'v1', kind: 'Pod', metadata: { ...POD }, spec: { containers: [] } };
  await expect(
    holding.create(POD, () => cluster.createPod(spec, AbortSignal.timeout(60_000))),
  ).rejects.toThrow('gave up');
  expect(await holding.remove()).toBe(false);
  expect(names(holding)).toEqual(['pod one-abcde']);
  expect(reaper.guard).toHaveBeenCalledWith([{ ...POD, uid: '' }]);
  api.put('pods', { metadata: { ...POD, uid: 'late' } });
  await pass(LATE_CREATE_MS);
  expect(await holding.remove()).toBe(true);
  expect(api.list('pods')).toEqual([]);
  expect(await holding.isGone()).toBe(true);
});

describe('a Job that is removed before its pod was seen', () => {
  const PODS = { namespace: 'gpu-mcp', labelSelector: 'session=x' };

  /** Its Job is gone, and its pod is still there under a name that only a list tells. */
  async function unseen(watches: boolean) {
    const holding = new Holding(await api.connect(), undefined, PODS, { watches });
    api.put('jobs', { metadata: { ...JOB, uid: 'job' } });
    api.put('pods', { metadata: { ...POD, uid: 'pod', labels: { session: 'x' } } });
    holding.add({ ...JOB, uid: 'job' });
    expect(await holding.remove()).toBe(true);
    return holding;
  }

  test.each([true, false])('is gone only with that pod, watched (%s) or not', async watches => {
    const holding = await unseen(watches);
    expect(await holding.isGone()).toBe(true);
    expect(api.list('pods')).toEqual([]);
  });

  test('is not claimed where nobody may list pods', async () => {
    const holding = await unseen(true);
    api.answer = ({ method }) => (method === 'GET' ? status(403, 'Forbidden', 'no') : undefined);
    expect(await holding.isGone()).toBe(false);
  });
});

describe('a pod that is removed', () => {
  const PODS = { namespace: 'gpu-mcp', labelSelector: 'session=x' };
  const over = (exitCode: number) => ({ name: 'mcp', state: { terminated: { exitCode } } });

  /** What its kubelet reports after the deletion; the graces of all deletions of it. */
  async function reported(statuses: object, changed: object = {}) {
    const holding = new Holding(await api.connect(), undefined, PODS);
    const labels = { session: 'x' };
    const pod = { metadata: { ...POD, uid: 'uid', labels } };
    api.put('pods', pod);
    holding.add({ ...POD, uid: 'uid' });
    const graces: unknown[] = [];
    api.answer = ({ method, path, body }) => {
      if (method !== 'DELETE' || !/pods/.test(path)) return undefined;
      const grace = body['gracePeriodSeconds'];
      graces.push(grace);
      if (grace === 0) return undefined;
      const metadata = { ...pod.metadata, deletionTimestamp: 'now', ...changed };
      setImmediate(() => api.put('pods', { metadata, status: statuses }));
      return { code: 200, body: aPod() };
    };
    const ended = holding.end();
    await until(() => graces.length > 0);
    return { holding, ended, graces };
  }

  test('waits for no kubelet once nothing runs in it', async () => {
    const { ended, graces, holding } = await reported({ containerStatuses: [over(0)] });
    expect(await ended).toBe(true);
    expect(graces).toEqual([1, 0]);
    expect([...names(holding), ...api.list('pods')]).toEqual([]);
  });

  const stays: readonly [string, object, object?][] = [
    ['its agent runs', { containerStatuses: [{ name: 'mcp', state: { running: {} } }] }],
    ['a process of its agent hangs in the driver', { containerStatuses: [over(75)] }],
    ['its agent was killed', { containerStatuses: [over(137)] }],
    [
      'its agent has ended by our name for another',
      { containerStatuses: [{ ...over(0), name: 'x' }] },
    ],
    [
      'another container runs',
      { containerStatuses: [over(0), { name: 'x', state: { running: {} } }] },
    ],
    ['nobody has deleted it', { containerStatuses: [over(0)] }, { deletionTimestamp: undefined }],
    ['it is another of that name', { containerStatuses: [over(0)] }, { uid: 'other' }],
  ];
  test.each(stays)('waits for its kubelet while %s', async (_, status, changed = {}) => {
    const { ended, graces } = await reported(status, changed);
    await until(() => api.seen('GET', /pods\/one/).length >= 1);
    api.remove('pods', 'gpu-mcp', 'one-abcde');
    expect(await ended).toBe(true);
    expect(graces).toEqual([1]);
  });

  test('is seen gone where nobody may watch', async () => {
    api.answer = ({ query }) => (query.has('watch') ? status(403, 'Forbidden', 'no') : undefined);
    const holding = new Holding(await api.connect(), undefined, PODS);
    api.put('pods', { metadata: { ...POD, uid: 'uid' } });
    holding.add({ ...POD, uid: 'uid' });
    expect(await holding.end()).toBe(true);
  });
});

const aPod = () => ({ kind: 'Pod', metadata: { namespace: 'gpu-mcp', name: 'one-abcde' } });

test('an API server that comes back in time has only made it later', async () => {
  const { holding, startReaper } = await held();
  let tries = 0;
  api.answer = onDelete(() => {
    tries += 1;
    if (tries > 2) return undefined;
    void pass(REMOVE_TRY_MS_MAX);
    return 'silence';
  });
  expect(await holding.remove()).toBe(true);
  expect(startReaper).not.toHaveBeenCalled();
  expect([...api.list('jobs'), ...api.list('pods')]).toEqual([]);
});

describe('an API server that stays away', () => {
  test('leaves it to a process that outlives us, and to us as long as we live', async () => {
    const { holding, reaper } = await held();
    api.answer = onDelete(() => 'silence');
    const removed = holding.remove();
    await until(() => api.seen('DELETE', /./).length >= 2);
    await pass(REMOVE_MS_MAX);
    expect(await removed).toBe(false);
    expect(reaper.guard).toHaveBeenLastCalledWith([
      { ...JOB, uid: 'uid-of-one' },
      { ...POD, uid: 'uid-of-one-abcde' },
    ]);
    expect(reaper.dismiss).not.toHaveBeenCalled();
    api.answer = () => undefined;
    await pass(REAP_RETRY_MS);
    await until(() => reaper.dismiss.mock.calls.length > 0);
    expect([...api.list('jobs'), ...api.list('pods'), ...names(holding)]).toEqual([]);
  });

  test('is asked by one of us at a time, however often it was told to remove it', async () => {
    const { holding } = await held();
    api.answer = onDelete(() => status(409, 'Conflict', 'not now'));
    for (let time = 0; time < 2; time += 1) {
      const before = api.seen('DELETE', /./).length;
      const removed = holding.remove();
      await until(() => api.seen('DELETE', /./).length >= before + 2);
      await pass(REMOVE_MS_MAX);
      expect(await removed).toBe(false);
    }
    const before = api.seen('DELETE', /./).length;
    await pass(REAP_RETRY_MS);
    await until(() => api.seen('DELETE', /./).length >= before + 2);
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    expect(api.seen('DELETE', /./)).toHaveLength(before + 2);
  });

  test('and what is forbidden is tried once', async () => {
    const { holding, reaper } = await held();
    api.answer = onDelete(() => status(403, 'Forbidden', 'no'));
    expect(await holding.remove()).toBe(false);
    expect(api.seen('DELETE', /./)).toHaveLength(2);
    expect(reaper.guard).toHaveBeenCalled();
    expect(names(holding)).toEqual(['job one', 'pod one-abcde']);
  });
});

describe('a create', () => {
  test('is held before the API server has answered, under its name', async () => {
    const holding = new Holding(await api.connect(), undefined);
    const creating = holding.create(JOB, async () => {
      expect(holding.left).toEqual([{ ...JOB, uid: '' }]);
      return { ...JOB, uid: 'u', suspended: false };
    });
    expect(await creating).toEqual({ ...JOB, uid: 'u', suspended: false });
    expect(holding.left).toEqual([{ ...JOB, uid: 'u' }]);
  });

  test('that the API server refuses is not held; one without an answer is', async () => {
    const cluster = await api.connect();
    const holding = new Holding(cluster, undefined);
    const signal = new AbortController().signal;
    const job = { metadata: { namespace: 'gpu-mcp', name: 'one' } };
    api.answer = () => status(403, 'Forbidden', 'no');
    await expect(holding.create(JOB, () => cluster.createJob(job, signal))).rejects.toThrow('no');
    expect(holding.left).toEqual([]);
    await expect(
      holding.create(JOB, async () => {
        throw new Error('cut');
      }),
    ).rejects.toThrow('cut');
    expect(holding.left).toEqual([{ ...JOB, uid: '' }]);
  });
});
