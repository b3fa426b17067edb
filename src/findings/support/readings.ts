import type { MissingReason, Reading } from '../../contract/reading.ts';
import type { NodeFacts } from '../facts.ts';

export interface ReadingCount {
  readonly tried: number;
  readonly got: number;
}

/** How many readings of the driver were asked for, and how many gave a value or "not supported". */
export function countReadings(facts: NodeFacts): ReadingCount {
  const { gpus, ...driver } = facts.driver;
  const readings = [driver, ...gpus]
    .flatMap(readingsIn)
    .filter(reading => reading.ok || reading.reason !== 'not_read');
  const got = readings.filter(reading => reading.ok || reading.reason === 'not_supported');
  return { tried: readings.length, got: got.length };
}

/**
 * Where a reading stands in what is read: `remappedRows`, `thermal.marginC`, `nvlinks.links.state`.
 * A list has no step of its own.
 */
export type ReadingPath<State> = {
  [Key in keyof State & string]-?: PathsFrom<Key, NonNullable<State[Key]>>;
}[keyof State & string];

type PathsFrom<Key extends string, Value> =
  | (Extract<Value, { readonly ok: false }> extends never ? never : Key)
  | PathsBelow<Key, Inside<Value>>;

type PathsBelow<Key extends string, Value> = [Value] extends [never]
  ? never
  : string extends keyof Value
    ? never
    : `${Key}.${ReadingPath<Value>}`;

/** What a reading or a list holds, where that is an object. */
type Inside<Value> = Value extends { readonly ok: true; readonly value: infer Held }
  ? Inside<Held>
  : Value extends { readonly ok: false }
    ? never
    : Value extends readonly (infer Item)[]
      ? Inside<Item>
      : Value extends object
        ? Value
        : never;

/** The readings at one path: as many as the lists on the way have entries. */
export function readingsAt(state: unknown, path: readonly string[]): readonly Reading<unknown>[] {
  const found: Reading<unknown>[] = [];
  descend(state, path, 0, found);
  return found;
}

function descend(
  value: unknown,
  path: readonly string[],
  at: number,
  found: Reading<unknown>[],
): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) descend(item, path, at, found);
    return;
  }
  const key = path[at];
  if (!isReading(value)) {
    if (key !== undefined) descend(Reflect.get(value, key), path, at + 1, found);
  } else if (key === undefined) found.push(value);
  else if (value.ok) descend(value.value, path, at, found);
}

/** Readings lie in groups, and in what other readings give (the links of a GPU). */
function readingsIn(value: unknown): readonly Reading<unknown>[] {
  const found: Reading<unknown>[] = [];
  collect(value, found);
  return found;
}

function collect(value: unknown, found: Reading<unknown>[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (!isReading(value)) {
    for (const part of Object.values(value)) collect(part, found);
    return;
  }
  found.push(value);
  if (value.ok) collect(value.value, found);
}

/** Whether any reading of a GPU, or of a part of it, says that the GPU is lost. */
export function saysLost(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(saysLost);
  if (isReading(value)) return value.ok ? saysLost(value.value) : value.reason === 'gpu_is_lost';
  return Object.values(value).some(saysLost);
}

const isReading = (value: object): value is Reading<unknown> => 'ok' in value;

/** The GPU or its driver has no such reading: nothing is hidden by it. */
export const NOT_THERE: readonly MissingReason[] = [
  'not_supported',
  'function_not_found',
  'argument_version_mismatch',
  'invalid_argument',
  'vgpu_ecc_not_supported',
  'deprecated',
  'not_read',
];

/** It was asked for and not got: what it would have said is unknown. */
export const isUnread = (reading: Reading<unknown>): boolean =>
  !reading.ok && !NOT_THERE.includes(reading.reason);
