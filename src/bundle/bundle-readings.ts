import * as z from 'zod';
import { missing } from '../contract/reading.ts';
import { lenient } from '../contract/reading-schema.ts';
import { plainData } from '../contract/untrusted.ts';

/**
 * What is read, in a bundle. A reading that it lacks was made before we read such a thing, and one of
 * another form was changed by hand or by another version: both are missing, and the rest is usable.
 */
export const kept = <Schema extends z.ZodType>(schema: Schema) =>
  lenient(schema, {
    absent: missing('not_read', 'not in this bundle'),
    unreadable: missing('unreadable', 'of another form in this bundle'),
  });

/** ISO 8601 in UTC, as isoTime and toISOString write it. */
export const time = z.iso.datetime();

/** Texts of a file are made plain before they are checked, kernel lines aside: these are parsed. */
export const plain = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(value => counted(plainData(value, CHARACTERS_MAX)), schema);

const CHARACTERS_MAX = 4_096;

/**
 * The same data without numbers that nothing on a node counts: whoever made a file is not trusted.
 * Only degrees, whose names end in C, go below zero.
 */
function counted(value: unknown, key = ''): unknown {
  if (typeof value === 'number') return isCounted(value, key) ? value : undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(item => counted(item, key));
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      // What a reading tells is named as the reading is.
      return [name, counted(part, name === 'value' ? key : name)];
    }),
  );
}

/** What a node sums up in 64 bits passes 2^53 in nanoseconds alone, after 104 days. */
const isCounted = (value: number, key: string): boolean =>
  Math.abs(value) <= (key.endsWith('Ns') ? 2 ** 64 : Number.MAX_SAFE_INTEGER) &&
  (value >= 0 || key.endsWith('C'));
