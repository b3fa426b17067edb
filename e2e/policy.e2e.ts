import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { V1Job, V1Pod } from '../src/cluster/port.ts';
import { MUTANTS, rowObjects } from '../test/session/policy-mutants.ts';
import {
  cluster,
  kubectl,
  leftAfterTenSeconds,
  mcpClient,
  untilRunning,
  withImage,
} from './plugin.ts';

const NAMESPACE = 'pinned';
const here = ['-n', NAMESPACE];
const ann = () => ({ kubeconfig: cluster().kubeconfigFor('ann', ['gpu-on-call']) });

const RUNTIME_CLASSES = ['nvidia', 'kata'];

const printed = async (...words: readonly string[]) => {
  const ran = await kubectl(withImage('manifest', ...words, ...here));
  expect(ran.code, ran.stderr).toBe(0);
  return ran.stdout;
};

const dryRun = (object: string) =>
  kubectl([...here, 'create', '--dry-run=server', '-o', 'name', '-f', '-'], { input: object });

/** A workload that was there before the policy. */
const BEFORE = {
  ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'before' } },
  spec: {
    ...{ replicas: 0, selector: { matchLabels: { a: 'b' } } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'x', image: 'x:1' }] },
    },
  },
};

beforeAll(async () => {
  const apply = async (input: string) => {
    const applied = await kubectl([...here, 'apply', '-f', '-'], { input });
    expect(applied.code, applied.stderr).toBe(0);
  };
  await apply(await printed('namespace'));
  await apply(JSON.stringify(BEFORE));
  for (const kind of ['rbac', 'policy']) await apply(await printed(kind));
  await kubectl([...here, 'create', 'serviceaccount', 'admin']);
  // The API server itself refuses a class that is not there.
  for (const name of RUNTIME_CLASSES) {
    const of = { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name } };
    const made = await kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ ...of, handler: 'nvidia' }),
    });
    expect(made.code, made.stderr).toBe(0);
  }
  const other = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other' } };
  const object = JSON.stringify({ ...other, spec: { containers: [{ name: 'x', image: 'x:1' }] } });
  // The API server learns of a policy a moment later.
  await vi.waitFor(async () => expect((await dryRun(object)).code).not.toBe(0), 30_000);
});

/** Another test's policy may be there too. */
const OURS = 'app.kubernetes.io/managed-by=kubectl-gpu-mcp';

afterAll(async () => {
  const kinds = 'validatingadmissionpolicy,validatingadmissionpolicybinding';
  await kubectl(['delete', kinds, '-l', OURS]);
  await kubectl(['delete', 'runtimeclass', ...RUNTIME_CLASSES]);
  await kubectl(['delete', 'namespace', NAMESPACE, '--wait=false']);
});

test('the API server finds nothing wrong with the types of the rules', async () => {
  const statuses = async () =>
    (
      await kubectl([
        ...['get', 'validatingadmissionpolicy', '-l', OURS, '-o'],
        'jsonpath={range .items[*]}{.status.observedGeneration}{" "}{.status.typeChecking}{"\\n"}{end}',
      ])
    ).stdout;
  await expect.poll(statuses, { timeout: 30_000 }).toMatch(/^(\d+ ({})?\n){2}$/);
});

test.each([
  [],
  ['--profile', 'mounted'],
  ['--profile', 'restricted'],
  ['--profile', 'restricted', '--no-syslog', '--runtime-class', 'nvidia'],
  ['--cpu', '500m', '--memory', '256Mi'],
  ['--reason', 'INC-1234'],
  ['--image-pull-secret', 'registry'],
])('what manifest pod prints is let in: %j', async (...flags) => {
  for (const lifetime of ['job', 'pod']) {
    for (const node of ['node-a', 'node-b']) {
      const object = await printed('pod', node, '--lifetime', lifetime, ...flags);
      const made = await dryRun(object);
      expect(made.code, made.stderr).toBe(0);
    }
  }
});

