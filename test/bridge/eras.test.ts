import { Client, type ClientOptions } from '@modelcontextprotocol/client';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import { TOOLS } from '../../src/tools/index.ts';
import {
  aNode,
  call,
  clock,
  initialize,
  type Line,
  META,
  NEW,
  request,
  type Served,
  streams,
  wire,
} from '../fakes/wire.ts';

async function newClient(served: Served, options: ClientOptions) {
  const { input, output } = streams(served);
  const client = new Client({ name: 'test', version: '1' }, options);
  await client.connect(new StreamTransport(output, input, { lineBytesMax: 1e7 }));
  return client;
}

const pinned = { versionNegotiation: { mode: { pin: NEW } } };

const INPUTS: Readonly<Record<string, Record<string, string>>> = {
  explain_xid: { query: '79' },
  explain_failure: { pod: 'team-a/train-llm-0' },
};

describe('a client of either revision', () => {
  test.each([
    ['pinned to 2026-07-28', pinned],
    ['that finds out', { versionNegotiation: { mode: 'auto' as const } }],
    ['of 2025-11-25', {}],
  ])('%s lists and calls all tools, of one agent', async (_which, options) => {
    const { node, calls } = aNode();
    const client = await newClient({ nodes: namedNodes([node]), clock }, options);
    expect(client.getInstructions()).toContain('node gpu-1');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(TOOLS.map(({ name }) => name));
    for (const { name } of tools) {
      const input = INPUTS[name] ?? {};
      const { isError, structuredContent } = await client.callTool({ name, arguments: input });
      expect([name, isError ?? false, typeof structuredContent]).toEqual([name, false, 'object']);
    }
    expect(calls.every(({ tool }) => tool !== 'explain_xid')).toBe(true);
    expect((await client.listPrompts()).prompts.length).toBeGreaterThan(3);
    expect((await client.readResource({ uri: 'xid://79' })).contents).toHaveLength(1);
  });

  test('gets the same answer, to the byte', async () => {
    const { node } = aNode();
    const served = { nodes: namedNodes([node]), clock };
    const input = { query: '79\n119' };
    const old = wire(served);
    await old.ask(initialize);
    const [before] = await old.ask(call(1, 'explain_xid', input));
    const [since] = await wire(served).ask(call(1, 'explain_xid', input, { _meta: META }));
    const { _meta, resultType, ...result } = since?.result ?? {};
    expect(resultType).toBe('complete');
    expect(JSON.stringify(result)).toBe(JSON.stringify(before?.result));
  });

  test('may keep what does not change, and no answer of a node', async () => {
    const { ask } = wire();
    for (const method of ['tools/list', 'prompts/list', 'resources/list', 'server/discover']) {
      const [answer] = await ask(request(method, method, { _meta: META }));
      expect([method, answer?.result]).toMatchObject([
        method,
        { ttlMs: 300_000, cacheScope: 'private', resultType: 'complete' },
      ]);
    }
    const read = request(1, 'resources/read', { uri: 'gpu://gpu-1/health', _meta: META });
    expect(await ask(read)).toMatchObject([{ result: { ttlMs: 0 } }]);
  });
});

