import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { known } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  // Only what a test installs is there.
  api.answer = ({ path }) => {
    const group = /^\/apis\/([\w.-]+)(?:\/|$)/.exec(path)?.[1] ?? '';
    return /\./.test(group) && !group.startsWith('authentication')
      ? status(404, 'NotFound', 'the server could not find the requested resource')
      : undefined;
  };
});
afterEach(() => api[Symbol.asyncDispose]());

const find = async (target: string): Promise<TargetJob> =>
  (await api.connect()).targetJob(target, signal);

function put(name: string, nodeName: string, labels: Json, more: Json = {}): void {
  api.put('pods', {
    metadata: { name, namespace: 'gpu-mcp', labels },
    spec: { nodeName, containers: [{ name: 'main' }] },
    status: { phase: nodeName === '' ? 'Pending' : 'Running', ...more },
  });
}

/** A custom resource and its API. */
function install(
  {
    group,
    version,
    plural,
    kind,
  }: { group: string; version: string; plural: string; kind: string },
  objects: Readonly<Record<string, Json>>,
): void {
  const before = api.answer;
  const root = `/apis/${group}`;
  api.answer = request => {
    const { path } = request;
    if (path === root) {
      return { code: 200, body: { kind: 'APIGroup', preferredVersion: { version } } };
    }
    if (path === `${root}/${version}`) {
      return { code: 200, body: { kind: 'APIResourceList', resources: [{ name: plural }] } };
    }
    const named = new RegExp(`^${root}/${version}/namespaces/gpu-mcp/${plural}/(.+)$`).exec(path);
    const object = objects[named?.[1] ?? ''];
    if (named && object) {
      return { code: 200, body: { kind, metadata: { name: named[1] }, ...object } };
    }
    if (named) return status(404, 'NotFound', `${plural} "${named[1]}" not found`);
    if (path.endsWith(`/${plural}`)) {
      const items = Object.keys(objects).map(name => ({
        metadata: { name, namespace: 'gpu-mcp' },
      }));
      const isAll = !path.includes('/namespaces/');
      return { code: 200, body: { kind: `${kind}List`, metadata: {}, items: isAll ? [] : items } };
    }
    return before(request);
  };
}

const KUBEFLOW = {
  group: 'kubeflow.org',
  version: 'v1',
  plural: 'pytorchjobs',
  kind: 'PyTorchJob',
};
const event = (name: string, about: Json, message: string, reason = 'SuccessfulCreate') =>
  api.put('events', {
    ...{ metadata: { name, namespace: 'gpu-mcp' }, type: 'Normal', reason, message },
    involvedObject: { namespace: 'gpu-mcp', ...about },
  });

