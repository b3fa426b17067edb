import stringWidth from 'fast-string-width';
import { wrapAnsi } from 'fast-wrap-ansi';
import { type Reading, reasonWords } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Glance, GlanceGpu } from '../tools/glance.ts';
import { plural } from '../tools/support/wording.ts';
import { faint, type Span, type Text, wordsOf } from './document.ts';
import { rangesText } from './person-words.ts';
import { toned } from './terminal.ts';
import {
  cutText,
  type GpuLine,
  gpuColumns,
  isHeldTime,
  modelOf,
  PROCESS_COLUMNS,
  type ProcessLine,
  tableOf,
} from './top-columns.ts';

/** One node of a live view: as it was last seen, and what it is waited for. */
export interface NodeView {
  readonly target: string;
  /** Absent until it has answered. */
  readonly glance?: Glance | undefined;
  /** Percent busy of each GPU at earlier moments, the newest last. */
  readonly history: ReadonlyMap<string, readonly (number | undefined)[]>;
  /** Why it could not be read the last time, and when it is tried again. */
  readonly failure?: { readonly words: string; readonly againAtMs: number } | undefined;
  /** What it was last heard doing, since it was asked; absent where it answers at once. */
  readonly waiting?: { readonly words: string; readonly sinceMs: number } | undefined;
}

export const SORTS = ['gpu', 'busy', 'memory', 'heat'] as const;
export type Sort = (typeof SORTS)[number];

