import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { snapshotTools } from '../../src/cli/snapshot-tools.ts';
import type { Session } from '../../src/session/port.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { loadMachine } from '../../src/simulation/machine.ts';
import { agentSession, clientWith } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { read } from '../house/files.ts';

/** A kind of question, and the one call that a client makes for it whatever the machine. */
const POLICY = {
  node: ['triage_gpu_node', {}],
  pod: ['explain_failure', {}],
  readings: ['get_gpu_health', {}],
  inventory: ['get_gpu_inventory', {}],
  full: ['get_gpu_inventory', { detail: 'full' }],
  links: ['get_nvlink_topology', {}],
  now: ['sample_gpu_telemetry', {}],
  first: ['get_gpu_timeline', {}],
  lines: ['analyze_xid_errors', {}],
  ticket: ['get_incident_report', {}],
  meaning: ['explain_xid', {}],
  pasted: ['analyze_kernel_log', {}],
} as const;

const Question = z.strictObject({
  question: z.string(),
  machine: z.string(),
  kind: z.custom<keyof typeof POLICY>(kind => Object.hasOwn(POLICY, String(kind))),
  about: z.record(z.string(), z.string()).default({}),
  /** What the answer must hold within its first tokens, in either form. */
  facts: z.array(z.string()),
  /** What would mislead. */
  forbidden: z.array(z.string()).default([]),
  withinTokens: z.int().default(1_500),
});

const QUESTIONS = z.array(Question).parse(JSON.parse(read('test/evals/questions.json')));

/** A simulated machine with what its cluster says of it. */
function nodeOf(machine: string): Session {
  const instruments = instrumentsOf(machine);
  const session = agentSession(machine, instruments);
  const view = simulatedCluster(loadMachine(machine), instruments.clock);
  return {
    target: machine,
    call: request => session.call(request),
    start: (signal, say) => session.start(signal, say),
    close: () => session.close(),
    ...(view && { clusterView: async question => view(question) }),
  };
}

/** The beginning of a text that a model has read by then. */
function firstTokens(text: string, max: number): string {
  if (countTokens(text) <= max) return text;
  let [low, high] = [0, text.length];
  while (high - low > 8) {
    const middle = Math.floor((low + high) / 2);
    if (countTokens(text.slice(0, middle)) <= max) low = middle;
    else high = middle;
  }
  return text.slice(0, low);
}

const tally = { calls: 0, tokens: 0 };
afterAll(() => {
  process.stderr.write(
    `${QUESTIONS.length} questions, ${tally.calls} calls, ${tally.tokens} tokens of text\n`,
  );
});

test('there are forty questions or more, and no two are one', () => {
  expect(QUESTIONS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(QUESTIONS.map(({ question }) => question)).size).toBe(QUESTIONS.length);
});

describe('a client that follows a fixed policy reads', () => {
  test.each(QUESTIONS)('$question ($machine)', async asked => {
    const nodes = namedNodes([nodeOf(asked.machine)]);
    const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };
    const last = snapshotTools({ nodes, clock, isReplay: false });
    const client = await clientWith({ nodes, clock, ownTools: async () => ({ last }) });
    const [name, input] = POLICY[asked.kind];
    const result = await client.callTool({ name, arguments: { ...input, ...asked.about } });
    await nodes.close();
    const [content] = z.array(z.object({ text: z.string() })).parse(result.content);
    tally.calls += 1;
    tally.tokens += countTokens(content?.text ?? '');
    for (const form of [content?.text ?? '', JSON.stringify(result.structuredContent)]) {
      const begun = firstTokens(form, asked.withinTokens).toLowerCase();
      const has = (fact: string) => begun.includes(fact.toLowerCase());
      expect(asked.facts.filter(fact => !has(fact))).toEqual([]);
      expect(asked.forbidden.filter(has)).toEqual([]);
    }
  });
});
