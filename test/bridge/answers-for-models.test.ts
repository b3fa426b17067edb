import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { textOf } from '../../src/contract/answer.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { factoredGpus, foldedGpus } from '../../src/tools/support/folded-gpus.ts';
import { triageBrief } from '../../src/tools/support/triage-brief.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { agentSession, clientOf } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { modelAnswer, untold } from '../fakes/model-answers.ts';

const tokensOf = (value: unknown): number => countTokens(JSON.stringify(value));

test('a healthy node of eight GPUs costs 700 tokens in the structure and 300 in the text', async () => {
  const eight = ['dgx-h100', 'b200', 'training-job', 'node-cordoned', 'job-pending'];
  for (const machine of eight) {
    const { text, structured } = await modelAnswer('triage_gpu_node', machine);
    expect(structured).toMatchObject({ verdict: 'healthy', gpus: [{ gpus: '0-7' }] });
    expect(countTokens(text), machine).toBeLessThanOrEqual(300);
    expect(tokensOf(structured), machine).toBeLessThanOrEqual(700);
  }
});

test.each(['lost-gpu', 'hung-driver'])(
  'a sick node costs 1,400 in either form: %s',
  async machine => {
    const { text, structured } = await modelAnswer('triage_gpu_node', machine);
    expect(countTokens(text)).toBeLessThanOrEqual(1_400);
    expect(tokensOf(structured)).toBeLessThanOrEqual(1_400);
    expect(text).toMatch(/^CRITICAL/);
    expect(JSON.stringify(structured)).toMatch(/^{"verdict":"critical"/);
  },
);

test.each([
  ['triage_gpu_node', {}],
  ['triage_gpu_node', { detail: 'full' }],
  ['get_gpu_inventory', { detail: 'full' }],
  ['get_gpu_health', {}],
  ['sample_gpu_telemetry', {}],
])('%s %j says the same in both forms', async (name, input) => {
  const { text, structured } = await modelAnswer(name, 'lost-gpu', input);
  expect(untold(text, structured)).toEqual([]);
});

test.each(['lost-gpu', 'mig-a100', 'no-driver', 'hung-driver'])(
  'a client that checks answers by the listed schemas takes all of %s',
  async machine => {
    const client = await clientOf(agentSession(machine, instrumentsOf(machine)));
    // From here on the SDK's client validates what it gets.
    await client.listTools();
    for (const { name } of TOOLS) {
      const needed = name === 'explain_xid' ? { query: '79' } : { pod: 'team-a/train-0' };
      const input = ['explain_xid', 'explain_failure'].includes(name) ? needed : {};
      await client.callTool({ name, arguments: input });
    }
    for (const name of ['triage_gpu_node', 'get_gpu_inventory']) {
      await client.callTool({ name, arguments: { detail: 'full' } });
    }
  },
);

test('a GPU that a finding is about stands alone, with the names of its board', async () => {
  const { structured } = await modelAnswer('triage_gpu_node', 'overheating');
  expect(structured).toMatchObject({
    gpus: [
      { gpus: '0-5, 7' },
      { index: 6, pci: '0000:d1:00', uuid: expect.any(String), serial: expect.any(String) },
    ],
  });
});

test('telemetry is one line a GPU', async () => {
  const { text } = await modelAnswer('sample_gpu_telemetry', 'dgx-h100');
  expect(text.split('\n').filter(line => line.startsWith('index ')).length).toBe(8);
  expect(countTokens(text)).toBeLessThanOrEqual(1_200);
});

describe('GPUs in one row', () => {
  const row = (index: number, temperatureC: number, more: object = {}) => ({
    ...{ index, pci: `0000:0${index}:00`, name: 'H100', temperatureC },
    ...more,
  });

  test('are those that differ in numbers only; of one alone the address stays', () => {
    const rows = [row(0, 40), row(1, 44), row(2, 41, { error: 'gpu_is_lost' }), row(3, 40)];
    expect(foldedGpus(rows)).toEqual([
      { gpus: '0-1, 3', name: 'H100', temperatureC: '40-44' },
      { index: 2, pci: '0000:02:00', name: 'H100', temperatureC: 41, error: 'gpu_is_lost' },
    ]);
    expect(foldedGpus([{ pci: '0000:02:00', error: 'gone' }])).toEqual([
      { pci: '0000:02:00', error: 'gone' },
    ]);
    expect(foldedGpus(rows, { apart: ({ index }) => index === 3 })).toHaveLength(3);
  });

  test('of several keep their names where these are asked for', () => {
    expect(foldedGpus([row(0, 40), row(1, 40)], { boards: true })).toEqual([
      {
        ...{ gpus: '0-1', name: 'H100', temperatureC: 40 },
        boards: ['0 0000:00:00', '1 0000:01:00'],
      },
    ]);
  });

  test('below zero are told apart from a span', () => {
    expect(foldedGpus([row(0, -8), row(1, -2)])).toMatchObject([{ temperatureC: '-8 to -2' }]);
  });

  test('in full lose nothing: what all have alike stands once', () => {
    const deep = (index: number, free: number) => ({
      ...row(index, 40),
      memory: { total: 80, free },
    });
    expect(factoredGpus([deep(0, 1), deep(1, 2), { index: 2, error: 'gpu_is_lost' }])).toEqual([
      { gpus: '0-1', name: 'H100', temperatureC: 40, memory: { total: 80 } },
      { index: 0, pci: '0000:00:00', memory: { free: 1 } },
      { index: 1, pci: '0000:01:00', memory: { free: 2 } },
      { index: 2, error: 'gpu_is_lost' },
    ]);
  });
});

test('a node on which everything is wrong is still in the budget, worst first, and says what was cut', async () => {
  const tool = triageGpuNode.question({});
  const seen = await tool.observe(instrumentsOf('lost-gpu'), new AbortController().signal);
  const facts = TriageFacts.parse(JSON.parse(JSON.stringify(seen)));
  const [worst] = facts.findings;
  if (!worst) throw new Error('it has a finding');
  const findings = Array.from({ length: 50 }, (_, at) => ({
    ...worst,
    id: `${worst.id}-${at}`,
    title: `finding ${at}: ${'a long title that goes on, '.repeat(6)}`,
    advice: 'another advice than the head has, which is long too, '.repeat(5),
    evidence: worst.evidence.map(item => ({ ...item, what: `${item.what} `.repeat(4) })),
  }));
  const gpus = Array.from({ length: 16 }, (_, index) => ({
    ...{ index, pci: `0000:${index + 10}:00`, name: `GPU model ${index}`, temperatureC: 40 },
  }));
  const gaps = Array.from({ length: 60 }, (_, at) => `gap ${at} that has a reason of some length`);
  const sick = { ...facts, findings, gpus, gaps };
  const { structured, lines } = triageBrief(sick);
  expect(tokensOf(structured)).toBeLessThanOrEqual(1_400);
  expect(countTokens(textOf(lines))).toBeLessThanOrEqual(1_400);
  expect(structured).toMatchObject({ verdict: 'critical', findingsLeftOut: expect.any(Number) });
  expect(untold(textOf(lines), structured)).toEqual([]);
  expect(textOf(lines)).toMatch(/more findings left out: detail full/);
});
