import * as z from 'zod';
import {
  ACTIONS,
  type Finding,
  gpusOf,
  SEVERITIES,
  Severity,
  Verdict,
} from '../../contract/finding.ts';
import { isoTime } from '../../contract/time.ts';
import { compareGpus, GpuChange } from './comparison-gpus.ts';
import { Restarts, restartsBetween, SettingChange, settingChanges } from './comparison-settings.ts';
import { isAbout } from './gpu-rows.ts';
import { type Judged, judged, type Snapshot } from './snapshot.ts';
import { plural } from './wording.ts';

/**
 * What became of a finding. `unseen`: it is not told any more, and what showed it could not be read
 * again. `history`: the kernel log still tells of what happened before the first moment.
 */
export const FindingChange = z.strictObject({
  id: z.string(),
  change: z.enum(['new', 'worse', 'unseen', 'cleared', 'better', 'unchanged', 'history']),
  severity: Severity,
  severityBefore: Severity.optional(),
  title: z.string(),
  action: z.enum(ACTIONS),
  /** Why it is not cleared, or why it may be older than it looks. */
  why: z.string().optional(),
});
export type FindingChange = z.infer<typeof FindingChange>;

const ORDER = FindingChange.shape.change.options;

/** Every finding of both moments once: the worst change first. */
function compareFindings(before: Judged, after: Judged): FindingChange[] {
  const [old, fresh] = [before.diagnosis.findings, after.diagnosis.findings];
  const gone = old.filter(({ id }) => !fresh.some(other => other.id === id));
  return [
    ...gone.map(finding => goneOf(finding, after)),
    ...fresh.map(finding => {
      const then = old.find(other => other.id === finding.id);
      return then ? keptOf(then, finding) : freshOf(finding, before);
    }),
  ].toSorted(
    (a, b) =>
      ORDER.indexOf(a.change) - ORDER.indexOf(b.change) ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
}

const rowOf = ({ id, severity, title, action }: Finding) => ({ id, severity, title, action });

function goneOf(finding: Finding, after: Judged): FindingChange {
  const why = whyUnseen(finding, after);
  return why === undefined
    ? { ...rowOf(finding), change: 'cleared' }
    : { ...rowOf(finding), change: 'unseen', why };
}

function keptOf(then: Finding, now: Finding): FindingChange {
  const heavier =
    SEVERITIES.indexOf(then.severity) - SEVERITIES.indexOf(now.severity) ||
    ACTIONS.indexOf(now.action) - ACTIONS.indexOf(then.action);
  const change = heavier === 0 ? 'unchanged' : heavier > 0 ? 'worse' : 'better';
  return { ...rowOf(now), change, severityBefore: then.severity };
}

function freshOf(finding: Finding, before: Judged): FindingChange {
  const atMs = logTimeMs(finding);
  if (atMs !== undefined && atMs < before.facts.nowMs) {
    return { ...rowOf(finding), change: 'history', why: 'it happened before the first moment' };
  }
  const why = atMs === undefined ? whyUnseen(finding, before) : undefined;
  return {
    ...rowOf(finding),
    change: 'new',
    ...(why === undefined ? {} : { why: `it may be older: ${why}` }),
  };
}

/** Why a moment that does not tell of a finding is no proof that it was not there. */
function whyUnseen(finding: Finding, { facts, rows }: Judged): string | undefined {
  const { driver, log } = facts;
  const atMs = logTimeMs(finding);
  if (atMs !== undefined) {
    const reached = log.coverage.some(
      ({ available, from }) => available && from !== undefined && Date.parse(from) <= atMs,
    );
    return reached ? undefined : 'the kernel log of that moment does not reach back to it';
  }
  if (gpusOf(finding).length === 0) return undefined;
  if (!driver.initialized.ok) return `the driver could not be asked: ${driver.initialized.reason}`;
  if (driver.unresponsive) return 'the driver did not answer in time';
  const about = rows.filter(row => isAbout(finding, row));
  if (about.length === 0) return 'its GPU is not there';
  const broken = about.find(({ error }) => error !== undefined);
  return broken ? `its GPU could not be read: ${broken.error}` : undefined;
}

/** Findings of the kernel log carry the time of their first line in their id. */
function logTimeMs({ id }: Finding): number | undefined {
  const [, time] = /@(\d{4}-\d\d-\d\dT[\d:.]+Z)$/.exec(id) ?? [];
  return time === undefined ? undefined : Date.parse(time);
}

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
