import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type CheckId, DoctorReport } from '../src/contract/doctor.ts';
import {
  cluster,
  environmentOf,
  kubectl,
  leftAfterTenSeconds,
  mcpClient,
  type RunOptions,
  untilRunning,
  withImage,
} from './plugin.ts';

/** Every obstacle is made for real, and named before any pod; a session then ends the same way. */

const NAMESPACE = 'doctor';
const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-doctor-'));
const watchers: ChildProcess[] = [];
let seen = '';

beforeAll(async () => {
  await apply(namespace(NAMESPACE, 'privileged'));
  await untilReported(inject('image'));
  for (const kind of ['pods', 'jobs']) {
    const args = ['get', kind, '-A', '--watch', '-o', 'name', '-l', OURS];
    const watcher = spawn(`${inject('bin')}/kubectl`, args, { env: environmentOf() });
    watcher.stdout.on('data', text => {
      seen += text;
    });
    watchers.push(watcher);
  }
});
afterAll(async () => {
  for (const watcher of watchers) watcher.kill();
  rmSync(folder, { recursive: true, force: true });
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const OURS = 'app.kubernetes.io/managed-by=kubectl-gpu-mcp';

const namespace = (name: string, enforce: string) => ({
  ...{ apiVersion: 'v1', kind: 'Namespace' },
  metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': enforce } },
});

async function apply(...objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  const applied = await kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
  expect(applied.code, applied.stderr).toBe(0);
}

/** A kubelet looks for new images every half a minute. */
async function untilReported(image: string): Promise<void> {
  for (;;) {
    const { stdout } = await kubectl(['get', 'node', 'node-a', '-o', 'jsonpath={.status.images}']);
    if (stdout.includes(`"${image}"`)) return;
    await new Promise(resolve => setTimeout(resolve, 500));
  }
}

async function doctor(words: readonly string[], options: RunOptions = {}) {
  const before = new Set(seen.split('\n'));
  const hasImage = words.some(word => word.startsWith('--image='));
  const args = hasImage ? ['gpu-mcp', 'doctor', ...words] : withImage('doctor', ...words);
  const ran = await kubectl([...args, '-o', 'json'], options);
  expect(ran.stderr).toBe('');
  const report = DoctorReport.parse(JSON.parse(ran.stdout));
  // A watch tells each change of what is there already.
  expect(new Set(seen.split('\n'))).toEqual(before);
  const failed = report.checks.filter(({ state }) => state === 'failed');
  const of = (id: CheckId) => report.checks.filter(check => check.id === id);
  return { ...ran, report, failed: failed.map(({ id }) => id), of };
}

/** A session ends with the exit code that the doctor named. */
async function triageEndsWith(code: number | null, words: readonly string[], options?: RunOptions) {
  const hasImage = words.some(word => word.startsWith('--image='));
  const args = hasImage ? ['gpu-mcp', 'triage', ...words] : withImage('triage', ...words);
  const ran = await kubectl(args, options);
  expect(ran.code, ran.stderr).toBe(code);
  expect(ran.stderr).toMatch(/kubectl gpu-mcp doctor/);
}

const here = ['-n', NAMESPACE];

test('with nothing in the way all is proven but what only a registry knows', async () => {
  const { report, code } = await doctor(['node-a', ...here]);
  const rest = report.checks.filter(({ state }) => state !== 'ok');
  expect(rest.map(({ id, state }) => [id, state])).toEqual([['image-platform', 'unknown']]);
  expect([code, report.verdict]).toEqual([0, 'unknown']);
});

test('beside a session of the same image all is proven', async () => {
  const { client } = await mcpClient(['node-a', ...here]);
  await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
  await untilRunning(NAMESPACE);
  const { report, of } = await doctor(['node-a', ...here]);
  await client.close();
  expect([report.verdict, report.counts.ok]).toEqual(['ok', report.checks.length]);
  expect(of('sessions')[0]?.message).toMatch(/^you since .* \(doctor\/gpu-mcp-node-a-/);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('the cluster alone', async () => {
  const { report, code } = await doctor(here);
  expect(report.node).toBeNull();
  expect(code).toBe(0);
  expect(report.checks.map(({ id }) => id)).toContain('gpu-nodes');
});

test('no kubeconfig, and an unknown context', async () => {
  const environment = { KUBECONFIG: '/nowhere/config' };
  const none = await doctor(['node-a'], { environment });
  expect([none.failed, none.code]).toEqual([['kubeconfig'], 3]);
  await triageEndsWith(3, ['node-a'], { environment });
  const unknown = await doctor(['node-a', '--context', 'prod']);
  expect([unknown.failed, unknown.code]).toEqual([['kubeconfig'], 3]);
});

test('a dead API server, and a login page in its place', async () => {
  const dead = await doctor(['node-a', '--server', 'https://127.0.0.1:9']);
  expect([dead.failed, dead.code]).toEqual([['api-server'], 3]);
  const page = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<html><head><title>Sign in to Corp</title></head></html>');
  }).listen(0, '127.0.0.1');
  await once(page, 'listening');
  const address = page.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const login = await doctor(['node-a', '--server', `http://127.0.0.1:${port}`]);
  page.close();
  expect([login.failed, login.code]).toEqual([['api-server'], 3]);
  expect(login.of('api-server')[0]?.message).toContain('Sign in to Corp');
});

/** A user with the printed rights but for some verbs. */
async function userWithout(name: string, lacking: Readonly<Record<string, readonly string[]>>) {
  const printed = await kubectl(['gpu-mcp', 'manifest', 'rbac', ...here]);
  const documents = printed.stdout
    .split('---\n')
    .join('\n---\n')
    .replaceAll(/gpu-on-call/g, name)
    .replaceAll(/name: gpu-mcp\.doctor$/gm, `name: ${name}`);
  const made = await kubectl(['apply', '-f', '-'], { input: documents });
  expect(made.code, made.stderr).toBe(0);
  for (const kind of ['role', 'clusterrole']) {
    const place = kind === 'role' ? here : [];
    const { stdout } = await kubectl(['get', kind, name, ...place, '-o', 'json']);
    const role = JSON.parse(stdout);
    role.rules = role.rules
      .map((rule: { resources: string[]; verbs: string[] }) => ({
        ...rule,
        verbs: rule.verbs.filter(verb => !lacking[rule.resources[0] ?? '']?.includes(verb)),
      }))
      .filter((rule: { verbs: string[] }) => rule.verbs.length > 0);
    await apply(role);
  }
  return { kubeconfig: cluster().kubeconfigFor(`${name}-user`, [name]) };
}

test('a colleague with the printed rights may do all that a session needs', async () => {
  const { report, of, code } = await doctor(['node-a', ...here], await userWithout('whole', {}));
  expect(of('rights')).toMatchObject([{ state: 'ok' }]);
  expect(of('namespace')[0]?.message).toMatch(/by a dry run/);
  const rest = report.checks.filter(({ state }) => state !== 'ok').map(({ id }) => id);
  expect([rest, code]).toEqual([['room', 'image-platform'], 0]);
});

const LACKING = [
  ['no-create', { jobs: ['create'], pods: ['create'] }, /create pods in namespace "doctor"/],
  // Before 1.35 an attach over WebSockets takes no create.
  ['no-attach', { 'pods/attach': ['create', 'get'] }, /(create,|may not) get pods\/attach/],
  ['no-node', { nodes: ['get', 'list'] }, /get nodes in the whole cluster/],
  ['no-watch', { pods: ['list', 'watch'] }, /list, watch pods/],
] as const;
test.each(LACKING)('%s: which right is missing', async (name, lacking, message) => {
  const user = await userWithout(name, lacking);
  const { failed, of, code } = await doctor(['node-a', ...here], user);
  expect([[...new Set(failed)], code]).toEqual([['rights'], 3]);
  const words = of('rights').map(({ message: words }) => words);
  expect(words).toContainEqual(expect.stringMatching(message));
  const [first] = of('rights');
  expect(first?.adminCommands?.join('\n')).toMatch(
    /manifest rbac -n doctor \| kubectl apply -f -\n.*create rolebinding .*--role=gpu-mcp\.doctor /,
  );
  await triageEndsWith(3, ['node-a', ...here], user);
});

test('without the right to make Jobs a bare pod does, with a warning', async () => {
  const user = await userWithout('no-jobs', { jobs: ['create'] });
  const { failed, of, code } = await doctor(['node-a', ...here], user);
  expect([failed, code, of('rights')[0]?.state]).toEqual([[], 0, 'warning']);
});

test('a namespace that is not there', async () => {
  const words = ['node-a', '-n', 'nowhere'];
  const { failed, code } = await doctor(words);
  expect([failed, code]).toEqual([['namespace'], 3]);
  await triageEndsWith(3, words);
});

const REFUSALS: readonly (readonly [CheckId, string, readonly object[]])[] = [
  ['pod-security', 'strict', [namespace('strict', 'restricted')]],
  [
    'quota',
    'tight',
    [
      namespace('tight', 'privileged'),
      {
        ...{ apiVersion: 'v1', kind: 'ResourceQuota' },
        metadata: { name: 'none', namespace: 'tight' },
        spec: { hard: { pods: '0' } },
      },
    ],
  ],
  [
    'limit-range',
    'small',
    [
      namespace('small', 'privileged'),
      {
        ...{ apiVersion: 'v1', kind: 'LimitRange' },
        metadata: { name: 'half', namespace: 'small' },
        spec: { limits: [{ type: 'Container', max: { cpu: '500m' } }] },
      },
    ],
  ],
  [
    'admission',
    'policed',
    [
      namespace('policed', 'privileged'),
      {
        ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy' },
        metadata: { name: 'no-host-pid' },
        spec: {
          matchConstraints: {
            resourceRules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
            ],
          },
          validations: [
            {
              expression: '!has(object.spec.hostPID) || !object.spec.hostPID',
              message: 'no hostPID',
            },
          ],
        },
      },
      {
        ...{ apiVersion: 'admissionregistration.k8s.io/v1' },
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: 'no-host-pid' },
        spec: {
          policyName: 'no-host-pid',
          validationActions: ['Deny'],
          matchResources: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'policed' } },
          },
        },
      },
    ],
  ],
];
test.each(REFUSALS)('%s refuses the pod', async (id, name, objects) => {
  await apply(...objects);
  const words = ['node-a', '-n', name];
  // Quotas and policies are taken note of a moment later.
  const found = await untilFailed(words);
  expect([found.failed, found.code]).toEqual([[id], 4]);
  await triageEndsWith(4, words);
  const bare = await doctor([...words, '--lifetime=pod']);
  expect([bare.failed, bare.code]).toEqual([[id], 3]);
  await triageEndsWith(3, [...words, '--lifetime=pod']);
});

