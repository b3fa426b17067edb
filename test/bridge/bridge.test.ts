import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { askSession } from '../../src/bridge/ask-session.ts';
import { serveBridge } from '../../src/bridge/bridge.ts';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { CutOffError, SessionError } from '../../src/contract/errors.ts';
import type { CommandWords } from '../../src/contract/printed-command.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { sentFacts } from '../../src/mcp/results.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import type { Session, ToolRequest } from '../../src/session/port.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { provenanceOf } from '../../src/tools/instruments.ts';
import { clientWith } from '../fakes/agent-session.ts';
import { aNode, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

class FakeSession implements Session {
  readonly target: string;
  readonly calls: ToolRequest[] = [];
  readonly #answer: (request: ToolRequest) => CallToolResult | Promise<CallToolResult>;
  clusterView?: NonNullable<Session['clusterView']>;
  commandWords?: CommandWords;

  constructor(
    target: string,
    answer: (request: ToolRequest) => CallToolResult | Promise<CallToolResult>,
  ) {
    this.target = target;
    this.#answer = answer;
  }

  async call(request: ToolRequest): Promise<CallToolResult> {
    this.calls.push(request);
    request.onProgress('pod is being created');
    return this.#answer(request);
  }

  async start(): Promise<void> {}

  async close() {
    return { removed: null, verified: true, left: [] };
  }
}

const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };

/** The tools themselves on a simulated machine, in place of the agent. */
const simulated = (target: string, machine = 'lost-gpu'): FakeSession =>
  new FakeSession(target, async ({ tool: name, input, signal }) => {
    const tool = TOOLS.find(other => other.name === name);
    if (!tool) throw new Error(`no tool ${name}`);
    const instruments = instrumentsOf(machine);
    const facts = await tool.question(input).observe(instruments, signal);
    return sentFacts(facts, provenanceOf(instruments));
  });

async function connected(...sessions: FakeSession[]) {
  const toBridge = new PassThrough();
  const fromBridge = new PassThrough();
  const served = serveBridge({
    nodes: namedNodes(sessions),
    clock,
    input: toBridge,
    output: fromBridge,
  });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamTransport(fromBridge, toBridge, { lineBytesMax: 1e7 }));
  return { client, served, toBridge };
}

