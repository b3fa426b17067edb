import * as z from 'zod';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { mayConcernUs } from './anchors.ts';
import { parseMessage } from './parse.ts';
import { pastedText } from './pasted-texts.ts';

/** An error text of a program in a log: anyone can have written it, so it is no incident. */
export const ProgramText = z.strictObject({
  id: z.string(),
  title: z.string(),
  meaning: z.string(),
  /** The layer that is likely at fault. */
  layer: z.string(),
  advice: z.string(),
  next: z.string(),
  source: z.string(),
  firstLine: z.int(),
  count: z.int(),
});
export type ProgramText = z.infer<typeof ProgramText>;

/** What lines with such texts hold, for a scanner that skips all others. */
export const TEXT_ANCHORS: readonly string[] = [
  'CUDA ',
  'CUDA_ERROR',
  'cudaError',
  'Cuda failure',
  'NCCL ',
  'NVML:',
  'NVML_ERROR',
  'DCGM_FR_',
  'device handle for',
  'No devices were found',
  'collective operation',
];

const TEXTS_MAX = 64;

/** Counts the error texts of programs in what is no kernel message. */
export function createProgramTexts() {
  const found = new Map<string, ProgramText>();
  return {
    see({ text, line, source }: KernelRecord): void {
      if (mayConcernUs(text) && parseMessage(text)) return;
      const row = pastedText(text);
      if (!row) return;
      const known = found.get(row.id);
      if (known) known.count += 1;
      else if (found.size < TEXTS_MAX) {
        const { id, title, meaning, layer, advice, next } = row;
        found.set(id, {
          id,
          title,
          meaning,
          layer,
          advice,
          next,
          source,
          firstLine: line,
          count: 1,
        });
      }
    },
    /** In the order in which they first came: the first is mostly nearest to the cause. */
    all: (): ProgramText[] => [...found.values()],
  };
}
