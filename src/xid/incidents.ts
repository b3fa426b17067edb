import type { Severity } from '../contract/finding.ts';
import type { Boundary } from './boots.ts';
import { xidVerdict } from './catalogue.ts';
import type { Incident } from './events.ts';
import { familyOf } from './families.ts';
import type { Group } from './grouping.ts';
import { isoOf, secondsBetween, secondsText } from './moment.ts';
import { BURST_SECONDS, type Occurrence } from './occurrence.ts';
import type { Verdict } from './verdict.ts';

const LINES_MAX = 256;
const CODES_MAX = 32;
const INCIDENTS_MAX = 1_024;

/** What lies around the incidents of one analysis. */
interface Surroundings {
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
interface Judgement {
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

interface Named {
  readonly xid: number | null;
  readonly sxid: number | null;
}

/** `XID 79: `, `SXid 20034: ` or nothing, in front of a title. */
const nameOf = ({ xid, sxid }: Named): string =>
  xid !== null ? `XID ${xid}: ` : sxid !== null ? `SXid ${sxid}: ` : '';

const shortName = ({ line }: Occurrence): string =>
  line.xid !== null
    ? `XID ${line.xid}`
    : line.sxid !== null
      ? `SXid ${line.sxid}`
      : line.kind.replaceAll('_', ' ');

/** What happened, what began it, and what followed from it: our words and numbers only. */
function whyOf(group: Group, { verdict, lostCause }: Judgement): string {
  const { root, members, cleared } = group;
  const first = firstOf(group);
  const parts = [verdict.meaning];
  if (lostCause !== null) {
    parts.push(
      `The driver names XID ${lostCause} as the cause of this clean-up; its own line is gone.`,
    );
  }
  if (first !== root) {
    const seconds = secondsBetween(first.first, root.first);
    const before =
      seconds > 0 && Number.isFinite(seconds) ? `, ${secondsText(seconds)} before` : '';
    parts.push(`${shortName(first)} came first in time${before}.`);
  }
  const others = namesOf(members.filter(member => member !== root && member !== first));
  if (others) parts.push(`Seen with it: ${others}.`);
  if (cleared) parts.push('Then the driver withdrew its recovery action (XID 154 to 0x0).');
  return parts.join(' ');
}

const firstOf = ({ members, root }: Group): Occurrence =>
  members.find(({ line }) => line.role === 'event' || line.role === 'notice') ?? root;

function namesOf(members: readonly Occurrence[]): string {
  const counts = new Map<string, number>();
  for (const member of members) {
    if (member.line.role === 'companion') continue;
    const name = shortName(member);
    counts.set(name, (counts.get(name) ?? 0) + member.count);
  }
  return [...counts].map(([name, count]) => (count > 1 ? `${name} (${count})` : name)).join(', ');
}

/** Where NVIDIA's documents, other tools or the driver itself say something else. */
function disagreementOf({ verdict, recovery, lostCause }: Judgement, group: Group): string[] {
  const own = group.root.line.verdict;
  const driver =
    recovery && recovery !== group.root && lostCause === null && own.action !== verdict.action
      ? [`The line of ${shortName(group.root)} alone says ${own.action} (${own.source}).`]
      : [];
  return [...driver, ...verdict.disagreement];
}

/** What speaks against the verdict, or makes it less sure. */
function counterEvidenceOf(
  group: Group,
  { verdict, lostCause }: Judgement,
  { occurrences }: Surroundings,
): string[] {
  const { root, members } = group;
  const found: string[] = [];
  if (verdict.blame === 'application' || root.line.xid === 109) {
    const programs = programsOn(root.line.pci, occurrences);
    if (programs > 1) {
      found.push(`Several programs (${programs}) faulted on this GPU: its hardware is a suspect.`);
    }
  }
  const clean = members.every(({ line }) => line.xid === null || line.xid === 45);
  if (root.line.xid === 45 && lostCause === null && clean) {
    found.push(
      "No other error is near: NVIDIA's workflow for XID 45 alone is to check whether Fabric Manager stopped or the job was ended.",
    );
  }
  if (verdict.blame === 'hardware' || verdict.blame === 'fabric') {
    const host = hostErrorsNear(root, occurrences);
    if (host !== '') found.push(`The host reported errors at the same time: ${host}.`);
  }
  if (members.some(({ line }) => line.kind === 'gsp_rate_limit')) {
    found.push('The driver limits these messages: their count is too low.');
  }
  if (root.line.xid === 119 && root.line.process !== null) {
    found.push('The process named on the line only waited for the GPU; it is not the cause.');
  }
  if (root.line.details['truncated'] === true) {
    found.push('The line is cut: what it says may be incomplete.');
  }
  return found;
}

/** How many programs had faults of their own on a GPU. */
function programsOn(pci: string | null, occurrences: readonly Occurrence[]): number {
  const faults = occurrences.filter(
    other => other.line.pci === pci && pci !== null && familyOf(other) === 'application',
  );
  return new Set(faults.flatMap(({ line }) => line.process ?? [])).size;
}

const HOST_KINDS = new Set(['mce', 'edac', 'apei_header', 'aer', 'iommu_fault']);

function hostErrorsNear(root: Occurrence, occurrences: readonly Occurrence[]): string {
  return namesOf(
    occurrences.filter(
      ({ line, first }) =>
        HOST_KINDS.has(line.kind) &&
        (line.pci === null || line.pci === root.line.pci) &&
        secondsBetween(first, root.first) <= BURST_SECONDS,
    ),
  );
}

/** What came after the last reset, driver load or boot that followed the incident. */
function sinceThenOf(group: Group, { boundaries, occurrences }: Surroundings): string | null {
  const { cleared, members, pci } = group;
  const end = Math.max(...members.map(member => member.at));
  const later = boundaries.filter(({ at }) => at > end);
  const last = later.at(-1);
  if (!last && !cleared) return null;
  const useBoundary = last !== undefined && (!cleared || last.at >= cleared.at);
  const at = useBoundary ? last.at : (cleared?.at ?? 0);
  const moment = useBoundary ? last.moment : cleared?.first;
  const what = !useBoundary
    ? 'the driver withdrew its recovery action'
    : last.kind === 'boot'
      ? 'the node booted again'
      : 'the driver was loaded again';
  const after = occurrences
    .filter(
      other =>
        other.at > at &&
        other.line.pci === pci &&
        (other.line.xid !== null || other.line.sxid !== null) &&
        other.line.role !== 'companion' &&
        other.line.role !== 'clear',
    )
    .reduce((sum, { count }) => sum + count, 0);
  const time = isoOf(moment?.timeMs ?? null) ?? `line ${moment?.line ?? 0}`;
  const place = pci === null ? 'of this kind of device' : 'on this device';
  return `${what} (${time}); since then ${after === 0 ? 'no XID' : `${after} XID${after === 1 ? '' : 's'}`} ${place}`;
}
