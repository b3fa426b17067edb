import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { JOB_LOG_BYTES_MAX } from '../../src/contract/limits.ts';
import { unknownWords } from '../../src/tools/support/failure-log.ts';
import { eachConnected } from './each-connected.ts';
import { type FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let cluster: Cluster;

eachConnected((server, client) => {
  [api, cluster] = [server, client];
});

const terminated = (minute: number, exitCode = 1) => ({
  terminated: { exitCode, reason: 'Error', finishedAt: `2026-03-01T11:${minute}:00Z` },
});

const LABELS = {
  'jobset.sigs.k8s.io/jobset-name': 'train',
  'batch.kubernetes.io/job-name': 'train-w',
};
const pod = (name: string, state: Json, more: Json = {}, labels: Json = LABELS): Json => ({
  metadata: { ...{ namespace: 'gpu-mcp', name, uid: `uid-${name}` }, labels },
  spec: { nodeName: `node-of-${name}`, containers: [{ name: 'main' }] },
  status: { phase: 'Failed', containerStatuses: [{ name: 'main', ...more, state }] },
});

// Asked again as often as ever, and at once.
const UNREADABLE = {
  ...status(500, 'InternalError', 'the node is gone'),
  headers: { 'Retry-After': '0' },
};
const LINE = '2026-03-01T11:00:00.5Z [rank1]: ValueError: bad token\n';
const logRequests = () => api.requests.filter(({ path }) => path.endsWith('/log'));
const ask = (logs = true) =>
  cluster.view({ node: 'gpu-3', pod: { name: 'train-0' }, logs }, signal);

test('the log of the run that ended, its last lines with their time, in one request', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  api.answer = ({ path }) => (path.endsWith('/log') ? { code: 200, body: LINE } : undefined);
  const { log, job } = await ask();
  expect(log).toMatchObject({
    ok: true,
    value: {
      ...{ container: 'main', previous: false, lines: 1, requests: 1, cut: false },
      entries: [{ id: 'exception', ranks: [1], at: '2026-03-01T11:00:00.5Z' }],
    },
  });
  expect(Object.fromEntries(logRequests()[0]?.query ?? [])).toEqual({
    ...{ container: 'main', timestamps: 'true', tailLines: '5000' },
    limitBytes: String(JOB_LOG_BYTES_MAX),
  });
  expect(job).toMatchObject({ ok: true, value: { name: 'JobSet/train', pods: 1, peers: [] } });
});

test('of a container that runs again it is the run before', async () => {
  const again = { lastState: terminated(30), restartCount: 1 };
  api.put('pods', pod('train-0', { running: { startedAt: '2026-03-01T11:31:00Z' } }, again));
  api.answer = ({ path }) => (path.endsWith('/log') ? { code: 200, body: LINE } : undefined);
  expect((await ask()).log).toMatchObject({ ok: true, value: { previous: true } });
  expect(logRequests()[0]?.query.get('previous')).toBe('true');
});

test('pods of one job of Slurm are joined by the label of slurm-bridge, where no other has them', async () => {
  const labels = { 'scheduler.slinky.slurm.net/slurm-jobid': '7' };
  for (const name of ['train-0', 'train-1']) {
    api.put('pods', pod(name, terminated(30), {}, labels));
  }
  api.answer = ({ path }) => (path.endsWith('/log') ? { code: 200, body: LINE } : undefined);
  expect((await ask()).job).toMatchObject({ ok: true, value: { name: 'SlurmJob/7', pods: 2 } });
});

test('nothing is read where nobody asks, and where nothing has failed', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  expect(await ask(false)).not.toHaveProperty('log');
  api.put('pods', pod('train-0', { running: {} }));
  expect(await ask()).not.toHaveProperty('log');
  expect(logRequests()).toEqual([]);
});

test('the kubelet cuts the newest lines at its bound of bytes: the last ones are asked for again', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  api.answer = ({ path, query }) => {
    if (!path.endsWith('/log')) return undefined;
    const isWhole = query.get('tailLines') === '5000';
    return { code: 200, body: isWhole ? 'x'.repeat(JOB_LOG_BYTES_MAX) : LINE };
  };
  expect((await ask()).log).toMatchObject({
    ok: true,
    value: { requests: 2, cut: true, entries: [{ id: 'exception' }] },
  });
});

