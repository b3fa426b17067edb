import { expect, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, withImage } from '../plugin.ts';

test('these nodes run Kubernetes 1.34, and kubectl with the plugin on PATH is of that age too', async () => {
  const { stdout } = await kubectl(['version', '-o', 'json']);
  const version = { gitVersion: 'v1.34.4', minor: '34' };
  expect(JSON.parse(stdout)).toMatchObject({ clientVersion: version, serverVersion: version });
  const ran = await kubectl(withImage('call', 'node-a', 'describe_gpu_node', '-q', '-o', 'json'));
  expect(JSON.parse(ran.stdout)).toMatchObject({
    verdict: 'critical',
    cluster: { node: { ready: 'True', kubeletVersion: 'v1.34.4' } },
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('nodes lists those that offer GPUs, or says how a node is read all the same', async () => {
  const ran = await kubectl(['gpu-mcp', 'nodes']);
  expect(ran.stdout).toMatch(/name a node all the same: kubectl gpu-mcp triage NODE|^node-[ab] /m);
  expect(ran.code, ran.stderr).toBe(0);
});
