import * as z from 'zod';
import { MissingReason } from './reading.ts';

/**
 * A reading as a schema. Each is declared once, with its type by `Fixed<z.infer<...>>`: what a child
 * process sends, what a bundle keeps and what a simulated machine says are checked by the same statement.
 */
export const reading = <Value extends z.ZodType>(value: Value) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value }),
    z.object({ ok: z.literal(false), reason: MissingReason, detail: z.string().exactOptional() }),
  ]);

export const text = reading(z.string());
export const number = reading(z.number());
export const yes = reading(z.literal(true));
export const yesOrNo = reading(z.boolean());

/** The same, and nothing in it can be changed. */
export type Fixed<Value> = Value extends readonly (infer Item)[]
  ? readonly Fixed<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: Fixed<Value[Key]> }
    : Value;
