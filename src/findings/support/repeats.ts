import type { Incident, KernelEvent } from '../../xid/events.ts';
import { BURST_SECONDS } from '../../xid/occurrence.ts';
import type { NodeFacts } from '../facts.ts';
import { THRESHOLDS } from './thresholds.ts';

/** The same XID on one GPU, several times. */
export interface Repeat {
  readonly xid: number;
  readonly pci: string;
  /** One entry a burst, oldest first; what lies three minutes apart or less is one. */
  readonly bursts: readonly (readonly Incident[])[];
  /** Names of the programs on the lines; hostile text. */
  readonly programs: readonly string[];
}

/** XIDs that programs cause and that a broken GPU can cause, too: rules of their own. */
export const PROGRAM_XIDS: readonly number[] = [13, 31];

/** Every XID by GPU with its bursts, as far as the log tells when they were. */
export function repeatsIn(facts: NodeFacts): readonly Repeat[] {
  const groups = new Map<string, Incident[]>();
  for (const incident of facts.log?.incidents ?? []) {
    const { xid } = incident.root;
    // What the driver withdrew, or what asks for nothing, may come as often as it likes.
    if (xid === null || incident.gpu === null || incident.firstTime === null) continue;
    if (incident.severity === 'info' || xid === 154) continue;
    const key = `${xid} ${incident.gpu}`;
    groups.set(key, [...(groups.get(key) ?? []), incident]);
  }
  return [...groups.entries()].map(([key, incidents]) => {
    const [xid, pci = ''] = key.split(' ');
    const events = incidents.flatMap(incident => eventsOf(facts, incident));
    const programs = [...new Set(events.flatMap(({ process }) => process ?? []))];
    return { xid: Number(xid), pci, bursts: burstsOf(incidents), programs };
  });
}

/** The lines of an incident, as far as they were kept. */
export function eventsOf(facts: NodeFacts, incident: Incident): readonly KernelEvent[] {
  const lines = new Set(incident.lines);
  return (facts.log?.events ?? []).filter(
    ({ source, line, xid }) => source === incident.source && xid !== null && lines.has(line),
  );
}

function burstsOf(incidents: readonly Incident[]): readonly (readonly Incident[])[] {
  const sorted = incidents.toSorted((a, b) => startMs(a) - startMs(b));
  const bursts: Incident[][] = [];
  let endMs = Number.NEGATIVE_INFINITY;
  for (const incident of sorted) {
    const last = bursts.at(-1);
    if (last && startMs(incident) - endMs <= BURST_SECONDS * 1_000) last.push(incident);
    else bursts.push([incident]);
    endMs = Math.max(endMs, Date.parse(incident.lastTime ?? incident.firstTime ?? ''));
  }
  return bursts;
}

const startMs = ({ firstTime }: Incident): number => Date.parse(firstTime ?? '');

/** The newest bursts that lie within a day of the last one. */
export function withinADay({ bursts }: Repeat): Repeat['bursts'] {
  const lastMs = Math.max(...bursts.flat().map(startMs));
  const sinceMs = lastMs - THRESHOLDS.xidRepeatHours.value * 3_600_000;
  return bursts.filter(([first]) => first && startMs(first) >= sinceMs);
}

/** A boot and the driver load in it are one new start. */
const ONE_START_MS = 10 * 60_000;

/** In how many lives of the driver a fault came: it began anew at each boot and each load. */
export function livesWith({ bursts }: Repeat, facts: NodeFacts): number {
  const starts: number[] = [];
  for (const { moment } of facts.log?.boundaries ?? []) {
    const last = starts.at(-1);
    if (moment.timeMs === null) continue;
    if (last === undefined || moment.timeMs - last > ONE_START_MS) starts.push(moment.timeMs);
  }
  const lives = bursts.flat().map(burst => starts.filter(at => at <= startMs(burst)).length);
  return new Set(lives).size;
}

/** Whether a fault came in so many lives of the driver that new starts do not cure it. */
export const isUncured = (repeat: Repeat, facts: NodeFacts): boolean =>
  !PROGRAM_XIDS.includes(repeat.xid) &&
  repeat.bursts.flat().every(({ blame }) => blame !== 'application') &&
  livesWith(repeat, facts) > THRESHOLDS.bootsWithoutCure.value;

export const isOften = (repeat: Repeat): boolean =>
  !PROGRAM_XIDS.includes(repeat.xid) && withinADay(repeat).length >= THRESHOLDS.xidRepeats.value;

/** What a reader must know of the count: it is of the log that was searched, and of no more. */
export function countedIn({ log }: NodeFacts): string {
  const from = (log?.coverage ?? []).flatMap(source => source.from ?? []).toSorted()[0];
  return from === undefined
    ? 'counted in the log that was searched'
    : `counted in the log that was searched, from ${from} on`;
}

/** XID 13 or 31 on several GPUs: it follows the program and no GPU. */
export function spreadOver(repeats: readonly Repeat[], xid: number): readonly Repeat[] {
  const on = repeats.filter(repeat => repeat.xid === xid);
  return on.length > 1 ? on.toSorted((a, b) => a.pci.localeCompare(b.pci)) : [];
}

/** XID 31 again on one GPU alone, or XID 13 again at one place of it. */
export interface Suspect extends Repeat {
  readonly place?: { readonly gpc: number; readonly tpc: number };
}

export function suspectOf(
  facts: NodeFacts,
  repeats: readonly Repeat[],
  xid: number,
): Suspect | undefined {
  const [repeat, ...others] = repeats.filter(other => other.xid === xid);
  if (!repeat || others.length > 0) return undefined;
  const enough = THRESHOLDS.suspectRepeats.value;
  if (xid === 31) return repeat.bursts.length >= enough ? repeat : undefined;
  const places = new Map<string, Set<number>>();
  for (const [number, burst] of repeat.bursts.entries()) {
    for (const { details } of burst.flatMap(incident => eventsOf(facts, incident))) {
      const { gpc, tpc } = details;
      if (typeof gpc !== 'number' || typeof tpc !== 'number') continue;
      const key = `${gpc} ${tpc}`;
      places.set(key, (places.get(key) ?? new Set()).add(number));
    }
  }
  const [place] = [...places].find(([, bursts]) => bursts.size >= enough) ?? [];
  if (place === undefined) return undefined;
  const [gpc = 0, tpc = 0] = place.split(' ').map(Number);
  return { ...repeat, place: { gpc, tpc } };
}

/** Incidents that a finding of their repetition tells: none of them is told alone. */
export function repeatedIncidents(facts: NodeFacts): ReadonlySet<Incident> {
  const repeats = repeatsIn(facts);
  const repeated = [
    ...repeats.filter(repeat => isUncured(repeat, facts) || isOften(repeat)),
    ...PROGRAM_XIDS.flatMap(xid => [
      ...spreadOver(repeats, xid),
      ...[suspectOf(facts, repeats, xid) ?? []].flat(),
    ]),
  ];
  return new Set(repeated.flatMap(({ bursts }) => bursts.flat()));
}

/** `5 times between A and B`. */
export function timesText(bursts: Repeat['bursts']): string {
  const all = bursts.flat().flatMap(({ firstTime }) => firstTime ?? []);
  const [from, to] = [all.toSorted()[0], all.toSorted().at(-1)];
  return `${bursts.length} times between ${from ?? '?'} and ${to ?? '?'}`;
}
