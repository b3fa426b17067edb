import * as z from 'zod';
import { MissingReason } from '../contract/reading.ts';
import { DRIVER_FIELDS, GPU_FIELDS, kept, ON_DEMAND } from './readings.ts';

/**
 * What the parent and the child that hosts NVML say to each other: one JSON object a line.
 *
 * The child names each call before it makes it (in a series of equal ones, now and then) and has
 * sent each reading before the next call, so a call that never returns loses only what was not read.
 */

/** A call that is not made again in this batch, and the reading it gives instead. */
const Skip = z.object({
  call: z.string(),
  gpu: z.number().exactOptional(),
  reason: MissingReason,
  detail: z.string().exactOptional(),
});
export type Skip = z.infer<typeof Skip>;

/** Parent to child: read all but what is `had`; the GPUs of `last` after the others. */
export const ReadRequest = z.object({
  id: z.number(),
  /** When the reading began that it is for. */
  takenAtMs: z.number(),
  had: z.object({
    driver: z.array(z.enum(DRIVER_FIELDS)),
    gpus: z.record(z.string(), z.array(z.enum(GPU_FIELDS))),
  }),
  skip: z.array(Skip),
  last: z.array(z.number()),
  depth: z.enum(['first', 'counters', 'now', 'all']),
  also: z.array(z.enum(ON_DEMAND)).exactOptional(),
  /** What is kept of the InfoROM is too old. */
  inforomAnew: z.literal(true).exactOptional(),
});
export type ReadRequest = z.infer<typeof ReadRequest>;

/** Child to parent. `call` comes before the call; `opens` marks one that may initialise a GPU. */
export const ChildMessage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('call'),
    call: z.string(),
    gpu: z.number().exactOptional(),
    opens: z.boolean(),
  }),
  z.object({
    kind: z.literal('driver'),
    id: z.number(),
    field: z.enum(DRIVER_FIELDS),
    reading: z.unknown(),
  }),
  z.object({
    kind: z.literal('gpu'),
    id: z.number(),
    gpu: z.number(),
    field: z.enum(GPU_FIELDS),
    reading: z.unknown(),
  }),
  z.object({ kind: z.literal('kept'), id: z.number(), kept: z.array(kept) }),
  z.object({ kind: z.literal('done'), id: z.number() }),
]);
export type ChildMessage = z.infer<typeof ChildMessage>;
