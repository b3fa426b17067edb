import * as z from 'zod';
import { Coverage } from '../contract/coverage.ts';
import { type Depth, known } from '../contract/reading.ts';
import { durationText } from '../contract/time.ts';
import type { NodeFacts } from '../findings/facts.ts';
import type { ProcessOwner } from '../host/port.ts';
import type { DriverState } from '../nvml/port.ts';
import { createAnalysis } from '../xid/analysis.ts';
import type { Boundary } from '../xid/boots.ts';
import type { Instruments } from './tool.ts';

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
});

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
  instruments: Instruments,
  window: { sinceMs?: number; untilMs?: number; sources?: readonly string[] },
  signal: AbortSignal,
): Promise<LogFacts> {
  const { kernelLog } = instruments;
  const analysis = createAnalysis({ conceal: kernelLog.conceal });
  const coverage = await kernelLog.scan(window, record => analysis.see(record), signal);
  return { ...analysis.finish(), coverage };
}

/**
 * Reads driver and host side by side, and the kernel log where a window is given. A tool that only
 * names the GPUs, or lists them, asks for the first readings: a thousand calls less.
 */
export async function readNode(
  instruments: Instruments,
  window: { sinceMs?: number } | undefined,
  signal: AbortSignal,
  depth: Depth = 'all',
): Promise<NodeFacts & { readonly log?: LogFacts }> {
  const [driver, host, log] = await Promise.all([
    instruments.nvml.read(signal, depth),
    instruments.host.read(signal, depth),
    window ? searchLog(instruments, window, signal) : undefined,
  ]);
  const owners = depth === 'all' ? await ownersOf(driver, instruments, signal) : [];
  return { nowMs: instruments.clock.nowMs(), driver, host, owners, ...(log ? { log } : {}) };
}

/** Whose the processes are that the driver names: one question for all GPUs. */
export async function ownersOf(
  driver: DriverState,
  { host }: Pick<Instruments, 'host'>,
  signal: AbortSignal,
): Promise<readonly ProcessOwner[]> {
  const pids = driver.gpus.flatMap(gpu => known(gpu.processes) ?? []).map(({ pid }) => pid);
  return pids.length === 0 ? [] : host.processOwners([...new Set(pids)], signal);
}

/** The name by which the node knows itself. */
export const hostnameOf = (facts: NodeFacts): string | undefined => known(facts.host.hostname);

/** One line a source: what was searched, how far back, what is missing from it. */
export function coverageLines(coverage: readonly Coverage[], nowMs: number): string[] {
  return coverage.map(source => {
    if (!source.available) return `${source.source}: not read (${source.unavailable ?? 'unknown'})`;
    const span =
      source.from === undefined
        ? 'no times'
        : `from ${source.from} (${durationText(nowMs - Date.parse(source.from))} back)`;
    const flaws = [
      source.lost > 0 ? `${source.lost} records lost` : '',
      source.malformed > 0 ? `${source.malformed} malformed` : '',
      source.untrusted > 0 ? `${source.untrusted} not from the kernel, ignored` : '',
      ...source.notes,
    ].filter(text => text !== '');
    return `${source.source}: ${source.records} records, ${span}${flaws.length > 0 ? `; ${flaws.join('; ')}` : ''}`;
  });
}

/** What a negative statement rests on, in half a sentence: `in 4120 records since 2026-...`. */
export function searchedText(coverage: readonly Coverage[]): string {
  const read = coverage.filter(source => source.available);
  if (read.length === 0) return 'but no kernel log could be read: this is no all-clear';
  const records = read.reduce((sum, source) => sum + source.records, 0);
  const from = read
    .flatMap(source => source.from ?? [])
    .toSorted()
    .at(0);
  const lost = read.reduce((sum, source) => sum + source.lost, 0);
  return `in ${records} records of ${read.map(source => source.source).join(', ')}${from ? ` since ${from}` : ''}${lost > 0 ? `, ${lost} records were lost` : ''}`;
}
