import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import * as z from 'zod';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { snapshotTools } from '../../src/cli/snapshot-tools.ts';
import type { Session } from '../../src/session/port.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { agentSession, clientWith } from '../fakes/agent-session.ts';
import { instrumentsOf, machineOf } from '../fakes/instruments.ts';
import { read } from '../house/files.ts';

/** A kind of question, and the one call that a client makes for it whatever the machine. */
export const POLICY = {
  node: ['triage_gpu_node', {}],
  pod: ['explain_failure', {}],
  readings: ['get_gpu_health', {}],
  inventory: ['get_gpu_inventory', {}],
  full: ['get_gpu_inventory', { detail: 'full' }],
  links: ['get_nvlink_topology', {}],
  now: ['sample_gpu_telemetry', {}],
  first: ['get_gpu_timeline', {}],
  lines: ['analyze_xid_errors', {}],
  layers: ['describe_gpu_node', {}],
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
  /** The thread of the user who had this question; the words are ours. */
  source: z.url().optional(),
});
export type Question = z.output<typeof Question>;

export const QUESTIONS = z.array(Question).parse(JSON.parse(read('test/evals/questions.json')));

/** A simulated machine with what its cluster says of it. */
function nodeOf(machine: string): Session {
  const instruments = instrumentsOf(machine);
  const session = agentSession(machine, instruments);
  const view = simulatedCluster(machineOf(machine), instruments.clock);
  return {
    target: machine,
    call: request => session.call(request),
    start: (signal, say) => session.start(signal, say),
    close: () => session.close(),
    ...(view && { clusterView: async question => view(question) }),
  };
}

/** An MCP client of the machine that a question is about, for as long as it is asked. */
export async function withClient<T>(
  { machine }: Question,
  ask: (client: Client) => Promise<T>,
): Promise<T> {
  const nodes = namedNodes([nodeOf(machine)]);
  const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };
  const last = snapshotTools({ nodes, clock, isReplay: false });
  const client = await clientWith({ nodes, clock, ownTools: async () => ({ last }) });
  try {
    return await ask(client);
  } finally {
    await nodes.close();
  }
}
