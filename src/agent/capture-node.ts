import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { packed } from '../bundle/bundle-file.ts';
import type { Bundle, KeptLog } from '../bundle/document.ts';
import { createKeptRecords } from '../bundle/kept-records.ts';
import { CaptureInput, type CapturePart } from '../contract/capture-tool.ts';
import type { Coverage } from '../contract/coverage.ts';
import { UsageError } from '../contract/errors.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_PART_BYTES_MAX } from '../contract/limits.ts';
import { known } from '../contract/reading.ts';
import { momentMs } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import { reasonsToLookAgain } from '../findings/second-look.ts';
import type { ProcessOwner } from '../host/port.ts';
import type { DriverState } from '../nvml/port.ts';
import type { Instruments } from '../tools/instruments.ts';
import { spansOf } from '../tools/support/pods-of-events.ts';
import { readAgain } from '../tools/support/watched-counters.ts';
import { createAnalysis } from '../xid/analysis.ts';
import type { KernelEvent } from '../xid/events.ts';
import type { AgentInstruments } from './open-instruments.ts';

export type CaptureAnswers = (
  input: unknown,
  signal: AbortSignal,
  progress: (message: string) => void,
) => Promise<CallToolResult>;

/** Reads the node once and hands the bundle over in parts; what is read is kept until it is fetched. */
export function captureAnswers(instruments: AgentInstruments): CaptureAnswers {
  let kept: Buffer | undefined;
  return async (raw, signal, progress) => {
    const { from, since, seconds } = CaptureInput.parse(raw);
    if (from === 0) {
      const sinceMs = momentMs(since, instruments.clock.nowMs());
      const read = await captureNode({ ...instruments, progress }, { sinceMs, seconds }, signal);
      kept = packed({ ...read, cluster: undefined });
    }
    if (!kept || from > kept.length) throw new UsageError(`no bundle has a byte ${from} here`);
    if (kept.length > BUNDLE_BYTES_MAX) {
      throw new UsageError(
        `the bundle would have ${Math.ceil(kept.length / 1024 ** 2)} MiB, more than ${BUNDLE_BYTES_MAX / 1024 ** 2}`,
        'a shorter time: --since 1d',
      );
    }
    const part = kept.subarray(from, from + BUNDLE_PART_BYTES_MAX);
    const bytes = kept.length;
    if (from + part.length === bytes) kept = undefined;
    const structured: CapturePart = { from, bytes, base64: part.toString('base64') };
    return { content: [], structuredContent: structured };
  };
}

/** As many as a host tells of in one question, and how many questions. */
const PIDS_MAX = 1_024;
const QUESTIONS_MAX = 4;
/** How far back the lives of all containers are read; around events they always are. */
const LIVES_MS = 24 * 3_600_000;

/**
 * Reads everything that the tools could ask of this node, once: also what a first reading gives a
 * tool reason to read again, and the driver some seconds later. Works on a broken node: what could
 * not be read is in the bundle as the reading that says so.
 */
export async function captureNode(
  instruments: Instruments,
  options: { readonly sinceMs: number; readonly seconds: number },
  signal: AbortSignal,
): Promise<Omit<Bundle, 'cluster'>> {
  instruments.progress('reading driver, host and kernel log');
  const { nvml, host, clock, node, simulated } = instruments;
  const [driver, hostState, kernelLog] = await Promise.all([
    nvml.read(signal, 'all', ['gpm', 'migProfiles']),
    host.read(signal),
    keptLog(instruments, options.sinceMs, signal),
  ]);
  const events = eventsOf(kernelLog);
  const [owners, containerLogs, podHistory] = await Promise.all([
    ownersOf(driver, events, instruments, signal),
    host.containerLogs(signal),
    livesOf(events, instruments, signal),
  ]);
  const facts = { nowMs: clock.nowMs(), driver, host: hostState, owners };
  const reasons = reasonsToLookAgain(facts);
  const again =
    reasons.length === 0 ? undefined : await readAgain(facts, reasons, instruments, signal);
  const capturedAtMs = clock.nowMs();
  const later = await readLater(driver, options.seconds, instruments, signal);
  return {
    versions: { agent: VERSION, plugin: VERSION },
    ...{ capturedAtMs, node, simulated, owners, kernelLog, again, podHistory, containerLogs },
    drivers: [driver, ...later],
    host: hostState,
  };
}

async function keptLog(
  { kernelLog }: Instruments,
  sinceMs: number,
  signal: AbortSignal,
): Promise<KeptLog> {
  const kept = createKeptRecords();
  const coverage = await kernelLog.scan({ sinceMs }, record => kept.see(record), signal);
  const { records, leftOut } = kept.finish();
  const told = (one: Coverage): Coverage => {
    const amount = leftOut.get(one.source);
    if (amount === undefined) return one;
    const note = `${amount} records that matter are not in the bundle, which holds the newest`;
    return { ...one, notes: [...one.notes, note] };
  };
  return { sinceMs, records, coverage: coverage.map(told) };
}

function eventsOf({ records }: KeptLog): readonly KernelEvent[] {
  const analysis = createAnalysis();
  for (const record of records) analysis.see(record);
  return analysis.finish().events;
}

/** Whose the processes are that the driver or the kernel log names. */
async function ownersOf(
  driver: DriverState,
  events: readonly KernelEvent[],
  { host }: Instruments,
  signal: AbortSignal,
): Promise<readonly ProcessOwner[]> {
  const pids = [
    ...driver.gpus.flatMap(gpu => known(gpu.processes) ?? []).map(({ pid }) => pid),
    ...events.flatMap(({ pid }) => pid ?? []),
  ];
  const all = [...new Set(pids)].slice(0, PIDS_MAX * QUESTIONS_MAX);
  const owners: ProcessOwner[] = [];
  for (let from = 0; from < all.length; from += PIDS_MAX) {
    owners.push(...(await host.processOwners(all.slice(from, from + PIDS_MAX), signal)));
  }
  return owners;
}

/** Which containers lived around the events, and in the last day, for which a tool may ask. */
function livesOf(
  events: readonly KernelEvent[],
  { podHistory, clock }: Instruments,
  signal: AbortSignal,
): Promise<Bundle['podHistory']> {
  const own = events.filter(({ xid }) => xid !== null);
  const times = own.flatMap(({ time }) => (time === null ? [] : [Date.parse(time)]));
  const nowMs = clock.nowMs();
  return podHistory.read(
    [...spansOf(times), { sinceMs: nowMs - LIVES_MS, untilMs: nowMs }],
    signal,
  );
}

/** A driver that does not answer is not asked again: it would wait its whole limit. */
async function readLater(
  first: DriverState,
  seconds: number,
  { nvml, pause, progress }: Instruments,
  signal: AbortSignal,
): Promise<readonly DriverState[]> {
  if (seconds === 0 || first.unresponsive || !first.initialized.ok) return [];
  progress(`reading the driver again in ${seconds} s`);
  await pause(seconds * 1_000, signal);
  return [await nvml.read(signal, 'all', ['gpm'])];
}
