import stringWidth from 'fast-string-width';
import { reasonWords } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { GlanceGpu } from '../tools/glance.ts';
import { GIB } from '../tools/support/wording.ts';
import { faint, type Span, type Text, wordsOf } from './document.ts';

/** One column of a table of a live view. */
export interface Column<Row> {
  readonly title: string;
  readonly width: number;
  /** Left out first where the screen is narrow; 0 never. */
  readonly rank: number;
  readonly isNumber?: true;
  /** Takes what the others leave, beyond its width, so much at most. */
  readonly widthMax?: number;
  readonly cell: (row: Row) => Text;
}

const GAP = 2;
/** What was not answered is never a number. */
const UNREAD = '-';

/** Rows under their titles, in as many columns as fit; none is wider than the screen. */
export function tableOf<Row>(
  all: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly Text[] {
  const columns = fitting(all, width);
  const titles = columns.map(({ title, ...column }) => padded([title], column));
  return [
    [faint(wordsOf(titles.flatMap(joined)))],
    ...rows.map(row => columns.map(column => padded(column.cell(row), column)).flatMap(joined)),
  ];
}

const joined = (cell: Text, index: number): Text =>
  index === 0 ? cell : [' '.repeat(GAP), ...cell];

function fitting<Row>(all: readonly Column<Row>[], width: number): readonly Column<Row>[] {
  const sum = (columns: readonly Column<Row>[]) =>
    columns.reduce((total, column) => total + column.width + GAP, -GAP);
  let columns = all.filter(({ rank }) => rank === 0);
  for (const column of all.toSorted((a, b) => a.rank - b.rank)) {
    const more = all.filter(other => columns.includes(other) || other === column);
    if (sum(more) > width) break;
    columns = more;
  }
  let rest = width - sum(columns);
  return columns.map(column => {
    const more = Math.max(0, Math.min(rest, (column.widthMax ?? column.width) - column.width));
    rest -= more;
    return { ...column, width: column.width + more };
  });
}

function padded(text: Text, column: Pick<Column<never>, 'width' | 'isNumber'>): Text {
  const cut = cutText(text, column.width);
  const space = ' '.repeat(Math.max(0, column.width - stringWidth(wordsOf(cut))));
  return column.isNumber ? [space, ...cut] : [...cut, space];
}

/** As much of a text as fits into so many columns; what is left out shows. */
export function cutText(text: Text, columns: number): Text {
  if (stringWidth(wordsOf(text)) <= columns) return text;
  const kept: (string | Span)[] = [];
  let room = columns - 1;
  for (const piece of text) {
    const words = typeof piece === 'string' ? piece : piece.text;
    let shown = '';
    for (const character of words) {
      if (stringWidth(shown + character) > room) break;
      shown += character;
    }
    room -= stringWidth(shown);
    kept.push(typeof piece === 'string' ? shown : { ...piece, text: shown });
    if (shown !== words) break;
  }
  return columns > 0 ? [...kept, '…'] : [];
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

function barOf(percent: number, width: number): string {
  const eighths = Math.round((Math.max(0, Math.min(percent, 100)) / 100) * width * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

/** How a percentage went, the newest last. */
const historyOf = (percents: readonly (number | undefined)[]): string =>
  percents
    .map(percent =>
      percent === undefined ? ' ' : BARS[Math.round((Math.min(percent, 100) / 100) * 7)],
    )
    .join('');

/** One GPU, and how busy it was before. */
export interface GpuLine {
  readonly gpu: GlanceGpu;
  readonly history: readonly (number | undefined)[];
}

export const HISTORY_MAX = 24;
const BAR_WIDTH = 9;

/** Without a decimal where there is much of it. */
const gib = (bytes: number, of: number): string => (bytes / GIB).toFixed(of > 32 * GIB ? 0 : 1);

const shown = (value: number | undefined): Text => [value === undefined ? UNREAD : `${value}`];

function memoryCell({ gpu: { memory } }: GpuLine): Text {
  if (!memory) return [UNREAD];
  const { usedBytes, totalBytes } = memory;
  return [`${gib(usedBytes, totalBytes)}/${gib(totalBytes, totalBytes)}`];
}

function powerCell({ gpu: { powerUsageMw: now, enforcedPowerLimitMw: limit } }: GpuLine): Text {
  const watts = (mw: number | undefined) =>
    mw === undefined ? UNREAD : `${Math.round(mw / 1_000)}`;
  if (now === undefined && limit === undefined) return [UNREAD];
  return [`${watts(now)}/${watts(limit)}`];
}

function temperatureCell({
  gpu: { temperatureC: now, slowdownTemperatureC: limit },
}: GpuLine): Text {
  const isHot = now !== undefined && limit !== undefined && now >= limit;
  return isHot ? [{ text: `${now}`, tone: 'critical' }] : shown(now);
}

function linksCell({ gpu: { links, linksUnavailable } }: GpuLine): Text {
  if (!links) return [linksUnavailable === 'not_supported' ? '' : UNREAD];
  if (links.all === 0) return [''];
  const text = `${links.active}/${links.all}`;
  return links.active < links.all ? [{ text, tone: 'critical' }] : [text];
}

/** Why clocks are held down, in a word or two; what is no fault is said without colour. */
const REASONS: Readonly<Record<string, Span>> = {
  gpu_idle: { text: 'idle', tone: 'faint' },
  sw_power_cap: { text: 'power cap' },
  applications_clocks_setting: { text: 'set clocks' },
  display_clock_setting: { text: 'display clocks' },
  sync_boost: { text: 'sync boost' },
  sw_thermal_slowdown: { text: 'heat', tone: 'warning' },
  board_limit: { text: 'board limit', tone: 'warning' },
  reliability: { text: 'reliability', tone: 'warning' },
  hw_thermal_slowdown: { text: 'HEAT (hw)', tone: 'critical' },
  hw_power_brake_slowdown: { text: 'PWR BRAKE', tone: 'critical' },
  hw_slowdown: { text: 'HW SLOW', tone: 'critical' },
};
const GRAVEST_FIRST = Object.keys(REASONS).toReversed();

function reasonsCell({ gpu: { clocksEventReasons: reasons, migMode, grew } }: GpuLine): Text {
  const mig: Text = migMode?.current ? ['MIG '] : [];
  if (!reasons) return [...mig, UNREAD];
  // The hardware says that it slows down, and beside it why.
  const isExplained = reasons.some(name => /^hw_.+_slowdown$/.test(name));
  const told = reasons
    .filter(name => name !== 'hw_slowdown' || !isExplained)
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .map(name => REASONS[name] ?? { text: plainText(reasonWords(name), 24) });
  const seconds = Math.round(heldSeconds(grew));
  const long = seconds < 100 ? `${seconds}s` : `${Math.round(seconds / 60)}m`;
  const held: Text = seconds > 0 ? [faint(` ${long}`)] : [];
  return [...mig, ...told.flatMap((span, index) => (index === 0 ? [span] : [', ', span])), ...held];
}

/** Counters of how long clocks were held down, in nanoseconds. */
export const isHeldTime = (name: string): boolean => name.endsWith('Ns');

/** For how long they were since the view was opened, by the counter that says most. */
const heldSeconds = (grew: GlanceGpu['grew'] = {}): number =>
  Math.max(0, ...Object.entries(grew).map(([name, ns]) => (isHeldTime(name) ? ns / 1e9 : 0)));

const rankOf = (name: string): number =>
  GRAVEST_FIRST.includes(name) ? GRAVEST_FIRST.indexOf(name) : GRAVEST_FIRST.length;

const indexCell = ({ gpu: { index } }: GpuLine): Text => [index === undefined ? '?' : `${index}`];

/** Without the maker, whose name is on all, and without the kind of memory. */
export const modelOf = (name: string): string =>
  plainText(name.replace(/^NVIDIA /, '').replace(/ HBM\w+$/, ''), 40);

const LINKS: Column<GpuLine> = {
  ...{ title: 'NVLINK', width: 6, rank: 3, isNumber: true },
  cell: linksCell,
};

const GPU_COLUMNS: readonly Column<GpuLine>[] = [
  { title: 'GPU', width: 3, rank: 0, isNumber: true, cell: indexCell },
  {
    ...{ title: 'UTIL', width: 4, rank: 0, isNumber: true },
    cell: ({ gpu: { gpuUtilizationPercent: busy } }) => [busy === undefined ? UNREAD : `${busy}%`],
  },
  {
    ...{ title: '', width: BAR_WIDTH, rank: 4 },
    cell: ({ gpu }) => [barOf(gpu.gpuUtilizationPercent ?? 0, BAR_WIDTH)],
  },
  {
    ...{ title: 'BEFORE', width: HISTORY_MAX, rank: 5 },
    cell: ({ history }) => [faint(historyOf(history).padStart(HISTORY_MAX))],
  },
  { title: 'MEM GiB', width: 9, rank: 0, isNumber: true, cell: memoryCell },
  { title: 'POWER W', width: 9, rank: 0, isNumber: true, cell: powerCell },
  { title: '°C', width: 4, rank: 0, isNumber: true, cell: temperatureCell },
  {
    ...{ title: 'SM MHz', width: 6, rank: 2, isNumber: true },
    cell: ({ gpu }) => shown(gpu.smClockMhz),
  },
  {
    ...{ title: 'OF', width: 4, rank: 7, isNumber: true },
    cell: ({ gpu }) => shown(gpu.maxSmClockMhz),
  },
  {
    ...{ title: 'MEM MHz', width: 7, rank: 8, isNumber: true },
    cell: ({ gpu }) => shown(gpu.memoryClockMhz),
  },
  LINKS,
  {
    ...{ title: 'PCI', width: 12, rank: 6 },
    cell: ({ gpu }) => [plainText(gpu.pci ?? UNREAD, 16)],
  },
  {
    title: 'MODEL',
    width: 20,
    rank: 9,
    cell: ({ gpu: { name } }) => [name === undefined ? UNREAD : modelOf(name)],
  },
  { title: 'THROTTLED BY', width: 12, rank: 1, widthMax: 60, cell: reasonsCell },
];

/** The columns of GPUs; that of links only where there are some, or where that is not known. */
export const gpuColumns = (lines: readonly GpuLine[]): readonly Column<GpuLine>[] =>
  lines.some(line => wordsOf(linksCell(line)) !== '')
    ? GPU_COLUMNS
    : GPU_COLUMNS.filter(column => column !== LINKS);

type Process = NonNullable<GlanceGpu['processes']>[number];

export interface ProcessLine {
  readonly gpu: number | undefined;
  readonly process: Process;
}

function processName({ process: { name, state } }: ProcessLine): Text {
  const words = name === undefined ? UNREAD : plainText(name, 64);
  return state === 'D' || state === 'Z'
    ? [words, { text: ` (${state})`, tone: 'warning' }]
    : [words];
}

function whoseProcess({ process }: ProcessLine): Text {
  switch (process.place) {
    case 'pod': {
      const { namespace, pod, container, podUid = UNREAD } = process;
      const name = pod === undefined ? `pod uid ${podUid}` : `${namespace ?? '?'}/${pod}`;
      return [plainText(`${name}${container === undefined ? '' : ` (${container})`}`, 200)];
    }
    case 'host':
      return [faint('host, in no pod')];
    case 'gone':
      return [{ text: 'process gone: leaked context', tone: 'warning' }];
    case 'unknown':
      return [{ text: 'owner not read', tone: 'unknown' }];
  }
}

export const PROCESS_COLUMNS: readonly Column<ProcessLine>[] = [
  { title: 'GPU', width: 3, rank: 0, isNumber: true, cell: ({ gpu }) => [`${gpu ?? '?'}`] },
  { title: 'PID', width: 7, rank: 0, isNumber: true, cell: ({ process }) => [`${process.pid}`] },
  {
    ...{ title: 'MEM GiB', width: 7, rank: 0, isNumber: true },
    cell: ({ process: { usedBytes } }) => [
      usedBytes === undefined ? UNREAD : (usedBytes / GIB).toFixed(1),
    ],
  },
  { title: 'PROCESS', width: 14, rank: 0, widthMax: 24, cell: processName },
  { title: 'POD', width: 20, rank: 0, widthMax: 120, cell: whoseProcess },
];
