import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Session } from '../../src/session/port.ts';
import { simulatedKernelLog } from '../../src/simulation/kernel-log.ts';
import { type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { agentSession, clientBy } from '../fakes/agent-session.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const clock = { nowMs: () => NOW_MS };

const xid = (pci: string, code: string) => `NVRM: Xid (PCI:${pci}): ${code}`;

const machine = (lines: readonly { secondsAgo: number; text: string }[]): Machine =>
  machineFrom('test', { like: 'dgx-h100', kernelLog: { lines } });

/** A node whose clock is that much ahead of ours; its log is by its own clock. */
function nodeAhead(target: string, aheadMs: number, of: Machine): Session {
  const own = { nowMs: () => NOW_MS + aheadMs };
  const instruments = {
    ...instrumentsFor(of),
    clock: own,
    kernelLog: simulatedKernelLog(of, own),
  };
  return agentSession(target, instruments);
}

/** Node a fell off the bus a second and a half before node b heard of it. */
const first = machine([
  {
    secondsAgo: 60,
    text: xid('0000:61:00', "79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."),
  },
]);
const second = machine([
  {
    secondsAgo: 58.5,
    text: xid(
      '0000:1b:00',
      '74, pid=100, name=python3, NVLink: fatal error detected on link 14(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)',
    ),
  },
  {
    secondsAgo: 58.4,
    text: xid(
      '0000:1b:00',
      '74, pid=100, name=python3, NVLink: fatal error detected on link 14(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)',
    ),
  },
]);

const Merged = z.looseObject({
  merged: z.array(
    z.looseObject({ node: z.string(), time: z.string(), uncertaintyMs: z.number().nullable() }),
  ),
  clocks: z.array(
    z.strictObject({ node: z.string(), offsetMs: z.number(), uncertaintyMs: z.number() }),
  ),
});

async function asked(tool: string, ...sessions: Session[]) {
  const client = await clientBy(clock, ...sessions);
  const result = await client.callTool({ name: tool, arguments: { since: '1h' } });
  const [content] = z.array(z.looseObject({ text: z.string() })).parse(result.content);
  return { ...Merged.parse(result.structuredContent), text: content?.text ?? '' };
}

describe('two nodes with clocks 3 s apart', () => {
  test.each(['get_gpu_timeline', 'analyze_xid_errors', 'triage_gpu_node'])(
    '%s: one order, first fault first, with the uncertainty',
    async tool => {
      // By their own clocks b's line is 1.5 s before a's.
      const { merged, clocks, text } = await asked(
        tool,
        nodeAhead('node-a', 0, first),
        nodeAhead('node-b', -3_000, second),
      );
      expect(merged.map(({ node, time, code, gpu }) => ({ node, time, code, gpu }))).toEqual([
        { node: 'node-a', time: '2026-03-01T11:59:00.000Z', code: 'XID 79', gpu: 'GPU 3' },
        { node: 'node-b', time: '2026-03-01T11:59:01.500Z', code: 'XID 74', gpu: 'GPU 0' },
      ]);
      // 20 ms of the simulated log and 1 ms of clocks that stand still meanwhile.
      expect(merged.map(({ uncertaintyMs }) => uncertaintyMs)).toEqual([21, 21]);
      expect(merged.every(({ orderNotCertain }) => orderNotCertain === undefined)).toBe(true);
      expect(clocks).toEqual([
        { node: 'node-a', offsetMs: 0, uncertaintyMs: 1 },
        { node: 'node-b', offsetMs: -3_000, uncertaintyMs: 1 },
      ]);
      if (tool === 'triage_gpu_node') {
        const [head = '', events] = text.split('\n\n');
        expect(head).toMatch(/^2 nodes: 1 critical, 1 warning\.\nnode-b: critical: XID 74/);
        expect(events).toBe(
          'First fault: node-a, GPU 3, XID 79, 2026-03-01 11:59:00 UTC, 1.5 s before node-b (clocks compared to ±1 ms).',
        );
        return;
      }
      const [, order = ''] = text.split('\n\n');
      const [head, fault, top] = order.split('\n');
      expect(text).toMatch(/^2 of 2 nodes answered\.\n\n/);
      expect(head).toBe(
        "order over 2 nodes, by this machine's clock as it is now (node clocks ahead of it: node-a +0 ms ±1 ms; node-b -3.0 s ±1 ms)",
      );
      expect(fault).toBe('first fault in what was read: node-a, GPU 3, XID 79');
      expect(top).toMatch(
        /^ {2}node-a {2}2026-03-01T11:59:00\.000Z \(±21 ms\) {2}critical {2}GPU 3 {2}/,
      );
    },
  );

  test('what is closer than both uncertainties has no certain order', async () => {
    const { merged, text } = await asked(
      'get_gpu_timeline',
      nodeAhead('node-a', 0, first),
      nodeAhead(
        'node-b',
        -3_000,
        machine([
          {
            secondsAgo: 59.96,
            text: xid('0000:1b:00', '79, pid=1, name=x, GPU has fallen off the bus.'),
          },
        ]),
      ),
    );
    expect(merged.map(({ node, orderNotCertain }) => [node, orderNotCertain])).toEqual([
      ['node-a', undefined],
      ['node-b', true],
    ]);
    expect(text).toContain(
      'first fault not certain: node-a or node-b; node-a, GPU 3, XID 79 by the clocks',
    );
    expect(text).toMatch(/node-b .*\[order not certain\]/);
  });

  test('a node whose clock cannot be asked keeps its times, and no order with it is certain', async () => {
    const mute = nodeAhead('node-b', -3_000, second);
    const { merged, clocks, text } = await asked(
      'analyze_xid_errors',
      nodeAhead('node-a', 0, first),
      {
        target: mute.target,
        call: request => mute.call(request),
        start: (signal, onProgress) => mute.start(signal, onProgress),
        close: () => mute.close(),
      },
    );
    expect(merged).toMatchObject([
      { node: 'node-b', time: '2026-03-01T11:58:58.500Z', uncertaintyMs: null },
      {
        node: 'node-a',
        time: '2026-03-01T11:59:00.000Z',
        uncertaintyMs: 21,
        orderNotCertain: true,
      },
    ]);
    expect(clocks.map(({ node }) => node)).toEqual(['node-a']);
    expect(text).toContain('node-b not measured, its times are as it tells them');
  });
});

test('where an answer was cut, earlier faults may be missing, and that is said', async () => {
  const sessions = [nodeAhead('node-a', 0, first), nodeAhead('node-b', 0, second)] as const;
  const client = await clientBy(clock, ...sessions);
  const cut = { name: 'get_gpu_timeline', arguments: { since: '1h', limit: 1 } };
  const result = await client.callTool(cut);
  expect(result.structuredContent).toMatchObject({ mergedIncomplete: ['node-b'] });
  expect(JSON.stringify(result.content)).toContain('gap: earlier events of node-b were cut');
});

test('a tool without times, and one node alone, have no order', async () => {
  const sessions = [nodeAhead('node-a', 0, first), nodeAhead('node-b', 0, second)] as const;
  const client = await clientBy(clock, ...sessions);
  const health = await client.callTool({ name: 'get_gpu_health', arguments: {} });
  expect(health.structuredContent).not.toHaveProperty('merged');
  const alone = { name: 'get_gpu_timeline', arguments: { node: 'node-a' } };
  expect((await client.callTool(alone)).structuredContent).not.toHaveProperty('merged');
});

test('a node that is slower than the others stands out, and no other one does', async () => {
  const slow = machineFrom('test', {
    like: 'dgx-h100',
    everyGpu: { answers: { 'deviceGetClockInfo sm': 1290 } },
  });
  const sessions = ['node-a', 'node-b', 'node-c'].map(name =>
    nodeAhead(name, 0, name === 'node-b' ? slow : machineFrom('test', { like: 'dgx-h100' })),
  );
  const client = await clientBy(clock, ...sessions);
  const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
  expect(result.structuredContent).toMatchObject({
    nodeOutliers: [
      {
        node: 'node-b',
        model: 'NVIDIA H100 80GB HBM3',
        reading: 'SM clock under load',
        value: 1290,
        usual: 1755,
      },
    ],
  });
  expect(JSON.stringify(result.content)).toContain(
    'node-b stands out: SM clock under load of its NVIDIA H100 80GB HBM3 1290 MHz, on the other nodes 1755 MHz',
  );
});
