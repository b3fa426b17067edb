import * as z from 'zod';
import { Coverage } from '../../contract/coverage.ts';
import { type Depth, known } from '../../contract/reading.ts';
import { durationText, isoTime } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { ProcessOwner } from '../../host/port.ts';
import type { DriverState, OnDemand } from '../../nvml/port.ts';
import { createAnalysis } from '../../xid/analysis.ts';
import type { Boundary } from '../../xid/boots.ts';
import { type Instruments, unlisted } from '../tool.ts';
import { podHistoryOf } from './pod-history.ts';
import { lookAgain } from './second-look.ts';

/** The kernel log as an answer tells it: what was found and what was searched. */
export interface LogFacts extends NonNullable<NodeFacts['log']> {
  /** Events beyond those kept, folded into counts. */
  readonly folded: number;
  /** Boots and driver loads that the log shows, oldest first. */
  readonly boundaries: readonly Boundary[];
}

/** What a negative statement about the kernel log rests on. */
export const Searched = z.strictObject({
  since: z.string(),
  until: z.string().optional(),
  kernelLog: z.array(Coverage.meta({ listedKeys: ['source', 'available', 'from', 'lost'] })),
  /** Where it was looked for who had a GPU at the time of its events; absent where none asked. */
  pods: z.array(unlisted(Coverage)).optional(),
});

/** Why counters were read twice, and what could not be read again; absent where once was enough. */
export const Watched = z
  .strictObject({
    seconds: z.number(),
    because: z.array(z.string()),
    notReadAgain: z.array(z.string()),
  })
  .optional();
type Watched = z.infer<typeof Watched>;

const BECAUSE_MAX = 8;

/** The same out of the facts, as a key of the answer. */
export function watchedOf({ secondLook }: NodeFacts): { readonly watched?: NonNullable<Watched> } {
  if (!secondLook) return {};
  const { seconds, because, notReadAgain } = secondLook;
  const more = because.length - BECAUSE_MAX;
  const told = [...because.slice(0, BECAUSE_MAX), ...(more > 0 ? [`${more} more`] : [])];
  return { watched: { seconds, because: told, notReadAgain: [...notReadAgain] } };
}

/** One line on the second look; none where there was none. */
export function watchedLines(watched: Watched): string[] {
  if (!watched) return [];
  const { seconds, because, notReadAgain } = watched;
  const lost = notReadAgain.length > 0 ? `; not read again: ${notReadAgain.join(', ')}` : '';
  return [
    `watched counters for ${seconds.toFixed(1)} s because of ${because.slice(0, 3).join('; ')}${because.length > 3 ? '; ...' : ''}${lost}`,
  ];
}

/** A log that was not searched: nothing found, nothing covered. */
export const EMPTY_LOG: LogFacts = {
  events: [],
  incidents: [],
  gpus: [],
  coverage: [],
  folded: 0,
  boundaries: [],
};

/** Searches the kernel log from a moment on; memory does not grow with the log. */
async function searchLog(
  instruments: Instruments,
  window: { sinceMs?: number; untilMs?: number; sources?: readonly string[] },
  signal: AbortSignal,
): Promise<LogFacts> {
  const { kernelLog } = instruments;
  const analysis = createAnalysis({ conceal: kernelLog.conceal });
  const coverage = await kernelLog.scan(window, record => analysis.see(record), signal);
  const { census, ...found } = analysis.finish();
  return { ...found, coverage: census.added(coverage) };
}

/** Everything of the node, and its counters a second time where the first reading asks for it. */
export const readNodeTwice = async (
  instruments: Instruments,
  window: { sinceMs?: number } | undefined,
  signal: AbortSignal,
): Promise<NodeFacts & { readonly log?: LogFacts }> =>
  lookAgain(await readNode(instruments, window, signal), instruments, signal);

/**
 * Reads driver and host side by side, and the kernel log where a window is given. A tool that only
 * names the GPUs, or lists them, asks for the first readings: a thousand calls less.
 */
export async function readNode(
  instruments: Instruments,
  window: { sinceMs?: number; podsAlways?: boolean } | undefined,
  signal: AbortSignal,
  depth: Depth = 'all',
  also: readonly OnDemand[] = [],
): Promise<NodeFacts & { readonly log?: LogFacts }> {
  const [driver, host, log] = await Promise.all([
    instruments.nvml.read(signal, depth, also),
    instruments.host.read(signal, depth),
    window ? searchLog(instruments, window, signal) : undefined,
  ]);
  const owners = depth === 'all' ? await ownersOf(driver, instruments, signal) : [];
  const nowMs = instruments.clock.nowMs();
  const facts = { nowMs, driver, host, owners, ...(log ? { log } : {}) };
  if (!log || depth === 'first') return facts;
  const { sinceMs, podsAlways = false } = window ?? {};
  const asked = podsAlways && sinceMs !== undefined ? { sinceMs, untilMs: nowMs } : undefined;
  const history = await podHistoryOf(log.events, instruments, signal, asked);
  return history ? { ...facts, history } : facts;
}

