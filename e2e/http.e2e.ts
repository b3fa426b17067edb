import { expect, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, start, withImage } from './plugin.ts';

const OURS = ['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp'];

test('a hundred requests over HTTP are answered by one pod, which ends with the server', async () => {
  const server = start(withImage('serve', '--http', '127.0.0.1:0'));
  const ended = new Promise<number | null>(resolve => server.once('close', resolve));
  let said = '';
  const door = await new Promise<{ url: string; token: string }>(resolve => {
    server.stderr?.on('data', chunk => {
      said += String(chunk);
      const [, url] = /^MCP over HTTP: (\S+)$/m.exec(said) ?? [];
      const [, token] = /^Authorization: Bearer (\S+)$/m.exec(said) ?? [];
      if (url !== undefined && token !== undefined) resolve({ url, token });
    });
  });
  const ask = async (id: number, token = door.token) => {
    const answer = await fetch(door.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id, method: 'tools/call' },
        params: { name: 'get_gpu_inventory', arguments: { node: 'node-a' } },
      }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  expect((await ask(1, 'wrong')).status).toBe(401);
  expect(await leftAfterTenSeconds()).toEqual([]);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => ask(at + 1)));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answers.every(({ text }) => text.includes('NVIDIA H100'))).toBe(true);
  const pods = await kubectl(['get', 'pods', '-A', '-o', 'name', ...OURS]);
  expect(pods.stdout.trim().split('\n')).toHaveLength(1);
  server.kill('SIGTERM');
  expect(await ended).toBe(130);
  expect(await leftAfterTenSeconds()).toEqual([]);
});