describe('a log whose lines are long', () => {
  const AT_END = '2026-03-01T11:29:59Z';
  const OOM = `${AT_END} RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB`;
  const long = (count: number, characters: number) =>
    Array.from({ length: count }, () => `2026-03-01T11:00:00Z ${'x'.repeat(characters)}`);
  /** As the kubelet answers: it begins at the first of the last lines and ends at the bound of bytes. */
  const logOf = async (lines: readonly string[]) => {
    api.put('pods', pod('train-0', terminated(30)));
    api.answer = ({ path, query }) => {
      if (!path.endsWith('/log')) return undefined;
      const text = lines.slice(-Number(query.get('tailLines'))).map(line => `${line}\n`);
      return { code: 200, body: text.join('').slice(0, Number(query.get('limitBytes'))) };
    };
    const { log } = await ask();
    if (!log?.ok) throw new Error('the log was not read');
    return log.value;
  };

  test.each([
    ['all of them', [...long(300, 100_000), OOM], 2],
    ['those behind many short ones', [...long(4_000, 9), ...long(30, 200_000), OOM], 3],
    ['the last few are longer than the bound', [...long(3, 3_000_000), OOM], 2],
    ['the last few behind short ones', [...long(4_000, 9), ...long(3, 3_000_000), OOM], 4],
  ])('%s: its last line is read', async (_, lines, requests) => {
    const log = await logOf(lines);
    expect(log).toMatchObject({ requests, cut: true, entries: [{ id: 'cuda-2', at: AT_END }] });
    expect(log).not.toHaveProperty('newestUnread');
    expect(log.bytes).toBeLessThanOrEqual(requests * JOB_LOG_BYTES_MAX);
  });

  test('where its last line alone is longer than the bound, that it is unread is said', async () => {
    const log = await logOf([OOM, ...long(1, JOB_LOG_BYTES_MAX)]);
    expect(log).toMatchObject({ requests: 2, cut: true, newestUnread: true });
    expect(unknownWords(log)).toContain('; the last line that was read: "');
  });
});

test('other pods of the job that failed, in the order of their ends, then those that did not; one unread is no end of it', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  api.put('pods', pod('train-1', terminated(20)));
  api.put('pods', pod('train-2', terminated(10)));
  api.put('pods', pod('train-3', terminated(5, 0)));
  api.put('pods', {
    ...pod('other', terminated(1)),
    metadata: { namespace: 'gpu-mcp', name: 'other' },
  });
  api.answer = ({ path }) => {
    if (path.endsWith('/train-2/log')) return UNREADABLE;
    return path.endsWith('/log') ? { code: 200, body: LINE } : undefined;
  };
  const { job } = await ask();
  expect(job).toMatchObject({
    ok: true,
    value: {
      ...{ pods: 4, failed: 3 },
      peers: [
        { pod: 'train-2', node: 'node-of-train-2', log: { ok: false } },
        { pod: 'train-1', log: { ok: true, value: { entries: [{ id: 'exception' }] } } },
        { pod: 'train-3', exitCode: 0, log: { ok: true } },
      ],
    },
  });
});

test('no right to read logs is told as that', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  const words =
    'pods "train-0" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "gpu-mcp"';
  api.answer = ({ path }) => (path.endsWith('/log') ? status(403, 'Forbidden', words) : undefined);
  expect((await ask()).log).toMatchObject({ ok: false, reason: 'no_permission' });
});

test('a login page is no log', async () => {
  api.put('pods', pod('train-0', terminated(30)));
  const page = {
    code: 200,
    body: '<html>RuntimeError: log in</html>',
    headers: { 'Content-Type': 'text/html' },
  };
  api.answer = ({ path }) => (path.endsWith('/log') ? page : undefined);
  expect((await ask()).log).toMatchObject({ ok: false });
});
