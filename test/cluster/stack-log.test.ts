import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { PEER_LOG_BYTES_MAX } from '../../src/contract/limits.ts';
import { eachConnected } from './each-connected.ts';
import { type FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let cluster: Cluster;

eachConnected((server, client) => {
  [api, cluster] = [server, client];
});

const HEADERS = '2026-03-01T11:00:00Z Could not resolve Linux kernel version\n';
const ENDED = { terminated: { exitCode: 1, reason: 'Error' } };
const LOOPS = { waiting: { reason: 'CrashLoopBackOff' } };

const DAEMON_SET = { apiVersion: 'apps/v1', kind: 'DaemonSet', controller: true, uid: 'uid-set' };

const driver = (state: Json, more: Json = {}, init = false): Json => ({
  metadata: {
    ...{ namespace: 'gpu-operator', name: 'nvidia-driver-daemonset-x7k2p', uid: 'uid-driver' },
    labels: { app: 'nvidia-driver-daemonset' },
    ownerReferences: [{ ...DAEMON_SET, name: 'nvidia-driver-daemonset' }],
  },
  spec: { nodeName: 'gpu-3', [init ? 'initContainers' : 'containers']: [{ name: 'ctr' }] },
  status: {
    phase: init ? 'Pending' : 'Running',
    [init ? 'initContainerStatuses' : 'containerStatuses']: [{ name: 'ctr', ...more, state }],
  },
});
const logRequests = () => api.requests.filter(({ path }) => path.endsWith('/log'));
const says = (text: string | ((previous: boolean) => string)) => {
  api.answer = ({ path, query }) =>
    path.endsWith('/log')
      ? {
          code: 200,
          body: typeof text === 'string' ? text : text(query.get('previous') === 'true'),
        }
      : undefined;
};
const stackOf = async (logs = true) => {
  const { pods } = await cluster.view({ node: 'gpu-3', logs }, signal);
  return pods.ok ? pods.value.stack?.[0]?.log : undefined;
};

test('the log of the container that crashes names its cause, in one bounded request', async () => {
  api.put('pods', driver(LOOPS, { lastState: ENDED, restartCount: 7 }));
  says(HEADERS);
  expect(await stackOf()).toEqual({
    ok: true,
    value: {
      ...{ container: 'ctr', previous: false, lines: 1, requests: 1, bytes: HEADERS.length },
      ...{ cause: 'headers', at: '2026-03-01T11:00:00Z' },
      text: 'Could not resolve Linux kernel version',
    },
  });
  expect(Object.fromEntries(logRequests()[0]?.query ?? [])).toEqual({
    ...{ container: 'ctr', timestamps: 'true', tailLines: '1000' },
    limitBytes: String(PEER_LOG_BYTES_MAX),
  });
});

test('of a log that the bound cuts, its newest lines are asked for within the same bound', async () => {
  api.put('pods', driver(LOOPS, { lastState: ENDED }));
  says('x'.repeat(PEER_LOG_BYTES_MAX));
  expect(await stackOf()).toMatchObject({
    value: { requests: 2, bytes: 2 * PEER_LOG_BYTES_MAX },
  });
  expect(
    logRequests().map(({ query }) => [query.get('tailLines'), query.get('limitBytes')]),
  ).toEqual([
    ['1000', String(PEER_LOG_BYTES_MAX)],
    // Nothing but one endless line came: the last line alone is what may fit.
    ['1', String(PEER_LOG_BYTES_MAX)],
  ]);
});

test('of one that runs anew and tells nothing yet, the run before it does', async () => {
  api.put('pods', driver({ running: {} }, { lastState: ENDED, restartCount: 1 }, true));
  says(previous => (previous ? HEADERS : '2026-03-01T11:01:00Z starts\n'));
  expect(await stackOf()).toMatchObject({
    value: { previous: true, cause: 'headers', requests: 2 },
  });
});

test('where neither tells, the run that is has the last word', async () => {
  api.put('pods', driver({ running: {} }, { lastState: ENDED, restartCount: 1 }, true));
  says('2026-03-01T11:01:00Z starts\n');
  expect(await stackOf()).toMatchObject({
    value: { previous: false, text: 'starts', requests: 2 },
  });
});

const runsAgain = (forSeconds = 1) => {
  const at = (secondsAgo: number) =>
    new Date(Date.now() - (forSeconds + secondsAgo) * 1_000).toISOString();
  const run = { ...ENDED.terminated, startedAt: at(40), finishedAt: at(10) };
  return driver(
    { running: { startedAt: at(0) } },
    { ready: false, lastState: { terminated: run }, restartCount: 4 },
  );
};

test('of one that ends and begins anew the run that has ended tells, and not what the next one got over', async () => {
  api.put('pods', runsAgain());
  says(previous => (previous ? HEADERS : '2026-03-01T11:01:00Z Could not resolve host: mirror\n'));
  expect(await stackOf()).toMatchObject({
    value: { previous: true, cause: 'headers', requests: 1 },
  });
});

test('where neither of its runs tells, the last word is that of the run that has ended', async () => {
  api.put('pods', runsAgain());
  says(previous => `2026-03-01T11:01:00Z ${previous ? 'Caught signal' : 'starts'}\n`);
  expect(await stackOf()).toMatchObject({
    value: { previous: true, text: 'Caught signal', requests: 2 },
  });
});

test('of one that has long got over the run before, that tells nothing', async () => {
  api.put('pods', runsAgain(7_200));
  says(previous => (previous ? HEADERS : '2026-03-01T11:01:00Z serves\n'));
  expect(await stackOf()).toMatchObject({
    value: { previous: false, text: 'serves', requests: 1 },
  });
});

test('where the node has the log of that run no more, the one that goes on tells', async () => {
  api.put('pods', runsAgain());
  api.answer = ({ path, query }) => {
    if (!path.endsWith('/log')) return undefined;
    return query.get('previous') === 'true'
      ? status(400, 'BadRequest', 'previous terminated container "ctr" in pod "x" not found')
      : { code: 200, body: HEADERS };
  };
  expect(await stackOf()).toMatchObject({
    value: { previous: false, cause: 'headers', requests: 2 },
  });
});

test('without the right the pod says so, once asked, and all else stands', async () => {
  api.put('pods', runsAgain());
  api.answer = ({ path }) =>
    path.endsWith('/log')
      ? status(
          403,
          'Forbidden',
          'pods "x" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "gpu-mcp"',
        )
      : undefined;
  expect(await stackOf()).toMatchObject({ ok: false, reason: 'no_permission' });
  expect(logRequests()).toHaveLength(1);
});

test('the log of the part that is stuck is read, and none of a pod that calls itself one', async () => {
  const innocent = {
    ...driver(LOOPS, { lastState: ENDED, restartCount: 9 }),
    metadata: {
      ...{ namespace: 'tenant-evil', name: 'innocent', uid: 'uid-evil' },
      labels: { app: 'nvidia-driver-daemonset' },
    },
  };
  const toolkit = driver(LOOPS, { lastState: ENDED, restartCount: 3 });
  api.put('pods', innocent);
  api.put('pods', {
    ...toolkit,
    metadata: {
      ...{ namespace: 'gpu-operator', name: 'nvidia-container-toolkit-daemonset-4x7k2' },
      uid: 'uid-toolkit',
      ownerReferences: [{ ...DAEMON_SET, name: 'nvidia-container-toolkit-daemonset' }],
    },
  });
  says(HEADERS);
  const { pods } = await cluster.view({ node: 'gpu-3', logs: true }, signal);
  expect(pods.ok && pods.value.stack).toMatchObject([
    { name: 'innocent', part: 'driver', isClaim: true },
    { part: 'container toolkit', log: { ok: true } },
  ]);
  expect(logRequests().map(({ path }) => path)).toEqual([
    expect.stringContaining('/namespaces/gpu-operator/pods/nvidia-container-toolkit'),
  ]);
});

describe('no log is asked for', () => {
  const looping = driver(LOOPS, { lastState: ENDED });
  test.each([
    [
      'of a pod that only calls itself a part',
      { ...looping, metadata: { namespace: 'tenant', name: 'nvidia-driver-x', uid: 'uid-evil' } },
      true,
    ],
    ['where none was wanted', driver(LOOPS, { lastState: ENDED }), false],
    ['of a container that never ran', driver({ waiting: { reason: 'ImagePullBackOff' } }), true],
    ['of one that runs', driver({ running: {} }), true],
  ])('%s', async (_, pod, logs) => {
    api.put('pods', pod);
    expect(await stackOf(logs)).toBeUndefined();
    expect(logRequests()).toEqual([]);
  });
});

describe('of a MIG manager, which goes on whatever it could not do', () => {
  const manager = (claims = false): Json => ({
    metadata: {
      ...{ name: 'nvidia-mig-manager-x7k2p', uid: `uid-mig-${claims}` },
      namespace: claims ? 'tenant-evil' : 'gpu-operator',
      labels: { app: 'nvidia-mig-manager' },
      ownerReferences: claims ? [] : [{ ...DAEMON_SET, name: 'nvidia-mig-manager' }],
    },
    spec: { nodeName: 'gpu-3', containers: [{ name: 'nvidia-mig-manager' }] },
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'nvidia-mig-manager', ready: true, state: { running: {} } }],
    },
  });
  const label = (state: string) =>
    api.put('nodes', {
      metadata: { name: 'gpu-3', labels: { 'nvidia.com/mig.config.state': state } },
    });
  const IN_USE = '2026-03-01T11:00:00Z Please first kill all processes using this device\n';

  test('the log is read where its label says that it failed, and else not', async () => {
    api.put('pods', manager());
    says(IN_USE);
    label('success');
    expect(await stackOf()).toBeUndefined();
    label('failed');
    expect(await stackOf()).toMatchObject({ value: { cause: 'mig-in-use', requests: 1 } });
    expect(await stackOf(false)).toBeUndefined();
    expect(logRequests()).toHaveLength(1);
  });

  test('it is not where another part is stuck, nor of a pod that only claims to be one', async () => {
    label('failed');
    says(IN_USE);
    api.put('pods', manager(true));
    await stackOf();
    expect(logRequests()).toHaveLength(0);
    api.put('pods', manager());
    await stackOf();
    api.put('pods', driver(LOOPS, { lastState: ENDED }));
    await stackOf();
    expect(logRequests().map(({ path }) => path)).toEqual([
      expect.stringContaining('gpu-operator/pods/nvidia-mig-manager'),
      expect.stringContaining('nvidia-driver-daemonset'),
    ]);
  });
});
