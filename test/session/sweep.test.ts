import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CleanOptions, clean, othersOn, sweep } from '../../src/session/sweep.ts';
import { asJson, FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';

const signal = new AbortController().signal;
const NOW = Date.parse('2026-08-20T12:00:00Z');
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  // A laptop's clock may be years off: ages count by the API server's.
  api.nowMs = NOW;
  own('jobs', 'finished', { status: { conditions: [{ type: 'Complete', status: 'True' }] } });
  own('jobs', 'alive');
  own('pods', 'alive-abcde', { owner: 'alive', status: { phase: 'Running' } });
  own('pods', 'bare-done', { status: { phase: 'Failed' } });
  own('pods', 'bare-expired', { expires: '2026-08-20T11:59:59Z', status: { phase: 'Running' } });
  own('pods', 'bare-alive', { status: { phase: 'Running' } });
  api.put('pods', {
    metadata: { name: 'not-ours', namespace: 'gpu-mcp' },
    status: { phase: 'Failed' },
  });
});
afterEach(() => api[Symbol.asyncDispose]());

function own(
  resource: string,
  name: string,
  more: { owner?: string; expires?: string; status?: Json; user?: string } = {},
) {
  api.put(resource, {
    metadata: {
      name,
      namespace: 'gpu-mcp',
      uid: `uid-of-${name}`,
      labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
      annotations: {
        'gpu-mcp/expires-at': more.expires ?? '2026-08-20T12:30:00Z',
        'gpu-mcp/user': more.user ?? 'alice@example.com',
      },
      creationTimestamp: '2026-08-20T11:30:00Z',
      ...(more.owner && { ownerReferences: [{ kind: 'Job', name: more.owner }] }),
    },
    status: more.status ?? {},
  });
}

const run = async (more: Partial<CleanOptions> = {}) => {
  const cluster = await api.connect();
  const cleaned = await clean({ cluster, namespace: 'gpu-mcp', ...more }, signal);
  return Object.fromEntries(cleaned.map(({ object, outcome }) => [object.name, outcome]));
};
const names = () =>
  [...api.list('jobs'), ...api.list('pods')].map(({ metadata }) =>
    metadata && typeof metadata === 'object' && 'name' in metadata ? metadata.name : '',
  );

test('finished and expired objects of ours go; what runs, and what is not ours, stays', async () => {
  expect(await run()).toEqual({
    finished: 'deleted',
    alive: 'kept',
    'bare-done': 'deleted',
    'bare-expired': 'deleted',
    'bare-alive': 'kept',
  });
  expect(names()).toEqual(['alive', 'alive-abcde', 'bare-alive', 'not-ours']);
  expect(api.seen('DELETE', /finished/)[0]?.body).toMatchObject({
    preconditions: { uid: 'uid-of-finished' },
  });
});

test('--dry-run only says so', async () => {
  const before = names();
  expect(await run({ dryRun: true })).toMatchObject({ finished: 'would_delete', alive: 'kept' });
  expect(names()).toEqual(before);
});

test('--older-than takes running sessions too, by their age alone', async () => {
  expect(await run({ olderThanMs: 31 * 60_000 })).toMatchObject({
    finished: 'kept',
    alive: 'kept',
  });
  expect(await run({ olderThanMs: 30 * 60_000 })).toMatchObject({
    finished: 'deleted',
    alive: 'deleted',
  });
});

test('what expires just now is kept; a pod whose Job is gone counts for itself', async () => {
  own('pods', 'just-now', { expires: '2026-08-20T12:00:00Z', status: { phase: 'Running' } });
  own('pods', 'orphan', { owner: 'bare-done', status: { phase: 'Succeeded' } });
  expect(await run()).toMatchObject({ 'just-now': 'kept', orphan: 'deleted' });
});

test('the silent sweep removes what is left in its namespace', async () => {
  await sweep(await api.connect(), 'gpu-mcp');
  expect(names()).toEqual(['alive', 'alive-abcde', 'bare-alive', 'not-ours']);
});

test('the silent sweep stays silent where it may not list', async () => {
  api.answer = () => status(403, 'Forbidden', 'no');
  expect(await sweep(await api.connect(), 'gpu-mcp')).toEqual([]);
});

test('what another user’s session left, and what has no mark, goes only by its name', async () => {
  own('pods', 'bobs', { user: 'bob@example.com', status: { phase: 'Failed' } });
  own('pods', 'unmarked', { user: '', status: { phase: 'Failed' } });
  expect(await run({ olderThanMs: 0 })).toMatchObject({
    ...{ finished: 'deleted', bobs: 'kept_of_another', unmarked: 'kept_of_another' },
  });
  expect(await run({ names: ['bobs'] })).toMatchObject({
    ...{ bobs: 'deleted', unmarked: 'kept_of_another' },
  });
  own('pods', 'mine', { status: { phase: 'Failed' } });
  expect(await run({ names: ['unmarked'] })).toEqual({ unmarked: 'deleted', mine: 'kept' });
});

test('a user who may not ask for the own name owns nothing', async () => {
  api.answer = ({ path }) =>
    path.endsWith('/selfsubjectreviews') ? status(403, 'Forbidden', 'no') : undefined;
  const outcomes = Object.values(await run({ olderThanMs: 0 }));
  expect(new Set(outcomes)).toEqual(new Set(['kept_of_another']));
});

test('who else has a session on a node: those that run, of others, there', async () => {
  const on = (name: string, user: string, node: string, phase = 'Running') => {
    own('pods', name, { user, status: { phase } });
    const [pod] = api.list('pods').filter(one => asJson(one['metadata'])['name'] === name);
    const metadata = asJson(pod?.['metadata']);
    const annotations = { ...asJson(metadata['annotations']), 'gpu-mcp/node': node };
    api.put('pods', { ...pod, metadata: { ...metadata, annotations } });
  };
  on('of-bob', 'bob\u0007', 'n1');
  on('of-nobody', '', 'n1');
  on('elsewhere', 'bob', 'n2');
  on('done', 'bob', 'n1', 'Succeeded');
  on('mine', 'alice@example.com', 'n1');
  const found = await sweep(await api.connect(), 'gpu-mcp');
  expect(othersOn('n1', found)).toEqual([
    '"bob" has a session on this node too, since 2026-08-20T11:30:00Z (pod gpu-mcp/of-bob)',
    'a user without a name has a session on this node too, since 2026-08-20T11:30:00Z (pod gpu-mcp/of-nobody)',
  ]);
});
