import { afterAll, expect, test } from 'vitest';
import { TOOLS } from '../src/tools/index.ts';
import { putMachine } from './machines.ts';
import { kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

afterAll(() => putMachine('node-a', 'lost-gpu'));

test('a node without a driver is told as such, with what the bus and the log say', async () => {
  const ran = await kubectl(withImage('triage', 'node-b'));
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout.split('\n')[0]).toMatch(/^(CRITICAL|WARNING) {2}node-b: .*driver/i);
  expect(ran.stdout).toMatch(/searched .*kmsg/);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('with a hung driver every tool answers, and says that it hangs', async () => {
  putMachine('node-a', 'hung-driver');
  const { client } = await mcpClient(['node-a']);
  for (const tool of TOOLS.filter(({ answerHere }) => !answerHere)) {
    const result = await client.callTool({ name: tool.name, arguments: {} });
    expect(result.isError ?? false, JSON.stringify(result.content)).toBe(false);
  }
  const triage = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
  expect(JSON.stringify(triage.content)).toContain('driver_unresponsive');
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a healthy machine under full load is healthy', async () => {
  putMachine('node-a', 'dgx-h100');
  const ran = await kubectl(withImage('triage', 'node-a', '--fail-on', 'warning', '-o', 'json'));
  const answer = JSON.parse(ran.stdout);
  expect(
    answer.findings.filter((finding: { severity: string }) => finding.severity !== 'info'),
  ).toEqual([]);
  expect(answer.verdict).toBe('healthy');
  expect(ran.code, ran.stderr).toBe(0);
});
