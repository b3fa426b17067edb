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

/** Readings lie in groups, and in what other readings give (the links of a GPU). */
export function readingsIn(value: unknown): readonly Reading<unknown>[] {
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

const isReading = (value: unknown): value is Reading<unknown> =>
  typeof value === 'object' && value !== null && 'ok' in value;

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
