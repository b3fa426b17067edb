import * as z from 'zod';
import { gapLine, type Written } from '../../contract/answer.ts';
import { Severity } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { plainText } from '../../contract/untrusted.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import type { Incident } from '../../xid/events.ts';

/** Something that an answer says happened, by the clock of its node. */
export const TimedEvent = z.strictObject({
  /** ISO 8601 UTC. */
  time: z.string(),
  /** How wrong `time` may be against the node's own clock. */
  uncertaintyMs: z.number(),
  severity: Severity,
  what: z.string(),
  /** `GPU 3`, or `GPU at 0000:61:00` where the driver gives it no index. */
  gpu: z.string().optional(),
  /** `XID 79`, `SXid 20034`; what repeats with the same code on the same GPU is one entry. */
  code: z.string().optional(),
});
export type TimedEvent = z.infer<typeof TimedEvent>;

/** What one answer says happened when. */
export interface TimedEvents {
  readonly events: readonly TimedEvent[];
  /** False where the answer was cut and earlier ones may be missing. */
  readonly fromFirst: boolean;
}

/** How far a node's clock is ahead of ours, and how wrong that may be. */
export interface ClockOffset {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
}

/** What one node tells; without an offset its clock could not be measured. */
export interface NodeEvents extends TimedEvents {
  readonly node: string;
  readonly clock: ClockOffset | undefined;
}

/** One line of the order over several nodes, by our clock. */
export interface MergedEntry {
  readonly time: string;
  /** Of the log and of the clocks together; null where the node's clock could not be measured. */
  readonly uncertaintyMs: number | null;
  readonly node: string;
  readonly severity: TimedEvent['severity'];
  readonly what: string;
  readonly gpu?: string;
  readonly code?: string;
  /** How many of them, where they repeat; the time is the first one's. */
  readonly count?: number;
  /** An entry above, of another node, may have come after this one: their uncertainties overlap. */
  readonly orderNotCertain?: true;
}

interface MergedOrder {
  readonly merged: readonly MergedEntry[];
  readonly mergedLeftOut: number;
}

const ENTRIES_MAX = 40;
const WHAT_CHARACTERS_MAX = 120;

/** Which GPU an event names. */
export const eventGpu = (index: number | undefined, pci: string | null): Pick<TimedEvent, 'gpu'> =>
  index !== undefined ? { gpu: `GPU ${index}` } : pci === null ? {} : { gpu: `GPU at ${pci}` };

/** Incidents by when each began; what the log has no wall time of is in no order of clocks. */
export const timedIncidents = (
  incidents: readonly (Incident & { readonly gpuIndex?: number | undefined })[],
): TimedEvent[] =>
  incidents.flatMap(
    ({ firstTime, firstTimeUncertaintyMs, severity, title, gpuIndex, gpu, root }) =>
      firstTime === null || firstTimeUncertaintyMs === null
        ? []
        : [
            {
              time: firstTime,
              uncertaintyMs: firstTimeUncertaintyMs,
              severity,
              what: title,
              ...eventGpu(gpuIndex, gpu),
              ...optional({ code: numberOf(root) }),
            },
          ],
  );

/** The events of several nodes in one order, first fault first; repeats are one entry. Pure. */
export function mergedOrder(nodes: readonly NodeEvents[]): MergedOrder {
  const all = nodes.flatMap(of => firstOfEach(of.events).map(event => entryOf(of, event)));
  // What is no fault goes first where there are too many, then what came last.
  const faults = all.filter(({ severity }) => severity !== 'info').toSorted(byTime);
  const others = all.filter(({ severity }) => severity === 'info').toSorted(byTime);
  const kept = faults.slice(0, ENTRIES_MAX);
  const filled = [...kept, ...others.slice(0, ENTRIES_MAX - kept.length)].toSorted(byTime);
  return {
    merged: filled.map((entry, index) => withDoubt(entry, filled.slice(0, index))),
    mergedLeftOut: all.length - filled.length,
  };
}

interface Counted extends TimedEvent {
  readonly count: number;
}

function firstOfEach(events: readonly TimedEvent[]): readonly Counted[] {
  const found = new Map<string, Counted>();
  for (const event of events.toSorted(byTime)) {
    const key = `${event.gpu ?? ''}|${event.code ?? event.what}`;
    const first = found.get(key) ?? { ...event, count: 0 };
    found.set(key, { ...first, count: first.count + 1 });
  }
  return [...found.values()];
}

function entryOf({ node, clock }: NodeEvents, event: Counted): MergedEntry {
  const { time, uncertaintyMs, severity, what, gpu, code, count } = event;
  return {
    time: new Date(Date.parse(time) - (clock?.offsetMs ?? 0)).toISOString(),
    uncertaintyMs: clock ? Math.ceil(uncertaintyMs + clock.uncertaintyMs) : null,
    node,
    severity,
    what: plainText(what, WHAT_CHARACTERS_MAX),
    ...optional({ gpu, code }),
    ...(count > 1 && { count }),
  };
}

