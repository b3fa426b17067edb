import { expect, test } from 'vitest';
import { ALONE, isWaiting, waitsInJob } from '../../src/findings/support/waiting.ts';

const HANGS = { busyPercent: 100, memoryBusyPercent: 0, powerShare: 0.18 };
const alone = (load: Parameters<typeof waitsInJob>[0]) => isWaiting(load, ALONE);

test.each([undefined, 0, 22, 55, 100])(
  'a node says of no GPU that it waits where its job would deny it, its SMs at %s %',
  smActivePercent => {
    let both = 0;
    for (const busyPercent of [90, 95, 100]) {
      for (const memoryBusyPercent of [0, 4.9, 5, 11, 12]) {
        for (const powerShare of [0.1, 0.22, 0.23, 0.44, 0.45]) {
          const load = { busyPercent, memoryBusyPercent, powerShare, smActivePercent };
          if (!alone(load)) continue;
          expect(waitsInJob(load), JSON.stringify(load)).toBe(true);
          both += 1;
        }
      }
    }
    expect(both).toBe(8);
  },
);

test.each([alone, waitsInJob])('what a GPU does not tell is no sign that it waits', waits => {
  expect(waits(HANGS)).toBe(true);
  for (const name of ['busyPercent', 'memoryBusyPercent', 'powerShare'] as const) {
    expect(waits({ ...HANGS, [name]: undefined }), name).toBe(false);
  }
});

test('its SMs may be known, and speak where its power is no sign by itself', () => {
  const warm = { ...HANGS, powerShare: 0.4 };
  expect(alone(warm)).toBe(false);
  expect(waitsInJob({ ...warm, smActivePercent: 22 })).toBe(true);
  expect(waitsInJob({ ...warm, smActivePercent: 55 })).toBe(false);
});
