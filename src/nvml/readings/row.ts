import * as z from 'zod';
import { number, reading, text, yes, yesOrNo } from '../../contract/reading-schema.ts';
import type { FieldName } from '../table/field-ids.ts';
import type { Inputs, NvmlFunctionName, Value } from '../table/functions.ts';
import type { Handle } from '../table/shapes.ts';

/**
 * How a reading is stated: once, as data. Its type, how it is asked for and checked, when it is read
 * and how answers call it follow from its row; its unit stands last in its name.
 */
export interface Row {
  readonly schema: z.ZodType;
  /** What people call it, where an answer says that it was not read. */
  readonly label?: string;
  /** How it is asked for; without this, the reader has a function for it. */
  readonly ask?: Ask;
  /** How it is asked for where the driver does not support the first way. */
  readonly otherwise?: Ask;
  /** The readings that it is made of, each with a row of its own. */
  readonly members?: Readonly<Record<string, Row>>;
  /** A counter that grows on every busy GPU, and is no sign of a fault. */
  readonly grows?: 'with load';
  /** A counter that begins again at 0 without a restart. */
  readonly wraps?: true;
}

/** A row of the driver or of a GPU: one that is read as a whole. */
export interface FieldRow extends Row {
  /**
   * `first`: what a GPU is and how it is, read of every GPU before anything else is read of any.
   * `all`: what explains it. `on demand`: only where a request names it, for it takes two readings or
   * dozens of calls. Within a depth the order is that of the rows.
   */
  readonly depth: 'first' | 'all' | 'on demand';
  /** Part of the few readings that a second look compares with the first. */
  readonly counters?: true;
  /** Part of the few readings that a live view takes again and again. */
  readonly now?: true;
  /** Answers show it in a form of its own, and not among the values of a GPU's row. */
  readonly shown?: 'apart';
}

/** nvml.h's getter: a field value, or a call with what it takes beside the GPU. */
export type Ask =
  | { readonly field: FieldName; readonly scope: number; readonly form: 'number' | 'flag' }
  | { readonly call: NvmlFunctionName; readonly inputs: readonly unknown[]; readonly form: Form };

/** What is made of the value that a call gives. */
export type Form =
  | 'text'
  | 'number'
  | 'flag'
  | 'length'
  | 'success'
  | { readonly words: Readonly<Record<number, string>> }
  | { readonly member: string }
  | { readonly members: Readonly<Record<string, Member>> };

/** A member of what a call gives, under its name in nvml.h. */
interface Member {
  readonly member: string;
  readonly form: 'number' | 'flag';
}

/** Functions of a GPU that give such a value. */
type Getter<V> = {
  [N in NvmlFunctionName]: Inputs<N> extends readonly [Handle, ...unknown[]]
    ? Value<N> extends V
      ? N
      : never
    : never;
}[NvmlFunctionName];
type MoreInputs<N extends NvmlFunctionName> =
  Inputs<N> extends readonly [Handle, ...infer More] ? More : never;
type NumberIn<N extends NvmlFunctionName> = {
  [M in keyof Value<N>]: Value<N>[M] extends number | bigint ? M : never;
}[keyof Value<N>] &
  string;

export const textOf = <N extends Getter<string>>(call: N, ...inputs: MoreInputs<N>) =>
  ({ schema: text, ask: { call, inputs, form: 'text' } }) as const;

/** A number, also a 64-bit one: above 2^53 it is `unreadable`. */
export const numberOf = <N extends Getter<number | bigint>>(call: N, ...inputs: MoreInputs<N>) =>
  ({ schema: number, ask: { call, inputs, form: 'number' } }) as const;

/** One number of several that a call gives. */
export const numberIn = <N extends Getter<object>>(call: N, member: NumberIn<N>) =>
  ({ schema: number, ask: { call, inputs: [], form: { member } } }) as const;

/** 0 is no, all else is yes. */
export const flagOf = <N extends Getter<number>>(call: N) =>
  ({ schema: yesOrNo, ask: { call, inputs: [], form: 'flag' } }) as const;

/** A call that gives nothing: the reading is that it succeeded, else the reason is its return code. */
export const successOf = <N extends Getter<true>>(call: N) =>
  ({ schema: yes, ask: { call, inputs: [], form: 'success' } }) as const;

/** How many there are in the list that a call gives. */
export const lengthOf = <N extends Getter<readonly unknown[]>>(call: N, ...inputs: MoreInputs<N>) =>
  ({ schema: number, ask: { call, inputs, form: 'length' } }) as const;

/** A number as its word. One that nvml.h got later keeps its number. */
export const wordOf = <N extends Getter<number>>(
  call: N,
  words: Readonly<Record<number, string>>,
) => ({ schema: text, ask: { call, inputs: [], form: { words } } }) as const;

export const field = (name: FieldName, scope = 0) =>
  ({ schema: number, ask: { field: name, scope, form: 'number' } }) as const;
export const fieldFlag = (name: FieldName) =>
  ({ schema: yesOrNo, ask: { field: name, scope: 0, form: 'flag' } }) as const;

/** Several members of what one call gives, as a record in one reading. */
export const recordOf = <
  N extends Getter<object>,
  const M extends Readonly<Record<string, Member & { readonly member: NumberIn<N> }>>,
>(
  call: N,
  members: M,
) =>
  ({
    schema: reading(z.object(valuesOf(members))),
    ask: { call, inputs: [], form: { members } },
  }) as const;
export const amount = <const M extends string>(member: M) => ({ member, form: 'number' }) as const;
export const flag = <const M extends string>(member: M) => ({ member, form: 'flag' }) as const;

/** Readings that belong together, each of which comes to something or not. */
export const group = <const M extends Readonly<Record<string, Row>>>(members: M) =>
  ({ schema: z.object(schemasOf(members)), members }) as const;

type Schemas<R> = {
  -readonly [K in keyof R]: R[K] extends { readonly schema: infer S } ? S : never;
};
/** The schemas of rows, by name. The first line is the compiler's, the second what happens. */
export function schemasOf<R extends Readonly<Record<string, Row>>>(rows: R): Schemas<R>;
export function schemasOf(rows: Readonly<Record<string, Row>>): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(rows).map(([name, { schema }]) => [name, schema]));
}

type Values<M> = {
  -readonly [K in keyof M]: M[K] extends { readonly form: 'flag' } ? z.ZodBoolean : z.ZodNumber;
};
function valuesOf<M extends Readonly<Record<string, Member>>>(members: M): Values<M>;
function valuesOf(members: Readonly<Record<string, Member>>): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(members).map(([name, { form }]) => [
      name,
      form === 'flag' ? z.boolean() : z.number(),
    ]),
  );
}

/** A record with the same names, each with what is made of its value. */
export function mapEach<R extends object, V>(
  record: R,
  change: (value: R[keyof R], name: keyof R & string) => V,
): { readonly [K in keyof R]: V };
export function mapEach<W, V>(
  record: Readonly<Record<string, W>>,
  change: (value: W, name: string) => V,
): Readonly<Record<string, V>> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, change(value, name)]),
  );
}