describe('bridge', () => {
  test('answers handshake and every list without any session', async () => {
    const session = new FakeSession('node-a', () => sentFacts({}, {}));
    const { client } = await connected(session);
    expect(client.getServerVersion()?.name).toBe('gpu-mcp');
    expect(client.getInstructions()).toContain('node node-a');
    const { tools } = await client.listTools();
    expect(tools.map(tool => tool.name)).toContain('triage_gpu_node');
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toContain('triage-node');
    expect((await client.listResources()).resources).toHaveLength(1);
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(2);
    expect(await client.ping()).toEqual({});
    expect(session.calls).toEqual([]);
  });

  test('makes its list of tools once, however often it is asked for', async () => {
    let made = 0;
    const client = await clientWith({
      ...{ nodes: namedNodes([]), clock },
      async ownTools() {
        made += 1;
        return {};
      },
    });
    const lists = await Promise.all([client.listTools(), client.listTools(), client.listTools()]);
    expect(made).toBe(1);
    expect(lists[2]).toEqual(lists[0]);
  });

  test('forwards a call and its progress', async () => {
    const session = simulated('node-a');
    const { client } = await connected(session);
    const progress: (string | undefined)[] = [];
    const result = await client.callTool({ name: 'get_gpu_health', arguments: {} }, undefined, {
      onprogress: step => progress.push(step.message),
    });
    expect(result.content).toEqual([
      { type: 'text', text: expect.stringMatching(/^SIMULATED machine "lost-gpu": GPU 3 /) },
    ]);
    expect(progress).toEqual(['pod is being created']);
    expect(session.calls.map(call => [call.tool, call.input])).toEqual([['get_gpu_health', {}]]);
  });

  test('wrong arguments reach no session and name the right ones', async () => {
    const session = simulated('node-a');
    const { client } = await connected(session);
    const result = await client.callTool({ name: 'get_gpu_health', arguments: { gpus: '1' } });
    expect(result).toMatchObject({
      isError: true,
      content: [
        {
          text: 'unknown argument "gpus" for tool "get_gpu_health". Try: remove it; expected: gpu.',
        },
      ],
    });
    expect(session.calls).toEqual([]);
  });

  test.each([
    ['an unknown tool', { name: 'reset_gpu', arguments: {} }, -32602],
    ['a call without a name', { arguments: {} }, -32602],
  ])('%s is refused with -32602', async (_what, params, code) => {
    const { client } = await connected(simulated('node-a'));
    const asked = client.request({ method: 'tools/call', params }, anyResult);
    await expect(asked).rejects.toMatchObject({ code });
  });

  test('server/discover is refused with -32601, the signal of a server of this era', async () => {
    const { client } = await connected(simulated('node-a'));
    await expect(client.request({ method: 'server/discover' }, anyResult)).rejects.toMatchObject({
      code: -32601,
    });
  });

  test.each([
    ['facts of another tool', 'explain_xid', {}],
    ['facts that do not say where they are from', 'get_gpu_health', { _meta: {} }],
  ])('%s are no answer', async (_what, asked, otherwise) => {
    const agent = simulated('node-a');
    const session = new FakeSession('node-a', async request => {
      const input = asked === 'explain_xid' ? { query: '79' } : {};
      return { ...(await agent.call({ ...request, tool: asked, input })), ...otherwise };
    });
    const { client } = await connected(session);
    const result = await client.callTool({ name: 'get_gpu_health', arguments: {} });
    expect(result).toMatchObject({
      isError: true,
      content: [
        { text: 'the agent on node-a sent an answer to get_gpu_health that does not fit.' },
      ],
    });
  });

  test('a session that fails is a result with the reason and what to try', async () => {
    const session = new FakeSession('node-a', () => {
      throw new SessionError('the image "x:1" could not be pulled', { hint: 'check --image' });
    });
    const { client } = await connected(session);
    const result = await client.callTool({ name: 'get_gpu_health', arguments: {} });
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: 'the image "x:1" could not be pulled. Try: check --image.' }],
    });
  });

  test('ends when the client closes its side', async () => {
    const { served, toBridge } = await connected(simulated('node-a'));
    toBridge.end();
    await expect(served).resolves.toBeUndefined();
  });

  test('several nodes answer side by side, also the one that failed', async () => {
    const good = simulated('node-a', 'healthy-t4');
    const bad = new FakeSession('node-b', () => {
      throw new SessionError('node "node-b" is not ready');
    });
    const { client } = await connected(good, bad);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(result.structuredContent).toMatchObject({
      summary: '2 nodes: 1 not read, 1 healthy; no answer from node-b.',
      nodes: [
        { node: 'node-b', ok: false, error: 'node "node-b" is not ready.' },
        { node: 'node-a', ok: true, answer: { verdict: 'healthy' } },
      ],
    });
    await client.callTool({ name: 'triage_gpu_node', arguments: { node: 'node-a' } });
    expect([good.calls.length, bad.calls.length]).toEqual([2, 1]);
  });
});

