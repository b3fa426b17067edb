import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { expect, test } from 'vitest';
import { createAgentServer } from '../../src/agent/serve.ts';
import {
  type FirstQuestion,
  firstQuestionIn,
  firstQuestionText,
} from '../../src/contract/first-question.ts';
import { FIRST_QUESTION_CHARACTERS_MAX, READ_AHEAD_MS_MAX } from '../../src/contract/limits.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';

const INVENTORY = { tool: 'get_gpu_inventory', input: {} };

/** An agent whose readings of the driver are counted and whose clock is set. */
async function agent(first?: FirstQuestion) {
  const own = instrumentsFor(machineFrom('m', h100()));
  const seen = { reads: 0, aborted: 0, nowMs: own.clock.nowMs() };
  const server = createAgentServer(
    {
      ...own,
      clock: { nowMs: () => seen.nowMs },
      nvml: {
        ...own.nvml,
        read: async (signal, ...rest) => {
          seen.reads += 1;
          signal.addEventListener('abort', () => (seen.aborted += 1));
          return own.nvml.read(signal, ...rest);
        },
      },
    },
    first,
  );
  const client = new Client({ name: 'test', version: '0' });
  const [here, there] = InMemoryTransport.createLinkedPair();
  await server.connect(there);
  await client.connect(here);
  const call = (name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args });
  return { seen, call };
}

test('what was read ahead answers the question it was read for, once', async () => {
  const { seen, call } = await agent(INVENTORY);
  expect(seen.reads).toBe(1);
  const first = await call('get_gpu_inventory');
  expect(seen.reads).toBe(1);
  const plain = await agent();
  expect(first.structuredContent).toEqual(
    (await plain.call('get_gpu_inventory')).structuredContent,
  );
  await call('get_gpu_inventory');
  expect(seen.reads).toBe(2);
});

test.each([
  ['another tool', 'get_gpu_health', {}],
  ['other input', 'get_gpu_inventory', { detail: 'full' }],
])('%s is read for itself, and what was read ahead is let go', async (_, name, args) => {
  const { seen, call } = await agent(INVENTORY);
  const answer = await call(name, args);
  expect(answer.isError).toBeUndefined();
  expect(seen).toMatchObject({ reads: 2, aborted: 1 });
  await call('get_gpu_inventory');
  expect(seen.reads).toBe(3);
});

test.each([
  ['old', READ_AHEAD_MS_MAX + 1, 2],
  ['of a clock that was set back', -1, 2],
  ['just young enough', READ_AHEAD_MS_MAX, 1],
])('what is %s', async (_, laterMs, reads) => {
  const { seen, call } = await agent(INVENTORY);
  seen.nowMs += laterMs;
  await call('get_gpu_inventory');
  expect(seen.reads).toBe(reads);
});

test('a question that cannot be asked is answered as any other such', async () => {
  const { call } = await agent({ tool: 'get_gpu_inventory', input: { gpu: 'none' } });
  const plain = await agent();
  expect(await call('get_gpu_inventory', { gpu: 'none' })).toEqual(
    await plain.call('get_gpu_inventory', { gpu: 'none' }),
  );
  const unknown = await agent({ tool: 'no_such_tool', input: {} });
  expect((await unknown.call('get_gpu_inventory')).isError).toBeUndefined();
});

test('who asks hears what was said before', async () => {
  const slowed = h100({ gpus: { 6: { deviceGetCurrentClocksEventReasons: 0x48 } } });
  const server = createAgentServer(instrumentsFor(machineFrom('slowed', slowed)), {
    tool: 'triage_gpu_node',
    input: {},
  });
  const client = new Client({ name: 'test', version: '0' });
  const [here, there] = InMemoryTransport.createLinkedPair();
  await server.connect(there);
  await client.connect(here);
  const said: (string | undefined)[] = [];
  await client.callTool({ name: 'triage_gpu_node', arguments: {} }, undefined, {
    onprogress: ({ message }) => said.push(message),
  });
  expect(said).toEqual(['watches counters for 1.5 s: GPU 6: hw_slowdown, hw_thermal_slowdown']);
});

test('a question as text and back; what is too long or no question is none', () => {
  const question = { tool: 'triage_gpu_node', input: { since: '1h', gpus: [1] } };
  expect(firstQuestionIn(firstQuestionText(question) ?? '')).toEqual(question);
  const long = { ...question, input: { pod: 'x'.repeat(FIRST_QUESTION_CHARACTERS_MAX) } };
  expect(firstQuestionText(long)).toBeUndefined();
  expect(['', 'x', '[]', '{"tool":1}'].map(firstQuestionIn)).toEqual(Array(4).fill(undefined));
});
