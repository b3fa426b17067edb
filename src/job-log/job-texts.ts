import * as z from 'zod';
import { Action, Blame } from '../contract/finding.ts';
import { longestText, weighedText } from '../xid/pasted-texts.ts';
import table from './job-texts.json' with { type: 'json' };

const sentence = z.string().regex(/^\S[^\n]*\.$/);

/** A text of a program or its launcher, and what part it plays in a failure. */
export const JobText = z.strictObject({
  id: z.string().regex(/^[a-z][\w-]*$/),
  /** In lower case; the parts around `…` have to follow one another. */
  texts: z.array(z.string().min(4)).min(1),
  /** Exceptions whose class alone says it. */
  classes: z.array(z.string()).exactOptional(),
  role: z.enum(['cause', 'consequence', 'report']),
  layer: Blame,
  action: Action,
  title: z.string().min(3).max(90),
  advice: sentence,
  source: z.string(),
});
type JobText = z.infer<typeof JobText>;

export type Meaning = Omit<JobText, 'texts' | 'classes' | 'source'>;

let checked: readonly JobText[] | undefined;

/** All rows, checked at the first use. */
export function allJobTexts(): readonly JobText[] {
  checked ??= z.array(JobText).parse(table.entries);
  return checked;
}

/** Of src/xid/pasted-texts.json: what tells of another process, not of the one that wrote it. */
export const CONSEQUENCES: ReadonlySet<string> = new Set(table.consequences);

export const JOB_TEXT_SOURCES: Readonly<Record<string, string>> = table.sources;

/** What a line means, by the longest text that fits it or its exception's class; undefined where none does. */
export function meaningOf(line: string, exception?: string): Meaning | undefined {
  const byClass = allJobTexts().find(({ classes }) => classes?.some(name => name === exception));
  if (byClass) return byClass;
  const text = line.toLowerCase();
  const weights = allJobTexts().map(row => ({ row, weight: longestText(row.texts, text) }));
  const own = weights.reduce((a, b) => (b.weight > a.weight ? b : a));
  const common = weighedText(line);
  if (!common || own.weight > common.weight) return own.weight > 0 ? own.row : undefined;
  return { ...common.row, role: CONSEQUENCES.has(common.row.id) ? 'consequence' : 'cause' };
}
