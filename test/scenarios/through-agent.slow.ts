import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, inject, test } from 'vitest';
import * as z from 'zod';
import { ids, serious, Triage } from './acceptance.ts';

// What other tools for GPU nodes get wrong, asked of an agent in a process of its own.

/** The agent as it is, on the machine's own time. */
const MAIN = fileURLToPath(new URL('../../src/agent/main.ts', import.meta.url));

/** Asks the agent of a machine, in a process of its own. */
async function fromAgent(machine: string, ...tools: readonly string[]): Promise<unknown[]> {
  const client = new Client({ name: 'test', version: '0' });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [inject('agent'), '--simulate', machine],
    stderr: 'pipe',
  });
  await client.connect(transport);
  try {
    const answers: unknown[] = [];
    for (const name of tools) {
      const result = await client.callTool({ name, arguments: {} });
      expect(result.isError ?? false, JSON.stringify(result.content)).toBe(false);
      answers.push(result.structuredContent);
    }
    return answers;
  } finally {
    await client.close();
  }
}

const triageFromAgent = async (machine: string) =>
  Triage.parse((await fromAgent(machine, 'triage_gpu_node'))[0]);

test('one of eight GPUs is lost: eight rows, and the layers that still see it', async () => {
  const answer = await triageFromAgent('lost-gpu');
  expect(answer.gpus.map(({ error }) => error)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map(index => (index === 3 ? 'gpu_is_lost' : undefined)),
  );
  expect(ids(answer)).toEqual(['lost-gpu:0000:61:00']);
  expect(answer.findings[0]?.evidence.map(({ what }) => what)).toContain(
    "0000:61:00 is seen by the PCI bus, /proc/driver/nvidia, /dev; not by NVML, the kubelet's allocatable devices",
  );
});

test('97 % of memory and a lifetime ECC error under full load are healthy', async () => {
  const answer = await triageFromAgent('dgx-h100');
  expect({ verdict: answer.verdict, serious: serious(answer) }).toEqual({
    verdict: 'healthy',
    serious: [],
  });
});

test('a B200 that calls 36 links capable has 18, and no finding', async () => {
  const answer = await triageFromAgent('b200');
  expect({ verdict: answer.verdict, findings: answer.findings }).toEqual({
    verdict: 'healthy',
    findings: [],
  });
});

test('a driver that hangs: every tool answers, with the blocked task, XIDs and PCI list', async () => {
  const [first, xids] = await fromAgent('hung-driver', 'triage_gpu_node', 'analyze_xid_errors');
  const answer = Triage.parse(first);
  expect(ids(answer)).toEqual(['driver-unresponsive']);
  expect(JSON.stringify(answer.findings)).toContain('nvidia-smi) is blocked in');
  expect(JSON.stringify(xids)).toContain('"xid":119');
  expect(answer.gpus).toHaveLength(8);
});

test('NVML error 18 names both versions', async () => {
  const answer = await triageFromAgent('version-mismatch');
  expect(ids(answer)).toEqual(['driver-version-mismatch']);
  expect(answer.findings[0]?.evidence.map(({ what }) => what)).toContain(
    'loaded module 570.124.06, library /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.133.20',
  );
});

test('nothing but JSON-RPC on stdout from first byte to last', async () => {
  const agent = spawn(process.execPath, [MAIN, '--simulate', 'lost-gpu']);
  const chunks: Buffer[] = [];
  agent.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise(resolve => agent.once('close', resolve));
  const say = (message: object) =>
    agent.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  say({
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'test', version: '0' },
    },
  });
  say({ method: 'notifications/initialized' });
  say({ id: 2, method: 'tools/call', params: { name: 'triage_gpu_node', arguments: {} } });
  while (!Buffer.concat(chunks).toString().includes('"id":2')) {
    await new Promise(resolve => agent.stdout.once('data', resolve));
  }
  agent.stdin.end();
  await ended;
  const lines = Buffer.concat(chunks).toString().trimEnd().split('\n');
  expect(
    lines.map(line => z.looseObject({ jsonrpc: z.string() }).parse(JSON.parse(line)).jsonrpc),
  ).toEqual(lines.map(() => '2.0'));
});
