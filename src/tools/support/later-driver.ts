import { known, type Reading } from '../../contract/reading.ts';
import type { DriverState, GpuState, NvLink } from '../../nvml/port.ts';

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
export function laterDriver(
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
  const { clocksEventReasons, pcieReplayCounter, violations, pcieCounters, nvlinks } = gpu;
  const links = (known(nvlinks)?.links ?? []).flatMap(({ link, errors }) =>
    Object.entries(errors).map(([name, reading]) => [`${link} ${name}`, reading] as const),
  );
  const one = { clocksEventReasons, pcieReplayCounter, nvlinks };
  return new Map<string, Reading<unknown>>([
    ...Object.entries({ ...one, ...violations, ...pcieCounters }),
    ...links,
  ]);
}

function withCounters(first: GpuState, later: GpuState): GpuState {
  const { clocksEventReasons, pcieReplayCounter, violations, pcieCounters } = later;
  const nvlinks = first.nvlinks.ok
    ? {
        ok: true as const,
        value: {
          ...first.nvlinks.value,
          links: first.nvlinks.value.links.map(link => withErrors(link, later)),
        },
      }
    : first.nvlinks;
  return { ...first, clocksEventReasons, pcieReplayCounter, violations, pcieCounters, nvlinks };
}

/** Where a link ends was read once; its state and its errors are as they are now. */
function withErrors(first: NvLink, { nvlinks }: GpuState): NvLink {
  const later = known(nvlinks)?.links.find(({ link }) => link === first.link);
  if (!later) return first;
  return { ...first, state: later.state.ok ? later.state : first.state, errors: later.errors };
}
