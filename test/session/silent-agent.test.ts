import { afterEach, describe, expect, test, vi } from 'vitest';
import { CAPTURE_TOOL } from '../../src/contract/capture-tool.ts';
import { CutOffError } from '../../src/contract/errors.ts';
import { CALL_PING_AFTER_MS, CALL_PONG_MS_MAX } from '../../src/contract/limits.ts';
import { createSession } from '../../src/session/session.ts';
import type { Silence } from '../../src/session/silence.ts';
import type { Json } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { agent, answer } from './fake-agent.ts';
import { pipeLink } from './pipe-link.ts';

const signal = new AbortController().signal;
afterEach(() => {
  vi.useRealTimers();
});

/** A session whose agents answer so, each by its number; what the cluster says of the silence between. */
function sessionWith(
  reply: (message: Json, nth: number) => Json | undefined,
  silent: Silence | undefined,
) {
  const methods: string[] = [];
  const said: string[] = [];
  let links = 0;
  const whoIsSilent = vi.fn(async () => silent);
  const it = createSession({
    target: 'node-a',
    openLink: async () => {
      links += 1;
      const nth = links;
      const pipe = pipeLink({ whoIsSilent });
      pipe.agentHears(message => {
        methods.push(`${nth} ${String(message['method'])}`);
        const result = reply(message, nth);
        const line = { jsonrpc: '2.0', id: message['id'], ...result };
        if (result) pipe.agentSays(Buffer.from(`${JSON.stringify(line)}\n`));
      });
      return pipe.link;
    },
  });
  const call = (tool: string) =>
    it.call({ tool, input: {}, signal, onProgress: text => said.push(text) });
  return { it, call, methods, said, whoIsSilent, links: () => links };
}

const turns = async () => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise(setImmediate);
};

/** Lets a call wait so long that it pings, and the ping wait so long that it is given up. */
async function wait() {
  await pass(CALL_PING_AFTER_MS);
  await turns();
  await vi.advanceTimersByTimeAsync(CALL_PONG_MS_MAX);
  await turns();
}

/** From its tool call on the first agent says nothing at all. */
function falls() {
  let isDead = false;
  return (message: Json, nth: number): Json | undefined => {
    if (nth === 1 && message['method'] === 'tools/call') isDead = true;
    if (nth === 1 && isDead) return undefined;
    return agent(() => answer(`of agent ${nth}`))(message);
  };
}

/** The time that a silence takes runs from here on. */
const held = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });

describe('an agent of which nothing is heard', () => {
  test('while all others answer: the stream is dead, and the call is made once more', async () => {
    const { call, said, links, it } = sessionWith(falls(), undefined);
    await it.start(signal, () => {});
    held();
    const called = call('a');
    await wait();
    vi.useRealTimers();
    expect(await called).toMatchObject({ content: [{ text: 'of agent 2' }] });
    expect(links()).toBe(2);
    expect(said).toEqual([
      'the stream to the agent is dead: no word from the agent on node-a for 8 s during a, not to a ping either, while the API server answers and the node is ready; asking again through a new session',
    ]);
  });

  test('twice: that is the answer, and it is never the driver', async () => {
    const { call, it, links } = sessionWith(
      message => (message['method'] === 'initialize' ? agent(() => undefined)(message) : undefined),
      undefined,
    );
    await it.start(signal, () => {});
    held();
    const called = call('a').catch(error => error);
    await wait();
    await wait();
    const error = await called;
    expect(error).toMatchObject({
      message: expect.stringContaining('the stream to the agent is dead'),
      exit: 4,
    });
    expect(`${error.message} ${error.hint}`).not.toContain('driver');
    expect(links()).toBe(2);
  });

  test('a part of a bundle is of that agent alone, and not asked again', async () => {
    const { call, it, links } = sessionWith(falls(), undefined);
    await it.start(signal, () => {});
    held();
    const called = call(CAPTURE_TOOL).catch(error => error);
    await wait();
    expect((await called).message).toContain('the stream to the agent is dead');
    expect(links()).toBe(1);
  });

  test.each(['link', 'node', 'kubelet'] as const)(
    'the %s that is silent is named, and not asked again',
    async who => {
      const silent = { who, sentence: `it is the ${who}`, hint: 'look there' };
      const { call, it, links } = sessionWith(falls(), silent);
      await it.start(signal, () => {});
      held();
      const called = call('a').catch(error => error);
      await wait();
      expect(await called).toMatchObject({
        message: `it is the ${who}; no word from the agent on node-a for 8 s during a, not to a ping either`,
        hint: 'look there',
        exit: 4,
      });
      // Of a cluster that cannot be reached nobody asks for a view afterwards.
      expect((await called) instanceof CutOffError).toBe(who === 'link');
      expect(links()).toBe(1);
    },
  );
});

test('an agent that answers pings is waited for: that is a slow driver', async () => {
  const { call, methods, whoIsSilent, it } = sessionWith(
    agent(() => undefined),
    undefined,
  );
  await it.start(signal, () => {});
  held();
  const stop = new AbortController();
  const called = it
    .call({ tool: 'a', input: {}, signal: stop.signal, onProgress: () => {} })
    .catch(error => error);
  await wait();
  await wait();
  expect(methods.filter(method => method === '1 ping')).toHaveLength(2);
  expect(whoIsSilent).not.toHaveBeenCalled();
  stop.abort(new Error('enough'));
  expect((await called).message).toBe('enough');
  void call;
});
