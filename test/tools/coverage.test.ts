import { expect, test } from 'vitest';
import type { Coverage } from '../../src/contract/coverage.ts';
import { coverageLines } from '../../src/tools/support/searched.ts';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const source = (over: Partial<Coverage> & Pick<Coverage, 'source'>): Coverage => ({
  ...{ available: true, records: 0, lost: 0, untrusted: 0, malformed: 0, notes: [] },
  ...over,
});

test('places that a node has not share a line; one that could not be read has its own', () => {
  const absent = { available: false, unavailable: 'not_found' } as const;
  expect(
    coverageLines(
      [
        source({ source: '/var/log/journal', ...absent }),
        source({ source: '/dev/kmsg', records: 739, lost: 2, from: '2026-03-01T10:00:00Z' }),
        source({ source: '/var/log/syslog', ...absent }),
        source({
          source: '/var/log/kern.log',
          ...{ available: false, unavailable: 'no_permission' },
        }),
      ],
      NOW_MS,
    ),
  ).toEqual([
    '/dev/kmsg: 739 records, from 2026-03-01T10:00:00Z (2 h 00 min back); 2 records lost',
    '/var/log/kern.log: not read (no_permission)',
    'and not there: /var/log/journal, /var/log/syslog',
  ]);
});
