import {
  GLANCE_COUNTERS_MS,
  GLANCE_LOG_MS,
  GLANCE_OWNERS_MS,
  GLANCE_WHOLE_MS,
} from '../contract/limits.ts';
import { known } from '../contract/reading.ts';
import type { HostState, ProcessOwner } from '../host/port.ts';
import type { DriverState } from '../nvml/port.ts';
import { fieldsAt } from '../nvml/readings.ts';
import { type Glance, type GlanceFacts, glanceOf } from '../tools/glance.ts';
import { EMPTY_LOG, type LogFacts, ownersOf, searchLog } from '../tools/support/read-node.ts';
import type { AgentInstruments } from './open-instruments.ts';

/** What was read, and when. */
interface Kept<T> {
  readonly value: T;
  readonly atMs: number;
}

interface Whole {
  readonly driver: DriverState;
  readonly host: HostState;
}

/**
 * One glance after the other, each as cheap as what it shows: what changes from one moment to the next
 * is read every time, all else when what is kept of it is too old. Events are those since `sinceMs`, the
 * start of the session: what comes between its first answer and the first glance is in no other.
 */
export function glances(
  instruments: AgentInstruments,
  sinceMs: number,
): (signal: AbortSignal) => Promise<Glance> {
  const { clock } = instruments;
  let whole: Kept<Whole> | undefined;
  let counters: Kept<NonNullable<GlanceFacts['counters']>> | undefined;
  let owners: Kept<readonly ProcessOwner[]> | undefined;
  let log: Kept<LogFacts> | undefined;
  const isOld = (kept: Kept<unknown> | undefined, ms: number) =>
    kept === undefined || clock.nowMs() - kept.atMs >= ms;

  return async signal => {
    if (isOld(log, GLANCE_LOG_MS)) {
      log = { atMs: clock.nowMs(), value: await searchLog(instruments, recent(sinceMs), signal) };
    }
    const { driver, host, isWhole } = await readDriver(whole?.value, isOld(whole, GLANCE_WHOLE_MS));
    if (isWhole) whole = { atMs: clock.nowMs(), value: { driver, host } };
    // A driver that hangs is not asked for more.
    const answers = !driver.unresponsive && driver.initialized.ok;
    if (answers && isOld(counters, GLANCE_COUNTERS_MS)) {
      const last = await instruments.nvml.read(signal, 'counters');
      const first = counters?.value.first ?? last;
      counters = { atMs: clock.nowMs(), value: { first, last } };
    }
    if (isOld(owners, GLANCE_OWNERS_MS) || hasOthers(driver, owners?.value ?? [])) {
      owners = { atMs: clock.nowMs(), value: await ownersOf(driver, instruments, signal) };
    }
    const facts = {
      ...{ nowMs: clock.nowMs(), sinceMs, driver, host },
      ...{ owners: owners?.value ?? [], counters: counters?.value },
      log: log?.value ?? EMPTY_LOG,
    };
    return glanceOf(facts, instruments);

    async function readDriver(kept: Whole | undefined, anew: boolean) {
      if (!kept || anew) {
        const [first, state] = await Promise.all([
          instruments.nvml.read(signal, 'first'),
          instruments.host.read(signal, 'first'),
        ]);
        return { driver: first, host: state, isWhole: true };
      }
      const now = await instruments.nvml.read(signal, 'now');
      return { driver: withNow(kept.driver, now), host: kept.host, isWhole: false };
    }
  };
}

/** Of the log, what the kernel itself still holds: files are for those who look back. */
const recent = (sinceMs: number) => ({ sinceMs, sources: ['kmsg', 'syslog'] });

const NOW = fieldsAt('now');

const pick = <T extends object>(record: T, fields: readonly string[]) =>
  Object.fromEntries(Object.entries(record).filter(([field]) => fields.includes(field)));

/** What was read earlier, with what is read now in its place; GPUs as the driver counts them now. */
function withNow(whole: DriverState, now: DriverState): DriverState {
  const { unresponsive: _, ...kept } = whole;
  return {
    ...kept,
    ...pick(now, [...NOW.driver, 'takenAtMs', 'unresponsive']),
    gpus: now.gpus.map(gpu => {
      const earlier = whole.gpus.find(({ index }) => index === gpu.index);
      return earlier ? { ...earlier, ...pick(gpu, NOW.gpu) } : gpu;
    }),
  };
}

/** Whether the driver names a process whose owner is not known yet. */
const hasOthers = ({ gpus }: DriverState, owners: readonly ProcessOwner[]): boolean => {
  const pids = new Set(owners.map(({ pid }) => pid));
  return gpus.some(gpu => (known(gpu.processes) ?? []).some(({ pid }) => !pids.has(pid)));
};
