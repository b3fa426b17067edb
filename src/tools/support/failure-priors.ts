import type { Incident } from '../../xid/events.ts';
import { OF_THE_MACHINE } from './failure-facts.ts';
import { moreFrequent, type Part } from './priors.ts';

/** By the root's number in NVIDIA's XID catalogue; others have no share in any study. */
const PART_OF: ReadonlyMap<number, Part> = new Map([
  ...[54, 62, 79].map(xid => [xid, 'the GPU itself'] as const),
  ...[48, 63, 64, 92, 94, 95, 140, 171, 172].map(xid => [xid, 'its memory'] as const),
  ...[119, 120].map(xid => [xid, 'its GSP'] as const),
  ...[74, 144, 145, 146, 147, 148, 149, 150].map(xid => [xid, 'its NVLinks'] as const),
]);

/**
 * Of incidents that are equally well shown, the one whose cause is more frequent in every study that
 * counts both, and the words that say so; undefined where the evidence decides, or studies do not agree.
 */
export function byPriors(
  incidents: readonly Incident[],
): { readonly incident: Incident; readonly why: string } | undefined {
  const [first] = incidents;
  if (!first || !OF_THE_MACHINE.includes(first.blame)) return undefined;
  const rivals = incidents.slice(1).filter(other => isEqual(first, other));
  const [rival] = rivals;
  if (!rival || rivals.length > 1) return undefined;
  const [a, b] = [partOf(first), partOf(rival)];
  const found = a !== undefined && b !== undefined ? moreFrequent(a, b) : undefined;
  if (!found) return undefined;
  return {
    incident: found.part === a ? first : rival,
    why: `${first.title} and ${rival.title} are equally well shown; ${found.why}`,
  };
}

const partOf = ({ root }: Incident): Part | undefined =>
  root.xid === null ? undefined : PART_OF.get(root.xid);

/** Of one weight, and neither before the other by the clocks. */
function isEqual(a: Incident, b: Incident): boolean {
  if (a.severity !== b.severity || a.confidence !== b.confidence) return false;
  if (!OF_THE_MACHINE.includes(b.blame)) return false;
  if (a.firstTime === null || b.firstTime === null) return true;
  const apartMs = Math.abs(Date.parse(a.firstTime) - Date.parse(b.firstTime));
  return apartMs <= (a.firstTimeUncertaintyMs ?? 0) + (b.firstTimeUncertaintyMs ?? 0);
}
