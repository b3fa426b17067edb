import { expect, test } from 'vitest';
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