describe('a job by the labels of its pods', () => {
  test.each([
    [
      'jobset/train',
      { group: 'jobset.x-k8s.io', version: 'v1alpha2', plural: 'jobsets', kind: 'JobSet' },
      'jobset.sigs.k8s.io/jobset-name',
    ],
    ['pytorchjob/train', KUBEFLOW, 'training.kubeflow.org/job-name'],
    [
      'mpijobs.kubeflow.org/train',
      { ...KUBEFLOW, version: 'v2beta1', plural: 'mpijobs', kind: 'MPIJob' },
      'training.kubeflow.org/job-name',
    ],
    [
      'lws/train',
      {
        ...{ group: 'leaderworkerset.x-k8s.io', version: 'v1', plural: 'leaderworkersets' },
        kind: 'LeaderWorkerSet',
      },
      'leaderworkerset.sigs.k8s.io/name',
    ],
    [
      'vcjob/train',
      { group: 'batch.volcano.sh', version: 'v1alpha1', plural: 'jobs', kind: 'Job' },
      'volcano.sh/job-name',
    ],
  ])('%s', async (target, resource, label) => {
    install(resource, { train: {} });
    put('train-0', 'node-a', { [label]: 'train' });
    put('train-1', 'node-b', { [label]: 'train' });
    put('other-0', 'node-c', { [label]: 'other' });
    const job = await find(target);
    expect(job).toMatchObject({ name: `${resource.kind}/train`, namespace: 'gpu-mcp' });
    expect(job.pods.map(({ pod }) => pod.node)).toEqual(['node-a', 'node-b']);
  });

  test('a RayJob by the cluster that it runs on, and without one it says so', async () => {
    const resource = { group: 'ray.io', version: 'v1', plural: 'rayjobs', kind: 'RayJob' };
    install(resource, { train: { status: { rayClusterName: 'train-x7' } }, young: {} });
    put('worker-0', 'node-a', { 'ray.io/cluster': 'train-x7' });
    expect((await find('rayjob/train')).pods).toHaveLength(1);
    await expect(find('rayjob/young')).rejects.toMatchObject({
      message: 'rayjob/young has no RayCluster yet, and so no pods',
    });
  });

  test('a RayService by the cluster that serves, else by the one that is to serve', async () => {
    const resource = { group: 'ray.io', version: 'v1', plural: 'rayservices', kind: 'RayService' };
    const cluster = (rayClusterName: string) => ({ rayClusterName });
    install(resource, {
      serves: {
        status: { activeServiceStatus: cluster('a'), pendingServiceStatus: cluster('b') },
      },
      young: { status: { activeServiceStatus: {}, pendingServiceStatus: cluster('b') } },
    });
    put('worker-a', 'node-a', { 'ray.io/cluster': 'a' });
    put('worker-b', 'node-b', { 'ray.io/cluster': 'b' });
    const podOf = async (target: string) => (await find(target)).pods.map(({ pod }) => pod.name);
    expect(await podOf('rayservice/serves')).toEqual(['worker-a']);
    expect(await podOf('rayservice/young')).toEqual(['worker-b']);
  });

  test('without the right to read the resource, its pods are found all the same', async () => {
    install(KUBEFLOW, { train: {} });
    const { answer } = api;
    api.answer = request =>
      request.path.endsWith('/pytorchjobs/train')
        ? status(
            403,
            'Forbidden',
            'pytorchjobs.kubeflow.org "train" is forbidden: User "alice" cannot get resource "pytorchjobs" in API group "kubeflow.org" in the namespace "gpu-mcp"',
          )
        : answer(request);
    put('train-0', 'node-a', { 'training.kubeflow.org/job-name': 'train' });
    expect((await find('pytorchjob/train')).pods).toHaveLength(1);
  });
});

describe('a CronJob', () => {
  const cron = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly', controller: true };
  const made = (name: string, creationTimestamp: string, condition?: string, owner: Json = cron) =>
    api.put('jobs', {
      metadata: { name, namespace: 'gpu-mcp', creationTimestamp, ownerReferences: [owner] },
      spec: { selector: { matchLabels: { job: name } } },
      status: { conditions: condition ? [{ type: condition, status: 'True' }] : [] },
    });

  test('is the newest of its Jobs that has not succeeded, else the newest', async () => {
    for (const at of [1, 2, 3, 4]) put(`nightly-${at}-x`, `node-${at}`, { job: `nightly-${at}` });
    made('nightly-1', '2026-03-01T01:00:00Z', 'Complete');
    made('nightly-2', '2026-03-02T01:00:00Z', 'Complete');
    expect((await find('cronjob/nightly')).name).toBe('Job/nightly-2');
    made('nightly-3', '2026-03-03T01:00:00Z', 'Failed');
    made('nightly-4', '2026-03-04T01:00:00Z', 'Complete');
    made('nightly-5', '2026-03-05T01:00:00Z', undefined, { ...cron, name: 'hourly' });
    const job = await find('cj/nightly');
    expect(job).toMatchObject({ name: 'Job/nightly-3', pods: [{ pod: { node: 'node-3' } }] });
  });

  test('that has made none says so, and one that is not there is not found', async () => {
    api.put('cronjobs', { metadata: { name: 'young', namespace: 'gpu-mcp' }, spec: {} });
    await expect(find('cronjob/young')).rejects.toMatchObject({
      message: 'cronjob/young has no Job, and so no pods',
      hint: 'kubectl describe cronjob/young -n gpu-mcp',
    });
    await expect(find('cronjob/yuong')).rejects.toMatchObject({ hint: 'did you mean young?' });
  });
});

