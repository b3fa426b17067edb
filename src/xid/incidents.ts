import { ACTIONS, type Action, type Severity } from '../contract/finding.ts';
import type { Boundary } from './boots.ts';
import { xidVerdict } from './catalogue.ts';
import type { Incident } from './events.ts';
import { familyOf } from './families.ts';
import type { Group } from './grouping.ts';
import { counterEvidenceOf, disagreementOf, nameOf, OTHER_GPU, whyOf } from './incident-text.ts';
import type { Judgement, Surroundings } from './judgement.ts';
import { isoOf, type Moment, secondsBetween } from './moment.ts';
import { type Occurrence, once } from './occurrence.ts';
import { verdictAt } from './place.ts';
import { suspected, suspectVerdict } from './suspects.ts';
import type { Verdict } from './verdict.ts';

const LINES_MAX = 256;
const CODES_MAX = 32;
const INCIDENTS_MAX = 1_024;

/**
 * Judges each group: the most serious first, what a boot or a load followed after what none did,
 * the heavier step before the lighter, then the newest spell first, and in one spell what began it.
 */
export function incidentsOf(groups: readonly Group[], around: Surroundings): Incident[] {
  return spellsOf(groups)
    .map(({ group, spell }) => ({
      incident: incidentOf(group, around),
      spell,
      at: group.members[0]?.at ?? 0,
    }))
    .sort(
      (a, b) =>
        weightOf(a.incident.severity) - weightOf(b.incident.severity) ||
        Number(a.incident.sinceThen !== null) - Number(b.incident.sinceThen !== null) ||
        ACTIONS.indexOf(b.incident.action) - ACTIONS.indexOf(a.incident.action) ||
        b.spell - a.spell ||
        a.at - b.at,
    )
    .slice(0, INCIDENTS_MAX)
    .map(({ incident }) => incident);
}

const weightOf = (severity: Severity) => ({ critical: 0, warning: 1, info: 2 })[severity];

/** What begins within this after the last sign of trouble is of the same spell. */
const SPELL_SECONDS = 900;

/** Numbers the spells of trouble of a machine, oldest first. */
function spellsOf(groups: readonly Group[]): { readonly group: Group; readonly spell: number }[] {
  const sorted = groups.toSorted((a, b) => (a.members[0]?.at ?? 0) - (b.members[0]?.at ?? 0));
  let spell = 0;
  let last: Occurrence | undefined;
  return sorted.map(group => {
    const [first] = group.members;
    if (first && last && secondsBetween(last.last, first.first) > SPELL_SECONDS) spell += 1;
    const end = group.members.reduce<Occurrence | undefined>(
      (latest, member) => (latest && latest.lastAt >= member.lastAt ? latest : member),
      last,
    );
    last = end;
    return { group, spell };
  });
}

function incidentOf(group: Group, around: Surroundings): Incident {
  const since = sinceOf(group, around.boundaries, around.occurrences);
  const judgement = judge(group, around);
  const over = isOver(since, judgement.verdict);
  const { root } = judgement;
  const here = verdictAt(around.place, judgement.verdict);
  const verdict = over && since ? overVerdict(here, since) : here;
  const mig = group.root.line.mig;
  const counted = group.members.filter(({ line }) => line.role !== 'companion');
  const first = counted.find(({ line }) => line.role !== 'background') ?? group.root;
  const own = group.members.filter(member => member.first.source === group.root.first.source);
  const lines = [...new Set(own.flatMap(member => member.lines))].sort((a, b) => a - b);
  const counterEvidence = counterEvidenceOf(group, judgement, around);
  const codes = new Set(counted.flatMap(({ line }) => line.xid ?? line.sxid ?? []));
  return {
    root,
    first: { kind: first.line.kind, xid: first.line.xid, sxid: first.line.sxid },
    title: `${nameOf(root)}${verdict.title}${mig ? `, MIG instance ${mig.gpuInstance}` : ''}`,
    action: verdict.action,
    actionSource: verdict.source,
    advice: verdict.advice,
    disagreement: disagreementOf(judgement, group),
    severity: verdict.severity,
    blame: verdict.blame,
    confidence: group.root.isUnproven || doubted(counterEvidence) ? 'low' : verdict.confidence,
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
    sinceThen: since === null ? null : sinceText(since, group.pci),
    ...(over ? { over } : {}),
    ...(mig ? { mig } : {}),
  };
}

/**
 * Programs that fail one after another on one GPU are a reason to doubt that they are at fault, and so
 * is a number that this GPU does not have.
 */
const doubted = (counterEvidence: readonly string[]) =>
  counterEvidence.some(text => text.startsWith('Several programs') || text.startsWith(OTHER_GPU));

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
function judge(group: Group, { occurrences }: Surroundings): Judgement {
  const { root } = group;
  const recovery = group.members.findLast(({ line }) => line.xid === 154);
  const lostCause = lostCauseOf(group);
  const base: Verdict =
    lostCause === null
      ? ownVerdict(group, occurrences)
      : { ...xidVerdict(lostCause), confidence: 'medium' };
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
  const asked = recovery && recovery !== root ? byRecovery(base, recovery.line.verdict) : base;
  const verdict = endsInstances(group, occurrences) ? withInstances(asked) : asked;
  return { ...judged, verdict: group.cleared ? withdrawn(verdict, group.cleared) : verdict };
}

/** What the root says, with what else of the log bears on it. */
function ownVerdict({ root, members }: Group, occurrences: readonly Occurrence[]): Verdict {
  const own = root.line.verdict;
  if (familyOf(root) === 'bus') return byBus(own, members);
  const faulted = suspected(root, occurrences);
  return faulted ? suspectVerdict(own, faulted) : own;
}

