import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockOffset } from '../../src/bridge/ask-each.ts';

test('of several rounds the shortest tells most', () => {
  const rounds = [
    { sentMs: 1_000, nodeMs: 4_200, receivedMs: 1_300 },
    { sentMs: 2_000, nodeMs: 5_006, receivedMs: 2_010 },
    { sentMs: 3_000, nodeMs: 6_040, receivedMs: 3_100 },
  ];
  expect(clockOffset(rounds)).toEqual({ offsetMs: 3_001, uncertaintyMs: 6 });
});

test('a round in which our own clock was set back tells nothing', () => {
  expect(clockOffset([{ sentMs: 2_000, nodeMs: 0, receivedMs: 1_000 }])).toBeUndefined();
  expect(clockOffset([])).toBeUndefined();
});

/** Three waits in microseconds: until the node reads its clock, and until we hear of it. */
const Rounds = fc.array(fc.tuple(fc.nat(5_000_000), fc.nat(900_000), fc.nat(900_000)), {
  minLength: 1,
  maxLength: 6,
});

test('the true difference is never further away than the uncertainty', async () => {
  await fc.assert(
    fc.property(Rounds, fc.integer({ min: -10_000_000, max: 10_000_000 }), (waits, aheadUs) => {
      const ms = (us: number) => Math.floor(us / 1_000);
      const offset = clockOffset(
        waits.map(([startUs, thereUs, backUs]) => ({
          sentMs: ms(startUs),
          nodeMs: ms(startUs + thereUs + aheadUs),
          receivedMs: ms(startUs + thereUs + backUs),
        })),
      );
      const error = Math.abs((offset?.offsetMs ?? Number.NaN) - aheadUs / 1_000);
      expect(error).toBeLessThanOrEqual(offset?.uncertaintyMs ?? Number.NaN);
    }),
  );
});
