import { expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import {
  LAST_WORDS_BESIDE_MAX,
  LAST_WORDS_BYTES_MAX,
  LAST_WORDS_LINES_MAX,
  LAST_WORDS_PODS_MAX,
} from '../../src/contract/limits.ts';
import { eachConnected } from './each-connected.ts';
import { type FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let cluster: Cluster;

eachConnected((server, client) => {
  [api, cluster] = [server, client];
});

interface Given {
  readonly node?: string;
  readonly gpus?: number;
  readonly exitCode?: number | undefined;
  readonly beside?: readonly string[];
  readonly init?: readonly Json[];
}

/** A pod of job/train: one that runs, or has ended so. */
function put(name: string, { node = 'a', gpus = 8, exitCode, beside = [], init = [] }: Given) {
  const limits = gpus > 0 ? { 'nvidia.com/gpu': String(gpus) } : {};
  const terminated = { exitCode, finishedAt: '2026-03-01T11:30:00Z' };
  const state = exitCode === undefined ? { running: {} } : { terminated };
  const phase = exitCode === undefined ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed';
  api.put('pods', {
    metadata: { namespace: 'gpu-mcp', name, uid: `uid-${name}`, labels: { job: 'train' } },
    spec: {
      nodeName: node,
      initContainers: init,
      // What runs beside the program may stand before it.
      containers: [...beside.map(one => ({ name: one })), { name: 'main', resources: { limits } }],
    },
    status: {
      phase,
      initContainerStatuses: init.map(one => ({ ...one, state: { running: {} } })),
      containerStatuses: [
        ...beside.map(one => ({ name: one, state: { running: {} } })),
        { name: 'main', state },
      ],
    },
  });
}

/** The logs that are asked for, `POD/CONTAINER`. */
async function asked(target = 'job/train') {
  const plural = `${target.split('/')[0]}s`;
  api.put(plural, {
    metadata: { name: 'train', namespace: 'gpu-mcp' },
    spec: { selector: { matchLabels: { job: 'train' } } },
  });
  api.answer = ({ path }) =>
    path.endsWith('/log') ? { code: 200, body: '2026-03-01T11:29:00Z step 7\n' } : undefined;
  const job = await cluster.targetLogs(await cluster.targetJob(target, signal), signal);
  const requests = api.requests.filter(({ path }) => path.endsWith('/log'));
  const logs = requests.map(
    ({ path, query }) => `${path.split('/').at(-2)}/${query.get('container')}`,
  );
  return { job, requests, logs };
}

test('pods that run, or have ended well, beside one that failed: their last lines, in one request each', async () => {
  put('train-0', { exitCode: 1 });
  put('train-1', {});
  put('train-2', { exitCode: 0 });
  const { job, requests, logs } = await asked();
  expect(logs).toEqual(['train-0/main', 'train-1/main', 'train-2/main']);
  expect(Object.fromEntries(requests[1]?.query ?? [])).toEqual({
    ...{ container: 'main', timestamps: 'true', tailLines: String(LAST_WORDS_LINES_MAX) },
    limitBytes: String(LAST_WORDS_BYTES_MAX),
  });
  expect(job.pods.map(({ log }) => log)).toMatchObject(
    ['step 7', 'step 7', 'step 7'].map(text => ({
      ...{ ok: true, value: { requests: 1, last: { text } } },
    })),
  );
});

test('of many those on nodes where others failed come first, then those that ask for no GPU', async () => {
  for (let index = 0; index < LAST_WORDS_PODS_MAX; index += 1) {
    put(`train-${index}`, { node: `n${index}` });
  }
  put('head', { node: 'cpu', gpus: 0 });
  put('beside', { node: 'struck' });
  put('failed', { node: 'struck', exitCode: 1 });
  const { logs, job } = await asked();
  expect(logs).toHaveLength(1 + LAST_WORDS_PODS_MAX);
  expect(logs).toEqual(expect.arrayContaining(['beside/main', 'head/main', 'failed/main']));
  const unread = job.pods.filter(({ log }) => log === undefined).map(({ pod }) => pod.name);
  expect(unread).toEqual(['train-6', 'train-7']);
});

test('of a pod that failed what runs beside its program, too: containers, and sidecars of the first kind', async () => {
  const sidecar = { name: 'dcgm', restartPolicy: 'Always' };
  put('train-0', { exitCode: 1, beside: ['kmsg'], init: [{ name: 'wait' }, sidecar] });
  put('train-1', { beside: ['kmsg'] });
  const { job, logs } = await asked();
  expect(logs.toSorted()).toEqual([
    ...['train-0/dcgm', 'train-0/kmsg', 'train-0/main', 'train-1/main'],
  ]);
  const [first, second] = job.pods;
  expect(first?.beside?.map(({ container }) => container)).toEqual(['dcgm', 'kmsg']);
  expect(second).not.toHaveProperty('beside');
});

test('of a launcher without GPUs its program is read, not the proxy of a mesh that stands before it', async () => {
  put('launcher', { gpus: 0, beside: ['istio-proxy'] });
  expect((await asked()).logs).toEqual(['launcher/main']);
});

test('of many such containers a few are read', async () => {
  for (const name of ['train-0', 'train-1', 'train-2']) {
    put(name, { exitCode: 1, beside: ['kmsg', 'mesh'] });
  }
  const { logs } = await asked();
  expect(logs.filter(log => !log.endsWith('/main'))).toHaveLength(LAST_WORDS_BESIDE_MAX);
});

test('where no pod has failed those that run are read of a job, and of one pod or what serves none', async () => {
  put('train-0', {});
  expect((await asked()).logs).toEqual(['train-0/main']);
  api.requests.length = 0;
  expect((await asked('deployment/train')).logs).toEqual([]);
  expect((await asked('pod/train-0')).logs).toEqual([]);
});

test('of a container that has not run, as before its first start, nothing is asked', async () => {
  api.put('pods', {
    metadata: { namespace: 'gpu-mcp', name: 'w', uid: 'uid-w', labels: { job: 'train' } },
    spec: { nodeName: 'a', containers: [{ name: 'main' }] },
    status: { phase: 'Pending', containerStatuses: [{ name: 'main', state: { waiting: {} } }] },
  });
  expect((await asked()).logs).toEqual([]);
});

test('lines so long that their last ones are cut off cost one request more, and no third', async () => {
  put('train-0', { exitCode: 1 });
  put('train-1', {});
  const { job: found } = await asked();
  api.requests.length = 0;
  api.answer = ({ path, query }) => {
    if (!path.endsWith('/log')) return undefined;
    const lines = `${'x'.repeat(999)}\n`.repeat(9_999);
    return { code: 200, body: lines.slice(0, Number(query.get('limitBytes'))) };
  };
  const job = await cluster.targetLogs(found, signal);
  const own = api.requests.filter(({ path }) => path.endsWith('/train-1/log'));
  expect(own).toHaveLength(2);
  expect(job.pods.find(({ pod }) => pod.name === 'train-1')?.log).toMatchObject({
    ok: true,
    value: { requests: 2, newestUnread: true, bytes: 2 * LAST_WORDS_BYTES_MAX },
  });
});

test('logs that nobody may read are told as that, and what runs beside is left out', async () => {
  put('train-0', { exitCode: 1, beside: ['kmsg'] });
  put('train-1', {});
  const { job: found } = await asked();
  const words =
    'pods "train-0" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "gpu-mcp"';
  api.answer = ({ path }) => (path.endsWith('/log') ? status(403, 'Forbidden', words) : undefined);
  const [first, second] = (
    await cluster.targetLogs(await cluster.targetJob('job/train', signal), signal)
  ).pods;
  expect(found.pods).toHaveLength(2);
  expect(first?.log).toMatchObject({ ok: false, reason: 'no_permission' });
  expect(first).not.toHaveProperty('beside');
  expect(second?.log).toMatchObject({ ok: false, reason: 'no_permission' });
});

test('explain_failure is given them, too, with who is on the node of its pod', async () => {
  const labels = { 'jobset.sigs.k8s.io/jobset-name': 'train' };
  const state = { terminated: { exitCode: 1, finishedAt: '2026-03-01T11:30:00Z' } };
  for (const [name, node, own] of [
    ['train-0', 'a', state],
    ['npd', 'a', { running: {} }],
    ['train-1', 'b', { running: {} }],
  ] as const) {
    api.put('pods', {
      metadata: { namespace: 'gpu-mcp', name, uid: `uid-${name}`, labels },
      spec: { nodeName: node, containers: [{ name: 'main' }, { name: 'kmsg' }] },
      status: {
        phase: 'Running',
        podIPs: [{ ip: '10.0.0.7' }],
        containerStatuses: [
          { name: 'main', state: own },
          { name: 'kmsg', state: { running: {} } },
        ],
      },
    });
  }
  api.answer = ({ path }) =>
    path.endsWith('/log') ? { code: 200, body: '2026-03-01T11:29:00Z step 7\n' } : undefined;
  const view = await cluster.view({ node: 'a', pod: { name: 'train-0' }, logs: true }, signal);
  expect(view.pod).toMatchObject({ ok: true, value: { ips: ['10.0.0.7'] } });
  expect(view.beside?.map(({ container }) => container)).toEqual(['kmsg']);
  expect(view.job).toMatchObject({
    ok: true,
    value: { pods: 3, failed: 1, peers: [{ pod: 'npd', isHere: true }, { pod: 'train-1' }] },
  });
  expect(view.job?.ok && view.job.value.peers[1]).not.toHaveProperty('isHere');
});
