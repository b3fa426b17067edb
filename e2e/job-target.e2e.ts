import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { putMachine } from './machines.ts';
import { kubectl, leftAfterTenSeconds, made, until, withImage } from './plugin.ts';

/** Kubeflow's resource as far as the API server has to know it. */
const CRD = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'pytorchjobs.kubeflow.org' },
  spec: {
    ...{ group: 'kubeflow.org', scope: 'Namespaced' },
    names: { plural: 'pytorchjobs', singular: 'pytorchjob', kind: 'PyTorchJob' },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

const containersOf = (line: string, exitCode: number) => [
  {
    ...{ name: 'train', image: inject('image'), imagePullPolicy: 'Never' },
    command: ['node', '-e', `console.log(process.argv[1]);process.exitCode=${exitCode}`],
    args: [line],
  },
];

const workerOf = (name: string, node: string, line: string) => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name, labels: { 'training.kubeflow.org/job-name': 'llama' } },
  spec: {
    ...{ nodeName: node, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers: containersOf(line, 1),
  },
});

const jobOf = (name: string, more: object) => ({
  ...{ apiVersion: 'batch/v1', kind: 'Job' },
  metadata: { name },
  spec: {
    backoffLimit: 0,
    ...more,
    template: {
      spec: {
        ...{ nodeName: 'node-a', restartPolicy: 'Never' },
        containers: containersOf('ValueError: bad token', 1),
      },
    },
  },
});

/** Two pods of one job that run, each with a /dev/shm of the default size that it has filled. */
const FULL = ['e2e-full-0', 'e2e-full-1'];
const fillerOf = (name: string, node: string) => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name, labels: { 'training.kubeflow.org/job-name': 'e2e-full' } },
  spec: {
    ...{ nodeName: node, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers: [
      {
        ...{ name: 'train', image: inject('image'), imagePullPolicy: 'Never' },
        env: [
          { name: 'CUDA_VISIBLE_DEVICES', value: '0' },
          { name: 'HF_TOKEN', value: 'MARKER-OF-A-SECRET' },
        ],
        command: ['node', '-e', FILL],
      },
    ],
  },
});
const FILL =
  "const fs=require('fs');const f=fs.openSync('/dev/shm/f','w');try{for(;;)fs.writeSync(f,Buffer.alloc(1<<20))}catch{}setInterval(()=>{},1e6)";

const FIRST = 'llama-worker-0';
const SECOND = 'llama-master-0';

beforeAll(async () => {
  await made(CRD);
  await until(
    ['crd', CRD.metadata.name, '{.status.conditions[?(@.type=="Established")].status}'],
    'True',
  );
  await made({
    ...{ apiVersion: 'kubeflow.org/v1', kind: 'PyTorchJob', metadata: { name: 'llama' }, spec: {} },
  });
  await made(workerOf(FIRST, 'node-b', '[rank4]: ValueError: sample 7 has 4097 tokens'));
  await until(['pod', FIRST, '{.status.phase}'], 'Failed');
  await made(
    workerOf(
      SECOND,
      'node-a',
      '[rank0]: torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error',
    ),
  );
  await until(['pod', SECOND, '{.status.phase}'], 'Failed');
});

afterAll(async () => {
  putMachine('node-a', 'lost-gpu');
  await kubectl(['delete', 'pod', FIRST, SECOND, ...FULL, '--ignore-not-found', '--force']);
  await kubectl(['delete', 'job', 'e2e-own', 'e2e-held', 'e2e-waits', '--ignore-not-found']);
  await kubectl(['delete', 'crd', CRD.metadata.name, '--ignore-not-found']);
});

const triaged = (...args: string[]) => kubectl(withImage('triage', ...args, '-q'));

