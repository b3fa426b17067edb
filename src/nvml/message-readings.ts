import * as z from 'zod';
import { MissingReason } from '../contract/reading.ts';

/** The forms that a single reading takes in messages. */
export const reading = <T extends z.ZodType>(value: T) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value }),
    z.object({ ok: z.literal(false), reason: MissingReason, detail: z.string().exactOptional() }),
  ]);
export const text = reading(z.string());
export const number = reading(z.number());
export const yes = reading(z.literal(true));
export const yesOrNo = reading(z.boolean());