/** Whose the processes are that the driver names: one question for all GPUs. */
export async function ownersOf(
  driver: DriverState,
  { host }: Pick<Instruments, 'host'>,
  signal: AbortSignal,
): Promise<readonly ProcessOwner[]> {
  const pids = driver.gpus
    .flatMap(gpu => [...(known(gpu.processes) ?? []), ...(known(gpu.allProcesses) ?? [])])
    .map(({ pid }) => pid);
  return pids.length === 0 ? [] : host.processOwners([...new Set(pids)], signal);
}

/** The name by which the node knows itself. */
export const hostnameOf = (facts: NodeFacts): string | undefined => known(facts.host.hostname);

/** What was searched: a line a source for the events, and one line for their pods. */
export function searchedLines(searched: z.infer<typeof Searched>, nowMs: number): string[] {
  // Most nodes have one of the places where the kubelet's and the runtime's lines may be.
  const places = (searched.pods ?? []).filter(({ unavailable }) => unavailable !== 'not_found');
  const pods = searched.pods && (places.length > 0 ? coverageLines(places, nowMs) : ['nowhere']);
  return [
    ...coverageLines(searched.kernelLog, nowMs).map(line => `searched ${line}`),
    ...(pods ? [`searched for pods: ${pods.join(' | ')}`] : []),
  ];
}

/** One line a source: what was searched, how far back, what is missing from it. Few nodes have all. */
export function coverageLines(coverage: readonly Coverage[], nowMs: number): string[] {
  const absent = coverage.filter(({ unavailable }) => unavailable === 'not_found');
  const names = absent.map(({ source }) => source).join(', ');
  return [
    ...sourceLines(
      coverage.filter(source => !absent.includes(source)),
      nowMs,
    ),
    ...(absent.length > 0 ? [`and not there: ${names}`] : []),
  ];
}

const sourceLines = (coverage: readonly Coverage[], nowMs: number): string[] =>
  coverage.map(source => {
    if (!source.available) return `${source.source}: not read (${source.unavailable ?? 'unknown'})`;
    const span =
      source.from === undefined
        ? 'no times'
        : `from ${source.from} (${durationText(nowMs - Date.parse(source.from))} back)`;
    const flaws = [
      source.lost > 0 ? `${source.lost} records lost` : '',
      source.malformed > 0 ? `${source.malformed} malformed` : '',
      source.untrusted > 0 ? `${source.untrusted} not from the kernel, ignored` : '',
      ...(source.unread ?? []).map(
        ({ reason, count }) => `${count} like an XID not read: ${reason}`,
      ),
      ...source.notes,
    ].filter(text => text !== '');
    return `${source.source}: ${source.records} records, ${span}${flaws.length > 0 ? `; ${flaws.join('; ')}` : ''}`;
  });

/** The part of `searched` that tells where the pods of events were looked for. */
export const searchedPods = ({ history }: NodeFacts): Pick<z.infer<typeof Searched>, 'pods'> =>
  history ? { pods: [...history.coverage] } : {};

/**
 * What a negative statement rests on, in half a sentence: `in 4120 records of /dev/kmsg since 2026-...`.
 * "Since" is what was asked for; a log that begins later says so.
 */
export function searchedText(coverage: readonly Coverage[], sinceMs?: number): string {
  const read = coverage.filter(source => source.available);
  if (read.length === 0) return 'but no kernel log could be read: this is no all-clear';
  const records = read.reduce((sum, source) => sum + source.records, 0);
  const lost = read.reduce((sum, source) => sum + source.lost, 0);
  const names = read.map(source => source.source).join(', ');
  const unread = unreadText(coverage);
  return `in ${records} records of ${names}${spanText(read, sinceMs)}${lost > 0 ? `, ${lost} records were lost` : ''}${unread ? `, but ${unread}` : ''}`;
}

/** A log that begins this much later than asked is not said to begin later. */
const BEGINS_MS = 60_000;

function spanText(read: readonly Coverage[], sinceMs: number | undefined): string {
  const from = read.flatMap(source => source.from ?? []).toSorted()[0];
  const to = read
    .flatMap(source => source.to ?? [])
    .toSorted()
    .at(-1);
  if (sinceMs === undefined) return from && to ? ` with times from ${from} to ${to}` : '';
  const isLater = from !== undefined && Date.parse(from) > sinceMs + BEGINS_MS;
  return ` since ${isoTime(sinceMs)}${isLater ? `, which begin at ${from}` : ''}`;
}

/** `3 lines look like XIDs and were not read: ...`; undefined where nothing does. */
export function unreadText(coverage: readonly Coverage[]): string | undefined {
  const places = coverage.flatMap(({ source, unread = [] }) =>
    unread.map(each => ({ ...each, source })),
  );
  const total = places.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  const reasons = places.map(({ reason, count, lines, source }) => {
    const more = count > lines.length ? ', ...' : '';
    return `${count} because ${reason} (${source} ${lines.join(', ')}${more})`;
  });
  const look =
    total === 1 ? '1 line looks like an XID and was' : `${total} lines look like XIDs and were`;
  return `${look} not read: ${reasons.join('; ')}`;
}

/** The same as a sentence of its own, after what was found. */
export function unreadSentence(coverage: readonly Coverage[]): string {
  const text = unreadText(coverage);
  return text === undefined ? '' : ` But ${text}.`;
}
