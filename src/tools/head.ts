import * as z from 'zod';
import { isoTime } from '../contract/time.ts';
import type { Instruments } from './instruments.ts';

/** What stands at the head of every answer; the verdict is its first key. */
export const HEAD = {
  summary: z.string(),
  node: z.string(),
  /** The machine is made of data and nothing here is real. */
  simulated: z.boolean(),
  /** ISO 8601 UTC. */
  takenAt: z.string(),
} as const;

/** The head of an answer about this node. */
export function head(instruments: Instruments, hostname: string | undefined, summary: string) {
  const { simulated, clock } = instruments;
  return {
    summary,
    node: instruments.node ?? simulated ?? hostname ?? 'this machine',
    simulated: simulated !== undefined,
    takenAt: isoTime(clock.nowMs()),
  };
}

/** A part whose keys another tool's definition lists, or that speaks for itself in the answer. */
export const unlisted = <Schema extends z.ZodType>(schema: Schema): Schema =>
  schema.meta({ listedKeys: [] });
