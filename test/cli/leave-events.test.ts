import { expect, test } from 'vitest';
import { leaveEvents } from '../../src/cli/leave-events.ts';
import { ApiError, type NodeEvent } from '../../src/cluster/port.ts';
import { told } from '../../src/contract/errors.ts';
import { NODE_EVENTS_MS_MAX } from '../../src/contract/limits.ts';
import { pass } from '../fakes/deadlines.ts';
import { ioOf } from './run.ts';

const ANSWERS = [
  { target: 'gpu-1', structured: { verdict: 'critical' } },
  { target: 'gpu-2', structured: { verdict: 'healthy' } },
];

/** What is left of these answers, said and warned of, where the cluster takes an event so. */
async function left(
  take: (event: NodeEvent, signal: AbortSignal) => unknown,
  answers: readonly object[] = ANSWERS,
) {
  const { io, err } = ioOf({});
  const events: NodeEvent[] = [];
  const said: string[] = [];
  const cluster = {
    whoAmI: async () => 'ann',
    createEvent: async (event: NodeEvent, signal: AbortSignal) => {
      await take(event, signal);
      events.push(event);
    },
  };
  const progress = { say: (words: string) => said.push(words), tell: () => {}, wait: () => {} };
  const of = answers.map(answer => ({ target: '', structured: {}, ...answer }));
  const words = { connection: ['--as=bob'], namespace: ['--namespace=gpu'] };
  await leaveEvents({ answers: of }, cluster, { io, progress }, words);
  return { events, said, warned: err.text() };
}

test('each node that was judged gets its event, and that is said', async () => {
  const { events, said, warned } = await left(() => {});
  expect(events.map(({ involvedObject, type }) => [involvedObject.name, type])).toEqual([
    ['gpu-1', 'Warning'],
    ['gpu-2', 'Normal'],
  ]);
  expect(said[0]).toMatch(/^event GpuTriage left on node gpu-1: critical: .*"ann"$/);
  expect(warned).toBe('');
  const names = new Set(events.map(({ metadata }) => metadata.name));
  expect(names.size).toBe(2);
});

test('who may not gets one sentence, and nobody asks for the other nodes', async () => {
  const denied = new ApiError(told`user "ann" may not create events`, {
    ...{ code: 403, reason: 'MissingRight' },
    hint: 'kubectl auth can-i create events -n default',
  });
  const asked: string[] = [];
  const { events, warned } = await left(({ involvedObject }) => {
    asked.push(involvedObject.name);
    throw denied;
  });
  expect([events, asked]).toEqual([[], ['gpu-1']]);
  expect(warned).toMatch(
    /^warning: no event was left on node gpu-1: user "ann" may not create events; kubectl gpu-mcp manifest --as=bob --namespace=gpu rbac --event prints the right\n$/,
  );
});

test('another failure is of that node alone', async () => {
  const { events, warned } = await left(({ involvedObject }) => {
    if (involvedObject.name === 'gpu-1') throw new Error('too \u001b[31mmany');
  });
  expect(events).toHaveLength(1);
  expect(warned).not.toContain('\u001b');
});

test('an API server that is silent is waited for once, and not for each node', async () => {
  const waits: string[] = [];
  const done = left(({ involvedObject }, signal) => {
    waits.push(involvedObject.name);
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('no answer'))),
    );
  });
  while (waits.length === 0) await new Promise(resolve => setImmediate(resolve));
  await pass(NODE_EVENTS_MS_MAX);
  const { events, warned } = await done;
  expect([events, waits]).toEqual([[], ['gpu-1']]);
  expect(warned).toBe(
    'warning: no event was left on node gpu-1: no answer\nwarning: the API server is slow: the other nodes got no event\n',
  );
});

test('an answer without a verdict leaves none', async () => {
  expect((await left(() => {}, [{ target: 'gpu-1', structured: { error: 'x' } }])).events).toEqual(
    [],
  );
});