const byTime = (a: { readonly time: string }, b: { readonly time: string }): number =>
  Date.parse(a.time) - Date.parse(b.time);

/** One node's events are in its own order; those of two nodes as far as their clocks are known. */
function withDoubt(entry: MergedEntry, above: readonly MergedEntry[]): MergedEntry {
  const doubtful = above.some(
    other =>
      other.node !== entry.node &&
      byTime(entry, other) <= widthOf(entry.uncertaintyMs) + widthOf(other.uncertaintyMs),
  );
  return doubtful ? { ...entry, orderNotCertain: true } : entry;
}

const widthOf = (uncertaintyMs: number | null): number => uncertaintyMs ?? Number.POSITIVE_INFINITY;

/** The order as lines: whose clocks were taken out, the first fault, then one line an entry. */
export function orderLines(
  { merged, mergedLeftOut }: MergedOrder,
  nodes: readonly NodeEvents[],
): Written[] {
  const clocks = nodes.map(({ node, clock }) =>
    clock
      ? `${node} ${clock.offsetMs < 0 ? '-' : '+'}${secondsText(Math.abs(clock.offsetMs))} ±${secondsText(clock.uncertaintyMs)}`
      : `${node} not measured, its times are as it tells them`,
  );
  return [
    `order over ${nodes.length} nodes, by this machine's clock as it is now (node clocks ahead of it: ${clocks.join('; ')})`,
    ...firstFault(merged),
    ...nodes
      .filter(({ fromFirst }) => !fromFirst)
      .map(({ node }) =>
        gapLine(`earlier events of ${node} were cut: ask for a shorter time or more`),
      ),
    ...merged.map(entryLine),
    ...(mergedLeftOut > 0 ? [`  ${mergedLeftOut} more, later or no fault, left out`] : []),
  ];
}

function firstFault(merged: readonly MergedEntry[]): string[] {
  const first = merged.find(({ severity }) => severity !== 'info');
  if (!first) return ['no fault in what was read'];
  const rivals = merged.filter(
    other =>
      other.severity !== 'info' &&
      other.node !== first.node &&
      byTime(other, first) <= widthOf(first.uncertaintyMs) + widthOf(other.uncertaintyMs),
  );
  const names = [first.node, ...new Set(rivals.map(({ node }) => node))];
  return rivals.length === 0
    ? [`first fault in what was read: ${placeOf(first)}`]
    : [`first fault not certain: ${names.join(' or ')}; ${placeOf(first)} by the clocks`];
}

/** The first fault of all nodes in a line, with how certain it is; none where there was no fault. */
export function firstFaultLine(
  { merged }: MergedOrder,
  nodes: readonly NodeEvents[],
): readonly string[] {
  const [first, ...others] = merged.filter(({ severity }) => severity !== 'info');
  if (!first) return [];
  const next = others.find(({ node }) => node !== first.node);
  const apart = next && Date.parse(next.time) - Date.parse(first.time);
  const rest =
    next === undefined || apart === undefined
      ? ''
      : next.orderNotCertain
        ? `; not certain, ${next.node} may be earlier`
        : `, ${apartText(apart)} before ${next.node}`;
  const unmeasured = nodes.filter(({ clock }) => clock === undefined).length;
  const widest = Math.max(0, ...nodes.map(({ clock }) => clock?.uncertaintyMs ?? 0));
  const clocks =
    unmeasured > 0
      ? unmeasured === nodes.length
        ? 'the clocks were not compared'
        : `the clocks of ${unmeasured} nodes were not compared`
      : `clocks compared to ±${secondsText(widest)}`;
  const time = `${first.time.slice(0, 19).replace('T', ' ')} UTC`;
  return [`First fault: ${placeOf(first)}, ${time}${rest} (${clocks}).`];
}

/** `1.5 s`, `41 min`, `3 h`. */
const apartText = (ms: number): string =>
  ms < 120_000
    ? secondsText(ms)
    : ms < 7_200_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 3_600_000)} h`;

const placeOf = ({ node, gpu, code, what }: MergedEntry): string =>
  [node, gpu, code ?? what].filter(text => text !== undefined).join(', ');

function entryLine(entry: MergedEntry): string {
  const { uncertaintyMs } = entry;
  return [
    `  ${entry.node}`,
    `${entry.time} (${uncertaintyMs === null ? 'clock not measured' : `±${secondsText(uncertaintyMs)}`})`,
    entry.severity.padEnd(8),
    ...(entry.gpu === undefined ? [] : [entry.gpu]),
    ...(entry.code === undefined || entry.what.startsWith(entry.code) ? [] : [entry.code]),
    entry.what,
    ...(entry.count === undefined ? [] : [`(${entry.count} times)`]),
    ...(entry.orderNotCertain ? ['[order not certain]'] : []),
  ].join('  ');
}

/** `13 ms`, `3.0 s`. */
const secondsText = (ms: number): string =>
  ms < 1_000 ? `${Math.ceil(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
