import { familyOf, shares } from './families.ts';
import { secondsBetween } from './moment.ts';
import { BURST_SECONDS, type Occurrence } from './occurrence.ts';

/**
 * The member nearest to the cause: the highest rank, and the earliest of those. A PCIe error of the
 * same device that was there before is the cause of what the device did then.
 */
export function rootOf(members: readonly Occurrence[]): Occurrence {
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
