import { spawn } from 'node:child_process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { machineFrom } from '../../src/simulation/machine.ts';
import { analyzeXidErrors } from '../../src/tools/catalog/analyze-xid-errors.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { EVERY_H100, fabric, h100 } from './machines.ts';

/**
 * What other tools for GPU nodes get wrong, one test each. Where a machine has a name, the real
 * agent is started as its own process and asked over its stdin and stdout.
 */
const AGENT = new URL('../../src/agent/main.ts', import.meta.url).pathname;

const Triage = z.looseObject({
  verdict: z.string(),
  findings: z.array(
    z.looseObject({
      id: z.string(),
      severity: z.string(),
      title: z.string(),
      action: z.string(),
      evidence: z.array(z.looseObject({ what: z.string() })),
    }),
  ),
  gaps: z.array(z.string()),
  gpus: z.array(z.looseObject({ error: z.string().optional() })),
  host: z.looseObject({}),
});

/** Asks the agent of a machine, in a process of its own. */
async function fromAgent(machine: string, ...tools: readonly string[]): Promise<unknown[]> {
  const client = new Client({ name: 'test', version: '0' });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [AGENT, '--simulate', machine],
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

/** Asks a tool of a machine without a name, in this process. */
async function ask(tool: AnyTool, machine: object, input: object = {}) {
  const instruments = instrumentsFor(machineFrom('scenario', machine));
  return answered(tool, input, instruments);
}
const triage = async (machine: object) =>
  Triage.parse((await ask(triageGpuNode, machine)).structured);

const ids = ({ findings }: z.infer<typeof Triage>) =>
  findings.map(({ id }) => id.replace(/@.*/, ''));
const serious = ({ findings }: z.infer<typeof Triage>) =>
  findings.filter(({ severity }) => severity !== 'info');

describe('through the real agent', () => {
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
    const agent = spawn(process.execPath, [AGENT, '--simulate', 'lost-gpu']);
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
});

describe('in this process', () => {
  test('a MIG line and its cause: parsed, joined to the GPU, chained', async () => {
    const answer = await triage(
      h100({
        log: [
          [
            600,
            'NVRM: Xid (PCI:0000:43:00 GPU-I:05): 94, pid=7194, name=ray::train, Contained: SM (0x1). RST: No, D-RST: No',
          ],
          [
            599,
            'NVRM: Xid (PCI:0000:43:00 GPU-I:05 GPU-CI:00): 45, pid=7194, name=ray::train, Ch 00000010 caused by previous Xid 94',
          ],
        ],
      }),
    );
    expect(ids(answer)).toEqual(['xid-94:0000:43:00']);
    expect(answer.findings[0]?.evidence[0]?.what).toContain('Seen with it: XID 45');
  });

  test('an empty log is no evidence of health, and says what it covers', async () => {
    const machine = { ...h100(), kernelLog: { reachSeconds: 600, records: 0, lines: [] } };
    const { text } = await ask(analyzeXidErrors, machine);
    expect(text).toContain('0 records');
    expect(text).not.toMatch(/healthy|health is good/i);
  });

  test('99 % of the power limit, 97 % of memory, one lifetime error: healthy', async () => {
    const answer = await triage(
      h100({
        every: { deviceGetPowerUsage: 695_000, 'deviceGetTotalEccErrors uncorrected aggregate': 1 },
      }),
    );
    expect(answer.verdict).toBe('healthy');
  });

  test.each([
    ['every two-bit field 2: healthy', 0x1aa, 'healthy', []],
    ['all zeros: not supported, and no fault', 0, 'healthy', []],
    ['an unhealthy route', 0x19a, 'critical', ['fabric-unhealthy:0000:43:00']],
  ] as const)('the fabric health mask, %s', async (_name, healthMask, verdict, findings) => {
    const answer = await triage(
      h100({ gpus: { 1: { deviceGetGpuFabricInfoV3: fabric({ healthMask, healthSummary: 0 }) } } }),
    );
    expect({ verdict: answer.verdict, findings: ids(answer) }).toEqual({ verdict, findings });
  });

  test('a B200 with one of 18 links down: the link and how many the neighbours have', async () => {
    const answer = await triage({
      like: 'b200',
      gpus: { 2: { answers: { 'deviceGetFieldValue nvlinkState 11': 0 } } },
    });
    const [finding] = serious(answer);
    expect(finding?.title).toMatch(/has 1 of 18 NVLinks down: link 11$/);
    expect(finding?.evidence[0]?.what).toContain('17 links up; 7 neighbours have 18 up');
  });

  test('NVML that blocks for ever at its start: blocked task, XIDs and PCI list all the same', async () => {
    const answer = await triage({
      like: 'hung-driver',
      gpus: { 2: { faults: {} } },
      driver: { faults: { init: { hang: true } } },
    });
    expect(ids(answer)).toEqual(['driver-unresponsive']);
    const told = JSON.stringify(answer.findings);
    expect(told).toContain('nvidia-smi) is blocked in');
    expect(told).toContain('XID 119');
    expect(answer.gpus).toHaveLength(8);
  });

  test('after the reset of a lost GPU its XID is history, and asks for nothing now', async () => {
    const answer = await triage(
      h100({
        every: EVERY_H100,
        log: [
          [
            7_200,
            "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
          ],
          [
            3_600,
            'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025',
          ],
        ],
      }),
    );
    expect(answer.verdict).toBe('warning');
    expect(answer.findings.map(({ id, action }) => [id.replace(/@.*/, ''), action])).toEqual([
      ['xid-79:0000:61:00', 'watch'],
    ]);
  });
});
