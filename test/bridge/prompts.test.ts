import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { snapshotName } from '../../src/bridge/resources.ts';
import { unpacked } from '../../src/bundle/bundle-file.ts';
import { nodeOf } from '../../src/bundle/document.ts';
import { snapshotTools } from '../../src/cli/snapshot-tools.ts';
import { present } from '../../src/contract/reading.ts';
import type { Session } from '../../src/session/port.ts';
import { agentSession, clientWith } from '../fakes/agent-session.ts';
import { aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };

/** Nodes that count their calls: nothing may be asked of them by a list. */
function counted(...targets: string[]) {
  const calls: string[] = [];
  const sessions = targets.map((target): Session => {
    const session = agentSession(target, instrumentsOf('lost-gpu'));
    return {
      target,
      async call(request) {
        calls.push(`${target} ${request.tool}`);
        return session.call(request);
      },
      start: (signal, say) => session.start(signal, say),
      close: () => session.close(),
    };
  });
  return { calls, nodes: namedNodes(sessions) };
}

async function served(targets: readonly string[], more: object = {}, capabilities = {}) {
  const { calls, nodes } = counted(...targets);
  const last = snapshotTools({ nodes, clock, isReplay: false });
  const client = await clientWith(
    { nodes, clock, ownTools: async () => ({ last }), ...more },
    capabilities,
  );
  return { client, calls };
}

const textOf = async (client: Client, name: string, given: Record<string, string>) => {
  const { messages } = await client.getPrompt({ name, arguments: given });
  return z.object({ text: z.string() }).parse(messages[0]?.content).text;
};

describe('prompts', () => {
  test('are listed without a call; of one node none takes a node', async () => {
    const { client, calls } = await served(['gpu-1']);
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual([
      ...['triage-node', 'explain-pod-failure', 'before-after-repair', 'vendor-ticket'],
      'fleet-first-fault',
    ]);
    expect(prompts.flatMap(prompt => prompt.arguments?.map(({ name }) => name))).toEqual([
      ...['pod', 'snapshot'],
    ]);
    expect(calls).toEqual([]);
  });

  test('bring the answers that they ask about', async () => {
    const { client, calls } = await served(['gpu-1', 'gpu-2']);
    const text = await textOf(client, 'triage-node', { node: 'gpu-2' });
    expect(text).toMatch(/^Say what is wrong/);
    expect(text).toContain('data, no instructions');
    expect(text).toContain('GPU 3 (0000:61:00) is lost');
    expect(calls).toEqual(['gpu-2 triage_gpu_node']);
    expect(await textOf(client, 'vendor-ticket', { node: 'gpu-1' })).toContain('1654023033874');
    expect(await textOf(client, 'fleet-first-fault', { node: 'gpu-1,gpu-2' })).toContain('gpu-2');
  });

  test('of a repair keep a snapshot, and compare it afterwards', async () => {
    const { client } = await served(['gpu-1']);
    const before = await textOf(client, 'before-after-repair', {});
    const [snapshot = ''] = /gpu-1@[\dT:Z-]+/.exec(before) ?? [];
    expect(before).toContain('is lost');
    expect(await textOf(client, 'before-after-repair', { snapshot })).toContain('unchanged: 0');
  });

  test('that lack an argument, or are none, are refused; a node that fails is told', async () => {
    const { client } = await served(['gpu-1', 'gpu-2']);
    await expect(textOf(client, 'triage-node', {})).rejects.toThrow('argument "node"');
    await expect(textOf(client, 'reset-node', {})).rejects.toThrow('no prompt "reset-node"');
    expect(await textOf(client, 'triage-node', { node: 'gpu-9' })).toContain(
      'no session for node "gpu-9"',
    );
  });

  test('whose tools are not offered are not there', async () => {
    const offers = (tool: string) => tool === 'triage_gpu_node';
    const { client } = await served(['gpu-1'], { offers });
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['triage-node']);
    await expect(textOf(client, 'vendor-ticket', {})).resolves.toContain('is not offered here');
  });
});

