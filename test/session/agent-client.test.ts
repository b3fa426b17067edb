import { afterEach, describe, expect, test, vi } from 'vitest';
import { AGENT_HELLO } from '../../src/contract/labels.ts';
import {
  AGENT_FOREIGN_MS,
  AGENT_INITIALIZE_MS_MAX,
  AGENT_PING_MS,
  AGENT_SILENT_MS,
  CLOCK_ANSWER_MS_MAX,
  TOOL_CALL_MS_MAX,
} from '../../src/contract/limits.ts';
import { VERSION } from '../../src/contract/version.ts';
import { createSession } from '../../src/session/session.ts';
import { asJson, type Json } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { agent, answer, initialized } from './fake-agent.ts';
import { pipeLink } from './pipe-link.ts';

const signal = new AbortController().signal;
const ask = (tool: string, onProgress: (text: string) => void = () => {}) => ({
  ...{ tool, input: {}, signal, onProgress },
});
afterEach(() => {
  vi.useRealTimers();
});

/** A session with an agent that answers so; what it heard, by method. */
function sessionWith(reply: (message: Json, say: (line: Json) => void) => Json | undefined) {
  const pipe = pipeLink();
  const heard: Json[] = [];
  const say = (line: Json) =>
    pipe.agentSays(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...line })}\n`));
  pipe.agentHears(message => {
    heard.push(message);
    const result = reply(message, say);
    if (result) say({ id: message['id'], ...result });
  });
  const it = createSession({ target: 'node-a', openLink: async () => pipe.link });
  return { ...pipe, it, heard };
}
/** Long enough for a message in memory to arrive and be answered. */
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};
const count = (heard: readonly Json[], method: string) =>
  heard.filter(message => message['method'] === method).length;

test('an agent that refuses to begin is named with its words', async () => {
  const { it } = sessionWith(() => ({ error: { code: -32603, message: 'no\nroom' } }));
  await expect(it.call(ask('a'))).rejects.toMatchObject({
    message: 'the agent on node-a does not answer: MCP error -32603: no room',
    hint: 'is it the image of this plugin?',
    exit: 4,
  });
});

test('an agent that ends before it has begun says how', async () => {
  const { it, end } = sessionWith(({ method }) => {
    if (method === 'initialize') end({ kind: 'agent_ended', detail: 'exit code 127' });
    return undefined;
  });
  await expect(it.call(ask('a'))).rejects.toThrow(
    'the agent on node-a does not answer: exit code 127',
  );
});

test('a program that is no agent is named by its first line, soon after it', async () => {
  const pipe = pipeLink();
  pipe.agentHears(() => pipe.agentSays(Buffer.from('nginx: [warn] could not\tbind\n')));
  void pass(AGENT_FOREIGN_MS);
  const it = createSession({ target: 'node-a', openLink: async () => pipe.link });
  await expect(it.call(ask('a'))).rejects.toMatchObject({
    message:
      'the program in the pod on node-a is not an agent of this plugin: it says "nginx: [warn] could not bind"',
    hint: 'is it the image of this plugin?',
    exit: 4,
  });
});

describe('a program that is silent', () => {
  const called = (log: string | undefined) => {
    const { link } = pipeLink({ firstWords: async () => log });
    const it = createSession({ target: 'node-a', openLink: async () => link });
    const call = it.call(ask('a'));
    call.catch(() => undefined);
    return call;
  };

  test.each([
    ['its log is empty', ''],
    ['its log says "listening on :8080"', 'listening on :8080\n'],
  ])('is no agent where %s', async (why, log) => {
    const call = called(log);
    await pass(AGENT_SILENT_MS);
    await expect(call).rejects.toMatchObject({
      message: `the program in the pod on node-a is not an agent of this plugin: it answers nothing in 7 s, and ${why}`,
      exit: 4,
    });
  });

  test.each([
    ['its log has an agent’s first word', `${AGENT_HELLO}\n`],
    ['its log may not be read', undefined],
  ])('has its time where %s', async (_why, log) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const call = called(log);
    await pass(AGENT_SILENT_MS);
    await vi.advanceTimersByTimeAsync(AGENT_INITIALIZE_MS_MAX);
    await expect(call).rejects.toThrow('the agent on node-a does not answer');
  });
});

test('an agent of another version: what to do', async () => {
  const { it } = sessionWith(() => initialized('0.0.1'));
  await expect(it.call(ask('a'))).rejects.toMatchObject({
    hint: `use the image of version ${VERSION}`,
    exit: 4,
  });
});

test('we say who we are', async () => {
  const { it, heard } = sessionWith(agent(() => answer('x')));
  await it.call(ask('a'));
  expect(asJson(heard[0]?.['params'])['clientInfo']).toEqual({ name: 'gpu-mcp', version: VERSION });
});

test('a tool that takes too long is given up, with the tool that says why', async () => {
  const { it } = sessionWith(agent(({ name }) => (name === 'a' ? answer('x') : undefined)));
  await it.call(ask('a'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const called = it.call(ask('slow')).catch(error => error);
  await vi.advanceTimersByTimeAsync(TOOL_CALL_MS_MAX);
  expect(await called).toMatchObject({
    message: 'node-a did not answer slow within 50 s',
    hint: 'a wedged driver can hold a tool up: triage_gpu_node names it',
  });
});

test('a refusal is told in the agent’s own words, whoever wrapped them', async () => {
  const message = 'MCP error -32602: MCP error 7: no such GPU';
  const { it } = sessionWith(agent(() => ({ error: { code: -32602, message } })));
  await expect(it.call(ask('a'))).rejects.toMatchObject({
    message: 'node-a refused a: no such GPU',
    exit: 4,
  });
});

test('an end during a call: how, and what comes next', async () => {
  const { it, end, fromAgent } = sessionWith(
    agent(() => {
      end({ kind: 'lost', detail: 'the connection broke' });
      fromAgent.end();
      return undefined;
    }),
  );
  await expect(it.call(ask('a'))).rejects.toMatchObject({
    message: 'the session with node-a ended during a: the connection broke',
    hint: 'the next call starts a new one',
  });
});

test('a progress without words is not told', async () => {
  const said: string[] = [];
  let finish = () => {};
  const { it } = sessionWith((message, say) =>
    agent(({ _meta }, { id }) => {
      const { progressToken } = Object(_meta);
      const progress = (more: Json) =>
        say({ method: 'notifications/progress', params: { progressToken, progress: 1, ...more } });
      progress({});
      progress({ message: 'reading' });
      finish = () => say({ id, ...answer('done') });
      return undefined;
    })(message),
  );
  await it.call(
    ask('a', text => {
      said.push(text);
      finish();
    }),
  );
  expect(said).toEqual(['reading']);
});

test('the node’s clock is asked for', async () => {
  const { it } = sessionWith(message =>
    message['method'] === 'gpu-mcp/clock'
      ? { result: { nowMs: 1_234 } }
      : agent(() => answer('x'))(message),
  );
  expect(await it.nodeNowMs(signal)).toBe(1_234);
});

test('a clock that does not answer is not waited for, and a caller may give up before', async () => {
  const { it } = sessionWith(agent(() => answer('x')));
  const asked = it.nodeNowMs(signal).catch(error => error);
  await pass(CLOCK_ANSWER_MS_MAX);
  expect(String(await asked)).toContain('aborted due to timeout');
  await expect(it.nodeNowMs(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});

test('an idle agent is pinged again and again, until the session is over', async () => {
  let ponged = () => {};
  const { it, heard, end } = sessionWith(message => {
    if (message['method'] === 'ping') ponged();
    return agent(() => answer('x'))(message);
  });
  await it.call(ask('a'));
  for (const pings of [1, 2]) {
    const ping = new Promise<void>(resolve => {
      ponged = resolve;
    });
    await pass(AGENT_PING_MS);
    await ping;
    expect(count(heard, 'ping')).toBe(pings);
  }
  await turns();
  end({ kind: 'agent_ended', detail: 'over' });
  await turns();
  await pass(AGENT_PING_MS);
  await turns();
  expect(count(heard, 'ping')).toBe(2);
});

test('a session that is closed pings no more', async () => {
  const { it, heard } = sessionWith(agent(() => answer('x')));
  await it.call(ask('a'));
  await it.close();
  await pass(AGENT_PING_MS);
  await turns();
  expect(count(heard, 'ping')).toBe(0);
});
