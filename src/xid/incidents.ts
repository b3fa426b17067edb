import type { Severity } from '../contract/finding.ts';
import type { Boundary } from './boots.ts';
import { xidVerdict } from './catalogue.ts';
import type { Incident } from './events.ts';
import type { Group } from './grouping.ts';
import { counterEvidenceOf, disagreementOf, nameOf, sinceThenOf, whyOf } from './incident-text.ts';
import { isoOf } from './moment.ts';
import type { Occurrence } from './occurrence.ts';
import type { Verdict } from './verdict.ts';

const LINES_MAX = 256;
const CODES_MAX = 32;
const INCIDENTS_MAX = 1_024;

/** What lies around the incidents of one analysis. */
export interface Surroundings {
  readonly boundaries: readonly Boundary[];
  /** All occurrences, sorted by time. */
  readonly occurrences: readonly Occurrence[];
}

/** Judges each group; the most serious first, then the newest first. */
export function incidentsOf(groups: readonly Group[], around: Surroundings): Incident[] {
  return groups
    .map(group => ({ incident: incidentOf(group, around), at: group.members.at(-1)?.at ?? 0 }))
    .sort((a, b) => weightOf(a.incident.severity) - weightOf(b.incident.severity) || b.at - a.at)
    .slice(0, INCIDENTS_MAX)
    .map(({ incident }) => incident);
}

const weightOf = (severity: Severity) => ({ critical: 0, warning: 1, info: 2 })[severity];

/** What a group is judged by: its root, or the XID that the driver names and the log has lost. */
export interface Judgement {
  readonly root: Incident['root'];
  readonly verdict: Verdict;
  /** The last XID 154 of the group. */
  readonly recovery: Occurrence | undefined;
  /** The number that `caused by previous Xid N` names, where its own line is gone. */
  readonly lostCause: number | null;
}

function incidentOf(group: Group, around: Surroundings): Incident {
  const judgement = judge(group);
  const { root, verdict } = judgement;
  const counted = group.members.filter(({ line }) => line.role !== 'companion');
  const first = counted.find(({ line }) => line.role !== 'background') ?? group.root;
  const own = group.members.filter(member => member.first.source === group.root.first.source);
  const lines = [...new Set(own.flatMap(member => member.lines))].sort((a, b) => a - b);
  const counterEvidence = counterEvidenceOf(group, judgement, around);
  const codes = new Set(counted.flatMap(({ line }) => line.xid ?? line.sxid ?? []));
  return {
    root,
    first: { kind: first.line.kind, xid: first.line.xid, sxid: first.line.sxid },
    title: `${nameOf(root)}${verdict.title}`,
    action: verdict.action,
    actionSource: verdict.source,
    advice: verdict.advice,
    disagreement: disagreementOf(judgement, group),
    severity: verdict.severity,
    blame: verdict.blame,
    confidence: doubted(counterEvidence) ? 'low' : verdict.confidence,
    gpu: root.sxid === null ? group.pci : null,
    firstLine: lines[0] ?? group.root.first.line,
    lastLine: Math.max(...own.map(member => member.last.line)),
    lines: lines.slice(0, LINES_MAX),
    source: group.root.first.source,
    firstTime: isoOf(first.first.timeMs),
    firstTimeUncertaintyMs: first.event.timeUncertaintyMs,
    lastTime: isoOf(lastTimeOf(group)),
    count: counted.reduce((sum, { count }) => sum + count, 0),
    codes: [...new Set([...[root.xid ?? root.sxid ?? []].flat(), ...codes])].slice(0, CODES_MAX),
    why: whyOf(group, judgement),
    counterEvidence,
    sinceThen: sinceThenOf(group, around),
  };
}

/** Programs that fail one after another on one GPU are a reason to doubt that they are at fault. */
const doubted = (counterEvidence: readonly string[]) =>
  counterEvidence.some(text => text.startsWith('Several programs'));

const lastTimeOf = (group: Group): number | null =>
  group.members.reduce<number | null>(
    (last, { last: { timeMs } }) =>
      timeMs !== null && timeMs > (last ?? timeMs - 1) ? timeMs : last,
    null,
  );

/**
 * The verdict of a group: the driver's own XID 154 first, then what the root's line says when
 * decoded, then the catalogue. A withdrawn demand leaves nothing to do.
 */
function judge(group: Group): Judgement {
  const { root } = group;
  const recovery = group.members.findLast(({ line }) => line.xid === 154);
  const lostCause = lostCauseOf(group);
  const base: Verdict =
    lostCause === null ? root.line.verdict : { ...xidVerdict(lostCause), confidence: 'medium' };
  const judged = {
    root: {
      kind: root.line.kind,
      pci: group.pci,
      xid: lostCause ?? root.line.xid,
      sxid: root.line.sxid,
    },
    recovery,
    lostCause,
  };
  const verdict = recovery && recovery !== root ? byRecovery(base, recovery.line.verdict) : base;
  return { ...judged, verdict: group.cleared ? withdrawn(verdict, group.cleared) : verdict };
}

const byRecovery = (base: Verdict, recovery: Verdict): Verdict => ({
  ...base,
  action: recovery.action,
  severity: 'critical',
  confidence: recovery.confidence,
  advice: recovery.advice,
  source: recovery.source,
});

const withdrawn = (verdict: Verdict, { line }: Occurrence): Verdict => ({
  ...verdict,
  action: 'none',
  severity: 'info',
  advice: line.verdict.advice,
  source: line.verdict.source,
});

/** XID 45 `caused by previous Xid N` in a group that has no line of N. */
function lostCauseOf({ root, members }: Group): number | null {
  const cause = root.line.details['caused_by_xid'];
  if (typeof cause !== 'number') return null;
  return members.some(({ line }) => line.xid === cause) ? null : cause;
}