async function untilFailed(words: readonly string[]) {
  for (let tries = 0; ; tries += 1) {
    const found = await doctor(words);
    if (found.failed.length > 0 || tries > 20) return found;
  }
}

test('a node that is not there, and one whose kubelet is dead', async () => {
  const absent = await doctor(['node-c', ...here]);
  expect([absent.failed, absent.code]).toEqual([['node'], 3]);
  const node = cluster().nodes.find(({ name }) => name === 'node-b');
  await node?.kubelet.pause();
  try {
    const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    await kubectl(['wait', 'node/node-b', `--for=${ready}=Unknown`, '--timeout=60s']);
    const silent = await doctor(['node-b', ...here]);
    expect([silent.failed, silent.code]).toEqual([['node', 'kubelet'], 4]);
    await triageEndsWith(4, ['node-b', ...here]);
  } finally {
    await node?.kubelet.resume();
  }
  await kubectl(['wait', 'node/node-b', '--for=condition=Ready', '--timeout=60s']);
});

test('a full node; a cordon and a taint are no obstacle', async () => {
  const { stdout } = await kubectl([
    'get',
    'node',
    'node-b',
    '-o',
    'jsonpath={.status.allocatable.cpu}',
  ]);
  await apply({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'hog', namespace: NAMESPACE } },
    spec: {
      nodeName: 'node-b',
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          ...{
            name: 'hog',
            image: inject('image'),
            command: ['node', '-e', 'setInterval(Date, 1e6)'],
          },
          resources: { requests: { cpu: stdout } },
        },
      ],
    },
  });
  await kubectl(['taint', 'node', 'node-b', 'gpu=bad:NoExecute']);
  await kubectl(['cordon', 'node-b']);
  await kubectl(['wait', 'pod/hog', ...here, '--for=condition=Ready', '--timeout=60s']);
  const { failed, of, code } = await doctor(['node-b', ...here]);
  expect([failed, code]).toEqual([['room'], 4]);
  expect(of('taints')).toMatchObject([
    { state: 'ok', message: expect.stringMatching(/^cordoned, .*gpu:NoExecute.*tolerates/) },
  ]);
  await triageEndsWith(4, ['node-b', ...here]);
  await kubectl(['delete', 'pod', 'hog', ...here, '--wait']);
  expect((await doctor(['node-b', ...here])).failed).toEqual([]);
  await kubectl(['taint', 'node', 'node-b', 'gpu-']);
  await kubectl(['uncordon', 'node-b']);
});

test('an image that the node lacks, and one for another machine', async () => {
  const missing = '127.0.0.1:9/no/such-image:1';
  const { of, report } = await doctor(['node-a', ...here, `--image=${missing}`]);
  expect(of('image')).toMatchObject([
    { state: 'unknown', message: expect.stringContaining('pulled from 127.0.0.1:9') },
  ]);
  expect(report.verdict).toBe('unknown');
  const other = process.arch === 'arm64' ? 'amd64' : 'arm64';
  const foreign = await doctor(['node-a', ...here, `--image=localhost/gpu-mcp:${other}`]);
  expect(foreign.of('image-platform')).toMatchObject([{ state: 'warning' }]);
});

test('a clock that is an hour off', async () => {
  const shift = join(folder, 'shift.mjs');
  writeFileSync(shift, 'const { now } = Date; Date.now = () => now() - 3_630_000;\n');
  const environment = { NODE_OPTIONS: `--import=${shift}` };
  const { of } = await doctor(['node-a', ...here], { environment });
  expect(of('clock')).toMatchObject([
    { state: 'warning', message: expect.stringMatching(/1 h 00 min behind/) },
  ]);
  expect(of('node-clock')).toMatchObject([{ state: 'ok' }]);
});
