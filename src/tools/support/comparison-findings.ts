import * as z from 'zod';
import { ACTIONS, type Finding, gpusOf, SEVERITIES, Severity } from '../../contract/finding.ts';
import { isAbout } from './gpu-rows.ts';
import type { Judged } from './snapshot.ts';

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
export function compareFindings(before: Judged, after: Judged): FindingChange[] {
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
