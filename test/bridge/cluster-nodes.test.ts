import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { OwnTool } from '../../src/bridge/bridge.ts';
import { clusterNodes } from '../../src/bridge/node-pool.ts';
import { UsageError } from '../../src/contract/errors.ts';
import { NODE_IDLE_MS, NODES_OPEN_MAX } from '../../src/contract/limits.ts';
import type { Session } from '../../src/session/port.ts';
import { agentSession, clientWith } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** A cluster whose nodes are simulated machines; `elapse` lets its timers run out. */
function aCluster(names: readonly string[] = ['gpu-1', 'gpu-2']) {
  const opened: string[] = [];
  const closed: string[] = [];
  const timers = new Set<{ ms: number; run: () => void }>();
  const pool = clusterNodes({
    disconnect: async () => void closed.push('the cluster'),
    namesAreTokens: false,
    async check(node) {
      if (names.includes(node)) return;
      throw new UsageError(`node "${node}" was not found`, 'did you mean gpu-1?');
    },
    open(node) {
      opened.push(node);
      const session = agentSession(node, instrumentsOf('healthy-t4'));
      return {
        ...sessionOf(session),
        async close() {
          closed.push(node);
          return session.close();
        },
      };
    },
    after(ms, run) {
      const timer = { ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    closed: async () => {},
  });
  const elapse = (ms: number) => {
    for (const timer of [...timers].filter(other => other.ms <= ms)) {
      timers.delete(timer);
      timer.run();
    }
  };
  return { pool, opened, closed, elapse, timers };
}

const sessionOf = (session: Session): Session => ({
  target: session.target,
  call: request => session.call(request),
  start: (signal, say) => session.start(signal, say),
  close: () => session.close(),
});

const listNodes: OwnTool = {
  name: 'list_gpu_nodes',
  title: 'GPU nodes',
  description: 'The nodes with GPUs.',
  input: z.strictObject({ selector: z.string().optional() }),
  answer: async ({ selector }) => ({ lines: [], structured: { nodes: [selector ?? 'all'] } }),
};

async function served(cluster = aCluster()) {
  const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };
  const client = await clientWith({
    nodes: cluster.pool,
    ownTools: async () => ({ first: [listNodes] }),
    clock,
  });
  const call = async (name: string, input: object) => {
    const result = await client.callTool({ name, arguments: { ...input } });
    const [content] = z.array(z.looseObject({ text: z.string() })).parse(result.content);
    return {
      isError: result.isError ?? false,
      text: content?.text ?? '',
      structured: result.structuredContent,
    };
  };
  return { ...cluster, client, call };
}

const signal = new AbortController().signal;

describe('a server of a whole cluster', () => {
  test('starts nothing for the handshake and the lists, and says how a node is named', async () => {
    const { client, opened } = await served();
    const { tools } = await client.listTools();
    expect(tools[0]?.name).toBe('list_gpu_nodes');
    const triage = tools.find(({ name }) => name === 'triage_gpu_node');
    expect(triage?.inputSchema.required).toContain('node');
    expect(triage?.outputSchema).toBeUndefined();
    expect(client.getInstructions()).toContain('any GPU node of this Kubernetes cluster');
    expect(opened).toEqual([]);
  });

  test('one node answers as if the server were its own', async () => {
    const { call, opened } = await served();
    const { structured } = await call('get_gpu_health', { node: 'node/gpu-1' });
    expect(structured).toMatchObject({ node: 'healthy-t4' });
    await call('get_gpu_inventory', { node: 'gpu-1' });
    expect(opened).toEqual(['gpu-1']);
  });

  test('several nodes answer side by side', async () => {
    const { call } = await served();
    const { structured } = await call('get_gpu_health', { node: 'gpu-2, gpu-1' });
    expect(structured).toMatchObject({ nodes: [{ node: 'gpu-2' }, { node: 'gpu-1' }] });
  });

  test.each([
    [{}, 'which node?. Try: list_gpu_nodes lists them; give one as "node".'],
    [{ node: '' }, 'which node?. Try: list_gpu_nodes lists them; give one as "node".'],
    [{ node: null }, 'which node?. Try: list_gpu_nodes lists them; give one as "node".'],
    [{ node: 'gpu-9' }, 'node "gpu-9" was not found. Try: did you mean gpu-1?.'],
  ])('%j starts nothing', async (input, text) => {
    const { call, opened } = await served();
    expect(await call('triage_gpu_node', input)).toMatchObject({ isError: true, text });
    expect(opened).toEqual([]);
  });

  test('what asks no node takes none', async () => {
    const { call, opened } = await served();
    expect(await call('explain_xid', { query: 79 })).toMatchObject({ isError: false });
    expect(await call('list_gpu_nodes', { selector: 'a=b' })).toMatchObject({
      structured: { nodes: ['a=b'] },
    });
    expect(await call('list_gpu_nodes', { labels: 'a=b' })).toMatchObject({ isError: true });
    expect(opened).toEqual([]);
  });
});

describe('the pods of a server of a whole cluster', () => {
  test('end when nothing was asked of their node for a while, and start again', async () => {
    const { pool, opened, closed, elapse } = aCluster();
    const once = () => pool.use('gpu-1', signal, async () => 'answer');
    await once();
    elapse(NODE_IDLE_MS - 1);
    expect(closed).toEqual([]);
    elapse(NODE_IDLE_MS);
    expect(closed).toEqual(['gpu-1']);
    await once();
    expect(opened).toEqual(['gpu-1', 'gpu-1']);
  });

  test('do not end while a call works with them, however long it takes', async () => {
    const { pool, closed, elapse, timers } = aCluster();
    let finish: () => void = () => {};
    const first = pool.use('gpu-1', signal, () => new Promise<void>(done => (finish = done)));
    await pool.use('gpu-1', signal, async () => {});
    elapse(Number.POSITIVE_INFINITY);
    expect([closed, timers.size]).toEqual([[], 0]);
    finish();
    await first;
    elapse(NODE_IDLE_MS);
    expect(closed).toEqual(['gpu-1']);
  });

  test('do not end by what was left to run of an earlier pause', async () => {
    const { pool, closed, elapse } = aCluster();
    await pool.use('gpu-1', signal, async () => {});
    await pool.use('gpu-1', signal, async () => elapse(NODE_IDLE_MS));
    expect(closed).toEqual([]);
  });

  test('a call that fails lets go of its node, also where another of its nodes is not there', async () => {
    const { pool, closed, elapse } = aCluster();
    await expect(pool.use('gpu-1, gpu-9', signal, async () => {})).rejects.toThrow('gpu-9');
    await expect(
      pool.use('gpu-2', signal, async () => {
        throw new Error('the link broke');
      }),
    ).rejects.toThrow('the link broke');
    elapse(NODE_IDLE_MS);
    expect(closed).toEqual(['gpu-1', 'gpu-2']);
  });

  test('make room for another node, the one that was left first; a busy one stays', async () => {
    const names = Array.from({ length: NODES_OPEN_MAX + 2 }, (_, at) => `gpu-${at}`);
    const { pool, closed } = aCluster(names);
    let finish: () => void = () => {};
    const busy = pool.use('gpu-0', signal, () => new Promise<void>(done => (finish = done)));
    for (const name of names.slice(1)) await pool.use(name, signal, async () => {});
    expect(closed).toEqual(['gpu-1', 'gpu-2']);
    finish();
    await busy;
  });

  test('more nodes in one call than may be open is refused, and nothing is kept', async () => {
    const names = Array.from({ length: NODES_OPEN_MAX + 1 }, (_, at) => `gpu-${at}`);
    const { pool, closed, elapse, timers } = aCluster(names);
    await expect(pool.use(names.join(), signal, async () => {})).rejects.toThrow(
      `${NODES_OPEN_MAX} nodes are being asked already`,
    );
    expect(timers.size).toBe(NODES_OPEN_MAX);
    elapse(NODE_IDLE_MS);
    expect(closed).toHaveLength(NODES_OPEN_MAX);
  });

  test('two first calls of one node share its session', async () => {
    const { pool, opened } = aCluster();
    await Promise.all([
      pool.use('gpu-1', signal, async () => {}),
      pool.use('gpu-1', signal, async () => {}),
    ]);
    expect(opened).toEqual(['gpu-1']);
  });

  test('are all gone when the server closes, those too that were ending by themselves', async () => {
    const { pool, closed, elapse } = aCluster();
    await pool.use('gpu-1', signal, async () => {});
    elapse(NODE_IDLE_MS);
    await pool.use('gpu-2', signal, async () => {});
    await pool.close();
    expect(closed).toEqual(['gpu-1', 'gpu-2', 'the cluster']);
  });
});