describe('what it took of the API server', () => {
  test('is counted: the job, its pods, the events of each owner, and no list where no pod is gone', async () => {
    api.put('jobs', {
      metadata: { name: 'train', namespace: 'gpu-mcp' },
      spec: { selector: { matchLabels: { job: 'train' } } },
    });
    put('train-0', 'node-a', { job: 'train' });
    event('e1', { kind: 'Job', name: 'train' }, 'Created pod: train-0');
    const before = api.requests.length;
    const { asked } = await find('job/train');
    expect(asked?.requests).toBe(api.requests.length - before);
    expect(asked?.requests).toBe(3);
    expect(asked?.bytes).toBeGreaterThan(300);
    event('e2', { kind: 'Job', name: 'train' }, 'Created pod: train-old');
    expect((await find('job/train')).asked?.requests).toBe(5);
  });

  test('of a pod whose node was read moments ago its events alone', async () => {
    put('train-0', 'node-a', {});
    event('e1', { kind: 'Pod', name: 'train-0' }, 'Back-off restarting', 'BackOff');
    const cluster = await api.connect();
    const pod = { namespace: 'gpu-mcp', name: 'train-0' };
    const before = api.requests.length;
    const view = await cluster.view({ node: 'node-a', pod, eventsAlone: true }, signal);
    expect(api.requests.length - before).toBe(1);
    expect(view).toMatchObject({
      ...{ node: { reason: 'not_read' }, pods: { reason: 'not_read' } },
      podEvents: { value: [{ reason: 'BackOff' }] },
      asked: { requests: 1 },
    });
    const whole = await cluster.view({ node: 'node-a', pod }, signal);
    expect(whole.asked?.requests).toBe(api.requests.length - before - 1);
  });
});

describe('what is not there is named', () => {
  test('a custom resource that the cluster lacks, with the job of that name that there is', async () => {
    put('train-0', 'node-a', { 'jobset.sigs.k8s.io/jobset-name': 'train' });
    await expect(find('pytorchjob/train')).rejects.toMatchObject({
      ...{ exit: 3, hint: 'did you mean jobset/train?' },
      message: 'the cluster has no PyTorchJob: pytorchjobs.kubeflow.org is not installed',
    });
    await expect(find('mpijob/elsewhere')).rejects.toMatchObject({
      hint: 'pods of namespace "gpu-mcp" belong to jobset/train',
    });
  });

  test('a resource that another one of its group lacks', async () => {
    install({ ...KUBEFLOW, plural: 'tfjobs', kind: 'TFJob' }, {});
    await expect(find('pytorchjob/train')).rejects.toMatchObject({
      message: 'the cluster has no PyTorchJob: pytorchjobs.kubeflow.org is not installed',
    });
  });

  test('a job of nearly that name, and one of that name in another namespace', async () => {
    install(KUBEFLOW, { 'llama-train': {} });
    await expect(find('pytorchjob/llama-trian')).rejects.toMatchObject({
      ...{ exit: 3, hint: 'did you mean llama-train?' },
    });
    api.put('pods', { metadata: { name: 'web-0', namespace: 'other' }, spec: {}, status: {} });
    await expect(find('pod/web-0')).rejects.toMatchObject({
      message: 'pod "web-0" was not found in namespace "gpu-mcp"',
      hint: '-n other: there is one of that name',
    });
  });

  test('a job without pods: suspended, refused, or long over', async () => {
    const job = (name: string, suspend = false) =>
      api.put('jobs', {
        metadata: { name, namespace: 'gpu-mcp' },
        spec: { suspend, selector: { matchLabels: { job: name } } },
      });
    job('held', true);
    job('refused');
    job('over');
    api.put('events', {
      ...{
        metadata: { name: 'e1', namespace: 'gpu-mcp' },
        type: 'Warning',
        reason: 'FailedCreate',
      },
      involvedObject: { kind: 'Job', name: 'refused' },
      message: 'pods "refused-x" is forbidden: exceeded quota: gpus',
    });
    await expect(find('job/held')).rejects.toThrow(
      'job/held has no pods in namespace "gpu-mcp": it is suspended (Kueue and others hold a job back so)',
    );
    await expect(find('job/refused')).rejects.toThrow(
      'FailedCreate: pods "refused-x" is forbidden',
    );
    await expect(find('job/over')).rejects.toThrow('its pods may have been removed');
  });

  test('a job whose pods all wait says why', async () => {
    api.put('jobs', {
      metadata: { name: 'train', namespace: 'gpu-mcp' },
      spec: { selector: { matchLabels: { job: 'train' } } },
    });
    const message = '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.';
    const conditions = [{ type: 'PodScheduled', status: 'False', message }];
    put('train-0', '', { job: 'train' }, { conditions });
    await expect(find('job/train')).rejects.toMatchObject({
      message: `no pod of job/train has a node: 1 of 1 pending: ${message}`,
      hint: 'kubectl describe job/train -n gpu-mcp',
    });
    put('train-1', 'node-a', { job: 'train' });
    expect((await find('job/train')).pods).toMatchObject([{ waitsFor: message }, {}]);
  });
});

