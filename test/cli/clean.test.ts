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
