import * as z from 'zod';
import { Verdict } from '../../contract/finding.ts';
import { isoTime } from '../../contract/time.ts';
import { compareFindings, FindingChange } from './comparison-findings.ts';
import { compareGpus, GpuChange } from './comparison-gpus.ts';
import { Restarts, restartsBetween, SettingChange, settingChanges } from './comparison-settings.ts';
import { type Judged, judged, type Snapshot } from './snapshot.ts';
import { plural } from './wording.ts';

const Moment = z.strictObject({
  node: z.string(),
  simulated: z.boolean(),
  takenAt: z.string(),
  verdict: Verdict,
});

export const Comparison = z.strictObject({
  summary: z.string(),
  verdict: z.enum(['better', 'worse', 'mixed', 'unchanged', 'unknown']),
  before: Moment,
  after: Moment,
  restarts: Restarts,
  findings: z.array(FindingChange),
  gpus: z.array(GpuChange),
  settings: z.array(SettingChange),
  /** What the comparison does not rest on. */
  gaps: z.array(z.string()),
});
export type Comparison = z.infer<typeof Comparison>;

/**
 * What changed on a node between two moments. Pure. A finding that is gone is cleared only where
 * what showed it could be read again.
 */
export function compare(first: Snapshot, second: Snapshot): Comparison {
  // What the cluster says is compared where it was asked both times.
  const asked = first.cluster !== undefined && second.cluster !== undefined;
  const [before, after] = [judged(first, asked), judged(second, asked)];
  const restarts = restartsBetween(before.facts, after.facts);
  const findings = compareFindings(before, after);
  const gaps = after.diagnosis.gaps.map(gap => `after: ${gap}`);
  const partial = !asked && (first.cluster !== undefined || second.cluster !== undefined);
  const verdict = verdictOf(findings);
  return {
    summary: summaryOf(verdict, findings, { before, after }),
    verdict,
    before: momentOf(before),
    after: momentOf(after),
    restarts,
    findings,
    gpus: compareGpus(before, after, restarts),
    settings: settingChanges(before, after),
    gaps: [
      ...(before.node === after.node
        ? []
        : [`two nodes are compared: ${before.node} and ${after.node}`]),
      ...(partial ? ['the cluster was asked only once: what it says is not compared'] : []),
      ...gaps,
    ],
  };
}

const momentOf = ({ node, simulated, facts, diagnosis }: Judged): z.infer<typeof Moment> => ({
  node,
  simulated,
  takenAt: isoTime(facts.nowMs),
  verdict: diagnosis.verdict,
});

const isSerious = ({ severity, severityBefore }: FindingChange): boolean =>
  severity !== 'info' || (severityBefore ?? 'info') !== 'info';

function verdictOf(findings: readonly FindingChange[]): Comparison['verdict'] {
  const some = (...changes: FindingChange['change'][]) =>
    findings.some(finding => changes.includes(finding.change) && isSerious(finding));
  const worse = some('new', 'worse');
  const better = some('cleared', 'better');
  if (worse) return better ? 'mixed' : 'worse';
  // What cannot be seen any more may still be there.
  if (some('unseen')) return 'unknown';
  return better ? 'better' : 'unchanged';
}

function summaryOf(
  verdict: Comparison['verdict'],
  findings: readonly FindingChange[],
  { before, after }: { readonly before: Judged; readonly after: Judged },
): string {
  const count = (change: FindingChange['change']) =>
    findings.filter(finding => finding.change === change).length;
  const more = (['worse', 'better', 'unseen'] as const).flatMap(change =>
    count(change) > 0 ? [`${count(change)} ${change}`] : [],
  );
  const [was, is] = [before.diagnosis.verdict, after.diagnosis.verdict];
  return [
    `${verdict}: ${plural(count('cleared'), 'finding')} cleared, ${count('new')} new`,
    ...more,
    was === is ? `${after.node} is ${is} as before` : `${after.node} was ${was}, is ${is}`,
  ].join(', ');
}