test('a custom resource is a target: its nodes, where it began, and what the other saw', async () => {
  const ran = await triaged('pytorchjob/llama', '-o', 'json');
  expect(ran.stderr).toBe('');
  expect(JSON.parse(ran.stdout)).toMatchObject({
    kind: 'AnswerList',
    job: {
      ...{ job: 'PyTorchJob/llama', state: 'failed', fault: 'application', action: 'restart_app' },
      first: { node: 'node-b', pod: FIRST, what: 'Exception ValueError' },
      saw: [{ pod: SECOND, node: 'node-a', exitCode: 1 }],
      pods: { all: 2, failed: 2 },
      logs: { read: 2, requests: 2 },
    },
  });
  expect(JSON.parse(ran.stdout).job).not.toHaveProperty('takeOut');
  expect(JSON.parse(ran.stdout).items).toHaveLength(2);
  const page = await triaged('pytorchjob/llama');
  expect(page.stdout).toMatch(/^FAILED {2}PyTorchJob\/llama .* namespace default\n/);
  expect(page.stdout).toMatch(/\nFault of the application, \w+ confidence\.\n/);
  expect(page.stdout).not.toMatch(/Take node|cordon/);
  expect(page.stdout).toMatch(new RegExp(`\\nSAW .*${SECOND} +node-a +exit 1`));
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a Job whose pod is gone is told by its events', async () => {
  await made(jobOf('e2e-own', {}));
  await until(['job', 'e2e-own', '{.status.failed}'], '1');
  const { stdout: name } = await kubectl([
    ...['get', 'pod', '-l', 'job-name=e2e-own', '-o', 'jsonpath={.items[0].metadata.name}'],
  ]);
  const own = JSON.parse((await triaged('job/e2e-own', '-o', 'json')).stdout).job;
  expect(own).toMatchObject({ state: 'failed', fault: 'application', first: { pod: name } });
  // This cluster has no scheduler to tell of it.
  await made({
    ...{ apiVersion: 'v1', kind: 'Event', type: 'Normal', reason: 'Scheduled' },
    metadata: { name: 'e2e-own-scheduled', namespace: 'default' },
    involvedObject: { kind: 'Pod', namespace: 'default', name },
    message: `Successfully assigned default/${name} to node-a`,
  });
  await kubectl(['delete', 'pod', name, '--force']);
  const gone = JSON.parse((await triaged('job/e2e-own', '-o', 'json')).stdout);
  expect(gone.job).toMatchObject({ state: 'gone', pods: { all: 0, gone: 1 } });
  expect(gone.items).toHaveLength(1);
});

test.each([
  ['jobset/llama', 3, /the cluster has no JobSet: jobsets.jobset.x-k8s.io is not installed/, /./],
  ['pytorchjob/lama', 3, /pytorchjobs.kubeflow.org "lama" not found/, /did you mean llama\?/],
  ['job/no-such', 3, /jobs.batch "no-such" not found/, /./],
  ['pod/llama-worker-1', 3, /pod "llama-worker-1" was not found/, /did you mean llama-worker-0/],
])('%s is a sentence, and no pod', async (target, code, sentence, hint) => {
  const ran = await triaged(target);
  expect(ran.code).toBe(code);
  expect(ran.stderr).toMatch(sentence);
  expect(ran.stderr).toMatch(hint);
});

test('a Job that is held back, and one that no node can take, say why', async () => {
  await made(jobOf('e2e-held', { suspend: true }));
  expect((await triaged('job/e2e-held')).stderr).toContain('it is suspended');
  const waits = jobOf('e2e-waits', {});
  const { nodeName: _, ...spec } = waits.spec.template.spec;
  await made({ ...waits, spec: { ...waits.spec, template: { spec } } });
  await until(['job', 'e2e-waits', '{.status.active}'], '1');
  const { stdout: name } = await kubectl([
    ...['get', 'pod', '-l', 'job-name=e2e-waits', '-o', 'jsonpath={.items[0].metadata.name}'],
  ]);
  // As the scheduler writes it, which this cluster has not.
  const condition = {
    ...{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
    message: '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.',
  };
  const patch = JSON.stringify({ status: { conditions: [condition] } });
  await kubectl(['patch', 'pod', name, '--subresource=status', '-p', patch]);
  const ran = await triaged('job/e2e-waits');
  expect(ran.code).toBe(3);
  expect(ran.stderr).toMatch(/no pod of job\/e2e-waits has a node: 1 of 1 pending: 0\/\d+ nodes/);
});

test('nodes of a job that runs are looked at together, and its containers are looked into', async () => {
  await made({
    ...{ apiVersion: 'kubeflow.org/v1', kind: 'PyTorchJob' },
    ...{ metadata: { name: 'e2e-full' }, spec: {} },
  });
  await made(fillerOf('e2e-full-0', 'node-a'));
  await made(fillerOf('e2e-full-1', 'node-b'));
  for (const name of FULL) await until(['pod', name, '{.status.phase}'], 'Running');
  putMachine('node-a', 'job-straggler');
  const ran = await triaged('pytorchjob/e2e-full', '-o', 'json');
  const { job } = JSON.parse(ran.stdout);
  expect(job).toMatchObject({
    state: 'running',
    pace: {
      // node-b has no GPU.
      ...{ nodes: 1, gpus: 8, kind: 'straggler' },
      stragglers: [{ node: 'node-a', gpus: [5], cause: 'heat' }],
    },
  });
  expect(job.pace.seconds).toBeGreaterThanOrEqual(3.5);
  expect(job.containers, JSON.stringify(job, null, 1)).toMatchObject(
    FULL.map(pod => ({ pod, what: expect.stringMatching(/^its \/dev\/shm of 64 MiB is full/) })),
  );
  expect(ran.stdout).not.toContain('MARKER');
  expect(await leftAfterTenSeconds()).toEqual([]);
});