/** A PCIe error, with what it did to the device that met it. */
function byBus(own: Verdict, members: readonly Occurrence[]): Verdict {
  const effects = members.filter(({ line }) => line.xid !== null && line.role === 'event');
  const worst = effects.find(member => familyOf(member) === 'lost') ?? effects[0];
  if (!worst) return own;
  const { line } = worst;
  const title = `${own.title}, then XID ${line.xid}: ${line.verdict.title}`;
  const lost = familyOf(worst) === 'lost';
  return lost
    ? { ...line.verdict, title, meaning: `${own.meaning} ${line.verdict.meaning}` }
    : {
        ...own,
        title,
        meaning: `${own.meaning} XID ${line.xid} followed from it on the same device.`,
        advice: `Look at the slot, riser, cable and power of this device before the program. ${own.advice}`,
      };
}

const RESETS: readonly Action[] = ['reset_gpu', 'drain_and_reset', 'reboot_node', 'power_cycle'];

const endsInstances = ({ pci }: Group, occurrences: readonly Occurrence[]): boolean =>
  pci !== null && gpusWithInstances(occurrences).has(pci);

const gpusWithInstances = once(
  occurrences => new Set(occurrences.flatMap(({ line }) => (line.mig === null ? [] : [line.pci]))),
);

/** A reset knows no instances: everyone who shares the GPU has to be asked. */
const withInstances = (verdict: Verdict): Verdict =>
  RESETS.includes(verdict.action)
    ? {
        ...verdict,
        advice: `${verdict.advice} It ends the work of every MIG instance of this GPU.`,
      }
    : verdict;

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

/** What came after the last reset, driver load or boot that followed an incident. */
interface Since {
  /** What followed, in words with its time. */
  readonly what: string;
  /** XIDs and SXids of the device since then. */
  readonly xids: number;
  /** Faults of the device since then, also those without a number. */
  readonly faults: number;
}

interface Ended {
  readonly pci: string | null;
  readonly members: readonly Occurrence[];
  /** The line by which the driver withdrew its demand. */
  readonly cleared: Occurrence | null;
}

/** Null where nothing followed that could have ended the incident. */
/** What failed before the driver names itself failed in that very start. */
const START_KINDS = new Set(['gpu_lost', 'probe_failed', 'probe_not_called', 'no_gpu_found']);
const SAME_START_SECONDS = 2;

const isSameStart = ({ kind, moment }: Boundary, members: readonly Occurrence[]): boolean =>
  kind === 'driver_load' &&
  members.some(
    ({ line, last }) =>
      START_KINDS.has(line.kind) && secondsBetween(last, moment) <= SAME_START_SECONDS,
  );

function sinceOf(
  { pci, members, cleared }: Ended,
  boundaries: readonly Boundary[],
  occurrences: readonly Occurrence[],
): Since | null {
  const end = Math.max(...members.map(member => member.at));
  const last = boundaries
    .filter(boundary => boundary.at > end && !isSameStart(boundary, members))
    .at(-1);
  const useBoundary = last !== undefined && (!cleared || last.at >= cleared.at);
  if (!useBoundary && !cleared) return null;
  const at = useBoundary ? last.at : (cleared?.at ?? 0);
  const moment = useBoundary ? last.moment : cleared?.first;
  const later = occurrences.filter(
    ({ at: other, line: { role } }) => other > at && role !== 'companion' && role !== 'clear',
  );
  const onDevice = later.filter(({ line }) => line.pci === pci);
  const xids = onDevice.filter(({ line }) => line.xid !== null || line.sxid !== null);
  const faults = later.filter(
    ({ line }) => line.verdict.severity === 'critical' && (line.pci === pci || line.pci === null),
  );
  return {
    what: `${wordsOf(useBoundary ? last : null)} (${placeOf(moment)})`,
    xids: xids.reduce((sum, { count }) => sum + count, 0),
    faults: faults.length,
  };
}

const wordsOf = (boundary: Boundary | null): string =>
  boundary === null
    ? 'the driver withdrew its recovery action'
    : boundary.kind === 'boot'
      ? 'the node booted again'
      : 'the driver was loaded again';

const placeOf = (moment: Moment | undefined): string =>
  isoOf(moment?.timeMs ?? null) ?? `line ${moment?.line ?? 0}`;

/** `the node booted again (time); since then no XID on this device`. */
function sinceText({ what, xids }: Since, pci: string | null): string {
  const place = pci === null ? 'of this kind of device' : 'on this device';
  return `${what}; since then ${xids === 0 ? 'no XID' : `${xids} XID${xids === 1 ? '' : 's'}`} ${place}`;
}

/** Steps that a boot or a new load of the driver has taken, or that nothing calls for any more. */
const TAKEN: readonly Action[] = [
  'restart_app',
  'fix_configuration',
  'reset_gpu',
  'drain',
  'drain_and_reset',
  'reboot_node',
  'power_cycle',
];

/** Whether what was asked for has been done, as far as the log tells. */
const isOver = (since: Since | null, { action, severity }: Verdict): boolean =>
  since !== null &&
  since.xids === 0 &&
  since.faults === 0 &&
  severity !== 'info' &&
  TAKEN.includes(action);

/** An incident that is over asks for a look, and keeps what to do if it comes back. */
const overVerdict = (verdict: Verdict, { what }: Since): Verdict => ({
  ...verdict,
  action: 'watch',
  severity:
    verdict.blame === 'application' || verdict.blame === 'configuration' ? 'info' : 'warning',
  advice: `It is over as far as the log tells: ${what}, and it has not come back. Check that the GPU works. If it comes back: ${verdict.advice}`,
});
