import { xidEntry } from './catalogue.ts';
import { familyOf } from './families.ts';
import type { Group } from './grouping.ts';
import type { Judgement, Surroundings } from './judgement.ts';
import { secondsBetween, secondsText } from './moment.ts';
import { BURST_SECONDS, type Occurrence, once, PIDS_MAX } from './occurrence.ts';
import { programsOn } from './suspects.ts';

interface Named {
  readonly xid: number | null;
  readonly sxid: number | null;
}

/** `XID 79: `, `SXid 20034: ` or nothing, in front of a title. */
export const nameOf = ({ xid, sxid }: Named): string =>
  xid !== null ? `XID ${xid}: ` : sxid !== null ? `SXid ${sxid}: ` : '';

const shortName = ({ line }: Occurrence): string =>
  line.xid !== null
    ? `XID ${line.xid}`
    : line.sxid !== null
      ? `SXid ${line.sxid}`
      : line.kind.replaceAll('_', ' ');

/** What happened, what began it, and what followed from it: our words and numbers only. */
export function whyOf(group: Group, { verdict, lostCause }: Judgement): string {
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
  const processes = processesOf(members);
  if (processes !== null) parts.push(processes);
  const others = namesOf(members.filter(member => member !== root && member !== first));
  if (others) parts.push(`Seen with it: ${others}.`);
  if (cleared) parts.push('Then the driver withdrew its recovery action (XID 154 to 0x0).');
  return parts.join(' ');
}

const PIDS_SHOWN_MAX = 8;

/**
 * Programs that share a GPU fall together: how many, and which. Who waited for firmware, or was
 * stuck, is no such program.
 */
function processesOf(group: readonly Occurrence[]): string | null {
  const members = group.filter(
    member => member.line.xid !== null && familyOf(member) !== 'firmware',
  );
  const pids = [...new Set(members.flatMap(member => [...member.pids]))];
  if (pids.length < 2) return null;
  const isMore = members.some(member => member.pids.size === PIDS_MAX);
  const shown = pids.slice(0, PIDS_SHOWN_MAX).join(', ');
  const rest = pids.length > PIDS_SHOWN_MAX ? ', ...' : '';
  return `It names ${pids.length}${isMore ? ' or more' : ''} processes: pids ${shown}${rest}.`;
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
export function disagreementOf(
  { verdict, recovery, lostCause }: Judgement,
  group: Group,
): string[] {
  const own = group.root.line.verdict;
  const driver =
    recovery && recovery !== group.root && lostCause === null && own.action !== verdict.action
      ? [`The line of ${shortName(group.root)} alone says ${own.action} (${own.source}).`]
      : [];
  return [...driver, ...verdict.disagreement];
}

/** What speaks against the verdict, or makes it less sure. */
export function counterEvidenceOf(
  group: Group,
  { verdict, lostCause }: Judgement,
  { occurrences, columnsOf }: Surroundings,
): string[] {
  const { root, members } = group;
  const found: string[] = [];
  if (root.isUnproven) found.push(UNPROVEN);
  const elsewhere = numberOfOthers(root, columnsOf);
  if (elsewhere !== null) found.push(elsewhere);
  if (root.line.verdict.blame === 'application' || root.line.xid === 109) {
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
  const withoutRecovery = missingRecovery(root, members, occurrences);
  if (withoutRecovery !== null) found.push(withoutRecovery);
  if (root.line.details['truncated'] === true) {
    found.push('The line is cut: what it says may be incomplete.');
  }
  return found;
}

const UNPROVEN =
  'Nothing proves that the kernel wrote this: the entry lacks _TRANSPORT, and any program can log as "kernel". Export it again with that field, or look at dmesg.';

/** How doubt in a number begins. */
export const OTHER_GPU = 'NVIDIA lists this number for';

/** A number that NVIDIA lists for other GPUs than the one on the line. */
function numberOfOthers(
  { line: { xid, pci } }: Occurrence,
  columnsOf: Surroundings['columnsOf'],
): string | null {
  const listed = xid === null ? [] : (xidEntry(xid)?.appliesTo ?? []);
  const own = pci === null ? undefined : columnsOf(pci);
  if (listed.length === 0 || !own || own.some(column => listed.includes(column))) return null;
  return `${OTHER_GPU} ${listed.join(', ')}, and the kernel found a GPU of the kind ${own.join(' or ')} at this address: number or address may be wrong.`;
}

/** Drivers of some branch on print an XID 154 with a number: that none is there means something. */
function missingRecovery(
  root: Occurrence,
  members: readonly Occurrence[],
  occurrences: readonly Occurrence[],
): string | null {
  const branch = root.line.xid === null ? null : (xidEntry(root.line.xid)?.recovery154 ?? null);
  const loads = loadsIn(occurrences).filter(({ at }) => at <= root.at);
  const version = loads.at(-1)?.line.details['version'];
  const wanted = /^R(\d{3})$/.exec(branch ?? '');
  if (typeof version !== 'string' || !wanted || members.some(({ line }) => line.xid === 154)) {
    return null;
  }
  return Number.parseInt(version, 10) >= Number(wanted[1]) &&
    root.line.verdict.severity === 'critical'
    ? `No XID 154 is near, although drivers from ${branch} on print one with XID ${root.line.xid}: the log is cut, or the driver asks for nothing.`
    : null;
}

const HOST_KINDS = new Set([
  'mce',
  'edac',
  'apei_header',
  'aer',
  'aer_unrecovered',
  'dpc',
  'slot_down',
  'iommu_fault',
]);
/** Ports name themselves and not the GPU below them. */
const PORT_KINDS = new Set(['dpc', 'slot_down']);

const hostErrorsIn = once(all => all.filter(({ line }) => HOST_KINDS.has(line.kind)));
const loadsIn = once(all => all.filter(({ line }) => line.kind === 'driver_load'));

function hostErrorsNear(root: Occurrence, occurrences: readonly Occurrence[]): string {
  return namesOf(
    hostErrorsIn(occurrences).filter(
      ({ line, first }) =>
        (line.pci === null || line.pci === root.line.pci || PORT_KINDS.has(line.kind)) &&
        secondsBetween(first, root.first) <= BURST_SECONDS,
    ),
  );
}
