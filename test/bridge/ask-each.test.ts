import { expect, test } from 'vitest';
import { type Asking, askEach, NoAnswerYet } from '../../src/bridge/ask-each.ts';
import { NODE_ANSWER_MS_MAX } from '../../src/contract/limits.ts';
import { sentFacts } from '../../src/mcp/results.ts';
import type { Session, ToolRequest } from '../../src/session/port.ts';
import { getGpuInventory } from '../../src/tools/catalog/get-gpu-inventory.ts';
import { pass } from '../fakes/deadlines.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const question = getGpuInventory.question({});
const FACTS = sentFacts(
  await question.observe(instrumentsOf('healthy-t4'), new AbortController().signal),
  {},
);

/** Nodes that answer when the test says so; what happens to them is told in order. */
class Fleet {
  readonly told: string[] = [];
  readonly sessions: readonly Session[];
  readonly #answers = new Map<string, () => void>();
  readonly #gone = new Map<string, Promise<void>>();

  constructor(...names: readonly string[]) {
    this.sessions = names.map(target => ({
      target,
      call: request => this.#call(target, request),
      start: async () => {},
      close: async () => {
        this.told.push(`${target} ending`);
        await this.#gone.get(target);
        this.told.push(`${target} ended`);
        return { removed: null, verified: true, left: [] };
      },
    }));
  }

  #call(target: string, { signal, onProgress }: ToolRequest) {
    this.told.push(`${target} asked`);
    onProgress(`pod of ${target} is Pending`);
    return new Promise<typeof FACTS>((resolve, reject) => {
      this.#answers.set(target, () => resolve(FACTS));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /** Its end takes until the returned function is called. */
  lingers(target: string): () => void {
    let end = () => {};
    this.#gone.set(
      target,
      new Promise(resolve => {
        end = resolve;
      }),
    );
    return end;
  }

  async answer(target: string): Promise<void> {
    this.#answers.get(target)?.();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  }
}

const asking = (more: Partial<Asking> = {}): Asking => ({
  signal: new AbortController().signal,
  clock: { nowMs: () => 0 },
  parallel: 2,
  limit: () => AbortSignal.timeout(NODE_ANSWER_MS_MAX),
  onProgress: () => {},
  end: session => session.close(),
  ...more,
});

test('so many at a time; the next turn begins when the one before has ended', async () => {
  const fleet = new Fleet('a', 'b', 'c');
  const all = askEach(fleet.sessions, question, asking());
  expect(fleet.told).toEqual(['a asked', 'b asked']);
  const end = fleet.lingers('b');
  await fleet.answer('b');
  expect(fleet.told.slice(2)).toEqual(['b ending']);
  end();
  await fleet.answer('b');
  expect(fleet.told.slice(3)).toEqual(['b ended', 'c asked']);
  await fleet.answer('c');
  await fleet.answer('a');
  const outcomes = await all;
  expect(outcomes.map(({ target, answered }) => [target, answered !== undefined])).toEqual([
    ['a', true],
    ['b', true],
    ['c', true],
  ]);
});

test('the answers do not wait for the last to end', async () => {
  const fleet = new Fleet('a');
  fleet.lingers('a');
  const all = askEach(fleet.sessions, question, asking());
  await fleet.answer('a');
  expect(await all).toHaveLength(1);
  expect(fleet.told).not.toContain('a ended');
});

test('outcomes come as they come', async () => {
  const heard: string[] = [];
  const fleet = new Fleet('a', 'b');
  const all = askEach(
    fleet.sessions,
    question,
    asking({ onOutcome: ({ target }) => heard.push(target) }),
  );
  await fleet.answer('b');
  expect(heard).toEqual(['b']);
  await fleet.answer('a');
  await all;
  expect(heard).toEqual(['b', 'a']);
});

test('a node that does not answer in time says what it was last heard doing, and holds nobody', async () => {
  const fleet = new Fleet('bad', 'a', 'b');
  const all = askEach(fleet.sessions, question, asking());
  await fleet.answer('a');
  await fleet.answer('b');
  await pass(NODE_ANSWER_MS_MAX);
  const [bad, ...others] = await all;
  expect(others.every(({ answered }) => answered)).toBe(true);
  expect(bad?.error).toBeInstanceOf(NoAnswerYet);
  expect(String(bad?.error)).toContain('no answer in time; last heard: pod of bad is Pending');
  expect(fleet.told).toContain('bad ending');
});

test('with one limit for all, who had no turn says so', async () => {
  const over = AbortSignal.timeout(NODE_ANSWER_MS_MAX);
  const fleet = new Fleet('bad', 'worse', 'late');
  const all = askEach(fleet.sessions, question, asking({ limit: () => over }));
  await pass(NODE_ANSWER_MS_MAX);
  expect((await all).map(({ error }) => String(error).split('; ')[1])).toEqual([
    'last heard: pod of bad is Pending',
    'last heard: pod of worse is Pending',
    'its turn had not come',
  ]);
  expect(fleet.told).not.toContain('late asked');
});

test('an interrupt is none of those, and no nodes are no wait', async () => {
  const stop = new AbortController();
  const fleet = new Fleet('a');
  const all = askEach(fleet.sessions, question, asking({ signal: stop.signal }));
  stop.abort(new Error('interrupted'));
  const [outcome] = await all;
  expect(String(outcome?.error)).toBe('Error: interrupted');
  expect(await askEach([], question, asking())).toEqual([]);
});
