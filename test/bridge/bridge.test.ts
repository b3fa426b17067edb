import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { serveBridge } from '../../src/bridge/bridge.ts';
import { SessionError } from '../../src/contract/errors.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import type { Session, ToolRequest } from '../../src/session/port.ts';

class FakeSession implements Session {
  readonly target: string;
  readonly calls: ToolRequest[] = [];
  readonly #answer: (request: ToolRequest) => CallToolResult;

  constructor(target: string, answer: (request: ToolRequest) => CallToolResult) {
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
    return { removed: null, verified: true };
  }
}

const said = (text: string): CallToolResult => ({
  content: [{ type: 'text', text }],
  structuredContent: { summary: text },
});

async function connected(...sessions: FakeSession[]) {
  const toBridge = new PassThrough();
  const fromBridge = new PassThrough();
  const served = serveBridge({ sessions, input: toBridge, output: fromBridge });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamTransport(fromBridge, toBridge, { lineBytesMax: 1e7 }));
  return { client, served, toBridge };
}

describe('bridge', () => {
  test('answers handshake and every list without any session', async () => {
    const session = new FakeSession('node-a', () => said('x'));
    const { client } = await connected(session);
    expect(client.getServerVersion()?.name).toBe('gpu-mcp');
    expect(client.getInstructions()).toContain('node node-a');
    const { tools } = await client.listTools();
    expect(tools.map(tool => tool.name)).toContain('triage_gpu_node');
    expect(await client.listPrompts()).toEqual({ prompts: [] });
    expect(await client.listResources()).toEqual({ resources: [] });
    expect(await client.listResourceTemplates()).toEqual({ resourceTemplates: [] });
    expect(await client.ping()).toEqual({});
    expect(session.calls).toEqual([]);
  });

  test('forwards a call and its progress', async () => {
    const session = new FakeSession('node-a', () => said('1 of 8 GPUs is lost.'));
    const { client } = await connected(session);
    const progress: (string | undefined)[] = [];
    const result = await client.callTool({ name: 'get_gpu_health', arguments: {} }, undefined, {
      onprogress: step => progress.push(step.message),
    });
    expect(result.content).toEqual([{ type: 'text', text: '1 of 8 GPUs is lost.' }]);
    expect(progress).toEqual(['pod is being created']);
    expect(session.calls.map(call => [call.tool, call.input])).toEqual([['get_gpu_health', {}]]);
  });

  test('wrong arguments reach no session and name the right ones', async () => {
    const session = new FakeSession('node-a', () => said('x'));
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
    const { client } = await connected(new FakeSession('node-a', () => said('x')));
    const asked = client.request({ method: 'tools/call', params }, anyResult);
    await expect(asked).rejects.toMatchObject({ code });
  });

  test('server/discover is refused with -32601, the signal of a server of this era', async () => {
    const { client } = await connected(new FakeSession('node-a', () => said('x')));
    await expect(client.request({ method: 'server/discover' }, anyResult)).rejects.toMatchObject({
      code: -32601,
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
    const { served, toBridge } = await connected(new FakeSession('node-a', () => said('x')));
    toBridge.end();
    await expect(served).resolves.toBeUndefined();
  });

  test('several nodes answer side by side, also the one that failed', async () => {
    const good = new FakeSession('node-a', () => said('healthy'));
    const bad = new FakeSession('node-b', () => {
      throw new SessionError('node "node-b" is not ready');
    });
    const { client } = await connected(good, bad);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(result.structuredContent).toEqual({
      summary: '1 of 2 nodes answered; no answer from node-b.',
      nodes: [
        { node: 'node-a', ok: true, answer: { summary: 'healthy' } },
        { node: 'node-b', ok: false, error: 'node "node-b" is not ready.' },
      ],
    });
    await client.callTool({ name: 'triage_gpu_node', arguments: { node: 'node-a' } });
    expect([good.calls.length, bad.calls.length]).toEqual([2, 1]);
  });
});

const { CallToolResultSchema: anyResult } = await import('@modelcontextprotocol/sdk/types.js');
