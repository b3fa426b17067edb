import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeApiServer } from '../cluster/fake-api-server.ts';
import { run } from './run.ts';

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  put('mine', 'alice@example.com', 'Failed');
  put('running', 'alice@example.com', 'Running');
  put('theirs', 'bob@example.com', 'Failed');
  put('nobodys', '', 'Failed');
});
afterEach(() => api[Symbol.asyncDispose]());

function put(name: string, user: string, phase: string): void {
  api.put('pods', {
    metadata: {
      ...{
        namespace: 'gpu-mcp',
        name,
        labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
      },
      annotations: {
        ...{ 'gpu-mcp/node': 'gpu-3', 'gpu-mcp/user': user },
        'gpu-mcp/expires-at': '2999-01-01T00:00:00Z',
      },
    },
    status: { phase },
  });
}

async function clean(...words: string[]) {
  const kubeconfig = await api.kubeconfig();
  const ran = await run(['clean', ...words, '--kubeconfig', kubeconfig]);
  return { ...ran, stdout: ran.stdout.replaceAll(kubeconfig, 'KUBECONFIG') };
}

test('says of each object what became of it, and how what was kept goes', async () => {
  expect(await clean()).toEqual({
    code: 0,
    stdout: `pod gpu-mcp/mine on gpu-3: deleted
pod gpu-mcp/running on gpu-3: kept: it still runs (--older-than 0s deletes it)
pod gpu-mcp/theirs on gpu-3: kept: it is a session of "bob@example.com" (kubectl gpu-mcp clean --kubeconfig=KUBECONFIG -n gpu-mcp theirs deletes it)
pod gpu-mcp/nobodys on gpu-3: kept: it carries no name of a user (kubectl gpu-mcp clean --kubeconfig=KUBECONFIG -n gpu-mcp nobodys deletes it)
`,
    stderr: '',
  });
});

test('a name that no session has is said, after what was done with the others', async () => {
  const { code, stdout, stderr } = await clean('theirs', 'nowhere');
  expect(code).toBe(3);
  expect(stdout).toContain('pod gpu-mcp/theirs on gpu-3: deleted');
  expect(stderr).toMatch(
    /^error: nowhere: no session of ours has this name in namespace "gpu-mcp"\n/,
  );
});

test('nothing is left only where nothing is', async () => {
  for (const name of ['mine', 'running', 'theirs', 'nobodys']) api.remove('pods', 'gpu-mcp', name);
  expect(await clean()).toEqual({ code: 0, stdout: 'nothing of ours is left\n', stderr: '' });
});

test('a container in a pod of others is told of as what can be done about it', async () => {
  const own = (name: string, user: string) => ({
    name,
    env: [
      { name: 'GPU_MCP_SESSION', value: 's' },
      { name: 'GPU_MCP_USER', value: user },
    ],
  });
  const names = ['mine', 'theirs', 'waits'];
  api.put('pods', {
    metadata: { namespace: 'gpu-mcp', name: 'train-0' },
    spec: {
      nodeName: 'gpu-3',
      ephemeralContainers: [
        own('gpu-mcp-mine', 'alice@example.com'),
        own('gpu-mcp-theirs', 'bob@example.com'),
        own('gpu-mcp-waits', 'alice@example.com'),
      ],
    },
    status: {
      phase: 'Running',
      ephemeralContainerStatuses: names.map(name => ({
        name: `gpu-mcp-${name}`,
        state:
          name === 'waits' ? { waiting: {} } : { running: { startedAt: '2999-01-01T00:00:00Z' } },
      })),
    },
  });
  const { stdout } = await clean('--dry-run');
  expect(stdout.split('\n').filter(line => line.startsWith('container'))).toEqual([
    'container gpu-mcp-mine in pod gpu-mcp/train-0 on gpu-3: kept: it still runs, and ends with its session (kubectl gpu-mcp clean --kubeconfig=KUBECONFIG -n gpu-mcp gpu-mcp-mine ends it)',
    'container gpu-mcp-theirs in pod gpu-mcp/train-0 on gpu-3: kept: it is a session of "bob@example.com" (kubectl gpu-mcp clean --kubeconfig=KUBECONFIG -n gpu-mcp gpu-mcp-theirs ends it)',
    'container gpu-mcp-waits in pod gpu-mcp/train-0 on gpu-3: kept: it has not started, and ends by itself where it does and nobody speaks to it',
  ]);
});
