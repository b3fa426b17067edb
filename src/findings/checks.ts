import * as z from 'zod';
import { SEVERITIES } from '../contract/finding.ts';
import type { Clue } from './clue.ts';
import type { NodeFacts } from './facts.ts';
import { type Deciding, decidingOf, gapsOf } from './gaps.ts';
import type { Rule } from './rule.ts';
import { RULES } from './rules.ts';

/** What came of a check: its worst finding, else whether all that it decides by was read. */
export const CheckResult = z.enum([...SEVERITIES, 'not_read', 'ok']);
export type CheckResult = z.infer<typeof CheckResult>;

const DECIDING = decidingOf(RULES);

/** What each rule came to, by its name; `ok` only where it could have told a fault. Of the node's gaps. Pure. */
export function checkResults(
  facts: NodeFacts,
  told: readonly { readonly rule: Rule; readonly clues: readonly Clue[] }[],
  gaps: readonly string[],
): Record<string, CheckResult> {
  const isUnread = unreadChecks(facts, gaps);
  return Object.fromEntries(
    told.map(({ rule, clues }) => [
      rule.id,
      worstOf(clues) ?? (isUnread(rule) ? 'not_read' : 'ok'),
    ]),
  );
}

/** The heaviest of what a rule told. */
export const worstOf = (clues: readonly Pick<Clue, 'severity'>[]) =>
  SEVERITIES.find(severity => clues.some(clue => clue.severity === severity));

/** Of which rules something was not read, without which they would tell no fault. */
function unreadChecks(facts: NodeFacts, gaps: readonly string[]): (rule: Rule) => boolean {
  const { initialized } = facts.driver;
  const isLogRead = facts.log?.coverage.some(({ available }) => available) ?? false;
  // Compared as texts: what two GPUs lack alike is one gap, as is what they lack anyway.
  const gapsFor = (rows: readonly Deciding[]) => gapsOf(facts, rows).join('\n');
  const anyway = gapsFor([]);
  const isAllRead = gaps.join('\n') === anyway;
  return ({ reads }) => {
    if (!initialized.ok && (reads.gpu?.decides || reads.driver?.decides)) return true;
    if (reads.cluster && !facts.cluster) return true;
    if (reads.log && !isLogRead) return true;
    if (isAllRead) return false;
    const rows = DECIDING.filter(({ part, path }) => {
      const decides: readonly string[] = reads[part]?.decides ?? [];
      return decides.includes(path);
    });
    return gapsFor(rows) !== anyway;
  };
}
