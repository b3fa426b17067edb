import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { serveAgent } from '../../src/agent/serve.ts';
import { AGENT_FIRST_BYTE_MS_MAX, AGENT_IDLE_MS_MAX } from '../../src/contract/limits.ts';
import type { NvmlProcess } from '../../src/nvml/child/hosted.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** A driver that says nothing, and ends when it may. */
function spawnChild(): NvmlProcess {
  let end = (_why: string) => {};
  return {
    listen({ onEnd }) {
      end = onEnd;
    },
    send() {},
    retire: () => end('retired'),
    kill: () => end('killed'),
  };
}

/** An agent; its input, and whether it has ended. */
async function serving(
  more: { readonly redactNames?: 'stdin'; readonly lifeSeconds?: number } = {},
) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const input = new PassThrough();
  const output = new PassThrough();
  const state = { ended: false };
  const stop = new AbortController();
  const over = serveAgent({
    arguments: { simulate: 'dgx-h100', hostRoot: '/', clockSkewMs: 0, ...more },
    input,
    output,
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    spawnChild,
    stop: stop.signal,
    timers: { after: () => () => {} },
  }).then(() => {
    state.ended = true;
  });
  void over;
  const passed = async (ms: number) => {
    // It has begun to listen by then.
    while (vi.getTimerCount() === 0 && !state.ended) await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(ms);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    return state.ended;
  };
  return { input, output, passed, stop };
}

test('an agent that nobody ever spoke to ends within ten seconds: who started it is dead', async () => {
  const { passed } = await serving();
  expect(await passed(AGENT_FIRST_BYTE_MS_MAX - 1)).toBe(false);
  expect(await passed(1)).toBe(true);
});

test('one that no kubelet ends has its time, whoever speaks to it', async () => {
  const { input, passed } = await serving({ lifeSeconds: 60 });
  input.write('{}\n');
  expect(await passed(59_999)).toBe(false);
  expect(await passed(1)).toBe(true);
});

test('one that was spoken to waits for the next word as long as a laptop may sleep', async () => {
  const { input, passed } = await serving();
  expect(await passed(AGENT_FIRST_BYTE_MS_MAX - 1)).toBe(false);
  input.write('\n');
  expect(await passed(AGENT_IDLE_MS_MAX - 1)).toBe(false);
  input.write('\n');
  expect(await passed(AGENT_IDLE_MS_MAX - 1)).toBe(false);
  expect(await passed(1)).toBe(true);
});

test('one that its kubelet stops ends at once', async () => {
  const { passed, stop } = await serving();
  expect(await passed(0)).toBe(false);
  stop.abort();
  expect(await passed(0)).toBe(true);
});

describe('an agent that keeps names', () => {
  const key = `${'0123456789abcdef'.repeat(2)}\n`;
  const initialize = JSON.stringify({
    ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
    params: {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'ä', version: '1' },
    },
  });
  const text = Buffer.from(`${key}${initialize}\n`);

  test.each([1, 16, 32, 33, 34, 60, text.length - 20, text.length])(
    'takes the key before the first message, wherever the bytes are cut: at %i',
    async at => {
      const { input, output, passed } = await serving({ redactNames: 'stdin' });
      input.write(text.subarray(0, at));
      await passed(1);
      input.write(text.subarray(at));
      await passed(1);
      expect(JSON.parse(String(output.read()))).toMatchObject({ id: 1, result: {} });
      input.end();
    },
  );

  test.each(['', `${initialize}\n`, 'short\n', `${'0'.repeat(100)}\n`])(
    'says nothing and ends without a key: %j',
    async words => {
      const { input, output, passed } = await serving({ redactNames: 'stdin' });
      input.write(words);
      expect(await passed(AGENT_FIRST_BYTE_MS_MAX)).toBe(true);
      expect(output.read()).toBe(null);
    },
  );

  test('ends with its input, key or no key', async () => {
    const { input, passed } = await serving({ redactNames: 'stdin' });
    input.end();
    expect(await passed(1)).toBe(true);
  });
});
