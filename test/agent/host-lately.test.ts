import { expect, test } from 'vitest';
import { keepingHost } from '../../src/agent/host-lately.ts';
import { HOST_KEPT_MS } from '../../src/contract/limits.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const { signal } = new AbortController();

/** How often the node is read, at a time that is set. */
function counted() {
  const given = instrumentsOf('dgx-h100');
  const world = { nowMs: 1_000_000, reads: 0 };
  const host = {
    ...given.host,
    read: (...asked: Parameters<typeof given.host.read>) => {
      world.reads += 1;
      return given.host.read(...asked);
    },
  };
  const kept = keepingHost({ ...given, host, clock: { nowMs: () => world.nowMs } });
  return { world, kept };
}

test('what triage has read of the host serves the looks that follow it', async () => {
  const { world, kept } = counted();
  const state = await kept.host.read(signal);
  world.nowMs += HOST_KEPT_MS;
  expect(await kept.hostLately(signal)).toBe(state);
  expect(world.reads).toBe(1);
});

test.each([
  ['too old', (nowMs: number) => nowMs + HOST_KEPT_MS + 1],
  ['of a clock that was set back', (nowMs: number) => nowMs - 1],
])('one that is %s is read again', async (_, later) => {
  const { world, kept } = counted();
  await kept.host.read(signal);
  world.nowMs = later(world.nowMs);
  await kept.hostLately(signal);
  expect(world.reads).toBe(2);
});

test('a shallow reading does not stand for a full one, and none is asked of a host that was not read', async () => {
  const { world, kept } = counted();
  await kept.host.read(signal, 'first');
  await kept.hostLately(signal);
  expect(world.reads).toBe(2);
});
