import { familyOf, follows, sameThing, shares } from './families.ts';
import { secondsBetween } from './moment.ts';
import { BURST_SECONDS, CAUSE_SECONDS, type Occurrence } from './occurrence.ts';

/** Occurrences with one cause. */
export interface Group {
  /** In order of time; the first is the first in time. */
  readonly members: Occurrence[];
  /** Nearest to the cause so far. */
  root: Occurrence;
  /** The GPU or switch that the group is about. */
  pci: string | null;
  /** The line by which the driver withdrew its demand. */
  cleared: Occurrence | null;
  /** The driver was loaded anew: what comes now has another cause. */
  closed: boolean;
}

/** Groups looked at for one occurrence: older ones are closed by then. */
const OPEN_MAX = 64;
const WAITING_MAX = 16;
/** Failures that each attempt to open the GPU repeats, however far apart. */
const RECURRING = new Set(['rm_init_failed', 'api_mismatch', 'probe_failed', 'probe_not_called']);
/** Words of a start that failed; those without an address are of the GPU that failed before. */
const STARTS = new Set([
  'rm_init_failed',
  'rm_init_words',
  'gsp_boot_failed',
  'firmware_boot_failed',
]);
const RECURRING_SECONDS = 86_400;

/**
 * Puts occurrences, sorted by time, into groups of one cause each: by GPU and burst, by cause
 * chains, by process, and from switches to the GPU behind them.
 */
export function groupOccurrences(sorted: readonly Occurrence[]): Group[] {
  const groups: Group[] = [];
  let waiting: Occurrence[] = [];
  for (const next of sorted) {
    const { role, kind } = next.line;
    const open = groups.slice(-OPEN_MAX).filter(group => !group.closed && !group.cleared);
    if (kind === 'driver_load') {
      for (const group of open) group.closed = true;
      waiting = [];
    } else if (role === 'clear') {
      for (const group of groups) clear(group, next);
    } else {
      const group = place(open.reverse(), next);
      if (group) join(group, next);
      if (role === 'event' || role === 'notice') {
        const joined = group ?? begin(groups, next);
        waiting = adopt(joined, next, waiting);
      } else if (!group) waiting = [...waiting, next].slice(-WAITING_MAX);
    }
  }
  return groups;
}

/** The group that something belongs to: one of its own GPU before others, new before old. */
const place = (open: readonly Group[], next: Occurrence): Group | undefined =>
  open.find(group => sameDevice(group, next)) ?? open.find(group => related(group, next));

function begin(groups: Group[], next: Occurrence): Group {
  const group = { members: [next], root: next, pci: next.line.pci, cleared: null, closed: false };
  groups.push(group);
  return group;
}

function join(group: Group, next: Occurrence): void {
  group.members.push(next);
  group.root = rootOf(group.members);
  group.pci = group.root.line.pci ?? group.pci ?? next.line.pci;
}

/** Takes the lines that came just before: the name of the GPU, PCIe errors. */
function adopt(group: Group, next: Occurrence, waiting: readonly Occurrence[]): Occurrence[] {
  const mine = (companion: Occurrence) =>
    (companion.line.pci ?? next.line.pci) === next.line.pci &&
    secondsBetween(companion.last, next.first) <= CAUSE_SECONDS &&
    !group.members.includes(companion);
  group.members.unshift(...waiting.filter(mine));
  return waiting.filter(companion => !mine(companion));
}

/** `to 0x0` of XID 154: what this GPU needed before is done. */
function clear(group: Group, line: Occurrence): void {
  const demanding = group.members.some(
    ({ line: { xid, verdict } }) => xid === 154 || verdict.severity === 'critical',
  );
  if (demanding && group.pci === line.line.pci && group.root.line.sxid === null) {
    group.cleared ??= line;
  }
}

function sameDevice(group: Group, next: Occurrence): boolean {
  if (recurs(group, next)) return true;
  if (next.line.pci === null || next.line.pci !== group.pci) return false;
  if (gap(group.members, next) > BURST_SECONDS || !sameInstance(group, next)) return false;
  return gap(causesAmong(group, next), next) <= CAUSE_SECONDS || follows(group.root, next);
}

/** What a new fault may follow from: not the clean-up that goes on long after an old one. */
const causesAmong = ({ members, root }: Group, next: Occurrence): readonly Occurrence[] =>
  next.line.role !== 'event' || familyOf(next) === 'cleanup' || familyOf(root) === 'cleanup'
    ? members
    : members.filter(member => familyOf(member) !== 'cleanup');

function related(group: Group, next: Occurrence): boolean {
  const seconds = gap(group.members, next);
  if (seconds > BURST_SECONDS) return false;
  const near = seconds <= CAUSE_SECONDS;
  return (
    betweenSwitchAndGpu(group, next, near) ||
    belowPort(group, next, near) ||
    cleanupElsewhere(group, next, near) ||
    sameProcess(group, next) ||
    withoutAddress(group, next, near)
  );
}

/** Seconds since any of the group's last members, 0 while one of them still repeats. */
const gap = (members: readonly Occurrence[], next: Occurrence): number =>
  Math.min(
    Number.POSITIVE_INFINITY,
    ...members.slice(-8).map(({ last, lastAt }) => {
      const seconds = secondsBetween(last, next.first);
      return next.at <= lastAt && Number.isFinite(seconds) ? 0 : seconds;
    }),
  );

