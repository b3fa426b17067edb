import type { Severity } from '../contract/finding.ts';
import type { Event, Timeline } from './event-timeline.ts';
import { clipped, drawing, element, type Markup } from './markup.ts';
import { clockTime, counted, roughly } from './person-words.ts';

/** Moments that stand beside each other on a phone; of more, the nearest become one. */
const COLUMNS_MAX = 12;
const [LEFT_PERCENT, RIGHT_PERCENT] = [4, 96];

interface Column {
  readonly events: readonly Event[];
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Events that belong together in time, and where they stand, in percent of the width. A fault plays
 * in seconds and comes after hours of silence: the distance grows with the logarithm of the time.
 */
function placed({ events, now }: Timeline): {
  readonly columns: readonly (Column & { readonly x: number })[];
  readonly nowX: number;
} {
  let columns: readonly Column[] = events.map(event => {
    const ms = Date.parse(event.time);
    return { events: [event], fromMs: ms, toMs: ms };
  });
  while (columns.length > 1) {
    const gaps = columns.slice(1).map((column, at) => column.fromMs - (columns[at]?.toMs ?? 0));
    const least = Math.min(...gaps);
    if (least > 0 && columns.length <= COLUMNS_MAX) break;
    const at = gaps.indexOf(least);
    const [one, two] = columns.slice(at, at + 2);
    if (!one || !two) break;
    const both = { events: [...one.events, ...two.events], fromMs: one.fromMs, toMs: two.toMs };
    columns = [...columns.slice(0, at), both, ...columns.slice(at + 2)];
  }
  const ends = [...columns.slice(1).map(({ fromMs }) => fromMs), Date.parse(now)];
  const weights = columns.map(({ toMs }, at) => weightOf((ends[at] ?? toMs) - toMs));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const spots = columns.map((column, at) => {
    const x = LEFT_PERCENT + (sum / total) * (RIGHT_PERCENT - LEFT_PERCENT);
    sum += weights[at] ?? 0;
    return { ...column, x };
  });
  return { columns: spots, nowX: RIGHT_PERCENT };
}

const weightOf = (gapMs: number): number => Math.max(1.2, Math.log10(1 + Math.max(0, gapMs) / 10));

const LANE_PIXELS = 26;
const HEAD_PIXELS = 6;
const AXIS_PIXELS = 34;

/** Lanes from top to bottom, time from left to right, at any width; their names stand left of it. */
export function timelineDrawing(timeline: Timeline, id: string): Markup {
  const { lanes, now } = timeline;
  const { columns, nowX } = placed(timeline);
  const bottom = HEAD_PIXELS + lanes.length * LANE_PIXELS;
  const middle = (lane: number) => HEAD_PIXELS + (lane + 0.5) * LANE_PIXELS;
  const line = (style: string, [x1, x2]: Pair, [y1, y2]: readonly [number, number]) =>
    element('line', { class: style, x1, x2, y1, y2 });
  return drawing(
    {
      title: 'What happened, and when',
      description: descriptionOf(timeline),
      attributes: { class: 'timeline', width: '100%', height: bottom + AXIS_PIXELS },
      id,
    },
    lanes.map((lane, at) => [
      line('lane', ['0', '100%'], [middle(at), middle(at)]),
      element(
        'text',
        { class: 'side', x: -8, y: middle(at) + 4 },
        clipped(lane.replace(/^0000:/, ''), 7),
      ),
    ]),
    line('axis', ['0', '100%'], [bottom + 4, bottom + 4]),
    line('now', [`${nowX}%`, `${nowX}%`], [HEAD_PIXELS, bottom + 4]),
    gapsOf(columns, now, nowX).map(({ x, words }) =>
      element('text', { class: 'gap', x: percent(x), y: bottom + 16 }, words),
    ),
    ticksOf(columns, now, nowX).map(({ x, words, anchor }) => [
      line('axis', [percent(x), percent(x)], [bottom + 1, bottom + 8]),
      element(
        'text',
        { class: 'tick', x: percent(x), y: bottom + 30, 'text-anchor': anchor },
        words,
      ),
    ]),
    columns.map(column =>
      lanes.map((lane, at) => {
        const here = column.events.filter(event => event.lane === lane);
        return here.length === 0 ? undefined : mark(here, column.x, middle(at));
      }),
    ),
  );
}

type Pair = readonly [string, string];
const percent = (x: number): string => `${x.toFixed(2)}%`;

const SEVERITIES = ['critical', 'warning', 'info'] as const;

/** Shapes tell severities apart without colour. */
const SHAPES: Readonly<Record<Severity | 'pod' | 'boot', string>> = {
  critical: 'M0-7 7 0 0 7-7 0z',
  warning: 'M0-6 6.5 5.5h-13z',
  info: 'M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z',
  pod: 'M-4-4h8v8h-8z',
  boot: 'M-1.5-9h3v18h-3z',
};

const LEGEND: readonly (readonly [string, (event: Event) => boolean])[] = [
  ['Diamond: critical, with its XID.', ({ severity }) => severity === 'critical'],
  ['Triangle: warning.', ({ severity }) => severity === 'warning'],
  ['Bar: a boot.', ({ origin }) => origin === 'boot'],
  ['Square: a pod starts or ends.', ({ origin }) => origin === 'pod'],
  [
    'Dot: other events.',
    ({ severity, origin }) => severity === 'info' && origin !== 'boot' && origin !== 'pod',
  ],
];

/** What the shapes of this drawing mean. */
export const timelineLegend = ({ events }: Timeline): string =>
  [
    ...LEGEND.filter(([, isOf]) => events.some(isOf)).map(([words]) => words),
    'Long silences are drawn short.',
  ].join(' ');

function mark(events: readonly Event[], x: number, y: number): Markup {
  const worst = SEVERITIES.find(severity => events.some(event => event.severity === severity));
  const first = events.find(({ severity }) => severity === worst);
  const shape = worst === 'info' ? shapeOfCalm(events) : (worst ?? 'info');
  const code = worst === 'info' ? undefined : first?.code;
  const number = code?.replace(/^S?XID /i, '');
  const more = events.length > 1 ? ` (and ${events.length - 1} more)` : '';
  return element(
    'svg',
    { x: percent(x), y, overflow: 'visible', class: `mark ${worst}` },
    element(
      'title',
      {},
      `${first?.code ?? first?.origin}: ${clipped(first?.text ?? '', 80)}${more}`,
    ),
    element('path', { d: SHAPES[shape] }),
    number === undefined
      ? undefined
      : element('text', { y: -9, 'text-anchor': 'middle' }, clipped(number, 5)),
  );
}

function shapeOfCalm(events: readonly Event[]): 'boot' | 'pod' | 'info' {
  if (events.some(({ origin }) => origin === 'boot')) return 'boot';
  return events.every(({ origin }) => origin === 'pod') ? 'pod' : 'info';
}

/** What a label takes of the width of a phone. */
const TICK_PERCENT = 31;
const GAP_PERCENT = 24;
/** A silence that is worth a word. */
const SILENCE_SECONDS = 60;

type Spots = ReturnType<typeof placed>['columns'];

/** The first moment, that of the question, and those after the longest silences, as far as there is room. */
function ticksOf(columns: Spots, now: string, nowX: number) {
  const silences = columns
    .map((column, at) => ({
      column,
      gap: column.fromMs - (columns[at - 1]?.toMs ?? column.fromMs),
    }))
    .slice(1)
    .toSorted((a, b) => b.gap - a.gap);
  const [first] = columns;
  const wanted = [
    { x: nowX, words: `asked ${shortTime(now, now)}`, anchor: 'end' },
    ...(first
      ? [{ x: first.x, words: shortTime(first.events[0]?.time ?? '', now), anchor: 'start' }]
      : []),
    ...silences.map(({ column: { x, events } }) => ({
      ...{ x, words: shortTime(events[0]?.time ?? '', now), anchor: 'middle' },
    })),
  ];
  const shown: typeof wanted = [];
  for (const tick of wanted) {
    const [from, to] = extentOf(tick);
    const isFree = shown.every(other => to <= extentOf(other)[0] || from >= extentOf(other)[1]);
    if (isFree) shown.push(tick);
  }
  return shown;
}

function extentOf({ x, anchor }: { readonly x: number; readonly anchor: string }) {
  const from = anchor === 'start' ? x : anchor === 'end' ? x - TICK_PERCENT : x - TICK_PERCENT / 2;
  return [from, from + TICK_PERCENT] as const;
}

/** `11:55:58`, of another day `02-28 11:55`. */
function shortTime(time: string, now: string): string {
  const words = clockTime(time, now);
  return words.includes(' ') ? words.slice(5, 16) : words;
}

function gapsOf(columns: Spots, now: string, nowX: number) {
  const ends = [
    ...columns.slice(1).map(({ x, fromMs }) => ({ x, ms: fromMs })),
    { x: nowX, ms: Date.parse(now) },
  ];
  return columns.flatMap(({ x, toMs }, at) => {
    const end = ends[at];
    if (!end || end.x - x < GAP_PERCENT || end.ms - toMs < SILENCE_SECONDS * 1_000) return [];
    return [{ x: (x + end.x) / 2, words: roughly(end.ms - toMs) }];
  });
}

function descriptionOf({ lanes, events }: Timeline): string {
  const words = lanes.flatMap(lane => {
    const here = events.filter(event => event.lane === lane);
    if (here.length === 0) return [];
    const kinds = SEVERITIES.flatMap(severity => {
      const count = here.filter(event => event.severity === severity).length;
      return count === 0 ? [] : [`${count} ${severity}`];
    });
    return [`${lane}: ${kinds.join(', ')}`];
  });
  return `${counted(events.length, 'event')}. ${words.join('; ')}. The table below lists them.`;
}
