import { z } from 'zod';

/** What a judge is asked: a mutant, and where it is. */
export const Question = z.object({ id: z.string(), fileName: z.string() });
export type Question = z.infer<typeof Question>;

export const Verdict = z.object({
  status: z.enum(['Killed', 'Survived', 'NoCoverage', 'Timeout', 'Ignored']),
  /** The scenario or test that noticed. */
  by: z.string().optional(),
});
export type Verdict = z.infer<typeof Verdict>;

export const Answer = z.union([
  z.literal('ready'),
  /** A piece of work with this mutant begins, which takes so long without it. */
  z.object({ id: z.string(), unmutatedMs: z.number() }),
  Verdict.extend({ id: z.string() }),
]);
