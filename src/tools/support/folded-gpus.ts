import { isGroup, leavesOf, pairsText } from './outline.ts';
import { GIB } from './wording.ts';

/**
 * GPUs that are alike in one row: words and flags are theirs in common, a number is one, or the least
 * and the greatest. A GPU that is alone in its row keeps the names of its board.
 */
export interface FoldedGpus {
  /** `0-2, 4-7`: indexes, and the addresses of those that have none; of one alone absent. */
  readonly gpus?: string;
  readonly [reading: string]: unknown;
}

type Row = Readonly<Record<string, unknown>> & {
  readonly index?: number | undefined;
  readonly pci?: string | undefined;
};

const NAMES = ['index', 'pci', 'uuid', 'serial'];

interface Folding<R> {
  /** Rows of which this differs are not put together. */
  readonly apart?: (row: R) => unknown;
  /** Whether also GPUs that are alike keep the names of their boards. */
  readonly boards?: boolean;
}

/** Rows with their like, in the order of the first of each. Pure. */
export function foldedGpus<R extends Row>(
  rows: readonly R[],
  { apart = () => '', boards = false }: Folding<R> = {},
): FoldedGpus[] {
  const groups = Map.groupBy(rows, row =>
    JSON.stringify([
      apart(row),
      readingsOf(row).map(([name, value]) => [name, typeof value === 'number' ? 0 : value]),
    ]),
  );
  return [...groups.values()].map(group => {
    const [only, ...others] = group;
    const each = group.map(row => new Map(readingsOf(row)));
    const values = [...(each[0] ?? [])].map(([name, value]) => [
      name,
      typeof value === 'number' ? span(each.map(leaves => Number(leaves.get(name)))) : value,
    ]);
    return {
      ...(others.length === 0
        ? namesOf(only)
        : { gpus: placesOf(group), ...(boards && { boards: group.map(boardText) }) }),
      ...Object.fromEntries(values),
    };
  });
}

const namesOf = (row: Row | undefined) =>
  Object.fromEntries(NAMES.flatMap(name => (row?.[name] === undefined ? [] : [[name, row[name]]])));

/** `0 0000:1b:00 GPU-d64dbec7-... 1654023010117`. */
const boardText = (row: Row): string =>
  NAMES.flatMap(name => (row[name] === undefined ? [] : [row[name]])).join(' ');

/** The readings of a row by name, in units that are read at a glance. */
function readingsOf(row: Row): readonly (readonly [string, unknown])[] {
  const readings = Object.entries(row).filter(([name]) => !NAMES.includes(name));
  return leavesOf(Object.fromEntries(readings)).map(([name, value]) => {
    if (typeof value !== 'number') return [name, value] as const;
    if (name.endsWith('Bytes')) return [name.replace(/Bytes$/, 'Gib'), tenth(value / GIB)];
    if (name.endsWith('Mw')) return [name.replace(/Mw$/, 'W'), Math.round(value / 1_000)];
    return [name, value];
  });
}

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** `57-64`. */
function span(values: readonly number[]): number | string {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  if (least === greatest) return least;
  return least < 0 ? `${least} to ${greatest}` : `${least}-${greatest}`;
}

/** `0-2, 4-7`. */
export function placesOf(
  rows: readonly { readonly index?: number | undefined; readonly pci?: string | undefined }[],
): string {
  const runs: [number, number][] = [];
  for (const index of rows.flatMap(row => row.index ?? []).toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return [
    ...runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)),
    ...rows.flatMap(({ index, pci }) => (index === undefined ? (pci ?? 'address unknown') : [])),
  ].join(', ');
}

/** `GPU 0-7: name NVIDIA H100, temperatureC 57-64, ...`: all that its row holds. */
export function foldedLine({ gpus, ...row }: FoldedGpus): string {
  const { index, ...rest } = row;
  const which = gpus ?? index;
  return which === undefined ? `GPU ${pairsText(rest)}` : `GPU ${which}: ${pairsText(rest)}`;
}

/**
 * Rows of which nothing is lost: what all that can be read have alike first and once, then of each
 * what it has for itself. Pure.
 */
export function factoredGpus(rows: readonly Row[]): readonly object[] {
  const readable = rows.filter(({ error }) => error === undefined);
  const [first, ...others] = readable;
  const common = first && others.length > 0 ? others.reduce(alike, groupOf(first)) : {};
  if (Object.keys(common).length === 0) return rows;
  return [
    { gpus: placesOf(readable), ...common },
    ...rows.map(row => (readable.includes(row) ? without(row, common) : row)),
  ];
}

type Group = Readonly<Record<string, unknown>>;

const groupOf = (value: unknown): Group =>
  isGroup(value) ? Object.fromEntries(Object.entries(value)) : {};

const alike = (a: Group, b: Group): Group =>
  Object.fromEntries(
    Object.entries(a).flatMap(([key, value]) => {
      if (JSON.stringify(value) === JSON.stringify(b[key])) return [[key, value]];
      if (!isGroup(value) || !isGroup(b[key])) return [];
      const inner = alike(groupOf(value), groupOf(b[key]));
      return Object.keys(inner).length === 0 ? [] : [[key, inner]];
    }),
  );

const without = (row: Group, common: Group): Group =>
  Object.fromEntries(
    Object.entries(row).flatMap(([key, value]) => {
      if (!(key in common)) return [[key, value]];
      if (JSON.stringify(value) === JSON.stringify(common[key])) return [];
      return [[key, without(groupOf(value), groupOf(common[key]))]];
    }),
  );