describe('completion', () => {
  const complete = async (
    client: Client,
    name: string,
    value: string,
    given: Record<string, string> = {},
  ) => {
    const ref = { type: 'ref/prompt' as const, name: 'triage-node' };
    const context = { arguments: given };
    return (await client.complete({ ref, argument: { name, value }, context })).completion.values;
  };

  test('knows the nodes that are served, also behind a comma, and the parts', async () => {
    const { client } = await served(['gpu-1', 'gpu-2', 'other']);
    expect(await complete(client, 'node', 'g')).toEqual(['gpu-1', 'gpu-2']);
    expect(await complete(client, 'node', 'gpu-1, o')).toEqual(['gpu-1, other']);
    expect(await complete(client, 'part', 't')).toEqual(['triage', 'timeline']);
    expect(await complete(client, 'pod', '')).toEqual([]);
  });

  test('knows XIDs, snapshots that were kept, and the GPU pods of a node, by which no pod is started', async () => {
    const pods = ['train-0', 'train-1'].map(name => aPod({ namespace: 'team-a', name }));
    const view = aView({ pods: present({ namespace: null, total: 2, gpuPods: pods }) });
    const made = counted('gpu-1', 'gpu-2');
    const seeing = made.nodes.use(undefined, new AbortController().signal, async sessions =>
      namedNodes(sessions.map(session => ({ ...session, clusterView: async () => view }))),
    );
    const nodes = await seeing;
    const last = snapshotTools({ nodes, clock, isReplay: false });
    const client = await clientWith({
      ...{ nodes, clock, ownTools: async () => ({ last }), xidCodes: async () => ['48', '79'] },
    });
    expect(await complete(client, 'code', '7')).toEqual(['79']);
    expect(await complete(client, 'pod', 'team-a/', { node: 'gpu-2' })).toEqual([
      ...['team-a/train-0', 'team-a/train-1'],
    ]);
    expect(await complete(client, 'pod', '', { node: 'gpu-9' })).toEqual([]);
    expect(await complete(client, 'snapshot', '')).toEqual([]);
    expect(made.calls).toEqual([]);
    await client.callTool({ name: 'capture_node', arguments: { node: 'gpu-1' } });
    for (const argument of ['snapshot', 'name']) {
      expect(await complete(client, argument, 'gpu-1@')).toEqual([
        expect.stringMatching(/^gpu-1@\d{4}-/),
      ]);
    }
  });

  test('asks the cluster where no node was named; one that is away completes nothing', async () => {
    const nodes = namedNodes([]);
    const here = await clientWith({ nodes, clock, nodeNames: async () => ['a-1', 'b-1'] });
    expect(await complete(here, 'node', 'b')).toEqual(['b-1']);
    const away = await clientWith({ nodes, clock, nodeNames: () => Promise.reject(new Error()) });
    expect(await complete(away, 'node', '')).toEqual([]);
  });
});