function recurs({ root, pci }: Group, next: Occurrence): boolean {
  const start = STARTS.has(root.line.kind) && STARTS.has(next.line.kind);
  return (
    (start || (RECURRING.has(root.line.kind) && sameThing(root, next))) &&
    (pci === next.line.pci || (start && (pci === null || next.line.pci === null))) &&
    root.first.boot === next.first.boot &&
    secondsBetween(root.last, next.first) <= RECURRING_SECONDS
  );
}

/** Programs in different MIG instances of one GPU do not cause each other's faults. */
function sameInstance({ root }: Group, next: Occurrence): boolean {
  const a = root.line.mig?.gpuInstance;
  const b = next.line.mig?.gpuInstance;
  if (a === undefined || b === undefined || a === b) return true;
  return familyOf(root) !== 'application' || familyOf(next) !== 'application';
}

const isSwitch = ({ line }: Occurrence) => line.sxid !== null;

/**
 * A switch notices a GPU's failure later than the GPU does (12 s in one real case), and a switch's
 * failure ends the jobs of its GPUs at once.
 */
function betweenSwitchAndGpu(group: Group, next: Occurrence, near: boolean): boolean {
  const family = familyOf(next);
  if (isSwitch(next)) {
    if (isSwitch(group.root)) return near || group.root.line.sxid === next.line.sxid;
    return ['lost', 'link', 'memory', 'firmware'].includes(familyOf(group.root));
  }
  if (!isSwitch(group.root) || next.line.verdict.severity === 'info') {
    return isSwitch(group.root) && family === 'cleanup' && near;
  }
  return near && (family === 'lost' || family === 'link');
}

const isPort = ({ line: { details } }: Occurrence): boolean =>
  details['driver'] === 'pcieport' || details['root_port'] === details['pci_raw'];

/** The port above a GPU reports in the same moment what cost the GPU its link. */
function belowPort({ root }: Group, next: Occurrence, near: boolean): boolean {
  if (!near) return false;
  const [a, b] = [familyOf(root), familyOf(next)];
  if (a === 'bus' && b === 'bus') {
    return isPort(root) !== isPort(next) && (isNvidias(root) || isNvidias(next));
  }
  return a === 'bus' && b === 'lost' ? isPort(root) : a === 'lost' && b === 'bus' && isPort(next);
}

const isNvidias = ({ line }: Occurrence): boolean =>
  String(line.details['driver'] ?? '').startsWith('nvidia');

/** A job that fails on one GPU is ended on all of its GPUs: XID 45 there is its clean-up. */
function cleanupElsewhere(group: Group, next: Occurrence, near: boolean): boolean {
  return near && next.line.xid === 45 && next.line.details['caused_by_xid'] === undefined
    ? group.members.some(({ line }) => line.xid !== null && line.role === 'event')
    : false;
}

/** A process that the kernel ended leaves its channels to be cleaned up. */
function sameProcess(group: Group, next: Occurrence): boolean {
  if (next.pids.size === 0) return false;
  const process = familyOf(group.root) === 'process' || familyOf(next) === 'process';
  return (
    process && group.members.some(member => member.pids.size > 0 && shares(member.pids, next.pids))
  );
}

/** Some driver messages name no GPU: they belong to the failure beside them. */
function withoutAddress(group: Group, next: Occurrence, near: boolean): boolean {
  if (group.pci !== null && next.line.pci !== null) return false;
  const a = familyOf(group.root);
  const b = familyOf(next);
  if (b === 'host' || b === 'bus')
    return ['lost', 'init', 'firmware', 'host'].includes(a) && next.line.pci === null;
  // The driver's demand names the GPU that its words before do not.
  if (near && next.line.xid === 154) return group.pci === null && a === 'firmware';
  const start = ['lost', 'init', 'firmware', 'process', 'configuration'];
  return (
    near && start.includes(a) && start.includes(b) && (a === b || a === 'lost' || b !== 'process')
  );
}

/**
 * The member nearest to the cause: the highest rank, and the earliest of those. A PCIe error of the
 * same device that was there before is the cause of what the device did then.
 */
function rootOf(members: readonly Occurrence[]): Occurrence {
  const own = members.filter(({ line }) => line.role === 'event' || line.role === 'notice');
  const ranked = own.map(member => ({ member, rank: rankIn(member, own) }));
  const best = ranked.reduce((a, b) =>
    b.rank > a.rank || (b.rank === a.rank && b.member.at < a.member.at) ? b : a,
  );
  return busErrorBefore(best.member, own) ?? best.member;
}

/** What a PCIe error can bring about on its device. */
const BY_BUS = new Set(['lost', 'pcie', 'application', 'firmware', 'init', 'cleanup']);

const busErrorBefore = (
  best: Occurrence,
  members: readonly Occurrence[],
): Occurrence | undefined =>
  BY_BUS.has(familyOf(best))
    ? members.find(
        other =>
          familyOf(other) === 'bus' &&
          other.line.pci !== null &&
          other.line.pci === best.line.pci &&
          other.at <= best.at &&
          other.order < best.order &&
          secondsBetween(other.first, best.first) <= BURST_SECONDS,
      )
    : undefined;

/**
 * A context-switch time-out right after the fault of the same program is that program's; several
 * programs, or none before it, and it is the GPU's.
 */
function rankIn(member: Occurrence, members: readonly Occurrence[]): number {
  if (member.line.xid !== 109) return member.line.rank;
  const fault = members.find(
    other =>
      familyOf(other) === 'application' &&
      other.line.xid !== 109 &&
      other.at <= member.at &&
      other.order < member.order &&
      shares(other.pids, member.pids),
  );
  return fault ? fault.line.rank - 5 : member.line.rank;
}
