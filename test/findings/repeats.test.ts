import { describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../src/findings/facts.ts';
import {
  countedIn,
  eventsOf,
  isUncured,
  livesWith,
  repeatsIn,
  suspectOf,
  withinADay,
} from '../../src/findings/support/repeats.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import type { Incident } from '../../src/xid/events.ts';
import { factsOf } from '../fakes/facts.ts';
import { record } from '../xid/fixtures.ts';

const T4 = await factsOf('healthy-t4');
const START_MS = Date.parse('2026-03-01T06:00:00Z');
const [AT, ELSEWHERE] = ['0000:41:00', '0000:42:00'];
const xid = (code: number, pci = AT, name = 'python3') =>
  `NVRM: Xid (PCI:${pci}): ${code}, pid=4711, name=${name}, Ch 00000008`;
const AER = `pcieport 0000:40:00.0: AER: Uncorrected (Non-Fatal) error received: ${AT}.0`;

/** A log of these lines, each so many minutes after the first. */
function logOf(
  lines: readonly (readonly [minutes: number | null, text: string, source?: string])[],
): NodeFacts & { readonly log: NonNullable<NodeFacts['log']> } {
  const analysis = createAnalysis();
  for (const [at, [minutes, text, source = '/dev/kmsg']] of lines.entries()) {
    const timeMs = minutes === null ? null : START_MS + minutes * 60_000;
    analysis.see(record(text, at + 1, { source, timeMs, timeUncertaintyMs: 0 }));
  }
  return { ...T4, log: { ...analysis.finish(), coverage: [] } };
}

const burstsOf = (facts: NodeFacts) => repeatsIn(facts).map(({ bursts }) => bursts.length);

describe('the same XID of one GPU', () => {
  test.each<[what: string, lines: Parameters<typeof logOf>[0], bursts: readonly number[]]>([
    [
      'an hour apart',
      [
        [0, xid(48)],
        [60, xid(48)],
        [120, xid(48)],
      ],
      [3],
    ],
    [
      'on two GPUs',
      [
        [0, xid(48)],
        [60, xid(48, ELSEWHERE)],
      ],
      [1, 1],
    ],
    [
      'two kinds',
      [
        [0, xid(48)],
        [60, xid(62)],
      ],
      [1, 1],
    ],
    [
      'without a time',
      [
        [null, xid(48)],
        [null, xid(48)],
      ],
      [],
    ],
    [
      'that asks for a recovery',
      [
        [
          0,
          `NVRM: Xid (PCI:${AT}): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)`,
        ],
      ],
      [],
    ],
    ['that asks for nothing', [[0, xid(43)]], []],
    [
      'and lines that are none',
      [
        [0, AER],
        [60, AER],
        [120, AER],
      ],
      [],
    ],
  ])('%s', (_, lines, bursts) => {
    expect(burstsOf(logOf(lines))).toEqual(bursts);
  });

  test('what lies three minutes apart or less is one burst, by the end of the one before', () => {
    const facts = logOf([[0, xid(48)]]);
    const [incident] = facts.log.incidents;
    if (!incident) throw new Error('no incident');
    const lasting = (from: number, to: number): Incident => ({
      ...incident,
      firstTime: new Date(START_MS + from * 1_000).toISOString(),
      lastTime: new Date(START_MS + to * 1_000).toISOString(),
    });
    const of = (...incidents: readonly Incident[]) =>
      burstsOf({ ...facts, log: { ...facts.log, incidents } });
    expect(of(lasting(0, 100), lasting(280, 280))).toEqual([1]);
    expect(of(lasting(0, 100), lasting(281, 281))).toEqual([2]);
    expect(of(lasting(281, 281), lasting(0, 100))).toEqual([2]);
    // The longer one ends last.
    expect(of(lasting(0, 500), lasting(10, 20), lasting(600, 600))).toEqual([1]);
  });

  test('the newest of a day count', () => {
    const [repeat] = repeatsIn(
      logOf([
        [0, xid(48)],
        [30, xid(48)],
        [24 * 60 + 30, xid(48)],
      ]),
    );
    if (!repeat) throw new Error('no repeat');
    expect(withinADay(repeat)).toHaveLength(2);
  });
});

test('the lines of an incident are those of its own source, and XIDs', () => {
  const facts = logOf([
    [0, xid(48, AT, 'mine'), 'journal'],
    [400, xid(48, AT, 'another'), 'syslog'],
  ]);
  const incident = facts.log.incidents.find(({ source }) => source === 'journal');
  if (!incident) throw new Error('no incident');
  const elsewhere = facts.log.events.map(event => ({ ...event, source: 'dmesg', xid: null }));
  const events = [...facts.log.events, ...elsewhere];
  const found = eventsOf(
    { ...facts, log: { ...facts.log, events } },
    { ...incident, lines: [1, 2] },
  );
  expect(found.map(({ process }) => process)).toEqual(['mine']);
});

const boundary = (minutes: number | null) => ({
  kind: 'boot' as const,
  at: minutes ?? 0,
  moment: {
    ...{ source: '/dev/kmsg', line: 0, boot: 'this', bootSeconds: null },
    timeMs: minutes === null ? null : START_MS + minutes * 60_000,
  },
});

describe('in how many lives of the driver a fault came', () => {
  const facts = logOf([
    [0, xid(48)],
    [60, xid(48)],
    [120, xid(48)],
  ]);
  const [repeat] = repeatsIn(facts);
  if (!repeat) throw new Error('no repeat');
  test.each([
    ['none began', [], 1],
    ['one began between', [30], 2],
    ['a new start after each', [30, 90], 3],
    ['a boot and the driver load in it', [55, 65], 2],
    ['two starts, eleven minutes apart', [55, 66], 3],
    ['a start without a time', [null], 1],
  ])('%s', (_, starts, lives) => {
    const log = { ...facts.log, boundaries: starts.map(boundary) };
    expect(livesWith(repeat, { ...facts, log })).toBe(lives);
  });
});

describe('a fault that new starts do not cure', () => {
  const lives = (code: number) =>
    logOf([
      [0, xid(code)],
      [60, xid(code)],
      [120, xid(code)],
      [180, xid(code)],
    ]);
  test.each([
    [48, true],
    // Programs cause it, again and again.
    [31, false],
    [13, false],
  ])('XID %d in each of four lives of the driver: %j', (code, isSo) => {
    const facts = lives(code);
    const [repeat] = repeatsIn(facts);
    if (!repeat) throw new Error('no repeat');
    const log = { ...facts.log, boundaries: [30, 90, 150].map(boundary) };
    expect(isUncured(repeat, { ...facts, log })).toBe(isSo);
  });
});

test.each([
  ['on one GPU', [AT, AT, AT], true],
  ['on two', [AT, ELSEWHERE, AT, ELSEWHERE, AT, ELSEWHERE], false],
])('XID 31 again %s is a sign against the GPU: %j', (_, gpus, isSo) => {
  const facts = logOf(gpus.map((pci, at) => [at * 60, xid(31, pci)] as const));
  expect(suspectOf(facts, repeatsIn(facts), 31) !== undefined).toBe(isSo);
});

test.each([
  [[], 'counted in the log that was searched'],
  [
    ['2026-02-28T00:00:00Z', '2026-02-27T00:00:00Z'],
    'counted in the log that was searched, from 2026-02-27T00:00:00Z on',
  ],
])('a count says since when it is: %j', (from, words) => {
  const facts = logOf([]);
  const coverage = from.map(each => ({
    ...{ source: '/dev/kmsg', available: true, records: 1, lost: 0, untrusted: 0 },
    ...{ malformed: 0, notes: [], from: each },
  }));
  expect(countedIn({ ...facts, log: { ...facts.log, coverage } })).toBe(words);
});

test('no log is no repeat', () => {
  const { log: _, ...unsearched } = T4;
  expect(repeatsIn(unsearched)).toEqual([]);
});
