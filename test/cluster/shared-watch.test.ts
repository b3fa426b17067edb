import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { readPod } from '../../src/cluster/list.ts';
import type { PodChange, PodState } from '../../src/cluster/port.ts';
import { SharedWatch } from '../../src/cluster/shared-watch.ts';
import { SHARED_WATCH_MS } from '../../src/contract/limits.ts';
import { pass } from '../fakes/deadlines.ts';

const pod = (uid: string, session = uid): PodState =>
  readPod({ metadata: { uid, name: uid, labels: { session } } });
const of = (session: string) => (each: PodState) => each.labels['session'] === session;

/** A watch whose changes the test tells, and how often it was opened. */
function watched() {
  const opened: {
    tell(type: PodChange['type'], uid: string, session?: string): void;
    fail(why: string): void;
    signal: AbortSignal;
  }[] = [];
  const watch = new SharedWatch(signal => {
    const changes = new PassThrough({ objectMode: true, signal });
    opened.push({
      ...{ signal, fail: why => void changes.destroy(new Error(why)) },
      tell: (type, uid, session) => void changes.write({ type, pod: pod(uid, session) }),
    });
    return changes;
  });
  return { watch, opened };
}

const listen = (watch: SharedWatch, session: string, stop = new AbortController()) => ({
  stop,
  changes: watch.changes(of(session), stop.signal),
});
const uidOf = async (changes: AsyncGenerator<PodChange>) => {
  const { value, done } = await changes.next();
  return done ? undefined : `${value.type} ${value.pod.uid}`;
};

test('one watch serves all who listen, each its own pods, late comers what is there', async () => {
  const { watch, opened } = watched();
  const a = listen(watch, 'a');
  const b = listen(watch, 'b');
  const first = Promise.all([uidOf(a.changes), uidOf(b.changes)]);
  opened[0]?.tell('present', 'b');
  opened[0]?.tell('present', 'a');
  expect(await first).toEqual(['present a', 'present b']);
  expect(await uidOf(listen(watch, 'a').changes)).toBe('present a');
  expect(opened).toHaveLength(1);
  a.stop.abort();
  expect(await uidOf(a.changes)).toBeUndefined();
});

test('what it saw answers whether a pod is there, and now and then somebody else must', async () => {
  const { watch, opened } = watched();
  expect(watch.isThere('a')).toBeUndefined();
  const a = listen(watch, 'a');
  const seen = uidOf(a.changes);
  opened[0]?.tell('present', 'a');
  await seen;
  const answers = Array.from({ length: 10 }, () => watch.isThere('a'));
  expect(answers).toEqual([...Array.from({ length: 9 }, () => true), undefined]);
  const gone = uidOf(a.changes);
  opened[0]?.tell('deleted', 'a');
  expect(await gone).toBe('deleted a');
  expect([watch.isThere('a'), watch.isThere('other')]).toEqual([false, undefined]);
});

test('it stays open a little after the last has left, then ends and knows nothing', async () => {
  const { watch, opened } = watched();
  const a = listen(watch, 'a');
  const seen = uidOf(a.changes);
  opened[0]?.tell('present', 'a');
  await seen;
  await a.changes.return(undefined);
  expect([watch.isThere('a'), opened[0]?.signal.aborted]).toEqual([true, false]);
  await pass(SHARED_WATCH_MS);
  expect([watch.isThere('a'), opened[0]?.signal.aborted]).toEqual([undefined, true]);
});

test('who comes in that time keeps it open', async () => {
  const { watch, opened } = watched();
  const a = listen(watch, 'a');
  const seen = uidOf(a.changes);
  opened[0]?.tell('present', 'a');
  await seen;
  await a.changes.return(undefined);
  const again = listen(watch, 'a');
  expect(await uidOf(again.changes)).toBe('present a');
  await pass(SHARED_WATCH_MS);
  expect(opened[0]?.signal.aborted).toBe(false);
});

test('its failure is that of all who listen; the next one opens it anew', async () => {
  const { watch, opened } = watched();
  const waiting = ['a', 'b'].map(session => uidOf(listen(watch, session).changes));
  opened[0]?.fail('forbidden');
  for (const failed of waiting) await expect(failed).rejects.toThrow('forbidden');
  const next = uidOf(listen(watch, 'a').changes);
  opened[1]?.tell('present', 'a');
  expect(await next).toBe('present a');
});
