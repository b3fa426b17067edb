import * as z from 'zod';
import { SECOND_LOOK_MS } from '../../contract/limits.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { NodeFacts, SecondLook } from '../../findings/facts.ts';
import { type Reason, reasonsToLookAgain } from '../../findings/second-look.ts';
import type { DriverState, GpuState, NvLink } from '../../nvml/port.ts';
import type { Again, CountersNow, Instruments } from '../instruments.ts';

/**
 * Reads counters twice, some moments apart, where the first reading asks for it; a healthy node is
 * not asked again. Read fully, counters are spread over the whole reading: for a rate they are
 * read alone both times, so that all have the same time between them.
 */
export async function lookAgain<Facts extends NodeFacts>(
  facts: Facts,
  instruments: Instruments,
  signal: AbortSignal,
): Promise<Facts> {
  const reasons = reasonsToLookAgain(facts);
  if (reasons.length === 0) return facts;
  const because = reasons.map(({ why }) => why);
  const { replay, clock } = instruments;
  const again = replay ? replay.again : await readAgain(facts, reasons, instruments, signal);
  if (!again) return facts;
  const { before, after } = again;
  const later =
    before.driver &&
    laterDriver(facts.driver, { before: before.driver, after: after.driver ?? before.driver });
  const seconds = (after.hostAtMs - before.hostAtMs) / 1_000;
  const secondLook: SecondLook = {
    because,
    seconds,
    notReadAgain: later?.notReadAgain ?? [],
    ...(before.counters && after.counters
      ? { host: { seconds, before: before.counters, after: after.counters } }
      : {}),
  };
  return {
    ...facts,
    nowMs: clock.nowMs(),
    secondLook,
    ...(later ? { driver: later.driver, earlier: later.earlier } : {}),
  };
}

/** Reads the counters that the reasons ask for, lets some moments pass, and reads them again. */
export async function readAgain(
  facts: NodeFacts,
  reasons: readonly Reason[],
  instruments: Instruments,
  signal: AbortSignal,
): Promise<Again> {
  instruments.progress(`watches counters for ${SECOND_LOOK_MS / 1_000} s: ${reasons[0]?.why}`);
  const asks = (of: Reason['of']) => reasons.some(reason => reason.of === of);
  const { nvml, host, clock } = instruments;
  const countersNow = async (drivers: boolean): Promise<CountersNow> => {
    const hostAtMs = clock.nowMs();
    const [driver, counters] = await Promise.all([
      drivers ? nvml.read(signal, 'counters') : undefined,
      asks('host') ? host.counters(facts.host, signal) : undefined,
    ]);
    return { driver, counters, hostAtMs };
  };
  const before = await countersNow(asks('driver'));
  await instruments.pause(SECOND_LOOK_MS, signal);
  // A driver that hangs now is not asked a third time.
  const after = await countersNow(asks('driver') && !before.driver?.unresponsive);
  return { before, after };
}

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

/** A driver whose counters were read again: as it is now, as it was before, and what got lost. */
interface Later {
  readonly driver: DriverState;
  readonly earlier: DriverState;
  readonly notReadAgain: readonly string[];
}

/**
 * The first reading with its counters as they are later. A GPU whose counters could not all be read
 * again keeps its first readings, has no earlier ones to be compared with, and is named.
 */
function laterDriver(
  first: DriverState,
  { before, after }: { readonly before: DriverState; readonly after: DriverState },
): Later {
  const hung = after.unresponsive ?? before.unresponsive;
  const rows = first.gpus.map(gpu => laterGpu(gpu, at(before, gpu), at(after, gpu)));
  return {
    driver: {
      ...first,
      takenAtMs: after.takenAtMs,
      ...(hung ? { unresponsive: hung } : {}),
      gpus: rows.map(({ now }) => now),
    },
    earlier: { ...before, gpus: rows.flatMap(({ was }) => was ?? []) },
    notReadAgain: rows.flatMap(({ now, lost }) =>
      lost === undefined ? [] : [`GPU ${now.index} (${lost})`],
    ),
  };
}

const at = (state: DriverState, { index }: GpuState): GpuState | undefined =>
  state.gpus.find(other => other.index === index);

interface Row {
  readonly now: GpuState;
  readonly was?: GpuState;
  readonly lost?: string;
}

function laterGpu(first: GpuState, before?: GpuState, after?: GpuState): Row {
  // A GPU that gave no counters at first has none to lose.
  if (!first.handle.ok) return { now: first };
  const lost = lostIn(first, before) ?? lostIn(first, after);
  if (lost !== undefined || !before || !after) {
    const gone = after && !after.handle.ok && isDriversWord(after.handle);
    return { now: gone ? { ...first, handle: after.handle } : first, lost: lost ?? 'not_read' };
  }
  const bits = [known(first.clocksEventReasons), known(before.clocksEventReasons)];
  const seen = [...new Set(bits.flatMap(names => names ?? []))];
  const clocksEventReasons = first.clocksEventReasons.ok
    ? { ok: true as const, value: seen }
    : first.clocksEventReasons;
  return {
    now: withCounters(first, after),
    was: { ...withCounters(first, before), clocksEventReasons },
  };
}

/** Why the driver does not give the handle, and not why our question found no answer. */
const isDriversWord = (handle: Reading<true>): boolean =>
  !handle.ok && !['timeout', 'crashed', 'not_read'].includes(handle.reason);

/** The reason of the first counter that was there at first and is not now. */
function lostIn(first: GpuState, later: GpuState | undefined): string | undefined {
  if (!later) return 'not_read';
  const now = countersIn(later);
  for (const [name, reading] of countersIn(first)) {
    const again = now.get(name);
    if (reading.ok && !again?.ok) return again?.reason ?? 'not_read';
  }
  return undefined;
}

function countersIn(gpu: GpuState): ReadonlyMap<string, Reading<unknown>> {
  const { violations, pcieCounters, nvlinks, c2c } = gpu;
  const links = (known(nvlinks)?.links ?? []).flatMap(({ link, errors }) =>
    Object.entries(errors).map(([name, reading]) => [`${link} ${name}`, reading] as const),
  );
  const { clocksEventReasons, pcieReplayCounter, eccCorrectedVolatile } = gpu;
  const one = { clocksEventReasons, pcieReplayCounter, eccCorrectedVolatile, nvlinks, c2c };
  return new Map<string, Reading<unknown>>([
    ...Object.entries({ ...one, ...violations, ...pcieCounters }),
    ...links,
  ]);
}

function withCounters(first: GpuState, later: GpuState): GpuState {
  const { clocksEventReasons, pcieReplayCounter, violations, pcieCounters } = later;
  const { eccCorrectedVolatile, c2c } = later;
  const nvlinks = first.nvlinks.ok
    ? {
        ok: true as const,
        value: {
          ...first.nvlinks.value,
          links: first.nvlinks.value.links.map(link => withErrors(link, later)),
        },
      }
    : first.nvlinks;
  return {
    ...first,
    clocksEventReasons,
    pcieReplayCounter,
    eccCorrectedVolatile,
    violations,
    pcieCounters,
    nvlinks,
    c2c,
  };
}

/** Where a link ends was read once; its state and its errors are as they are now. */
function withErrors(first: NvLink, { nvlinks }: GpuState): NvLink {
  const later = known(nvlinks)?.links.find(({ link }) => link === first.link);
  if (!later) return first;
  return { ...first, state: later.state.ok ? later.state : first.state, errors: later.errors };
}