describe('who is to be asked before a pod', () => {
  const question =
    'Start a pod, on gpu-1? It only reads, and is removed at the end of this session.';
  const meta = (elicitation: boolean) => ({
    ...META,
    'io.modelcontextprotocol/clientCapabilities': elicitation ? { elicitation: {} } : {},
  });

  test.each(['accept', 'decline'] as const)('says %s by a second call', async action => {
    const { node, calls } = aNode();
    const served = { nodes: namedNodes([node]), clock, confirm: 'a pod' };
    const client = await newClient(served, { ...pinned, capabilities: { elicitation: {} } });
    const questions: string[] = [];
    client.setRequestHandler('elicitation/create', ({ params }) => {
      questions.push(params.message);
      return action === 'accept' ? { action, content: {} } : { action };
    });
    const { isError } = await client.callTool({ name: 'get_gpu_health', arguments: {} });
    const { messages } = await client.getPrompt({ name: 'triage-node' });
    const isAgreed = action === 'accept';
    expect([isError ?? false, calls.length]).toEqual([!isAgreed, isAgreed ? 2 : 0]);
    expect(questions).toEqual(isAgreed ? [question] : [question, question]);
    expect(JSON.stringify(messages)).toContain(isAgreed ? 'is lost' : 'did not agree');
  });

  test('is no client that cannot ask, and an answer to another question is none', async () => {
    const { node, calls } = aNode();
    const { ask } = wire({ nodes: namedNodes([node]), clock, confirm: 'a pod' });
    const health = (id: number, can: boolean, inputResponses?: object) =>
      call(
        id,
        'get_gpu_health',
        {},
        { _meta: meta(can), ...(inputResponses && { inputResponses }) },
      );
    expect(await ask(health(1, false, { [question]: { action: 'accept' } }))).toMatchObject([
      { result: { isError: true, content: [{ text: expect.stringContaining('cannot ask') }] } },
    ]);
    const other = { [question.replace('gpu-1', 'gpu-2')]: { action: 'accept' } };
    for (const given of [undefined, other, { [question]: 'accept' }, { [question]: {} }, []]) {
      expect(await ask(health(2, true, given))).toMatchObject([
        {
          result: {
            resultType: 'input_required',
            inputRequests: { [question]: { method: 'elicitation/create' } },
          },
        },
      ]);
    }
    expect(calls).toEqual([]);
    const [agreed] = await ask(health(3, true, { [question]: { action: 'accept' } }));
    expect(agreed?.result).toMatchObject({ resultType: 'complete' });
  });
});

describe('messages of the log', () => {
  const told = (lines: readonly Line[]) =>
    lines
      .filter(({ method }) => method === 'notifications/message')
      .map(line => z.looseObject({ params: z.looseObject({}) }).parse(line).params);
  const started = { level: 'info', logger: 'gpu-mcp', data: 'pod team-a/gpu-mcp-x is running' };
  const gap = {
    ...{ level: 'warning', logger: 'gpu-mcp' },
    data: 'gap: GPU 3: nothing was read (gpu is lost)',
  };

  test('go to whoever asked for their level: of the connection before 2026-07-28', async () => {
    const { ask } = wire();
    await ask(initialize);
    expect(told(await ask(call(1, 'get_gpu_health', {})))).toEqual([]);
    await ask(request(2, 'logging/setLevel', { level: 'info' }));
    expect(told(await ask(call(3, 'get_gpu_health', {}), 3))).toEqual([started, gap]);
    await ask(request(4, 'logging/setLevel', { level: 'warning' }));
    expect(told(await ask(call(5, 'get_gpu_health', {}), 2))).toEqual([gap]);
    await ask(request(6, 'logging/setLevel', { level: 'error' }));
    expect(told(await ask(call(7, 'get_gpu_health', {})))).toEqual([]);
  });

  test('of the request since then, of each of several nodes by its name', async () => {
    const nodes = namedNodes([aNode('gpu-1').node, aNode('gpu-2').node]);
    const { ask } = wire({ nodes, clock });
    const leveled = { _meta: { ...META, 'io.modelcontextprotocol/logLevel': 'warning' } };
    const lines = await ask(call(1, 'triage_gpu_node', {}, leveled), 3);
    expect(told(lines).map(({ data }) => data)).toEqual([
      'gpu-1: gap: GPU 3: nothing was read (gpu is lost)',
      'gpu-2: gap: GPU 3: nothing was read (gpu is lost)',
    ]);
    expect(told(await ask(call(2, 'triage_gpu_node', {}, { _meta: META })))).toEqual([]);
  });
});

