import * as z from 'zod';
import { publicText } from './names-in-text.ts';
import { MissingReason, type Reading } from './reading.ts';
import { partsOf, replaceParts } from './schema-parts.ts';

/** What each reading holds where there is a value. */
const VALUES = new WeakMap<z.ZodType, z.ZodType>();

/**
 * A reading as a schema. Each is declared once, with its type by `Fixed<z.infer<...>>`: what a child
 * process sends, what a bundle keeps, what a simulated machine says and what an answer shows are
 * checked by the same statement.
 */
export function reading<Value extends z.ZodType>(value: Value, detail = publicText) {
  const schema = z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value }),
    z.object({ ok: z.literal(false), reason: MissingReason, detail: detail.exactOptional() }),
  ]);
  VALUES.set(schema, value);
  return schema;
}

export const text = reading(publicText);
export const number = reading(z.number());
export const yes = reading(z.literal(true));
export const yesOrNo = reading(z.boolean());
/** What is counted: pids, indexes, errors. */
export const count = z.int().min(0);
/** Milliseconds since 1970 within the years 1970 to 2096: what a date can be made of. */
export const milliseconds = z.number().min(0).max(4e12);
/** Values by name. */
export const texts = reading(z.record(publicText, publicText));

/** The same, and nothing in it can be changed. */
export type Fixed<Value> = Value extends object
  ? { readonly [Key in keyof Value]: Fixed<Value[Key]> }
  : Value;

/**
 * The same schema for data that another version wrote, or anybody: a reading that is absent, or of
 * another form, is missing for its reason, at any depth, and so is each reading of an absent group.
 * All else is as strict as before.
 */
export function lenient<Schema extends z.ZodType>(
  schema: Schema,
  reasons: { readonly absent: Reading<never>; readonly unreadable: Reading<never> },
): z.ZodType<z.output<Schema>>;
export function lenient(
  schema: z.ZodType,
  { absent, unreadable }: { absent: Reading<never>; unreadable: Reading<never> },
): z.ZodType {
  return replaceReadings(schema, {
    reading: value =>
      reading(value).catch(({ input }) => (input === undefined ? absent : unreadable)),
    group: members => z.preprocess(given => (isRecord(given) ? given : {}), members),
  });
}

/** The same schema, with another reason for a reading that is missing, where there is one, at any depth. */
export function explained<Schema extends z.ZodType>(
  schema: Schema,
  explain: (missing: Missing) => Reading<never>,
): z.ZodType<z.output<Schema>>;
export function explained(
  schema: z.ZodType,
  explain: (missing: Missing) => Reading<never>,
): z.ZodType {
  return replaceReadings(schema, {
    reading: value => reading(value).transform(read => (read.ok ? read : explain(read))),
  });
}

type Missing = Reading<never> & { readonly ok: false };

/** What an answer shows of readings: their values, at any depth; what was not read is left out. */
export type Shown<Value> = Value extends { readonly ok: true; readonly value: infer Held }
  ? Shown<Held>
  : Value extends { readonly ok: false }
    ? never
    : Value extends readonly unknown[]
      ? { [Key in keyof Value]: Shown<Value[Key]> }
      : Value extends object
        ? ShownMembers<Value>
        : Value;

type ShownMembers<Value> = {
  [Key in ReadingKey<Value>]?: Shown<Value[Key]> | undefined;
} & {
  [Key in Exclude<keyof Value, ReadingKey<Value>>]: Shown<Value[Key]>;
};
type ReadingKey<Value> = {
  [Key in keyof Value]: Value[Key] extends { readonly ok: boolean } ? Key : never;
}[keyof Value];

/** The schema of what an answer shows. */
export function shown<Schema extends z.ZodType>(
  schema: Schema,
): z.ZodOptional<z.ZodType<Shown<z.output<Schema>>>>;
export function shown(schema: z.ZodType): z.ZodOptional<z.ZodType> {
  const values = replaceReadings(VALUES.get(schema) ?? schema, {
    reading: value => value.optional(),
    group: members => members.optional(),
  });
  return values.optional();
}

/** What takes the place of a reading, by its value, and of a record that holds nothing but readings. */
export interface Replacement {
  readonly reading: (value: z.ZodType) => z.ZodType;
  readonly group?: (members: z.ZodType) => z.ZodType;
}

/** The schema with every reading in it replaced, at any depth; a part without readings stays as it is. */
export function replaceReadings(schema: z.ZodType, replacement: Replacement): z.ZodType {
  const { group = members => members } = replacement;
  const replaced = (part: z.ZodType): z.ZodType => {
    const value = valueIn(part);
    if (value) return replacement.reading(inside(value));
    if (!holdsReadings(part)) return part;
    if (part instanceof z.ZodUnion) throw new TypeError('a reading is no alternative of others');
    return replaceParts(part, inside);
  };
  const inside = (part: z.ZodType) => (isGroup(part) ? group(replaced(part)) : replaced(part));
  return replaced(schema);
}

/** What a reading holds where there is a value; undefined for a schema of anything else. */
export const valueIn = (schema: z.ZodType): z.ZodType | undefined => VALUES.get(schema);

/** Readings that belong together and come each to something or not. */
export function isGroup(schema: unknown): schema is z.ZodObject {
  if (!(schema instanceof z.ZodObject)) return false;
  const members = partsOf(schema);
  return members.length > 0 && members.every(part => VALUES.has(part) || isGroup(part));
}

export const holdsReadings = (schema: z.ZodType): boolean =>
  VALUES.has(schema) || partsOf(schema).some(holdsReadings);

const isRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
