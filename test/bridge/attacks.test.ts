import { describe, expect, test } from 'vitest';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { CLIENT_LINE_BYTES_MAX, MCP_END_MS_MAX } from '../../src/contract/limits.ts';
import { pass } from '../fakes/deadlines.ts';
import {
  aNode,
  call,
  clock,
  initialize,
  META,
  NEW,
  request,
  type Served,
  wire,
} from '../fakes/wire.ts';

describe.each([
  ['2025-11-25', {}],
  [NEW, { _meta: META }],
])('an attack in %s', (revision, meta) => {
  const begun = async (served?: Served) => {
    const made = wire(served);
    await made.ask(revision === NEW ? request('d', 'server/discover', meta) : initialize);
    return made;
  };
  const explain = (id: number) => call(id, 'explain_xid', { query: '79' }, meta);

  test.each([
    ['a batch', '[]', -32_600],
    ['no JSON', '{"jsonrpc":"2.0","id":1,', -32_700],
    [
      'params that are a list',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}',
      -32_600,
    ],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"tools/list"}', -32_600],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x7b]).toString('latin1'), -32_700],
    ['more than a line may have', 'x'.repeat(CLIENT_LINE_BYTES_MAX + 1), -32_600],
  ])('%s is one error', async (_what, line, code) => {
    const { ask } = await begun();
    expect(await ask(line)).toMatchObject([{ error: { code } }]);
    expect(await ask(explain(2))).toMatchObject([{ id: 2, result: {} }]);
  });

  test.each([
    ['no name', {}],
    ['arguments that are a list', { name: 'explain_xid', arguments: [] }],
    ['a tool that is none', { name: '__proto__' }],
    ['a name that is a number', { name: 79 }],
  ])('a call with %s is -32602', async (_what, params) => {
    const { ask } = await begun();
    const bad = request(1, 'tools/call', { ...params, ...meta });
    expect(await ask(bad)).toMatchObject([{ id: 1, error: { code: -32_602 } }]);
  });

  test.each([
    ['prompts/get', {}],
    ['prompts/get', { name: 'triage-node', arguments: { node: 1 } }],
    ['resources/read', {}],
    ['completion/complete', {}],
  ])('%s with %j is -32602', async (method, params) => {
    const { ask } = await begun();
    const [answer] = await ask(request(1, method, { ...params, ...meta }));
    expect(answer).toMatchObject({ id: 1, error: { code: -32_602 } });
  });

  test('a megabyte of arguments is refused by its own words', async () => {
    const { ask } = await begun();
    const huge = call(1, 'explain_xid', { query: 'x'.repeat(1_000_000) }, meta);
    const [answer] = await ask(huge);
    expect(answer?.result).toMatchObject({ isError: true });
    expect(JSON.stringify(answer).length).toBeLessThan(1_000);
    const deep = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
    const nested = JSON.stringify(call(2, 'explain_xid', {}, meta)).replace(
      '"arguments":{}',
      `"arguments":${deep}`,
    );
    expect(await ask(nested)).toMatchObject([{ id: 2, result: { isError: true } }]);
  });

  test('a cancelled call stops on the node and is not answered; what nobody waits for does no harm', async () => {
    const { node, calls, hold } = aNode();
    hold();
    const { ask, said, input } = await begun({ nodes: namedNodes([node]), clock });
    const cancel = (params: unknown) =>
      input.write(
        `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params })}\n`,
      );
    for (const params of [{ requestId: 99, ...meta }, meta, { requestId: {}, ...meta }]) {
      cancel(params);
    }
    input.write(`${JSON.stringify(call(7, 'get_gpu_health', {}, meta))}\n`);
    while (calls.length === 0) await new Promise(resolve => setImmediate(resolve));
    cancel({ requestId: 7, ...meta });
    cancel({ requestId: 7, ...meta });
    expect(await ask(explain(8))).toMatchObject([{ id: 8, result: {} }]);
    expect(calls[0]?.signal.aborted).toBe(true);
    expect(said.filter(({ id }) => id === 7)).toEqual([]);
  });

  test('one id for three requests gives three answers', async () => {
    const { ask } = await begun();
    const three = [explain(1), explain(1), explain(1)].map(each => JSON.stringify(each)).join('\n');
    expect((await ask(three, 3)).map(({ id, result }) => [id, result !== undefined])).toEqual([
      ...[1, 1, 1].map(id => [id, true]),
    ]);
  });

  test('the end of its input ends it, amid a call too', async () => {
    const { node, hold } = aNode();
    hold();
    const { end, input } = await begun({ nodes: namedNodes([node]), clock });
    input.write(`${JSON.stringify(call(1, 'get_gpu_health', {}, meta))}\n`);
    const ended = end();
    void pass(MCP_END_MS_MAX);
    await ended;
  });
});
