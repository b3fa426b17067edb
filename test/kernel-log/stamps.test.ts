import { expect, test } from 'vitest';
import { isoStamp, isZone, localStamp, resolveStamp } from '../../src/kernel-log/stamps.ts';

function resolved(
  stamp: { month: string; day: string; time: string; year?: string },
  reference: string,
  zone: string | null = 'UTC',
) {
  const context = { referenceMs: Date.parse(reference), zone };
  const found = resolveStamp(localStamp(stamp), context);
  return found && { time: new Date(found.timeMs).toISOString(), within: found.uncertaintyMs };
}

test.each([
  ['Aug', '10', '2026-08-20T00:00:00Z', '2026-08-10T15:36:05.000Z'],
  ['Dec', '31', '2026-01-02T00:00:00Z', '2025-12-31T15:36:05.000Z'],
  ['Jan', '1', '2025-12-31T23:59:00Z', '2025-01-01T15:36:05.000Z'],
  ['Feb', '29', '2026-08-20T00:00:00Z', '2024-02-29T15:36:05.000Z'],
])('%s %s before %s is %s', (month, day, reference, time) => {
  expect(resolved({ month, day, time: '15:36:05' }, reference)).toEqual({ time, within: 1_000 });
});

test.each([
  ['Jul', '2026-07-03T08:10:10.000Z'],
  ['Jan', '2026-01-03T09:10:10.000Z'],
])('local time in %s follows the zone’s summer time', (month, time) => {
  const stamp = { month, day: '3', time: '10:10:10' };
  expect(resolved(stamp, '2026-08-20T00:00:00Z', 'Europe/Berlin')?.time).toBe(time);
});

test('an hour before the clocks go back it is still summer time', () => {
  const stamp = { month: 'Oct', day: '25', time: '01:30:00', year: '2026' };
  expect(resolved(stamp, '2026-11-01T00:00:00Z', 'Europe/Berlin')?.time).toBe(
    '2026-10-24T23:30:00.000Z',
  );
});

test('without a zone the time is taken as UTC and may be 14 hours off', () => {
  const stamp = { month: 'Jul', day: '3', time: '10:10:10' };
  expect(resolved(stamp, '2026-08-20T00:00:00Z', null)).toEqual({
    time: '2026-07-03T10:10:10.000Z',
    within: 14 * 3_600_000 + 1_000,
  });
});

test.each([
  { month: 'kwi', day: '15', time: '07:56:59' },
  { month: '4月', day: '15', time: '07:56:59' },
  { month: 'Aug', day: '15', time: '7:56' },
  { month: 'Feb', day: '31', time: '07:56:59' },
  { month: 'Feb', day: '30', time: '07:56:59', year: '2026' },
])('no time can be told from %o', stamp => {
  expect(resolved(stamp, '2026-08-20T00:00:00Z')).toBeNull();
});

test('a zone in the stamp makes it exact', () => {
  const stamp = isoStamp({ date: '2025-01-21', time: '04:41:44,283302', zone: '-0530' });
  expect(stamp).toEqual({
    kind: 'exact',
    timeMs: Date.parse('2025-01-21T10:11:44.283Z'),
    precisionMs: 1,
  });
});

test('zones are known by their IANA names only', () => {
  expect([isZone('Europe/Berlin'), isZone('UTC'), isZone('Mars/Olympus')]).toEqual([
    true,
    true,
    false,
  ]);
});

test.each([
  ['CEST', '2026-04-26T23:12:26.000Z'],
  ['PDT', '2026-04-27T08:12:26.000Z'],
  ['+0200', '2026-04-26T23:12:26.000Z'],
  ['+02', '2026-04-26T23:12:26.000Z'],
  ['UTC', '2026-04-27T01:12:26.000Z'],
])('a stamp in %s is exact', (zone, time) => {
  const stamp = isoStamp({ date: '2026-04-27', time: '01:12:26', zone });
  expect(stamp).toMatchObject({ kind: 'exact', timeMs: Date.parse(time) });
});

test.each(['CST', 'IST', 'BST', 'XYZ'])('%s names several zones: the stamp stays local', zone => {
  expect(isoStamp({ date: '2026-04-27', time: '01:12:26', zone })).toMatchObject({ kind: 'local' });
});
