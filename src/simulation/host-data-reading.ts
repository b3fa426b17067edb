import * as z from 'zod';
import { MissingReason, missing, present, type Reading } from '../contract/reading.ts';

/** A value, or why there is none: `{"missing": "no_permission"}`. */
export const reading = <Value extends z.ZodType>(value: Value) =>
  z.union([z.strictObject({ missing: MissingReason, detail: z.string().exactOptional() }), value]);

export const count = z.int().min(0);

export type MaybeMissing<Value> = Value | { missing: MissingReason; detail?: string };

/** What the data says, as the port gives it. */
export function readingOf<Value>(data: MaybeMissing<Value>): Reading<Value> {
  return isMissing(data) ? missing(data.missing, data.detail) : present(data);
}

const isMissing = <Value>(
  data: MaybeMissing<Value>,
): data is { missing: MissingReason; detail?: string } =>
  typeof data === 'object' && data !== null && 'missing' in data;
