import type { Incident } from '../../xid/events.ts';
import { OF_THE_MACHINE } from './failure-facts.ts';

/** What of a GPU an incident is of, as published studies count causes. */
type Part = 'the GPU itself' | 'its memory' | 'its GSP';

/** By the root's number in NVIDIA's XID catalogue; others have no share in any study here. */
const PART_OF: ReadonlyMap<number, Part> = new Map([
  ...[54, 62, 79].map(xid => [xid, 'the GPU itself'] as const),
  ...[48, 63, 64, 92, 94, 95, 140, 171, 172].map(xid => [xid, 'its memory'] as const),
  ...[119, 120].map(xid => [xid, 'its GSP'] as const),
]);

/**
 * Shares of what interrupted jobs or broke machines, in percent. A study says nothing of a part that
 * it does not count.
 */
const STUDIES: readonly { readonly source: string; readonly percent: ReadonlyMap<Part, number> }[] =
  [
    {
      source: 'Meta, The Llama 3 Herd of Models: 419 interruptions in 54 days on 16,000 H100',
      percent: new Map([
        ['the GPU itself', 30.1],
        ['its memory', 17.2],
        ['its GSP', 4.1],
      ]),
    },
    {
      // 5 GPUs lost and 60 double-bit errors among 298 faults of hardware.
      source: 'InfiniteHBD, 298 faults of 348 days on 400 servers, its fault_trace.json',
      percent: new Map([
        ['the GPU itself', 1.7],
        ['its memory', 20.1],
      ]),
    },
  ];

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
  const parts = [first, ...rivals].map(partOf);
  if (!rival || parts.includes(undefined) || rivals.length > 1) return undefined;
  const [a, b] = parts;
  if (a === undefined || b === undefined || a === b) return undefined;
  const counting = STUDIES.flatMap(({ source, percent }) => {
    const [ofA, ofB] = [percent.get(a), percent.get(b)];
    return ofA === undefined || ofB === undefined ? [] : [{ source, ofA, ofB }];
  });
  const [study] = counting;
  if (!study) return undefined;
  const isA = study.ofA > study.ofB;
  if (counting.some(({ ofA, ofB }) => ofA > ofB !== isA)) return undefined;
  const [more, less] = isA ? [study.ofA, study.ofB] : [study.ofB, study.ofA];
  return {
    incident: isA ? first : rival,
    why: `${first.title} and ${rival.title} are equally well shown; faults of ${isA ? a : b} are more frequent than of ${isA ? b : a} (${more} % against ${less} %: ${study.source})`,
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
