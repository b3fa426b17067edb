import * as z from 'zod';
import { Action, Blame } from '../contract/finding.ts';
import table from './pasted-texts.json' with { type: 'json' };

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

/** `CUDA error 719`, `Cuda failure 999`, `NVML error: 15`. */
const NUMBERED =
  /\b(cuda|nvml)[\s_-]*(?:error|failure|err|return)\w*[\s:=#(]*(?:code\s*)?(\d{1,3})\b/i;
/** A number says as much as a text of this length. */
const NUMBER_WEIGHT = 12;

/** The row that fits a line best: that of the longest text; undefined where none does. */
export function pastedText(line: string): PastedText | undefined {
  const text = line.toLowerCase();
  const numbered = NUMBERED.exec(text);
  const weights = allPastedTexts().map(row => ({ row, weight: weightOf(row, text, numbered) }));
  const best = weights.reduce((a, b) => (b.weight > a.weight ? b : a));
  return best.weight > 0 ? best.row : undefined;
}

function weightOf(row: PastedText, text: string, numbered: RegExpExecArray | null): number {
  const isNumber =
    numbered !== null && row.code === Number(numbered[2]) && row.id.startsWith(`${numbered[1]}-`);
  const lengths = row.texts.filter(wanted => holds(text, wanted)).map(({ length }) => length);
  return Math.max(0, isNumber ? NUMBER_WEIGHT : 0, ...lengths);
}

function holds(text: string, wanted: string): boolean {
  let from = 0;
  for (const part of wanted.split(' … ')) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}