describe('what is declared exists, and what is not is not declared', () => {
  const METHODS: Readonly<Record<string, readonly [capability: string, params: object]>> = {
    'tools/list': ['tools', {}],
    'tools/call': ['tools', { name: 'explain_xid', arguments: { query: '79' } }],
    'prompts/list': ['prompts', {}],
    'prompts/get': ['prompts', { name: 'triage-node' }],
    'resources/list': ['resources', {}],
    'resources/templates/list': ['resources', {}],
    'resources/read': ['resources', { uri: 'xid://79' }],
    'completion/complete': [
      'completions',
      { ref: { type: 'ref/prompt', name: 'triage-node' }, argument: { name: 'node', value: '' } },
    ],
  };
  const BEFORE = { 'logging/setLevel': ['logging', { level: 'info' }] } as const;
  const NOT_OURS = ['resources/subscribe', 'tasks/list', 'tasks/get', 'sampling/createMessage'];

  test.each([
    ['2025-11-25', initialize, { ...METHODS, ...BEFORE }, {}],
    [NEW, request('init', 'server/discover', { _meta: META }), METHODS, { _meta: META }],
  ])('in %s', async (_revision, hello, methods, meta) => {
    const { ask } = wire();
    const [greeting] = await ask(hello);
    const { capabilities } = z
      .object({ capabilities: z.record(z.string(), z.unknown()) })
      .parse(greeting?.result);
    // Nothing is promised inside any of them: no list changes, and nothing can be subscribed to.
    expect(capabilities).toEqual({
      ...{ tools: {}, logging: {}, prompts: {}, resources: {}, completions: {} },
    });
    const asked = Object.entries(methods);
    expect(new Set([...asked.map(([, [capability]]) => capability), 'logging'])).toEqual(
      new Set(Object.keys(capabilities)),
    );
    for (const [method, [, params]] of asked) {
      const [answer] = await ask(request(method, method, { ...params, ...meta }));
      expect([method, answer?.error]).toEqual([method, undefined]);
    }
    for (const method of NOT_OURS) {
      const params = { uri: 'xid://79', taskId: 'x', ...meta };
      expect([method, ...(await ask(request(method, method, params)))]).toMatchObject([
        method,
        { error: { code: -32_601 } },
      ]);
    }
  });
});

describe('a client that mixes revisions up', () => {
  test.each([
    [
      'an unknown revision',
      request(1, 'tools/list', {
        _meta: { ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' },
      }),
      -32_022,
      'Unsupported protocol version',
    ],
    [
      'half of what a request says of itself',
      request(1, 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': NEW } }),
      -32_602,
      'clientCapabilities',
    ],
    [
      'a revision that is no text',
      request(1, 'tools/list', {
        _meta: { ...META, 'io.modelcontextprotocol/protocolVersion': 7 },
      }),
      -32_602,
      'protocolVersion',
    ],
  ])('%s is one error, and the connection goes on', async (_what, message, code, words) => {
    const { ask } = wire();
    expect(await ask(message)).toMatchObject([
      { id: 1, error: { code, message: expect.stringContaining(words) } },
    ]);
    expect(await ask(initialize)).toMatchObject([{ result: { protocolVersion: '2025-11-25' } }]);
  });

  test('of the newest, then of before: each old request is one error, the new ones go on', async () => {
    const { ask } = wire();
    await ask(request(1, 'tools/list', { _meta: META }));
    expect(await ask(initialize)).toMatchObject([{ id: 'init', error: { code: -32_022 } }]);
    expect(await ask(request(2, 'tools/list'))).toMatchObject([{ error: { code: -32_602 } }]);
    expect(await ask(request(3, 'ping'))).toMatchObject([{ error: { code: -32_601 } }]);
    expect(await ask(call(4, 'explain_xid', { query: '79' }))).toMatchObject([
      { error: { code: -32_602 } },
    ]);
    const good = call(5, 'explain_xid', { query: '79' }, { _meta: META });
    expect(await ask(good)).toMatchObject([{ result: { resultType: 'complete' } }]);
  });

  test('of before, then of the newest: stays what it was', async () => {
    const { ask } = wire();
    await ask(initialize);
    const discover = request(1, 'server/discover', { _meta: META });
    expect(await ask(discover)).toMatchObject([{ error: { code: -32_601 } }]);
    const [answer] = await ask(request(2, 'tools/list', { _meta: META }));
    expect(answer?.result).toHaveProperty('tools');
    expect(answer?.result).not.toHaveProperty('resultType');
  });

  test('that only looked is served as of before', async () => {
    const { ask } = wire();
    const discover = request(1, 'server/discover', { _meta: META });
    expect(await ask(discover)).toMatchObject([{ result: { supportedVersions: [NEW] } }]);
    expect(await ask(initialize)).toMatchObject([{ result: { protocolVersion: '2025-11-25' } }]);
    expect(await ask(request(2, 'ping'))).toMatchObject([{ id: 2, result: {} }]);
  });
});
