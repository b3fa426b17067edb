import * as z from 'zod';
import { MissingReason } from '../contract/reading.ts';

/** What an NVML function gives: a number, a text, the members of a struct, or a list of these. */
const Scalar = z.union([z.number(), z.string()]);
const Members = z.record(z.string(), Scalar);
const Answer = z.union([Scalar, Members, z.array(z.union([Scalar, Members]))]);
export type Answer = z.infer<typeof Answer>;

/** How a function misbehaves: a return code, a delay, an endless hang, or the death of its process. */
const Fault = z.strictObject({
  return: MissingReason.exactOptional(),
  delayMs: z.int().min(0).exactOptional(),
  hang: z.literal(true).exactOptional(),
  crash: z.literal(true).exactOptional(),
});
export type Fault = z.infer<typeof Fault>;

/**
 * Answers and faults by the name of a row in nvml/functions.ts; an enumeration's member may follow
 * (`deviceGetClockInfo sm`). The fault `*` is for all functions; what has no answer is not supported.
 */
export const Part = z.strictObject({
  answers: z.record(z.string(), Answer).default({}),
  faults: z.record(z.string(), Fault).default({}),
});

/** A GPU, and its MIG devices in the order of their index. */
export const GpuPart = Part.extend({ mig: z.array(Part).default([]) });
export type Part = z.infer<typeof Part> & { readonly mig?: readonly z.infer<typeof Part>[] };
