import { type Finding, gpusOf } from '../contract/finding.ts';
import { reasonWords } from '../contract/reading.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { type Block, type Span, type Text, wordsOf } from './document.ts';
import { rangesText } from './person-words.ts';

type Row = TriageFacts['gpus'][number];

export interface State {
  readonly words: string;
  readonly tone?: Span['tone'];
}

/** The GPUs of a node: those in one state share a line, with the ranges of their figures. */
export function gpuTable(facts: Pick<TriageFacts, 'gpus' | 'findings'>): Block {
  const groups = new Map<string, { state: State; rows: Row[] }>();
  for (const row of facts.gpus) {
    const state = stateOf(row, facts.findings);
    const key = [row.name, state.words, row.migMode?.current, isIdle(row)].join();
    const group = groups.get(key);
    if (group) group.rows.push(row);
    else groups.set(key, { state, rows: [row] });
  }
  const rows = [...groups.values()].map(group => ({ ...group, figures: figures(group.rows) }));
  const told = (column: number) => rows.some(({ figures: cells }) => wordsOf(cells[column] ?? []));
  return {
    kind: 'table',
    flow: 3,
    rows: rows.map(({ state, rows: members, figures: cells }) => [
      [namesOf(members)],
      [modelOf(members[0]?.name)],
      [{ text: state.words, ...(state.tone && { tone: state.tone }) }],
      ...cells.filter((_, column) => told(column)),
    ]),
  };
}

/** Every GPU on a line of its own, with all its names. */
export const eachGpu = (facts: Pick<TriageFacts, 'gpus' | 'findings'>): Block => ({
  kind: 'table',
  flow: 2,
  rows: facts.gpus.map(row => {
    const { words, tone } = stateOf(row, facts.findings);
    const names = [row.pci, row.name, row.serial && `serial ${row.serial}`, row.uuid];
    return [
      [namesOf([row])],
      [{ text: words, ...(tone && { tone }) }],
      ...figures([row]).filter(cell => wordsOf(cell) !== ''),
      ...names.flatMap(name => (name ? [[unbroken(name)]] : [])),
      ...unreadOf(row),
    ];
  }),
});

const unreadOf = ({ unavailable = {} }: Row): readonly Text[] =>
  Object.entries(unavailable)
    .filter(([reason]) => reason !== 'not_supported')
    .map(([reason, names]) => [`not read (${reasonWords(reason)}): ${names.join(', ')}`]);

/** What a GPU is in a word or two; `ok` only where nothing is said against it and all of it was read. */
export function stateOf(row: Row, findings: readonly Finding[]): State {
  const { error } = row;
  if (error !== undefined) {
    const words = ERRORS[error] ?? reasonWords(error).toUpperCase();
    return { words: unbroken(words), tone: 'critical' };
  }
  const about = findings.find(finding => finding.severity !== 'info' && isAbout(finding, row));
  if (about) {
    return about.severity === 'critical'
      ? { words: unbroken(CURES[about.action] ?? 'CRITICAL'), tone: 'critical' }
      : { words: 'warning', tone: 'warning' };
  }
  const unread = Object.keys(row.unavailable ?? {}).some(reason => reason !== 'not_supported');
  return unread
    ? { words: unbroken('not all read'), tone: 'unknown' }
    : { words: 'ok', tone: 'healthy' };
}

const ERRORS: Readonly<Record<string, string>> = {
  gpu_is_lost: 'LOST',
  library_not_found: 'NO DRIVER',
  driver_not_loaded: 'NO DRIVER',
  lib_rm_version_mismatch: 'NOT READABLE',
  not_counted_by_driver: 'NOT IN DRIVER',
  reset_required: 'TO RESET',
};

const CURES: Readonly<Record<string, string>> = {
  reset_gpu: 'TO RESET',
  drain_and_reset: 'TO RESET',
  contact_support: 'REPLACE',
};

export const isAbout = (finding: Finding, { index, pci }: Row): boolean =>
  gpusOf(finding).some(
    ref =>
      (ref.index !== undefined && ref.index === index) ||
      (ref.pci !== undefined && ref.pci === pci),
  );

const IDLE_MEMORY_SHARE = 0.02;

const isIdle = ({ gpuUtilizationPercent, memory }: Row): boolean =>
  gpuUtilizationPercent === 0 &&
  (memory === undefined || memory.usedBytes < memory.totalBytes * IDLE_MEMORY_SHARE);

function namesOf(rows: readonly Row[]): string {
  const indexes = rows.flatMap(({ index }) => index ?? []);
  if (indexes.length === rows.length) return unbroken(`GPU ${rangesText(indexes)}`);
  const [only] = rows;
  return unbroken(
    rows.length === 1 ? `GPU at ${only?.pci ?? 'an unknown address'}` : `${rows.length} GPUs`,
  );
}

/** Without the maker, whose name is on all, and without the kind of memory. */
const modelOf = (name: string | undefined): string =>
  unbroken((name ?? 'model not read').replace(/^NVIDIA /, '').replace(/ HBM\w+$/, ''));

const GIB = 1024 ** 3;

function figures(rows: readonly Row[]): readonly Text[] {
  const [first] = rows;
  if (!first || first.error !== undefined) return [];
  const busy = rows.flatMap(({ gpuUtilizationPercent }) => gpuUtilizationPercent ?? []);
  const limit = rows.flatMap(row => row.enforcedPowerLimitMw ?? []);
  const total = rows.flatMap(row => row.memory?.totalBytes ?? []);
  const ecc = rows.flatMap(row => row.eccUncorrectedVolatile ?? []);
  const watts = range(rows.map(({ powerUsageMw }) => divided(powerUsageMw, 1_000)));
  const used = range(rows.map(({ memory }) => divided(memory?.usedBytes, GIB)));
  const cells = [
    withUnit(range(rows.map(({ temperatureC }) => temperatureC)), '°C'),
    withUnit(
      watts && `${watts}${limit.length > 0 ? `/${range(limit.map(mw => mw / 1_000))}` : ''}`,
      'W',
    ),
    withUnit(used && `${used}/${range(total.map(bytes => bytes / GIB))}`, 'GiB'),
    first.migMode?.current ? 'MIG' : isIdle(first) ? 'idle' : withUnit(range(busy), '%'),
    Math.max(0, ...ecc) > 0 ? unbroken(`${range(ecc)} uncorrected ECC`) : undefined,
  ];
  return cells.map(cell => [cell ?? '']);
}

const divided = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value / by;

const withUnit = (value: string | undefined, unit: string): string | undefined =>
  value === undefined ? undefined : unbroken(`${value} ${unit}`);

/** `57-64`, or one number where all are the same; undefined where none was read. */
function range(values: readonly (number | undefined)[]): string | undefined {
  const known = values.flatMap(value => (value === undefined ? [] : [Math.round(value)]));
  if (known.length === 0) return undefined;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low === high ? `${low}` : `${low}-${high}`;
}

/** On one line, however narrow the page is. */
const unbroken = (words: string): string => words.replaceAll(' ', '\u00a0');