/** All that is on the screen, but for its size. */
export interface TopState {
  readonly nodes: readonly NodeView[];
  readonly nowMs: number;
  readonly colour: boolean;
  readonly showsProcesses: boolean;
  readonly sort: Sort;
  readonly isPaused: boolean;
  readonly showsHelp: boolean;
  /** Lines that have scrolled away above. */
  readonly scrolled: number;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The whole screen: as many lines as it has rows, none wider than it is. Pure. */
export function topFrame(state: TopState, { columns, rows }: Size): readonly string[] {
  const body = state.showsHelp ? HELP : bodyOf(state, columns);
  const room = Math.max(0, rows - 1);
  const from = Math.min(state.scrolled, scrollMax(body.length, rows));
  const shown = body.slice(from, from + room);
  const blank = Array.from({ length: room - shown.length }, (): Text => []);
  const footer = footerOf(state, { from, to: from + shown.length, of: body.length }, columns);
  const lines = [...shown, ...blank, ...(rows > 0 ? [footer] : [])];
  return lines.map(line => toned(cutText(line, columns), state).trimEnd());
}

const scrollMax = (lines: number, rows: number): number =>
  Math.max(0, lines - Math.max(0, rows - 1));

/** How far the view can scroll on a screen of this size. */
export const scrolledMost = (state: TopState, { columns, rows }: Size): number =>
  scrollMax((state.showsHelp ? HELP : bodyOf(state, columns)).length, rows);

/** The same as text without an end, where there is no screen. */
export const topText = (state: TopState, columns: number): string =>
  bodyOf(state, columns)
    .map(line => toned(cutText(line, columns), state).trimEnd())
    .join('\n');

const bodyOf = (state: TopState, columns: number): readonly Text[] =>
  state.nodes.flatMap((node, index) => [
    ...(index === 0 ? [] : [[]]),
    ...nodeLines(node, state, columns),
  ]);

function nodeLines(node: NodeView, state: TopState, columns: number): readonly Text[] {
  const { glance } = node;
  const above = [headOf(node, columns), ...troubleOf(node, state.nowMs, columns)];
  if (!glance) return above;
  const lines = sorted(
    glance.gpus.map(gpu => ({ gpu, history: node.history.get(keyOf(gpu)) ?? [] })),
    state.sort,
  );
  return [
    ...above,
    ...gpuTable(lines, columns),
    ...eventLines(glance, columns),
    ...(state.showsProcesses ? ['', ...processLines(lines, columns)] : []).map(line =>
      typeof line === 'string' ? [line] : line,
    ),
  ];
}

/** What a GPU is known by from one glance to the next. */
export const keyOf = ({ uuid, pci, index }: GlanceGpu): string => uuid ?? pci ?? `${index}`;

function headOf({ target, glance }: NodeView, columns: number): Text {
  const name: Span = { text: plainText(target, 63), tone: 'strong' };
  if (!glance) return [name];
  const models = [
    ...new Set(
      glance.gpus.flatMap(({ name: model }) => (model === undefined ? [] : modelOf(model))),
    ),
  ];
  const left: Text = [
    name,
    `  ${plural(glance.gpus.length, 'GPU')}`,
    ...(models.length === 0
      ? []
      : [`  ${models.slice(0, 2).join(', ')}${models.length > 2 ? ', …' : ''}`]),
    ...(glance.driver === undefined ? [] : [faint(`  driver ${glance.driver}`)]),
  ];
  const right: Text = [
    ...(glance.simulated ? [{ text: 'SIMULATED', tone: 'simulated' as const }, ' '] : []),
    `${glance.takenAt.slice(11, 19)} UTC`,
  ];
  return apart(left, right, columns);
}

/** One text at the left and one at the right; the left one is cut where both do not fit. */
function apart(left: Text, right: Text, columns: number): Text {
  const room = columns - stringWidth(wordsOf(right)) - 2;
  if (room < 8) return cutText(left, columns);
  const cut = cutText(left, room);
  return [...cut, ' '.repeat(room - stringWidth(wordsOf(cut)) + 2), ...right];
}

/** What stands between us and an answer, and what the driver does not answer. */
function troubleOf(
  { glance, failure, waiting }: NodeView,
  nowMs: number,
  columns: number,
): readonly Text[] {
  const seconds = (ms: number) => `${Math.max(0, Math.floor(ms / 1_000))} s`;
  const hung = glance?.hung;
  return [
    ...(failure
      ? critical(`could not be read: ${failure.words}`, columns).concat([
          [faint(`  tried again in ${seconds(failure.againAtMs - nowMs)}`)],
        ])
      : []),
    ...(waiting && !failure
      ? [
          [
            { text: glance ? 'no answer for' : 'starting for', tone: 'warning' as const },
            ` ${seconds(nowMs - waiting.sinceMs)}  `,
            plainText(waiting.words, 200),
          ],
        ]
      : []),
    ...(hung
      ? critical(
          `the driver does not answer: ${plainText(hung.call, 64)}${hung.gpu === undefined ? '' : ` on GPU ${hung.gpu}`}; waited ${(hung.waitedMs / 1_000).toFixed(1)} s`,
          columns,
        )
      : []),
    ...(glance?.unavailable === undefined
      ? []
      : critical(`no driver to ask: ${reasonWords(glance.unavailable)}`, columns)),
  ];
}

const critical = (words: string, columns: number): Text[] =>
  wrapAnsi(plainText(words, 600), Math.max(8, columns), { hard: true })
    .split('\n')
    .map(text => [{ text, tone: 'critical' }]);

function gpuTable(lines: readonly GpuLine[], columns: number): readonly Text[] {
  const [titles, ...rows] = tableOf(gpuColumns(lines), lines, columns);
  if (!titles || rows.length === 0) return [];
  return [
    titles,
    ...lines.flatMap(({ gpu }, index) =>
      gpu.error === undefined ? [rows[index] ?? [], ...belowGpu(gpu)] : [lostGpu(gpu, gpu.error)],
    ),
  ];
}

const lostGpu = ({ index, pci }: GlanceGpu, error: string): Text => [
  `${`${index ?? '?'}`.padStart(3)}  `,
  { text: plainText(reasonWords(error), 48).toUpperCase(), tone: 'critical' },
  faint(`  ${plainText(pci ?? 'address unknown', 24)}`),
];

/** What grew since the view was opened, and what the driver did not answer. */
function belowGpu({
  grew = {},
  unavailable = {},
  eccUncorrectedVolatile,
}: GlanceGpu): readonly Text[] {
  const unread = Object.entries(unavailable).filter(([reason]) => !IS_NO_GAP.includes(reason));
  const grown = [
    ...Object.entries(grew)
      .filter(([name]) => !isHeldTime(name))
      .map(([name, amount]) => growth(name, amount)),
    ...(eccUncorrectedVolatile ? [`${eccUncorrectedVolatile} uncorrected ECC errors`] : []),
  ];
  return [
    ...(grown.length > 0
      ? [['     ', { text: grown.join(', '), tone: 'warning' as const }] satisfies Text]
      : []),
    ...unread.map(
      ([reason, names]): Text => [
        '     ',
        { text: `not read (${reasonWords(reason)}): ${names.join(', ')}`, tone: 'unknown' },
      ],
    ),
  ];
}

const IS_NO_GAP: readonly string[] = ['not_supported', 'not_read'] satisfies Extract<
  Reading<never>,
  { ok: false }
>['reason'][];

/** `NVLink crcFlit +12`. */
const growth = (name: string, amount: number): string =>
  `${plainText(name, 48)
    .replace(/^nvlink\./, 'NVLink ')
    .replace(/^pcie\./, 'PCIe ')} +${amount}`;

function eventLines(
  { events, eventsLeftOut, since, logUnavailable }: Glance,
  columns: number,
): readonly Text[] {
  const from = since.slice(11, 19);
  if (logUnavailable !== undefined) {
    const words = `kernel log not read: ${plainText(logUnavailable, 160)}`;
    return [[{ text: words, tone: 'unknown' }]];
  }
  if (events.length === 0) return [[faint(`kernel since ${from}: no GPU event`)]];
  return [
    [
      { text: `kernel since ${from}`, tone: 'strong' },
      ...(eventsLeftOut > 0 ? [faint(`  ${eventsLeftOut} more`)] : []),
    ],
    ...events
      .toReversed()
      .map(
        ({ time, gpu, code, what, count }): Text =>
          cutText(
            [
              `${time.slice(11, 19)}  `,
              { text: [gpu, code].filter(Boolean).join('  '), tone: 'critical' },
              `  ${plainText(what, 160)}`,
              ...(count === undefined ? [] : [faint(`  ${count} times`)]),
            ],
            columns,
          ),
      ),
  ];
}

function processLines(lines: readonly GpuLine[], columns: number): readonly Text[] {
  const all = lines.flatMap(({ gpu }): ProcessLine[] =>
    (gpu.processes ?? []).map(process => ({ gpu: gpu.index, process })),
  );
  const unread = lines.filter(({ gpu }) => gpu.processes === undefined);
  const left = lines.reduce((sum, { gpu }) => sum + (gpu.processesLeftOut ?? 0), 0);
  const indexes = unread.flatMap(({ gpu }) => gpu.index ?? []);
  const whose =
    indexes.length === unread.length ? `GPU ${rangesText(indexes)}` : plural(unread.length, 'GPU');
  return [
    ...(all.length > 0 ? tableOf(PROCESS_COLUMNS, all, columns) : []),
    ...(all.length === 0 && unread.length === 0 ? [[faint('no process on a GPU')]] : []),
    ...(left > 0 ? [[faint(`and ${plural(left, 'process', 'processes')} more`)]] : []),
    ...(unread.length > 0
      ? [[{ text: `processes not read: ${whose}`, tone: 'unknown' as const }]]
      : []),
  ];
}

function sorted(lines: readonly GpuLine[], sort: Sort): readonly GpuLine[] {
  const by: Readonly<Record<Sort, (gpu: GlanceGpu) => number>> = {
    gpu: ({ index }) => -(index ?? Number.MAX_SAFE_INTEGER),
    busy: ({ gpuUtilizationPercent }) => gpuUtilizationPercent ?? -1,
    memory: ({ memory }) => memory?.usedBytes ?? -1,
    heat: ({ temperatureC }) => temperatureC ?? -1,
  };
  return lines.toSorted((a, b) => by[sort](b.gpu) - by[sort](a.gpu));
}

function footerOf(
  { isPaused, sort, showsHelp }: TopState,
  { from, to, of }: { readonly from: number; readonly to: number; readonly of: number },
  columns: number,
): Text {
  const pause = `space ${isPaused ? 'go on' : 'pause'}`;
  const all = ['q quit', 'p processes', `s sort: ${sort}`, pause, '? help'];
  const isScrolled = to - from < of;
  const right: Text = [
    ...(isPaused ? [{ text: 'PAUSED', tone: 'warning' as const }] : []),
    ...(isScrolled ? [faint(`${isPaused ? '  ' : ''}${from + 1}-${to} of ${of} ↑↓`)] : []),
  ];
  const room = columns - stringWidth(wordsOf(right)) - 2;
  // The first key and the last are what one needs when one knows none.
  const keys = [all, [...all.slice(0, 3), '? help'], ['q quit', '? help']].find(
    words => stringWidth(words.join('  ')) <= room,
  );
  return apart(
    [faint(showsHelp ? 'any key closes this' : (keys ?? ['q quit']).join('  '))],
    right,
    columns,
  );
}

const HELP: readonly Text[] = [
  [{ text: 'kubectl gpu-mcp top', tone: 'strong' }],
  [],
  ['q, Ctrl-C   end: debug pods are removed, added containers end'],
  ['p           processes on and off'],
  ['s           sort GPUs: by number, how busy, memory, heat'],
  ['space       pause, and go on'],
  ['j, k, ↑, ↓  scroll by a line; PgUp, PgDn, g, G further'],
  ['?, h        this page'],
  [],
  ['-           not answered, which is never 0'],
  ['NVLINK      links that are up, of those that the GPU has'],
  ['THROTTLED   why clocks are held down: power cap and idle are normal, what is'],
  ['            coloured is not, and for how long since the view was opened'],
  ['below a GPU: counters of errors that grew since the view was opened'],
];
