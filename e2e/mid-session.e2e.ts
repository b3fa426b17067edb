import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { cluster, kubectl, leftAfterTenSeconds, mcpClient, start, withImage } from './plugin.ts';

/** What the cluster does to the pod or the node of a session that runs. */
afterEach(async () => {
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const OURS = 'app.kubernetes.io/managed-by=kubectl-gpu-mcp';

test('a live view ends with the time of its pod, says so, and starts no other', async () => {
  const view = start(
    withImage('top', 'node-b', '--interval', '1s', '--lifetime', 'pod', '-n', 'default'),
  );
  let [said, shown] = ['', ''];
  view.stderr?.on('data', chunk => {
    said += chunk;
  });
  view.stdout?.on('data', chunk => {
    shown += chunk;
  });
  const ended = once(view, 'close');
  while (!shown.includes('node-b') && view.exitCode === null) await sleep(50);
  const pods = await kubectl(['get', 'pods', '-n', 'default', '-o', 'name', '-l', OURS]);
  const hour = '{"spec":{"activeDeadlineSeconds":1}}';
  const patched = await kubectl(['patch', '-n', 'default', pods.stdout.trim(), '-p', hour]);
  expect(patched.code, patched.stderr).toBe(0);
  const [code] = await ended;
  expect(said).toMatch(/error: the agent on node-b has had its hour and was ended/);
  expect(code).toBe(4);
});

test('a node that is deleted in mid-session: the session goes on, and nothing stays', async () => {
  const { client } = await mcpClient(['node-b']);
  const ask = () => client.callTool({ name: 'get_gpu_inventory', arguments: {} });
  expect((await ask()).isError).not.toBe(true);
  const kubelet = cluster().nodes.find(({ name }) => name === 'node-b')?.kubelet;
  try {
    await kubectl(['delete', 'node', 'node-b']);
    expect((await ask()).isError).not.toBe(true);
    await client.close();
    expect(await leftAfterTenSeconds()).toEqual([]);
  } finally {
    // A kubelet registers its node when it starts.
    await kubelet?.stop();
    await kubelet?.start();
    while ((await kubectl(['get', 'node', 'node-b'])).code !== 0) await sleep(200);
    await kubectl(['wait', 'node/node-b', '--for=condition=Ready', '--timeout=60s']);
  }
});
