import * as z from 'zod';
import { MissingReason, missing } from '../contract/reading.ts';

/**
 * A reading in a bundle. One that the bundle lacks was made before we read such a thing, and one of
 * another form was changed by hand or by another version: both are missing, and the rest is usable.
 */
export const reading = <Value extends z.ZodType>(value: Value) =>
  z
    .discriminatedUnion('ok', [
      z.object({ ok: z.literal(true), value }),
      z.object({ ok: z.literal(false), reason: MissingReason, detail: z.string().exactOptional() }),
    ])
    .catch(({ input }) =>
      input === undefined ? NOT_IN_BUNDLE : missing('unreadable', 'of another form in this bundle'),
    );

export const NOT_IN_BUNDLE = missing('not_read', 'not in this bundle');

/** Readings that belong together; a group that the bundle lacks is one whose readings it lacks. */
export const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess(value => value ?? {}, z.object(shape));

export const text = reading(z.string());
export const number = reading(z.number());
export const yesOrNo = reading(z.boolean());
/** What is counted: pids, indexes, errors. */
export const count = z.int().min(0);
/** Values by name. */
export const texts = reading(z.record(z.string(), z.string()));

/** Milliseconds since 1970 within the years 1970 to 2096: what a date can be made of. */
export const milliseconds = z.number().min(0).max(4e12);
/** ISO 8601 in UTC, as isoTime and toISOString write it. */
export const time = z.iso.datetime();
