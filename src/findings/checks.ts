import * as z from 'zod';
import { SEVERITIES } from '../contract/finding.ts';
import type { Clue } from './clue.ts';
import type { NodeFacts } from './facts.ts';
import { decidingOf, gapsOf } from './gaps.ts';
import type { Rule } from './rule.ts';
import { RULES } from './rules.ts';

/** What came of a check: its worst finding, else whether all that it decides by was read. */
export const CheckResult = z.enum([...SEVERITIES, 'not_read', 'ok']);
export type CheckResult = z.infer<typeof CheckResult>;

const DECIDING = decidingOf(RULES);

/** What each rule came to, by its name; `ok` only where it could have told a fault. Pure. */
export function checkResults(
  facts: NodeFacts,
  told: readonly { readonly rule: Rule; readonly clues: readonly Clue[] }[],
): Record<string, CheckResult> {
  const anyway = gapsOf(facts, []).length;
  return Object.fromEntries(
    told.map(({ rule, clues }) => {
      return [
        rule.id,
        worstOf(clues) ?? (isUnread(facts, rule, anyway) ? 'not_read' : 'ok'),
      ] as const;
    }),
  );
}

/** The heaviest of what a rule told. */
export const worstOf = (clues: readonly Pick<Clue, 'severity'>[]) =>
  SEVERITIES.find(severity => clues.some(clue => clue.severity === severity));

function isUnread(facts: NodeFacts, { reads }: Rule, anyway: number): boolean {
  const { initialized } = facts.driver;
  if (!initialized.ok && (reads.gpu?.decides || reads.driver?.decides)) return true;
  if (reads.cluster && !facts.cluster) return true;
  const read = facts.log?.coverage.some(({ available }) => available) ?? false;
  if (reads.log && !read) return true;
  const rows = DECIDING.filter(({ part, path }) => {
    const decides: readonly string[] = reads[part]?.decides ?? [];
    return decides.includes(path);
  });
  return gapsOf(facts, rows).length > anyway;
}
