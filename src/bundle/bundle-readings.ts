import * as z from 'zod';
import { missing } from '../contract/reading.ts';
import { lenient } from '../contract/reading-schema.ts';
import { plainText } from '../contract/untrusted.ts';

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
  z.preprocess(value => plainData(value), schema);

const CHARACTERS_MAX = 4_096;
/** Deeper than anything that is read of a node. */
const DEPTH_MAX = 24;

/**
 * The same data with every text and key in it made plain, and without numbers that nothing on a node
 * counts: whoever made a file is not trusted. Only degrees, whose names end in C, go below zero.
 */
export function plainData(value: unknown, key = '', depth = 0): unknown {
  if (typeof value === 'string') return plainText(value, CHARACTERS_MAX);
  if (typeof value === 'number') return isCounted(value, key) ? value : undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEPTH_MAX) return undefined;
  if (Array.isArray(value)) return value.map(item => plainData(item, key, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      // What a reading tells is named as the reading is.
      const named = name === 'value' ? key : name;
      return [plainText(name, 256), plainData(part, named, depth + 1)];
    }),
  );
}

/** What a node sums up in 64 bits passes 2^53 in nanoseconds alone, after 104 days. */
const isCounted = (value: number, key: string): boolean =>
  Math.abs(value) <= (key.endsWith('Ns') ? 2 ** 64 : Number.MAX_SAFE_INTEGER) &&
  (value >= 0 || key.endsWith('C'));
