import { expect, test } from 'vitest';
import { ALL_ALIKE, ALONE, isWaiting } from '../../src/findings/support/waiting.ts';

const HANGS = { busyPercent: 100, memoryBusyPercent: 0, powerShare: 0.18 };

test('a node says of no GPU that it waits where its job would deny it', () => {
  const { busyPercent, ...below } = ALONE;
  expect(ALL_ALIKE.busyPercent).toBeLessThanOrEqual(busyPercent);
  for (const name of ['memoryBusyPercent', 'powerShare'] as const) {
    expect(ALL_ALIKE[name]).toBeGreaterThanOrEqual(below[name]);
  }
});

test.each([ALONE, ALL_ALIKE])('what a GPU does not tell is no sign that it waits', bounds => {
  expect(isWaiting(HANGS, bounds)).toBe(true);
  for (const name of ['busyPercent', 'memoryBusyPercent', 'powerShare'] as const) {
    expect(isWaiting({ ...HANGS, [name]: undefined }, bounds), name).toBe(false);
  }
});

test('its SMs may be known, and then speak', () => {
  expect(isWaiting({ ...HANGS, smActivePercent: 22 }, ALL_ALIKE)).toBe(true);
  expect(isWaiting({ ...HANGS, smActivePercent: 55 }, ALL_ALIKE)).toBe(false);
});
