import { expect, test } from 'vitest';
import { leaveEvents } from '../../src/cli/leave-events.ts';
import { ApiError, type NodeEvent } from '../../src/cluster/port.ts';
import { ioOf } from './run.ts';

const ANSWERS = [
  { target: 'gpu-1', structured: { verdict: 'critical' } },
  { target: 'gpu-2', structured: { verdict: 'healthy' } },
];

/** What is left of these answers, said and warned of, where the cluster takes an event so. */
async function left(take: (event: NodeEvent) => void, answers: readonly object[] = ANSWERS) {
  const { io, err } = ioOf({});
  const events: NodeEvent[] = [];
  const said: string[] = [];
  const cluster = {
    whoAmI: async () => 'ann',
    createEvent: async (event: NodeEvent) => {
      take(event);
      events.push(event);
    },
  };
  const progress = { say: (words: string) => said.push(words), tell: () => {}, wait: () => {} };
  const of = answers.map(answer => ({ target: '', structured: {}, ...answer }));
  await leaveEvents({ answers: of }, cluster, { io, progress });
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
  const denied = new ApiError('user "ann" may not create events', {
    ...{ code: 403, reason: 'MissingRight' },
  });
  const asked: string[] = [];
  const { events, warned } = await left(({ involvedObject }) => {
    asked.push(involvedObject.name);
    throw denied;
  });
  expect([events, asked]).toEqual([[], ['gpu-1']]);
  expect(warned).toMatch(
    /^warning: no event was left on node gpu-1: user "ann" may not create events; kubectl gpu-mcp manifest rbac --event prints the right\n$/,
  );
});

test('another failure is of that node alone', async () => {
  const { events, warned } = await left(({ involvedObject }) => {
    if (involvedObject.name === 'gpu-1') throw new Error('too \u001b[31mmany');
  });
  expect(events).toHaveLength(1);
  expect(warned).not.toContain('\u001b');
});

test('an answer without a verdict leaves none', async () => {
  expect((await left(() => {}, [{ target: 'gpu-1', structured: { error: 'x' } }])).events).toEqual(
    [],
  );
});
