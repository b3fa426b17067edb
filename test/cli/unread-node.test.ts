import { afterEach, beforeEach, expect, test } from 'vitest';
import { withoutOwn } from '../../src/cli/node-sessions.ts';
import { present } from '../../src/contract/reading.ts';
import { FakeApiServer, status } from '../cluster/fake-api-server.ts';
import { aView } from '../fakes/cluster-view.ts';
import { run } from './run.ts';

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  const ready = {
    ...{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' },
    ...{ message: 'Kubelet stopped posting node status.' },
    lastTransitionTime: '2026-08-20T03:11:00Z',
  };
  api.put('nodes', node('down', { conditions: [ready] }));
  api.put('nodes', node('well', { conditions: [{ type: 'Ready', status: 'True' }] }));
  api.put('pods', {
    metadata: { namespace: 'ml', name: 'train-0' },
    spec: {
      nodeName: 'down',
      containers: [{ name: 'c', resources: { limits: { 'nvidia.com/gpu': '8' } } }],
    },
    status: { phase: 'Running' },
  });
});
afterEach(() => api[Symbol.asyncDispose]());

const node = (name: string, more: object) => ({
  metadata: { name },
  spec: { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] },
  status: {
    capacity: { 'nvidia.com/gpu': '8' },
    allocatable: { 'nvidia.com/gpu': '7' },
    nodeInfo: { operatingSystem: 'linux', architecture: 'amd64', kubeletVersion: 'v1.34.1' },
    ...more,
  },
});

async function triage(...words: string[]) {
  const kubeconfig = await api.kubeconfig();
  const ran = await run(['triage', ...words, '--kubeconfig', kubeconfig, '--image', 'example/a:1']);
  return { ...ran, stdout: ran.stdout.replaceAll(kubeconfig, 'KUBECONFIG') };
}

test('a node whose kubelet is silent gets the page that needs no pod, and no all-clear', async () => {
  const { code, stdout, stderr } = await triage('down');
  expect(code).toBe(4);
  expect(stderr).toContain('error: node "down" is not ready since 2026-08-20T03:11:00Z');
  expect(stdout.replace(/\d+ bytes/, 'n bytes')).toMatchInlineSnapshot(`
    "UNKNOWN  down: The node itself could not be read: node "down" is not ready since 2026-08-20T03:11:00Z: its kubelet does not report (Kubelet stopped posting node status.); no pod can start there.
    next: kubectl --kubeconfig=KUBECONFIG describe node down
    What the cluster says:
    cluster: Ready Unknown, not cordoned, taints node.kubernetes.io/unreachable:NoExecute, kubelet v1.34.1
      condition Ready Unknown since 2026-08-20T03:11:00Z: NodeStatusUnknown Kubelet stopped posting node status.
      nvidia.com/gpu: 7 of 8 allocatable, 8 asked for by pods
      pod ml/train-0  Running  8 nvidia.com/gpu
    cluster: read by 3 requests, n bytes
    Not read: the driver, the kernel log and the host. No fault of the GPUs can be ruled out.
    "
  `);
});

test('who else has a session on the node stands in the page and in its structure', async () => {
  api.put('pods', {
    metadata: {
      ...{ namespace: 'gpu-mcp', name: 'gpu-mcp-down-x' },
      creationTimestamp: '2026-08-20T03:00:00Z',
      labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp', 'gpu-mcp/session': 'x' },
      annotations: { 'gpu-mcp/user': 'bob' },
    },
    ...{ spec: { nodeName: 'down' }, status: { phase: 'Running' } },
  });
  const { stdout } = await triage('down');
  expect(stdout).toContain(
    '  a session of "bob" is on this node too, since 2026-08-20T03:00:00Z (pod gpu-mcp/gpu-mcp-down-x)',
  );
  const found = JSON.parse((await triage('down', '-o', 'json')).stdout);
  expect(found.cluster.otherSessions).toEqual([
    { user: 'bob', namespace: 'gpu-mcp', pod: 'gpu-mcp-down-x', since: '2026-08-20T03:00:00Z' },
  ]);
});

test('one’s own session is none of another', () => {
  const session = (pod: string) => ({
    ...{ namespace: 'n', pod, session: pod, since: '2026-08-20T03:00:00Z' },
  });
  const view = (...names: readonly string[]) =>
    aView({
      pods: present({
        ...{ namespace: null, total: 3, gpuPods: [] },
        ...(names.length > 0 && { sessions: names.map(session) }),
      }),
    });
  expect(withoutOwn(view('mine', 'theirs'), new Set(['mine']))).toEqual(view('theirs'));
  expect(withoutOwn(view('mine'), new Set(['mine']))).toEqual(view());
});

test('as JSON too, for whoever reads the verdict', async () => {
  const { code, stdout } = await triage('down', '-o', 'json');
  expect(code).toBe(4);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ verdict: 'unknown', node: 'down' },
    cluster: { node: { ready: 'Unknown' }, pods: [{ pod: 'train-0' }] },
  });
});

test('a namespace that refuses the pod says so, above what the cluster knows', async () => {
  api.answer = ({ method, path }) =>
    method === 'POST' && /jobs$|pods$/.test(path)
      ? status(
          403,
          'Forbidden',
          'pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged',
        )
      : undefined;
  const { code, stdout, stderr } = await triage('well');
  expect(code).toBe(3);
  expect(stdout).toMatch(
    /^UNKNOWN {2}well: The node itself could not be read: the namespace's Pod Security/,
  );
  expect(stdout).toContain('cluster: Ready True');
  expect(stderr).toMatch(/^(?:node .*\n)?error: the namespace's Pod Security standard/);
});

test('of several nodes each has its row, and its page; one that is not there has none', async () => {
  const { code, stdout, stderr } = await triage('down', 'nowhere');
  expect(code).toBe(5);
  expect(stdout).toMatch(/^== down\nUNKNOWN {2}down: /m);
  expect(stdout).toMatch(/^nowhere {2}NOT READ {2}- {5}node "nowhere" was not found$/m);
  expect(stdout).not.toContain('== nowhere');
  expect(stderr).toContain('error: nowhere: node "nowhere" was not found');
});

test('a flag that is wrong has no page: nothing was tried on the node', async () => {
  const config = await api.kubeconfig();
  const words = ['triage', 'well', '--kubeconfig', config, '--image', 'registry.example/x'];
  const { code, stdout, stderr } = await run(words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('has neither a tag nor a digest');
});