test.each([
  ['triage', 'node-a'],
  ['triage', 'node-a', '--lifetime', 'pod'],
  ['triage', 'node-a', '--profile', 'mounted'],
  ['triage', 'node-a', '--profile', 'restricted'],
  ['triage', 'node-a', 'node-b', '--fleet', '--profile', 'restricted', '--no-syslog'],
  ['triage', 'node-a', '--cpu', '1', '--memory', '400Mi', '--reason', 'INC-1234'],
  ['call', 'node-a', 'get_gpu_processes', '--redact-names'],
  ['triage', 'node-a', 'node-b'],
  ['triage', 'node-a', 'node-b', '--fleet'],
  ['triage', 'node-a', 'node-b', '--fleet', '--lifetime', 'pod', '--redact-names'],
])('a session is let in: %j', async (...words) => {
  const ran = await kubectl(withImage(...words, ...here), ann());
  expect(ran.code, ran.stderr).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a server’s session is let in', async () => {
  const { client } = await mcpClient(['serve', 'node-a', ...here], ann());
  const answer = await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
  expect(answer.isError).not.toBe(true);
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const isPod = (value: unknown): value is V1Pod =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Pod';
const isJob = (value: unknown): value is V1Job =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Job';

const rows = () => rowObjects(inject('image'), NAMESPACE);

test('what leaves a row, and its owner, are let in', async () => {
  for (const object of Object.values(rows())) {
    const made = await dryRun(JSON.stringify(object));
    expect(made.code, made.stderr).toBe(0);
  }
});

const refused = async (object: unknown, rule: string) => {
  const made = await dryRun(JSON.stringify(object));
  expect(made.code).not.toBe(0);
  expect(made.stderr).toMatch(`denied request: ${rule}: a session has `);
};

test.each(MUTANTS)('is refused: $name', async ({ rule, pod, job, row, owner }) => {
  const { pod: rowPod, owner: rowOwner } = rows();
  if (row) {
    row(rowPod);
    return refused(rowPod, rule);
  }
  if (owner) {
    owner(rowOwner);
    return refused(rowOwner, rule);
  }
  const object = load(await printed('pod', 'node-a', '--lifetime', job ? 'job' : 'pod'));
  if (isPod(object)) pod?.(object);
  if (isJob(object)) job?.(object);
  return refused(object, rule);
});

describe('beside sessions', () => {
  const template = {
    metadata: { labels: { a: 'b' } },
    spec: { containers: [{ name: 'x', image: 'x:1' }] },
  };
  const selector = { matchLabels: { a: 'b' } };
  const job = { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } };
  test.each([
    ['apps/v1', 'Deployment', 'deployments', { selector, template }],
    ['apps/v1', 'DaemonSet', 'daemonsets', { selector, template }],
    ['apps/v1', 'StatefulSet', 'statefulsets', { selector, template, serviceName: 'x' }],
    ['apps/v1', 'ReplicaSet', 'replicasets', { selector, template }],
    ['v1', 'ReplicationController', 'replicationcontrollers', { selector: { a: 'b' }, template }],
    ['batch/v1', 'CronJob', 'cronjobs', { schedule: '* * * * *', jobTemplate: job }],
  ])('%s %s may not be', async (apiVersion, kind, resource, spec) => {
    const made = await dryRun(JSON.stringify({ apiVersion, kind, metadata: { name: 'x' }, spec }));
    expect(made.code).not.toBe(0);
    expect(made.stderr).toMatch(`may be in this namespace: no ${resource}`);
  });
});

test('what was there before the policy is not changed, and goes when it is deleted', async () => {
  const patch = '{"spec":{"template":{"metadata":{"labels":{"c":"d"}}}}}';
  const changed = await kubectl([...here, 'patch', 'deployment', 'before', '-p', patch]);
  expect(changed.stderr).toMatch(/may be in this namespace: no deployments/);
  // In the foreground it and its ReplicaSet lose finalizers by updates.
  const words = ['delete', 'deployment', 'before', '--cascade=foreground', '--timeout=30s'];
  const deleted = await kubectl([...here, ...words]);
  expect(deleted.code, deleted.stderr).toBe(0);
});

test('a running session is not changed, entered or forwarded to, by an admin neither', async () => {
  const { client } = await mcpClient(['node-a', ...here], ann());
  expect((await client.callTool({ name: 'get_gpu_inventory', arguments: {} })).isError).not.toBe(
    true,
  );
  await untilRunning(NAMESPACE);
  const listed = await kubectl([...here, 'get', 'pods', '-o', 'name']);
  const pod = listed.stdout.trim();
  const name = pod.replace('pod/', '');
  const refuses = async (words: readonly string[], why: RegExp) => {
    const ran = await kubectl([...here, ...words]);
    expect(ran.code, words.join(' ')).not.toBe(0);
    expect(ran.stderr).toMatch(why);
  };
  await refuses(['exec', name, '--', 'node', '-e', '0'], /no pods\/exec/);
  await refuses(['port-forward', name, '8080:80'], /no pods\/portforward/);
  await refuses(
    ['get', '--raw', `/api/v1/namespaces/${NAMESPACE}/pods/${name}/proxy/`],
    /no pods\/proxy/,
  );
  const debug = ['debug', name, '--image=example.com/x:1', '--target=mcp', '--profile=general'];
  await refuses(debug, /no pods\/ephemeralcontainers/);
  await refuses(['set', 'image', pod, 'mcp=example.com/x:1'], /container\.image: a session has/);
  const owner = '{"metadata":{"annotations":{"gpu-mcp/user":"bob"}}}';
  await refuses(['patch', pod, '-p', owner], /metadata\.user: a session has/);
  const finalizer = '{"metadata":{"finalizers":["example.com/keep"]}}';
  await refuses(['patch', pod, '-p', finalizer], /metadata\.finalizers: a session has/);
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('the doctor finds nothing there that would stop a session', async () => {
  const ran = await kubectl(withImage('doctor', 'node-a', ...here, '-o', 'json'), ann());
  expect(ran.code, ran.stdout).toBe(0);
});

test('a kill switch: sessions end by a label, and a quota of none lets no new one start', async () => {
  const { client } = await mcpClient(['node-a', ...here], ann());
  const ask = () => client.callTool({ name: 'get_gpu_inventory', arguments: {} });
  expect((await ask()).isError).not.toBe(true);
  const quota = ['create', 'quota', 'no-sessions', '--hard=pods=0,count/jobs.batch=0'];
  expect((await kubectl([...here, ...quota])).code).toBe(0);
  const killed = ['jobs,pods', '-A', '-l', OURS];
  expect((await kubectl(['delete', ...killed])).code).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
  const after = await ask();
  expect(JSON.stringify(after)).toMatch(/quota is exceeded|was deleted|is being deleted/);
  await client.close();
  const ran = await kubectl(withImage('triage', 'node-a', ...here), ann());
  expect(ran.code).toBe(3);
  expect(ran.stderr).toMatch(/quota/);
  await kubectl([...here, 'delete', 'quota', 'no-sessions']);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a policy of --profile restricted lets that profile in and no privileged pod', async () => {
  const apply = async (...flags: readonly string[]) => {
    const input = await printed('policy', ...flags);
    expect((await kubectl(['apply', '-f', '-'], { input })).code).toBe(0);
  };
  const privileged = await printed('pod', 'node-a');
  const stderr = async (pod: string) => (await dryRun(pod)).stderr;
  await apply('--profile', 'restricted', '--no-syslog');
  await expect
    .poll(() => stderr(privileged), { timeout: 30_000 })
    .toContain('spec.hostPID: a session has false there');
  for (const lifetime of ['job', 'pod']) {
    const of = ['pod', 'node-a', '--lifetime', lifetime, '--profile', 'restricted'];
    expect(await stderr(await printed(...of, '--no-syslog'))).toBe('');
    if (lifetime === 'pod')
      expect(await stderr(await printed(...of))).toContain(
        'container.securityContext: a session has',
      );
  }
  const flags = ['--profile', 'restricted', '--no-syslog'];
  const ran = await kubectl(
    withImage('triage', 'node-a', 'node-b', '--fleet', ...flags, ...here),
    ann(),
  );
  expect(ran.code, ran.stderr).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
  await apply();
  await expect.poll(() => stderr(privileged), { timeout: 30_000 }).toBe('');
});

test('a policy of another image refuses a session in a sentence that says what to do, and lets go what ran before', async () => {
  const { client } = await mcpClient(['node-a', ...here], ann());
  const inventory = await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
  expect(inventory.isError).not.toBe(true);
  const other = [
    'manifest',
    'policy',
    ...here,
    '--image',
    `example.com/a@sha256:${'1'.repeat(64)}`,
  ];
  const policy = await kubectl(['gpu-mcp', ...other]);
  await kubectl(['apply', '-f', '-'], { input: policy.stdout });
  const object = await printed('pod', 'node-a');
  await expect.poll(async () => (await dryRun(object)).code, { timeout: 30_000 }).not.toBe(0);
  const ran = await kubectl(withImage('triage', 'node-a', ...here), ann());
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain(
    'admission policy "gpu-mcp-sessions.pinned" refuses the pod: container.image: a session has',
  );
  expect(ran.stderr).toContain('manifest policy');
  expect(inject('image')).not.toContain('example.com');
  const pod = (await kubectl([...here, 'get', 'pods', '-o', 'name'])).stdout.trim();
  const hides = await kubectl([...here, 'label', pod, 'app.kubernetes.io/managed-by-']);
  expect(hides.stderr).toMatch(/metadata\.labels: a session has/);
  // The Job's pod has a finalizer, which the controller takes away by an update.
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});
