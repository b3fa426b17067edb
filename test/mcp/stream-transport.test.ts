import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { MCP_END_MS_MAX } from '../../src/contract/limits.ts';
import { lineSplitter } from '../../src/mcp/line-splitter.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import { pass } from '../fakes/deadlines.ts';

async function talk(chunks: readonly (string | Buffer)[], lineBytesMax = 1024) {
  const input = new PassThrough();
  const output = new PassThrough();
  const transport = new StreamTransport(input, output, { lineBytesMax });
  const received: unknown[] = [];
  transport.onmessage = message => received.push(message);
  const closed = new Promise<void>(resolve => {
    transport.onclose = resolve;
  });
  await transport.start();
  for (const chunk of chunks) input.write(chunk);
  input.end();
  // Where nobody answers.
  void pass(MCP_END_MS_MAX);
  await closed;
  const replies = String(output.read() ?? '')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
  return { received, replies };
}

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

describe('StreamTransport', () => {
  test('hands over one message a line and closes at the end of the input', async () => {
    const { received, replies } = await talk([`${JSON.stringify(ping)}\n`]);
    expect(received).toEqual([ping]);
    expect(replies).toEqual([]);
  });

  test('answers broken JSON with -32700 and no id, and goes on', async () => {
    const { received, replies } = await talk(['{"jsonrpc": oops\n', `${JSON.stringify(ping)}\n`]);
    expect(replies).toEqual([
      { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error: this line is no JSON' } },
    ]);
    expect(received).toEqual([ping]);
  });

  test.each([
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', undefined],
    ['another version', '{"jsonrpc":"1.0","id":7,"method":"ping"}', 7],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', undefined],
    ['a bare number', '42', undefined],
  ])('answers %s with -32600', async (_what, line, id) => {
    const { replies } = await talk([`${line}\n`]);
    expect(replies).toEqual([
      {
        jsonrpc: '2.0',
        ...(id === undefined ? {} : { id }),
        error: { code: -32600, message: 'Invalid Request: this line is no JSON-RPC 2.0 message' },
      },
    ]);
  });

  test('refuses a line above the limit once and reads the next one', async () => {
    const { received, replies } = await talk(
      ['x'.repeat(700), 'x'.repeat(700), `x\n${JSON.stringify(ping)}\n`],
      1024,
    );
    expect(replies).toEqual([
      { jsonrpc: '2.0', error: { code: -32600, message: 'a message is longer than 1024 bytes' } },
    ]);
    expect(received).toEqual([ping]);
  });

  test('an answer in the making still goes out after the end of the input', async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    const transport = new StreamTransport(input, output, { lineBytesMax: 1024 });
    const closed = new Promise<void>(resolve => {
      transport.onclose = resolve;
    });
    const asked = new Promise<void>(resolve => {
      transport.onmessage = () => resolve();
    });
    await transport.start();
    input.end(`${JSON.stringify(ping)}\n`);
    await asked;
    await new Promise<void>(resolve => input.once('end', resolve));
    await transport.send({ jsonrpc: '2.0', id: 1, result: {} });
    await closed;
    expect(JSON.parse(String(output.read()))).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
  });

  test('closes when its reader has gone away', async () => {
    const output = new PassThrough();
    const transport = new StreamTransport(new PassThrough(), output, { lineBytesMax: 1024 });
    const closed = new Promise<string>(resolve => {
      transport.onclose = () => resolve('closed');
    });
    await transport.start();
    output.destroy(new Error('EPIPE'));
    await expect(closed).resolves.toBe('closed');
    await expect(transport.send({ jsonrpc: '2.0', id: 1, result: {} })).resolves.toBeUndefined();
  });
});

test('a reader that went away closes it though the stream stays open, as stdout does', async () => {
  const output = new Writable({
    autoDestroy: false,
    emitClose: false,
    write: (_chunk, _encoding, done) =>
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  });
  const transport = new StreamTransport(new PassThrough(), output, { lineBytesMax: 1024 });
  const closed = new Promise<void>(resolve => {
    transport.onclose = resolve;
  });
  await transport.start();
  await transport.send({ jsonrpc: '2.0', id: 1, result: {} });
  await closed;
  expect(output.destroyed).toBe(false);
});

test('progress that comes in one piece with its answer, and with the end, is told', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const client = new Client({ name: 'test', version: '1' });
  const line = async () =>
    z.looseObject({ id: z.int() }).parse(JSON.parse(String(await once(output, 'data'))));
  const answer = (id: number, result: unknown) =>
    `${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`;
  const connected = client.connect(new StreamTransport(input, output, { lineBytesMax: 1024 }));
  const serverInfo = { name: 'server', version: '1' };
  const { id: first } = await line();
  input.write(
    answer(first, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo }),
  );
  await connected;
  output.read();
  const steps: unknown[] = [];
  const called = client.callTool({ name: 'any' }, undefined, {
    onprogress: ({ progress }) => steps.push(progress),
  });
  const { id } = await line();
  const progress = [1, 2].map(step => ({
    ...{ jsonrpc: '2.0', method: 'notifications/progress' },
    params: { progressToken: id, progress: step },
  }));
  input.end(
    `${progress.map(each => `${JSON.stringify(each)}\n`).join('')}${answer(id, { content: [] })}`,
  );
  expect(await called).toEqual({ content: [] });
  expect(steps).toEqual([1, 2]);
});

describe('lineSplitter', () => {
  test('gives the same lines however the bytes are cut, inside UTF-8 too', () => {
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter(text => /^\S.*\S$|^\S$/u.test(text) && !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map(text => `${text}\n`).join(''));
        const seen: string[] = [];
        const feed = lineSplitter({
          bytesMax: 1_000_000,
          onLine: text => seen.push(text),
          onTooLong: () => seen.push('too long'),
        });
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          feed(bytes.subarray(at, at + cut));
          at += cut;
        }
        feed(bytes.subarray(Math.min(at, bytes.length)));
        expect(seen).toEqual(lines);
      }),
    );
  });
});
