import * as z from 'zod';
import { missing } from '../contract/reading.ts';
import { lenient } from '../contract/reading-schema.ts';

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
