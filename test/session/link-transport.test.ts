import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { LinkTransport } from '../../src/session/agent-client.ts';
import { createSession } from '../../src/session/session.ts';
import { agent, answer } from './fake-agent.ts';
import { pipeLink } from './pipe-link.ts';

const signal = new AbortController().signal;
const ask = (tool: string) => ({ tool, input: {}, signal, onProgress: () => {} });

test('messages are cut anywhere, also inside a character, and joined again', async () => {
  const text = 'GPU 3 — Übertemperatur 🔥';
  const { link, agentSays, agentHears } = pipeLink();
  agentHears(message => {
    const result = agent(() => answer(text))(message);
    if (!result) return;
    const line = Buffer.from(
      `${JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result })}\n`,
    );
    for (const byte of line) agentSays(Buffer.of(byte));
  });
  const it = createSession({ target: 'local', openLink: async () => link });
  expect(await it.call(ask('a'))).toMatchObject({ content: [{ text }] });
});

test('a line without an end closes the link instead of filling the memory', async () => {
  const { link, agentSays, agentHears } = pipeLink();
  agentHears(message => {
    const result = agent(() => undefined)(message);
    if (result)
      agentSays(
        Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result })}\n`),
      );
    if (message['method'] !== 'tools/call') return;
    for (let i = 0; i < 9; i += 1) agentSays(Buffer.alloc(1024 * 1024, 'x'));
  });
  const it = createSession({ target: 'local', openLink: async () => link });
  await expect(it.call(ask('a'))).rejects.toThrow('the session with local ended during a');
});

test('noise on the stream is no message and does no harm', async () => {
  const { link, agentSays, agentHears } = pipeLink();
  agentHears(message => {
    agentSays(Buffer.from('\nWarning: something\n{"jsonrpc":"1.0"}\n'));
    const result = agent(() => answer('fine'))(message);
    if (result)
      agentSays(
        Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result })}\r\n`),
      );
  });
  const it = createSession({ target: 'local', openLink: async () => link });
  expect(await it.call(ask('a'))).toMatchObject({ content: [{ text: 'fine' }] });
});

describe('the transport', () => {
  const message = { jsonrpc: '2.0', id: 1, method: 'ping' } as const;

  /** Over a link whose stream to the agent takes one byte at a time. */
  async function narrow() {
    const { link, fromAgent, end } = pipeLink();
    const toAgent = new PassThrough({ highWaterMark: 1 });
    const transport = new LinkTransport({ ...link, toAgent });
    const errors: string[] = [];
    transport.onerror = ({ message: text }) => errors.push(text);
    await transport.start();
    return { transport, toAgent, fromAgent, errors, link, end };
  }
  const isDone = async (promise: Promise<void>) => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    return Promise.race([promise.then(() => true), Promise.resolve(false)]);
  };

  test('waits while the agent does not read', async () => {
    const { transport, toAgent } = await narrow();
    const sent = transport.send(message);
    expect(await isDone(sent)).toBe(false);
    expect(String(toAgent.read())).toBe(`${JSON.stringify(message)}\n`);
    await sent;
    expect([toAgent.listenerCount('drain'), toAgent.listenerCount('close')]).toEqual([0, 0]);
  });

  test('waits no longer than the stream is there', async () => {
    const { transport, toAgent } = await narrow();
    const sent = transport.send(message);
    toAgent.destroy();
    await sent;
    await expect(transport.send(message)).rejects.toThrow('the stream to the agent is over');
  });

  test('tells of broken lines and of a broken stream, and goes on', async () => {
    const { transport, fromAgent, errors } = await narrow();
    const seen: unknown[] = [];
    transport.onmessage = heard => seen.push(heard);
    fromAgent.write(`{\n${JSON.stringify(message)}\n`);
    await isDone(new Promise(() => {}));
    expect(errors).toHaveLength(1);
    expect(seen).toEqual([message]);
    fromAgent.destroy(new Error('cut'));
    await isDone(new Promise(() => {}));
    expect(errors.at(-1)).toBe('cut');
  });

  test('a line without an end is told with its bound', async () => {
    const { fromAgent, errors, link } = await narrow();
    fromAgent.write(Buffer.alloc(8 * 1024 ** 2 + 1, 'x'));
    expect((await link.ended).kind).toBe('closed');
    expect(errors).toEqual(['the agent sent a line of more than 8388608 bytes']);
  });

  test('closes with the link, and closes it', async () => {
    const { transport, link } = await narrow();
    const closed = new Promise<void>(resolve => {
      transport.onclose = resolve;
    });
    await transport.close();
    await closed;
    expect((await link.ended).kind).toBe('closed');
  });
});

describe('a start that several wait for', () => {
  /** A session whose link comes when the test says so. */
  function later() {
    const { link, agentSays, agentHears } = pipeLink();
    let open: () => void = () => {};
    let fail: (error: Error) => void = () => {};
    let say: (text: string) => void = () => {};
    agentHears(message => {
      const result = agent(() => answer('done'))(message);
      const line = JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result });
      if (result) agentSays(Buffer.from(`${line}\n`));
    });
    const it = createSession({
      target: 'node-a',
      openLink: (_stop, onProgress) => {
        say = onProgress;
        return new Promise((resolve, reject) => {
          open = () => resolve(link);
          fail = reject;
        });
      },
    });
    return {
      it,
      open: () => open(),
      fail: (error: Error) => fail(error),
      say: (t: string) => say(t),
    };
  }

  test('who gives up leaves it to the others', async () => {
    const { it, open } = later();
    const stop = new AbortController();
    const gone = it.call({ ...ask('a'), signal: stop.signal });
    const stays = it.call(ask('a'));
    stop.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    open();
    expect(await stays).toMatchObject({ content: [{ text: 'done' }] });
    await expect(it.call({ ...ask('a'), signal: stop.signal })).rejects.toThrow('enough');
  });

  test('who has an answer, or gave up, hears of no start any more', async () => {
    const { it, open, say } = later();
    const said: string[] = [];
    const stop = new AbortController();
    const request = { ...ask('a'), signal: stop.signal };
    const gone = it.call({ ...request, onProgress: text => said.push(`gone: ${text}`) });
    const stays = it.start(signal, text => said.push(`stays: ${text}`));
    say('one');
    stop.abort(new Error('enough'));
    await gone.catch(() => undefined);
    say('two');
    open();
    await stays;
    say('three');
    expect(said).toEqual(['gone: one', 'stays: one', 'stays: two']);
  });

  test('one that failed is tried anew at the next call', async () => {
    const { it, open, fail } = later();
    const first = it.call(ask('a'));
    fail(new Error('no pod'));
    await expect(first).rejects.toThrow('no pod');
    const second = it.call(ask('a'));
    open();
    expect(await second).toMatchObject({ content: [{ text: 'done' }] });
  });

  test('one that fails while the session is closed has left nothing', async () => {
    const { it, fail } = later();
    const call = it.call(ask('a')).catch(error => error.message);
    const closed = it.close();
    fail(new Error('stopped'));
    expect(await closed).toEqual({ removed: null, verified: true, left: [] });
    expect(await call).toBe('stopped');
    await expect(it.start(signal, () => {})).rejects.toThrow('the session with node-a is closed');
  });
});
