import * as z from 'zod';
import { SIMULATED_DELAY_MS_MAX } from '../contract/limits.ts';
import { MissingReason } from '../contract/reading.ts';
import { wrongAnswer, wrongKey } from './answer-check.ts';

/** What an NVML function gives: a number, a text, the members of a struct, or a list of these. */
const Scalar = z.union([z.number(), z.string()]);
const Members = z.record(z.string(), Scalar);
const Answer = z.union([Scalar, Members, z.array(z.union([Scalar, Members]))]);
export type Answer = z.infer<typeof Answer>;

/** How a function misbehaves: a return code, a delay, an endless hang, or the death of its process. */
const Fault = z.strictObject({
  return: MissingReason.exactOptional(),
  delayMs: z.int().min(0).max(SIMULATED_DELAY_MS_MAX).exactOptional(),
  hang: z.literal(true).exactOptional(),
  crash: z.literal(true).exactOptional(),
});
export type Fault = z.infer<typeof Fault>;

/** How a number moves from what it is at the start: up by so much a second, or to and fro. */
const Move = z.strictObject({
  perSecond: z.number().min(-1e12).max(1e12).default(0),
  /** It goes so far and comes back within the period. */
  swing: z.number().min(-1e12).max(1e12).default(0),
  periodSeconds: z.number().min(0.1).max(86_400).default(10),
});
export type Move = z.infer<typeof Move>;

/**
 * Answers, faults and moves by the name of a row in nvml/functions.ts; an enumeration's member may
 * follow (`deviceGetClockInfo sm`), and in moves a member of a struct (`deviceGetUtilizationRates.gpu`).
 * The fault `*` is for all functions; what has no answer is not supported.
 */
const part = z.strictObject({
  answers: z.record(z.string(), Answer).default({}),
  faults: z.record(z.string(), Fault).default({}),
  moves: z.record(z.string(), Move).default({}),
});

/** Refuses what NVML cannot be asked or cannot answer. */
const checked = (data: z.infer<typeof part>, context: z.RefinementCtx) => {
  const refuse = (kind: string, key: string, wrong: ReturnType<typeof wrongKey>) => {
    if (!wrong) return;
    const { message, hint } = wrong;
    context.addIssue({ code: 'custom', path: [kind, key], message, params: { hint } });
  };
  for (const [key, answer] of Object.entries(data.answers)) {
    refuse('answers', key, wrongKey(key) ?? wrongAnswer(key, answer));
  }
  for (const key of Object.keys(data.faults)) {
    if (key !== '*') refuse('faults', key, wrongKey(key));
  }
  for (const key of Object.keys(data.moves)) {
    refuse('moves', key, wrongKey(key.split('.', 1).join()));
  }
};

export const Part = part.superRefine(checked);
/** A GPU, and its MIG devices in the order of their index. */
export const GpuPart = part.extend({ mig: z.array(Part).max(8).default([]) }).superRefine(checked);
export type Part = z.infer<typeof part> & { readonly mig?: readonly z.infer<typeof part>[] };

/** The answer under one of these keys so many seconds after the start; a text stands still. */
export function moved(
  keys: readonly string[],
  answer: Answer,
  { moves }: Part,
  seconds: number,
): Answer {
  const of = (member: string) =>
    keys.map(key => moves[`${key}${member}`]).find(move => move !== undefined);
  if (Array.isArray(answer) || Object.keys(moves).length === 0) return answer;
  if (typeof answer !== 'object') return movedNumber(answer, of(''), seconds);
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [
      name,
      movedNumber(value, of(`.${name}`), seconds),
    ]),
  );
}

function movedNumber(value: number | string, move: Move | undefined, seconds: number) {
  if (!move || typeof value === 'string') return value;
  const { perSecond, swing, periodSeconds } = move;
  const turn = (seconds / periodSeconds) * 2 * Math.PI;
  const there = (1 - Math.cos(turn)) / 2;
  return Math.max(0, Math.round(value + perSecond * seconds + swing * there));
}