test.each(['train-0', 'pod/train-0', 'po/train-0'])(
  'of the pod %s that waits a command is printed that kubectl takes',
  async word => {
    put('train-0', '', {});
    await expect(find(word)).rejects.toMatchObject({
      hint: 'kubectl describe pod/train-0 -n gpu-mcp',
    });
  },
);

describe('pods that are gone', () => {
  const created = () => {
    api.put('jobs', {
      metadata: { name: 'train', namespace: 'gpu-mcp' },
      spec: { selector: { matchLabels: { job: 'train' } } },
    });
    event('e1', { kind: 'Job', name: 'train' }, 'Created pod: train-old');
    event('e2', { kind: 'Job', name: 'train' }, 'Created pod: train-new');
    const old = { kind: 'Pod', name: 'train-old' };
    event('e3', old, 'Successfully assigned gpu-mcp/train-old to node-b', 'Scheduled');
  };

  test('are told by events, with the node that they ran on', async () => {
    created();
    put('train-new', 'node-a', { job: 'train' });
    expect((await find('job/train')).gone).toEqual({
      ok: true,
      value: [{ pod: 'train-old', node: 'node-b' }],
    });
  });

  test.each([
    ['a StatefulSet', 'create Pod train-old in StatefulSet train successful'],
    ['KubeRay', 'Created worker Pod gpu-mcp/train-old'],
    ['KubeRay of its head', 'Created head Pod gpu-mcp/train-old'],
  ])('are told by the events of %s too', async (_, message) => {
    api.put('jobs', {
      metadata: { name: 'train', namespace: 'gpu-mcp' },
      spec: { selector: { matchLabels: { job: 'train' } } },
    });
    put('train-new', 'node-a', { job: 'train' });
    event('e1', { kind: 'Owner', name: 'train' }, message, 'Created');
    expect((await find('job/train')).gone).toMatchObject({ value: [{ pod: 'train-old' }] });
  });

  test('are enough to have a node to ask', async () => {
    created();
    expect((await find('job/train')).pods).toEqual([]);
    expect(await find('pod/train-old')).toMatchObject({
      ...{ name: 'Pod/train-old', pods: [] },
      gone: { value: [{ pod: 'train-old', node: 'node-b' }] },
    });
  });

  const FAILED = (more: Json = {}) => ({ type: 'Failed', status: 'True', ...more });
  const scheduled = (pod: string, node: string) =>
    event(
      `s-${pod}`,
      { kind: 'Pod', name: pod },
      `Successfully assigned gpu-mcp/${pod} to ${node}`,
      'Scheduled',
    );

  test('of a JobSet are told by the events of its Jobs, and their ends by both', async () => {
    const said = 'jobset failed due to one or more job failures (first failed job: train-w-1)';
    const at = '2026-03-01T11:00:00Z';
    install(
      { group: 'jobset.x-k8s.io', version: 'v1alpha2', plural: 'jobsets', kind: 'JobSet' },
      {
        train: {
          metadata: { name: 'train' },
          spec: { replicatedJobs: [{ name: 'w', replicas: 2 }] },
          status: {
            ...{ restarts: 3, replicatedJobsStatus: [{ name: 'w', failed: 1 }] },
            conditions: [
              { type: 'Completed', status: 'False' },
              FAILED({ reason: 'FailedJobs', message: said, lastTransitionTime: at }),
            ],
          },
        },
      },
    );
    const message =
      'Container main for pod gpu-mcp/train-w-1-0-x failed with exit code 42 matching FailJob rule at index 0';
    api.put('jobs', {
      metadata: {
        ...{ name: 'train-w-1', namespace: 'gpu-mcp' },
        labels: { 'jobset.sigs.k8s.io/jobset-name': 'train' },
      },
      status: { failed: 1, conditions: [FAILED({ reason: 'PodFailurePolicy', message })] },
    });
    // Of the other Job only its name is known.
    event('e1', { kind: 'Job', name: 'train-w-0' }, 'Created pod: train-w-0-0-x');
    event('e2', { kind: 'Job', name: 'train-w-1' }, 'Created pod: train-w-1-0-x');
    scheduled('train-w-0-0-x', 'node-a');
    scheduled('train-w-1-0-x', 'node-b');
    event('e3', { kind: 'Pod', name: 'train-w-0-0-x' }, 'The node was low on memory', 'Evicted');
    event('e4', { kind: 'Pod', name: 'train-w-1-0-x' }, 'Stopping container main', 'Killing');
    event('e5', { kind: 'Pod', name: 'of-another' }, 'The node was low on memory', 'Evicted');
    const job = await find('jobset/train');
    expect(job.gone).toMatchObject({
      value: [
        { pod: 'train-w-1-0-x', node: 'node-b' },
        { pod: 'train-w-0-0-x', node: 'node-a', events: [{ reason: 'Evicted' }] },
      ],
    });
    expect(known(job.gone)?.map(({ events }) => events?.length)).toEqual([undefined, 1]);
    expect(job.ends).toEqual([
      { owner: 'JobSet/train', reason: 'FailedJobs', message: said, at, restarts: 3, failed: 1 },
      { owner: 'Job/train-w-1', reason: 'PodFailurePolicy', message, failed: 1 },
    ]);
  });

  test('of a LeaderWorkerSet are told by the StatefulSets of its groups', async () => {
    install(
      {
        ...{ group: 'leaderworkerset.x-k8s.io', version: 'v1', plural: 'leaderworkersets' },
        kind: 'LeaderWorkerSet',
      },
      { serve: { metadata: { name: 'serve' }, spec: { replicas: 2 } } },
    );
    const made = (pod: string, set: string) =>
      event(
        pod,
        { kind: 'StatefulSet', name: set },
        `create Pod ${pod} in StatefulSet ${set} successful`,
      );
    made('serve-1', 'serve');
    made('serve-1-1', 'serve-1');
    scheduled('serve-1-1', 'node-b');
    const job = await find('lws/serve');
    expect(job.gone).toEqual({
      ok: true,
      value: [{ pod: 'serve-1' }, { pod: 'serve-1-1', node: 'node-b' }],
    });
    expect(job.ends).toBeUndefined();
  });

  test('of Volcano, whose controller tells of none, are those of its tasks that were placed', async () => {
    install(
      { group: 'batch.volcano.sh', version: 'v1alpha1', plural: 'jobs', kind: 'Job' },
      {
        mpi: {
          metadata: { name: 'mpi' },
          spec: { tasks: [{ name: 'master' }, { name: 'worker', replicas: 2 }] },
          status: {
            ...{ state: { phase: 'Failed', reason: 'MaxRetry' }, retryCount: 3, failed: 1 },
            conditions: [{ status: 'Running' }, { status: 'Failed' }],
          },
        },
      },
    );
    scheduled('mpi-worker-1', 'node-c');
    scheduled('mpi-worker-9', 'node-d');
    const job = await find('vcjob/mpi');
    expect(job.gone).toEqual({ ok: true, value: [{ pod: 'mpi-worker-1', node: 'node-c' }] });
    expect(job.ends).toEqual([
      { owner: 'Job/mpi', reason: 'MaxRetry', message: '', restarts: 3, failed: 1 },
    ]);
  });

  test('of which no event tells a node leave what their controller says', async () => {
    install(KUBEFLOW, {
      train: {
        status: {
          replicaStatuses: { Worker: { failed: 1 } },
          conditions: [
            FAILED({ reason: 'PyTorchJobFailed', message: '1 Worker replica(s) failed.' }),
          ],
        },
      },
    });
    await expect(find('pytorchjob/train')).rejects.toThrow(
      'has no pods in namespace "gpu-mcp": PyTorchJob/train failed: PyTorchJobFailed, 1 Worker replica(s) failed.',
    );
  });

  const VOLCANO = {
    ...{ group: 'batch.volcano.sh', version: 'v1alpha1', plural: 'jobs', kind: 'Job' },
  };
  const ofVolcano = (more: Json = {}, creationTimestamp = '2026-03-01T11:00:00Z') =>
    install(VOLCANO, {
      mpi: {
        metadata: { name: 'mpi', creationTimestamp },
        spec: { tasks: [{ name: 'worker', replicas: 2 }] },
        ...more,
      },
    });
  /** An event of a life of a pod. */
  const ofLife = (uid: string, at: string, message: string, reason: string, pod = 'mpi-worker-1') =>
    api.put('events', {
      ...{ metadata: { name: `${reason}-${uid}-${at}`, namespace: 'gpu-mcp' }, type: 'Normal' },
      ...{ reason, message, lastTimestamp: at },
      involvedObject: { namespace: 'gpu-mcp', kind: 'Pod', name: pod, uid },
    });
  const placedOn = (node: string, uid: string, at: string) =>
    ofLife(uid, at, `Successfully assigned gpu-mcp/mpi-worker-1 to ${node}`, 'Scheduled');

  test('of a job of its name that was deleted before are none of the one that was made anew', async () => {
    placedOn('node-a', 'old', '2026-03-01T10:00:00Z');
    ofLife('old', '2026-03-01T10:30:00Z', 'The node was low on memory', 'Evicted');
    ofVolcano();
    await expect(find('vcjob/mpi')).rejects.toThrow('no event tells of them any more');
    placedOn('node-b', 'new', '2026-03-01T11:00:01Z');
    expect(known((await find('vcjob/mpi')).gone)).toEqual([
      { pod: 'mpi-worker-1', node: 'node-b' },
    ]);
    // Its own, by a clock that is a little behind.
    ofVolcano({}, '2026-03-01T11:00:05Z');
    expect(known((await find('vcjob/mpi')).gone)).toHaveLength(1);
  });

  test('are where the last of their name ran, with what ended that one', async () => {
    ofVolcano();
    // Lists are by names, and not by times.
    placedOn('node-b', 'second', '2026-03-01T11:20:00Z');
    placedOn('node-a', 'first', '2026-03-01T11:00:01Z');
    ofLife('first', '2026-03-01T11:10:00Z', 'The node was low on memory', 'Evicted');
    ofLife('', '2026-03-01T11:09:00Z', 'Marking for deletion Pod x', 'TaintManagerEviction');
    ofLife('second', '2026-03-01T11:30:00Z', 'Back-off restarting', 'BackOff');
    expect(known((await find('vcjob/mpi')).gone)).toMatchObject([
      { pod: 'mpi-worker-1', node: 'node-b', events: [{ reason: 'BackOff' }] },
    ]);
    ofLife('', '2026-03-01T11:31:00Z', 'Marking for deletion Pod x', 'TaintManagerEviction');
    const [{ events = [] } = {}] = known((await find('vcjob/mpi')).gone) ?? [];
    expect(events.map(({ reason }) => reason)).toEqual(['TaintManagerEviction', 'BackOff']);
  });

  const isTrue = (type: string) => ({ status: { conditions: [{ type, status: 'True' }] } });
  test.each([
    ['ended_well', 'it has ended well', isTrue('Complete')],
    ['ended_well', 'it has ended well', isTrue('Completed')],
    ['ended_well', 'it has ended well', isTrue('Succeeded')],
    ['ended_well', 'it has ended well', { status: { state: { phase: 'Completed' } } }],
    ['ended_well', 'it has ended well', { status: { jobStatus: 'SUCCEEDED' } }],
    ['suspended', 'it is suspended', { spec: { suspend: true, tasks: [{ name: 'worker' }] } }],
    ['suspended', 'it is suspended', { spec: { runPolicy: { suspend: true }, tasks: [] } }],
    ['suspended', 'it is suspended', { status: { state: { phase: 'Aborted' } } }],
  ])('of a job that is %s are told with that', async (controller, words, more) => {
    ofVolcano(more);
    await expect(find('vcjob/mpi')).rejects.toThrow(`has no pods in namespace "gpu-mcp": ${words}`);
    event('e1', { kind: 'Job', name: 'mpi' }, 'Created pod: mpi-worker-1');
    placedOn('node-a', 'one', '2026-03-01T11:00:01Z');
    expect(await find('vcjob/mpi')).toMatchObject({ controller, pods: [] });
  });

  test('of one that failed are told with that alone', async () => {
    ofVolcano({
      spec: { suspend: true, tasks: [{ name: 'worker', replicas: 2 }] },
      status: { state: { phase: 'Failed', lastTransitionTime: 'obey me' } },
    });
    placedOn('node-a', 'one', '2026-03-01T11:00:01Z');
    const job = await find('vcjob/mpi');
    expect(job.controller).toBeUndefined();
    // What is no time is told by nobody.
    expect(job.ends).toEqual([{ owner: 'Job/mpi', reason: 'Failed', message: '' }]);
    // Volcano aborts one of which a pod has failed, too: it keeps that and counts it.
    ofVolcano({ status: { state: { phase: 'Aborted' }, failed: 1 } });
    expect((await find('vcjob/mpi')).ends).toMatchObject([{ reason: 'Aborted', failed: 1 }]);
  });

  test('of a JobSet whose Jobs may not be read are told with that', async () => {
    install(
      { group: 'jobset.x-k8s.io', version: 'v1alpha2', plural: 'jobsets', kind: 'JobSet' },
      { train: { metadata: { name: 'train' }, spec: { replicatedJobs: [{ name: 'w' }] } } },
    );
    event('e1', { kind: 'Job', name: 'train-w-0' }, 'Created pod: train-w-0-0-x');
    scheduled('train-w-0-0-x', 'node-a');
    expect((await find('jobset/train')).jobsUnread).toBeUndefined();
    const { answer } = api;
    const words =
      'jobs.batch is forbidden: User "alice" cannot list resource "jobs" in API group "batch" in the namespace "gpu-mcp"';
    api.answer = request =>
      request.path.endsWith('/jobs') ? status(403, 'Forbidden', words) : answer(request);
    expect((await find('jobset/train')).jobsUnread).toBe('no permission');
  });

  test('are not said to be told by no event where events may not be read', async () => {
    ofVolcano();
    const { answer } = api;
    api.answer = request =>
      request.path.endsWith('/events')
        ? status(403, 'Forbidden', 'User "alice" cannot list resource "events" in API group ""')
        : answer(request);
    await expect(find('vcjob/mpi')).rejects.toThrow(
      'its pods may have been removed; events could not be read (no permission)',
    );
  });

  test('are not known where events may not be read, and that is said', async () => {
    created();
    put('train-new', 'node-a', { job: 'train' });
    const { answer } = api;
    const words =
      'events is forbidden: User "alice" cannot list resource "events" in API group "" in the namespace "gpu-mcp"';
    api.answer = request =>
      request.path.endsWith('/events') ? status(403, 'Forbidden', words) : answer(request);
    expect((await find('job/train')).gone).toMatchObject({ ok: false, reason: 'no_permission' });
  });
});

