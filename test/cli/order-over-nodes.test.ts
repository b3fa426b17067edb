import { expect, test } from 'vitest';
import { askFleet } from '../../src/cli/ask-nodes.ts';
import type { Io } from '../../src/cli/io.ts';
import { AnswerList } from '../../src/contract/fleet.ts';
import { getGpuTimeline } from '../../src/tools/catalog/get-gpu-timeline.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { collector } from './run.ts';

const NODES = { 'node-a': 'ecc-row-remap', 'node-b': 'lost-gpu' } as const;

/** What `call node-a node-b TOOL --details` prints, whichever answers first. */
async function printed(tool: AnyTool, output: 'text' | 'json'): Promise<string> {
  const out = collector();
  const io: Io = {
    stdin: process.stdin,
    stdout: out.stream,
    stderr: collector().stream,
    environment: {},
    stdoutIsTerminal: false,
    signal: new AbortController().signal,
    clock: { nowMs: () => Date.parse('2026-03-01T12:00:00Z') },
    program: { plugin: '', agent: '' },
  };
  const sessions = Object.entries(NODES).map(([node, machine]) =>
    agentSession(node, instrumentsOf(machine)),
  );
  const args = { output, color: 'never' as const, details: true };
  const invocation = { args, io, progress: { say() {}, tell() {}, wait() {} } };
  const outcome = await askFleet(sessions, tool.question({}), invocation, { pages: 'all' });
  expect(outcome.failures).toEqual([]);
  await Promise.all(sessions.map(session => session.close()));
  return out.text();
}

test.each([
  ['call', getGpuTimeline],
  ['triage', triageGpuNode],
])('%s of two nodes tells their events in one order', async (_command, tool) => {
  const text = await printed(tool, 'text');
  const order = text.slice(text.indexOf('order over 2 nodes'));
  expect(order.split('\n')[1]).toBe('first fault in what was read: node-a, GPU 1, XID 48');
  expect(order).toMatch(
    /^ {2}node-a {2}2026-03-01T11:14:[\s\S]*^ {2}node-b {2}2026-03-01T11:55:5/m,
  );
});

test('-o json: one document holds the nodes and the order over them', async () => {
  const { items, across } = AnswerList.parse(JSON.parse(await printed(triageGpuNode, 'json')));
  expect(items.map(({ node, verdict }) => [node, verdict])).toEqual([
    ['node-a', 'critical'],
    ['node-b', 'critical'],
  ]);
  expect(Object.keys(across)).toContain('merged');
});
