import { afterAll, expect, test } from 'vitest';
import * as z from 'zod';
import { TOOLS } from '../src/tools/index.ts';
import { putMachine } from './machines.ts';
import { kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

afterAll(() => putMachine('node-a', 'lost-gpu'));

/** The only argument that a tool cannot do without. */
const argumentsOf = (tool: string) => (tool === 'explain_failure' ? { pod: 'no-such-pod' } : {});

test('a node without a driver is told as such, with what the bus and the log say', async () => {
  const ran = await kubectl(withImage('triage', 'node-b'));
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/^(CRITICAL|WARNING) {2}node-b /);
  expect(ran.stdout.split('\n').slice(1, 4).join(' ')).toMatch(/driver/i);
  expect(ran.stdout).toMatch(/^Read \d+ of \d+ driver readings, .*kernel log/m);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('with a hung driver every tool answers, and says that it hangs', async () => {
  putMachine('node-a', 'hung-driver');
  const { client } = await mcpClient(['node-a']);
  for (const tool of TOOLS.filter(({ isLocal }) => !isLocal)) {
    const result = await client.callTool({ name: tool.name, arguments: argumentsOf(tool.name) });
    expect(result.isError ?? false, JSON.stringify(result.content)).toBe(false);
  }
  const triage = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
  expect(JSON.stringify(triage.content)).toContain('The driver does not answer');
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('eight GPUs under full load are not accused: what is told is what this cluster lacks', async () => {
  putMachine('node-a', 'dgx-h100');
  const ran = await kubectl(withImage('triage', 'node-a', '-o', 'json'));
  expect(ran.code, ran.stderr).toBe(0);
  const { findings, gaps } = Answer.parse(JSON.parse(ran.stdout));
  // The node has no device plugin, no device files, and none of the processes that NVML names.
  const told = findings.filter(({ severity }) => severity !== 'info');
  const ids = told.map(({ id }) => id).sort();
  // The kubelet remembers the device plugin of another test, where that ran before this one.
  const lacking = ['device-node-missing', 'leaked-context'];
  const answer = JSON.stringify({ gaps, findings: findings.map(({ id, title }) => [id, title]) });
  expect([lacking, [...lacking, 'no-gpu-offered']], answer).toContainEqual(ids);
  expect(told.filter(({ blame }) => blame === 'hardware' || blame === 'driver')).toEqual([]);
});

const Answer = z.looseObject({
  findings: z.array(
    z.looseObject({ id: z.string(), title: z.string(), severity: z.string(), blame: z.string() }),
  ),
  gaps: z.array(z.string()),
});