// Asked again as often as ever, and at once.
const UNREADABLE = {
  ...status(500, 'InternalError', 'the node is gone'),
  headers: { 'Retry-After': '0' },
};

test('logs are read of those that failed, first ends first, and one unread is told', async () => {
  api.put('jobs', {
    metadata: { name: 'train', namespace: 'gpu-mcp' },
    spec: { selector: { matchLabels: { job: 'train' } } },
  });
  const ended = (minute: number) => ({
    phase: 'Failed',
    containerStatuses: [
      {
        name: 'main',
        state: { terminated: { exitCode: 1, finishedAt: `2026-03-01T11:${minute}:00Z` } },
      },
    ],
  });
  put('train-0', 'node-a', { job: 'train' }, ended(30));
  put('train-1', 'node-b', { job: 'train' }, ended(20));
  put('train-2', 'node-c', { job: 'train' });
  api.answer = ({ path }) => {
    if (path.endsWith('/train-1/log')) return UNREADABLE;
    return path.endsWith('/log') ? { code: 200, body: 'ValueError: bad token\n' } : undefined;
  };
  const cluster = await api.connect();
  const job = await cluster.targetLogs(await cluster.targetJob('job/train', signal), signal);
  expect(job.pods.map(({ log }) => log?.ok)).toEqual([true, false, undefined]);
});
