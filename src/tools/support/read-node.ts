import { SAME_WINDOW_MS } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { type Depth, known } from '../../contract/reading.ts';
import { momentMs } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { ProcessOwner } from '../../host/port.ts';
import type { DriverState, OnDemand } from '../../nvml/port.ts';
import { createAnalysis } from '../../xid/analysis.ts';
import type { Boundary } from '../../xid/boots.ts';
import type { Instruments } from '../instruments.ts';
import { VERDICT_SINCE } from './moment-input.ts';
import { podHistoryOf } from './pods-of-events.ts';
import { lookAgain } from './watched-counters.ts';

/** The kernel log as an answer tells it: what was found and what was searched. */
export interface LogFacts extends NonNullable<NodeFacts['log']> {
  /** Events beyond those kept, folded into counts. */
  readonly folded: number;
  /** Boots and driver loads that the log shows, oldest first. */
  readonly boundaries: readonly Boundary[];
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
export async function searchLog(
  instruments: Pick<Instruments, 'kernelLog'>,
  window: { sinceMs?: number; untilMs?: number; sources?: readonly string[] },
  signal: AbortSignal,
): Promise<LogFacts> {
  const { kernelLog } = instruments;
  const analysis = createAnalysis({ conceal: kernelLog.conceal });
  const coverage = await kernelLog.scan(window, record => analysis.see(record), signal);
  const { census, ...found } = analysis.finish();
  return { ...found, coverage: census.added(coverage) };
}

type LogWindow = { sinceMs: number; untilMs?: number; sources?: readonly string[] };

/**
 * What is judged goes by the window of every verdict, also where somebody wants to see a longer part of
 * the log, or a shorter one: an old fault is not made a present one, nor a present one hidden, and a GPU
 * gets one action, whichever tool is asked.
 */
export async function readJudged(
  instruments: Instruments,
  window: LogWindow,
  signal: AbortSignal,
): Promise<{ judged: NodeFacts; shown: NodeFacts & { log: LogFacts }; judgedSinceMs: number }> {
  const dayMs = momentMs(VERDICT_SINCE, instruments.clock.nowMs());
  const { untilMs, sources, sinceMs } = window;
  const isSame =
    Math.abs(sinceMs - dayMs) < SAME_WINDOW_MS && untilMs === undefined && sources === undefined;
  const judgedSinceMs = isSame ? sinceMs : dayMs;
  const judged = await readNodeTwice(instruments, { sinceMs: judgedSinceMs }, signal);
  if (isSame) return { judged, shown: { ...judged, log: judged.log ?? EMPTY_LOG }, judgedSinceMs };
  const log = await searchLog(instruments, window, signal);
  const history = await podHistoryOf(log.events, instruments, signal);
  return { judged, shown: { ...judged, log, ...optional({ history }) }, judgedSinceMs };
}

/** Everything of the node, and its counters a second time where the first reading asks for it. */
export async function readNodeTwice(
  instruments: Instruments,
  window: { sinceMs?: number; podsAlways?: boolean } | undefined,
  signal: AbortSignal,
): Promise<NodeFacts & { readonly log?: LogFacts }> {
  const facts = await lookAgain(await readNode(instruments, window, signal), instruments, signal);
  instruments.lately?.keep(facts);
  return facts;
}

/**
 * The same for a question about what has been: driver and host are as they were read moments ago for another
 * one, unless the kernel has told of a GPU since. The log is searched in any case.
 */
export async function readNodeLately(
  instruments: Instruments,
  window: { readonly sinceMs: number },
  signal: AbortSignal,
): Promise<NodeFacts & { readonly log?: LogFacts }> {
  const kept = instruments.lately?.last();
  if (!kept) return readNodeTwice(instruments, { ...window, podsAlways: true }, signal);
  const log = await searchLog(instruments, window, signal);
  const newest = ({ events }: Pick<LogFacts, 'events'>) => JSON.stringify(events.at(-1));
  if (kept.log === undefined || newest(log) !== newest(kept.log)) {
    return readNodeTwice(instruments, { ...window, podsAlways: true }, signal);
  }
  const asked = { ...window, untilMs: instruments.clock.nowMs() };
  const history = await podHistoryOf(log.events, instruments, signal, asked);
  return { ...kept, log, ...optional({ history }) };
}

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
