import type { Coverage } from '../contract/coverage.ts';
import { known } from '../contract/reading.ts';
import { VERSION } from '../contract/version.ts';
import type { Host, ProcessOwner } from '../host/port.ts';
import type { DriverState } from '../nvml/port.ts';
import type { Instruments } from '../tools/tool.ts';
import { createAnalysis } from '../xid/analysis.ts';
import type { Bundle, KeptLog } from './document.ts';
import { createKeptRecords } from './kept-records.ts';

/** As many as a host tells of in one question. */
const PIDS_MAX = 1_024;

/**
 * Reads everything that the tools could ask of this node, once, and the driver again some seconds
 * later. Works on a broken node: what could not be read is in the bundle as the reading that says so.
 */
export async function captureNode(
  instruments: Instruments,
  options: { readonly sinceMs: number; readonly seconds: number },
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<Omit<Bundle, 'cluster'>> {
  progress('reading driver, host and kernel log');
  const { nvml, host, clock, node, simulated } = instruments;
  const [driver, hostState, kernelLog] = await Promise.all([
    nvml.read(signal),
    host.read(signal),
    keptLog(instruments, options.sinceMs, signal),
  ]);
  const owners = await ownersOf(driver, kernelLog, { host, signal });
  const capturedAtMs = clock.nowMs();
  const later = await readLater(driver, options.seconds, instruments, signal, progress);
  return {
    versions: { agent: VERSION, plugin: VERSION },
    ...{ capturedAtMs, node, simulated, owners, kernelLog },
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

/** Whose the processes are that the driver or the kernel log names. */
async function ownersOf(
  driver: DriverState,
  { records }: KeptLog,
  { host, signal }: { readonly host: Host; readonly signal: AbortSignal },
): Promise<readonly ProcessOwner[]> {
  const analysis = createAnalysis();
  for (const record of records) analysis.see(record);
  const pids = [
    ...driver.gpus.flatMap(gpu => known(gpu.processes) ?? []).map(({ pid }) => pid),
    ...analysis.finish().events.flatMap(({ pid }) => pid ?? []),
  ];
  const all = [...new Set(pids)];
  const owners: ProcessOwner[] = [];
  for (let from = 0; from < Math.min(all.length, PIDS_MAX * 4); from += PIDS_MAX) {
    owners.push(...(await host.processOwners(all.slice(from, from + PIDS_MAX), signal)));
  }
  return owners;
}

/** A driver that does not answer is not asked again: it would wait its whole limit. */
async function readLater(
  first: DriverState,
  seconds: number,
  { nvml, pause }: Instruments,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<readonly DriverState[]> {
  if (seconds === 0 || first.unresponsive || !first.initialized.ok) return [];
  progress(`reading the driver again in ${seconds} s`);
  await pause(seconds * 1_000, signal);
  return [await nvml.read(signal)];
}