describe('what only the cluster knows', () => {
  const cordoned = aView({
    node: present(aNode({ cordoned: true, cordonedBy: { manager: 'kubectl-cordon' } })),
  });

  test('is joined to the answer of the agent, in text and structure', async () => {
    const session = simulated('gpu-3');
    const asked: unknown[] = [];
    session.clusterView = async question => {
      asked.push(question);
      return cordoned;
    };
    const { client } = await connected(session);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(result.structuredContent).toMatchObject({
      verdict: 'critical',
      cluster: { node: { cordoned: true, cordonedBy: { manager: 'kubectl-cordon' } } },
    });
    expect(JSON.stringify(result.content)).toContain('cordoned by kubectl-cordon');
    expect(asked).toEqual([{ devices: true, logs: true }]);
  });

  test('is the same for MCP and for the command line', async () => {
    const session = simulated('gpu-3');
    session.clusterView = async () => cordoned;
    const { client } = await connected(session);
    const overMcp = await client.callTool({ name: 'describe_gpu_node', arguments: {} });
    const tool = TOOLS.find(({ name }) => name === 'describe_gpu_node');
    if (!tool) throw new Error('no such tool');
    const { signal } = new AbortController();
    const asked = await askSession(session, tool.question({}), { signal, onProgress: () => {} });
    expect(overMcp.structuredContent).toEqual(asked.structured);
  });

  test('names the pod that a tool asks about', async () => {
    const session = simulated('gpu-3');
    const asked: unknown[] = [];
    session.clusterView = async question => {
      asked.push(question);
      return aView({ pod: missing('not_found') });
    };
    const { client } = await connected(session);
    const input = { pod: 'train-0', namespace: 'team-a' };
    await client.callTool({ name: 'explain_failure', arguments: input });
    expect(asked).toEqual([{ pod: { name: 'train-0', namespace: 'team-a' }, logs: true }]);
  });

  test('is not asked for by a tool that has no use for it, nor where there is no cluster', async () => {
    const session = simulated('gpu-3');
    session.clusterView = async () => {
      throw new Error('must not be asked');
    };
    const { client } = await connected(session);
    const health = await client.callTool({ name: 'get_gpu_health', arguments: {} });
    expect(health.isError).not.toBe(true);
    const { client: local } = await connected(simulated('local'));
    const alone = await local.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(alone.structuredContent).toMatchObject({
      cluster: { unavailable: { not_read: ['node', 'pods', 'events'] } },
    });
  });

  test('does not hide that the agent failed', async () => {
    const failing = new FakeSession('gpu-3', () => ({
      isError: true,
      content: [{ type: 'text', text: 'no GPU "9" on this node.' }],
    }));
    failing.clusterView = async () => cordoned;
    const { client } = await connected(failing);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: 'no GPU "9" on this node.' }],
    });
  });

  test('is joined for each of several nodes', async () => {
    const [a, b] = [simulated('gpu-3'), simulated('gpu-4')];
    a.clusterView = async () => cordoned;
    b.clusterView = async () => aView();
    const { client } = await connected(a, b);
    const result = await client.callTool({ name: 'describe_gpu_node', arguments: {} });
    expect(result.structuredContent).toMatchObject({
      nodes: [
        { node: 'gpu-3', answer: { cluster: { node: { cordoned: true } } } },
        { node: 'gpu-4', answer: { cluster: { node: { cordoned: false } } } },
      ],
    });
  });
});

const { CallToolResultSchema: anyResult } = await import('@modelcontextprotocol/sdk/types.js');

describe('commands of an answer', () => {
  const PROD = { connection: ['--context=prod'], namespace: ['--namespace=gpu-mcp'] };

  test('ask the cluster that its reader asked, in its text as in its facts', async () => {
    const session = simulated('lost-gpu');
    session.commandWords = PROD;
    const { client } = await connected(session);
    const triaged = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    const capture =
      'kubectl gpu-mcp capture --context=prod --namespace=gpu-mcp dgx-h100-07 -f before.json.gz';
    const drain =
      'kubectl --context=prod drain dgx-h100-07 --ignore-daemonsets --delete-emptydir-data  # evicts every pod of the node and deletes their emptyDir data';
    expect(triaged.structuredContent).toMatchObject({
      nextAction: { commands: [capture, drain, 'systemctl reboot  # on the node, as root'] },
    });
    expect(JSON.stringify(triaged.content)).toContain(`${capture}\\n      ${drain}\\n`);
  });

  test('of a simulation or a replay do not go to any cluster', async () => {
    const session = simulated('lost-gpu');
    session.commandWords = { connection: [], namespace: [], instead: ['--simulate=lost-gpu'] };
    const { client } = await connected(session);
    const triaged = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(triaged.structuredContent).toMatchObject({
      nextAction: {
        commands: [
          'kubectl gpu-mcp capture --simulate=lost-gpu -f before.json.gz',
          'systemctl reboot  # on the node, as root',
        ],
      },
    });
    expect(JSON.stringify(triaged.content)).not.toContain('kubectl drain');
  });

  test('of a cluster that cannot be asked are told at once: its view is not waited for', async () => {
    const session = new FakeSession('node-a', () => {
      throw new CutOffError('nobody answers', { hint: 'kubectl cluster-info' });
    });
    session.clusterView = () => new Promise(() => {});
    session.commandWords = PROD;
    const { client } = await connected(session);
    const failed = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(JSON.stringify(failed.content)).toMatch(
      /nobody answers.*kubectl --context=prod cluster-info/,
    );
  });

  test('are in the hint of an error too', async () => {
    const session = new FakeSession('node-a', () => {
      throw new SessionError('no', { hint: 'kubectl describe node node-a' });
    });
    session.commandWords = PROD;
    const { client } = await connected(session);
    const failed = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(JSON.stringify(failed.content)).toContain('kubectl --context=prod describe node node-a');
  });
});
