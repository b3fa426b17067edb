import * as z from 'zod';
import { Action, Blame } from '../contract/finding.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { mayConcernUs } from './anchors.ts';
import { parseMessage } from './parse.ts';
import table from './pasted-texts.json' with { type: 'json' };
import { heaviest, type TextFinder, textFinder, type Weighed } from './text-finder.ts';

const sentence = z.string().regex(/^\S[^\n]*\.$/);

/** A text that users bring beside kernel lines: what it means, which layer speaks, what to do next. */
export const PastedText = z.strictObject({
  id: z.string().regex(/^[a-z][\w-]*$/),
  /** In lower case; the parts around `…` have to follow one another. */
  texts: z.array(z.string().min(4)).min(1),
  /** The number of a CUDA or NVML error. */
  code: z.int().min(0).max(999).nullable(),
  title: z.string().min(3).max(90),
  meaning: sentence,
  layer: Blame,
  action: Action,
  advice: sentence,
  /** The next command to run. */
  next: z.string().min(3),
  source: z.string(),
});
export type PastedText = z.infer<typeof PastedText>;

export const TEXT_SOURCES: Readonly<Record<string, string>> = table.sources;

let checked: readonly PastedText[] | undefined;

/** All rows, checked at the first use. */
export function allPastedTexts(): readonly PastedText[] {
  checked ??= z.array(PastedText).parse(table.entries);
  return checked;
}

/**
 * `CUDA error 719`, `Cuda driver error 4`, `Cuda failure 999`, `NVML error: 15`, `CUDA initialization failure with
 * error: 35` of TensorRT, `Cuda failure: status=35` of DeepStream, `(error code = CUDA:719)` of SYCL.
 */
const NUMBERED =
  /\b(cuda|nvml)[\s_-]*(?:driver |initialization )?(?:error|failure|err|return)\w*[\s:=#(]*(?:with error: )?(?:(?:code|status)\s*[:=]?\s*)?(\d{1,3})\b|\berror code = (cuda):(\d{1,3})\b/i;
/** What programs print of a call that did not succeed: `cudaGetDeviceCount returned 35`, `cuInit(0) failed: 999`. */
const RETURNED =
  /\bcu(?:da)?[A-Z]\w{1,60}(?:\([^()]{0,80}\))? (?:returned|failed|failed with(?: error)?):? (?:error )?(?:code )?(\d{1,3})(?=\s*(?:$|[(,;.:-]))/;
/** A number says as much as a text of this length. */
const NUMBER_WEIGHT = 12;

/** The row that fits a line best: that of the longest text; undefined where none does. */
export const pastedText = (line: string): PastedText | undefined => weighedText(line)?.row;

/** The same with its weight: the length of the text that fits. */
export function weighedText(line: string): Weighed<PastedText> | undefined {
  finder ??= textFinder(allPastedTexts());
  const found = finder(line.toLowerCase());
  const [, api, digits, ofSycl, code] = NUMBERED.exec(line) ?? [];
  const returned = RETURNED.exec(line)?.[1];
  const [kind, number] = [api ?? ofSycl ?? 'cuda', digits ?? code ?? returned];
  const numbered =
    number === undefined
      ? undefined
      : allPastedTexts().find(
          ({ id, code }) => code === Number(number) && id.startsWith(`${kind.toLowerCase()}-`),
        );
  return heaviest(numbered ? [...found, { row: numbered, weight: NUMBER_WEIGHT }] : found);
}
let finder: TextFinder<PastedText> | undefined;

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
  'fabric manager NVIDIA GPU driver',
];

const TEXTS_MAX = 64;

/** Counts the error texts of programs in what is no kernel message. */
export function createProgramTexts() {
  const found = new Map<string, ProgramText>();
  return {
    see({ text, line, source }: KernelRecord): void {
      // The driver's own lines are most of what comes here: they need not be read twice.
      if (text.startsWith('NVRM: Xid (') || (mayConcernUs(text) && parseMessage(text))) return;
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