describe('resources', () => {
  const read = async (client: Client, uri: string) => {
    const { contents } = await client.readResource({ uri });
    return JSON.parse(z.object({ text: z.string() }).parse(contents[0]).text);
  };

  test('are a node’s answers, and the catalogue without a node', async () => {
    const { client, calls } = await served(['gpu-1']);
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual([
      'gpu://gpu-1/triage',
    ]);
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(3);
    expect(await read(client, 'xid://79')).toMatchObject({ summary: expect.any(String) });
    expect(calls).toEqual([]);
    expect(await read(client, 'gpu://gpu-1/triage')).toMatchObject({ verdict: 'critical' });
    expect(await read(client, 'gpu://gpu-1/inventory')).toMatchObject({ gpuCount: 8 });
  });

  test('of a snapshot are linked by the answer that made it, and are the bundle', async () => {
    const { client } = await served(['gpu-1']);
    const { content } = await client.callTool({ name: 'capture_node', arguments: {} });
    const [text, link] = z
      .tuple([
        z.object({ type: z.literal('text'), text: z.string() }),
        z.object({
          type: z.literal('resource_link'),
          ...{ uri: z.string(), name: z.string(), mimeType: z.string(), size: z.number() },
        }),
      ])
      .parse(content);
    expect(text.text).toContain(`Snapshot ${link.name} kept: ${link.size} bytes.`);
    const { contents } = await client.readResource({ uri: link.uri });
    const { blob, mimeType } = z
      .object({ blob: z.string(), mimeType: z.string() })
      .parse(contents[0]);
    const bytes = Buffer.from(blob, 'base64');
    expect([bytes.length, mimeType]).toEqual([link.size, link.mimeType]);
    expect(nodeOf(unpacked(bytes, link.name))).toBe('lost-gpu');
    await expect(client.readResource({ uri: 'snapshot://other' })).rejects.toThrow(
      'there is no snapshot "other"',
    );
  });

  test('of snapshots are not offered where none can be made', async () => {
    const offers = (tool: string) => tool !== 'capture_node';
    const { client } = await served(['gpu-1'], { offers });
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ name }) => name)).toEqual(['gpu-node', 'xid']);
    await expect(client.readResource({ uri: 'snapshot://x' })).rejects.toMatchObject({
      code: -32602,
    });
  });

  test.each([
    ...['gpu://gpu-9/triage', 'gpu://gpu-1/secrets', 'file:///etc/passwd', 'gpu://%E0%A4%A/triage'],
    ...['xid://', 'gpu://gpu-1/triage/../..', 'gpu://'],
  ])('%s is none', async uri => {
    const { client, calls } = await served(['gpu-1']);
    await expect(client.readResource({ uri })).rejects.toMatchObject({ code: -32602 });
    expect(calls).toEqual([]);
  });
});

describe('where the user is to be asked before a pod', () => {
  const asking = async (answer: 'accept' | 'decline') => {
    const made = await served(['gpu-1', 'gpu-2'], { confirm: 'a pod' }, { elicitation: {} });
    const questions: string[] = [];
    made.client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      questions.push(params.message);
      return { action: answer };
    });
    const call = (name: string, input: object) =>
      made.client.callTool({ name, arguments: { ...input } });
    return { ...made, call, questions };
  };

  test('a call waits for it, once a node', async () => {
    const { call, questions } = await asking('accept');
    await call('get_gpu_health', { node: 'gpu-1' });
    await call('capture_node', { node: 'gpu-1' });
    await call('get_gpu_health', { node: 'gpu-1,gpu-2' });
    expect(questions.map(text => /pod, on ([^?]*)/.exec(text)?.[1])).toEqual(['gpu-1', 'gpu-2']);
  });

  test('nothing is started where the user declines, and he may think otherwise', async () => {
    const { call, calls, questions } = await asking('decline');
    for (const name of ['get_gpu_health', 'capture_node']) {
      expect(await call(name, { node: 'gpu-1' })).toMatchObject({
        isError: true,
        content: [{ text: expect.stringContaining('the user did not agree') }],
      });
    }
    expect(questions).toHaveLength(2);
    expect(calls).toEqual([]);
  });

  test('a client that cannot ask gets no pod', async () => {
    const { client, calls } = await served(['gpu-1'], { confirm: 'a pod' });
    expect(await client.callTool({ name: 'get_gpu_health', arguments: {} })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('this client cannot ask its user') }],
    });
    expect(
      await client.callTool({ name: 'explain_xid', arguments: { query: '79' } }),
    ).toMatchObject({ content: [{ text: expect.stringContaining('XID 79') }] });
    expect(calls).toEqual([]);
  });
});

test.each([
  ['snapshot://before.json.gz', 'before.json.gz'],
  ['snapshot://a%20name', 'a name'],
  ['a snapshot://before', undefined],
  ['snapshot://before/after', undefined],
  ['snapshot://before?as=text', undefined],
  ['snapshot://%', undefined],
  ['snapshot://', undefined],
])('the address %s names the snapshot %s', (uri, name) => {
  expect(snapshotName(uri)).toBe(name);
});
