import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { clusterNodes, type NodePool, namedNodes } from '../../src/bridge/node-pool.ts';
import { listGpuNodes, offersOf } from '../../src/cli/serve.ts';
import { snapshotTools } from '../../src/cli/snapshot-tools.ts';
import { triageJob } from '../../src/cli/triage-job.ts';
import type { Session } from '../../src/session/port.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { agentSession, clientOf, clientWith } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** What a model pays for a tool before it calls any: clients show it no output schema. */
const Listed = z.object({
  tools: z.array(
    z.object({ name: z.string(), description: z.string(), inputSchema: z.looseObject({}) }),
  ),
});

const tokensOf = (value: unknown): number => countTokens(JSON.stringify(value));

const machineOf = (at: number, sick: readonly string[]) => sick[at] ?? 'dgx-h100';

/** What the agent of a machine answers to a triage, asked once: nodes of one machine differ by name. */
const answers = new Map<string, ReturnType<Session['call']>>();

function nodeOf(target: string, machine: string): Session {
  const agent = agentSession(target, instrumentsOf(machine));
  return {
    target,
    start: (signal, onProgress) => agent.start(signal, onProgress),
    close: () => agent.close(),
    call(request) {
      const answer = answers.get(machine) ?? agent.call(request);
      answers.set(machine, answer);
      return answer;
    },
  };
}

async function triaged(count: number, sick: readonly string[]) {
  const sessions = Array.from({ length: count }, (_, at) =>
    nodeOf(`gpu-node-${at}`, machineOf(at, sick)),
  );
  const client = await clientOf(...sessions);
  const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
  const [content] = z.array(z.object({ text: z.string() })).parse(result.content);
  await Promise.all(sessions.map(session => session.close()));
  return { text: content?.text ?? '', structured: result.structuredContent };
}

const CLOCK = { nowMs: () => 0 };
const none = () => Promise.reject(new Error('no cluster'));
const ofCluster = [
  listGpuNodes(none),
  triageJob({ cluster: none, redaction: undefined, podLogs: true, clock: CLOCK }),
];
const snapshots = (nodes: NodePool) =>
  snapshotTools({ nodes, clock: CLOCK, folder: '/snapshots', isReplay: false });

const SICK = [
  'lost-gpu',
  'ecc-row-remap',
  'hung-driver',
  'gsp-timeout',
  'nvlink-down',
  'no-driver',
];

describe('what a model pays, in tokens of o200k', () => {
  test.each([1, 8, 32])('the tools of %i nodes: 2,500', async count => {
    const sessions = Array.from({ length: count }, (_, at) =>
      agentSession(`gpu-node-${at}`, instrumentsOf('dgx-h100')),
    );
    const nodes = namedNodes(sessions);
    const ownTools = async () => ({ last: snapshots(nodes) });
    const client = await clientWith({ nodes, clock: CLOCK, ownTools });
    expect(tokensOf(Listed.parse(await client.listTools()).tools)).toBeLessThanOrEqual(2_500);
    expect(client.getInstructions()?.length).toBeLessThanOrEqual(1_500);
  });

  test('the tools of a cluster: 2,500', async () => {
    const nodes = clusterNodes({
      namesAreTokens: false,
      check: async () => {},
      open: node => agentSession(node, instrumentsOf('dgx-h100')),
      after: () => () => {},
      closed: async () => {},
    });
    const client = await clientWith({
      ...{ nodes, clock: CLOCK },
      ownTools: async () => ({ first: ofCluster, last: snapshots(nodes) }),
    });
    const { tools } = Listed.parse(await client.listTools());
    expect(tools.map(({ name }) => name)).toEqual([
      ...['list_gpu_nodes', 'triage_job'],
      ...TOOLS.map(({ name }) => name),
      ...['capture_node', 'compare_snapshots', 'analyze_kernel_log'],
    ]);
    expect(tokensOf(tools)).toBeLessThanOrEqual(2_500);
    expect(client.getInstructions()?.length).toBeLessThanOrEqual(1_500);
  });

  test.each(['triage', 'readings', 'workloads', 'repair'])('the toolset %s: 1,500', async set => {
    const nodes = clusterNodes({
      namesAreTokens: false,
      check: async () => {},
      open: node => agentSession(node, instrumentsOf('dgx-h100')),
      after: () => () => {},
      closed: async () => {},
    });
    const client = await clientWith({
      ...{ nodes, clock: CLOCK, offers: offersOf(set) },
      ownTools: async () => ({ first: ofCluster, last: snapshots(nodes) }),
    });
    const { tools } = Listed.parse(await client.listTools());
    expect(tools.length).toBeGreaterThanOrEqual(4);
    expect(tokensOf(tools)).toBeLessThanOrEqual(1_500);
    await expect(
      client.callTool({ name: set === 'triage' ? 'capture_node' : 'explain_xid', arguments: {} }),
    ).rejects.toThrow('Unknown tool');
  });

  test.each([
    [8, 2_500],
    [100, 6_000],
  ])(
    'a triage of %i nodes, six of them sick: %i in either form, worst first',
    async (count, max) => {
      const { text, structured } = await triaged(count, SICK);
      expect(countTokens(text)).toBeLessThanOrEqual(max);
      expect(tokensOf(structured)).toBeLessThanOrEqual(max);
      const head = text.slice(0, 280);
      expect(countTokens(head)).toBeLessThanOrEqual(100);
      expect(head).toMatch(/^\d+ nodes: 6 critical, \d+ healthy\.\ngpu-node-0: critical/);
      // Nothing is cut in silence.
      expect(text).toMatch(/left out: ask one node alone\.$/);
      expect(structured).toMatchObject({ answersLeftOut: expect.any(Number) });
      for (let at = 0; at < count; at += 1) expect(text).toContain(`gpu-node-${at}`);
      expect(z.object({ nodes: z.array(z.unknown()) }).parse(structured).nodes).toHaveLength(count);
    },
  );

  test('a rack in which all are sick fits too, and none of its nodes is missing', async () => {
    const all = Array.from({ length: 72 }, () => 'lost-gpu');
    const { text, structured } = await triaged(all.length, all);
    expect(countTokens(text)).toBeLessThanOrEqual(6_000);
    expect(tokensOf(structured)).toBeLessThanOrEqual(6_000);
    for (const at of all.keys()) expect(text).toContain(`gpu-node-${at}: critical`);
    const { nodes } = z.object({ nodes: z.array(z.looseObject({})) }).parse(structured);
    expect(nodes.map(({ node }) => node)).toHaveLength(all.length);
    expect(nodes.every(({ verdict, answer }) => verdict === 'critical' || answer)).toBe(true);
  });

  test('nodes that cannot be read, each with a long reason, fit too', async () => {
    const sessions = Array.from({ length: 72 }, (_, at) => ({
      ...agentSession(`gpu-node-${at}`, instrumentsOf('dgx-h100')),
      target: `gpu-node-${at}`,
      start: async () => {},
      close: async () => ({ removed: null, verified: true, left: [] }),
      call: async () => {
        throw new Error(`the pod does not start: ${'waiting for a volume, '.repeat(100)}`);
      },
    }));
    const client = await clientOf(...sessions);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(tokensOf(result.structuredContent)).toBeLessThanOrEqual(6_000);
  });
});
