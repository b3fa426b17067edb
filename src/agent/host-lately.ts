import { HOST_KEPT_MS } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import type { Host, HostState } from '../host/port.ts';

export interface HostLately {
  /** The host as it was last read in full, if that was moments ago; else it is read. */
  readonly hostLately: (signal: AbortSignal) => Promise<HostState>;
}

/** A host that keeps its last full reading for what asks about the same moment. */
export function keepingHost<Some extends { readonly host: Host; readonly clock: Clock }>(
  instruments: Some,
): Some & HostLately {
  const { host, clock } = instruments;
  let kept: { readonly state: HostState; readonly atMs: number } | undefined;
  const read: Host['read'] = async (signal, depth = 'all') => {
    const atMs = clock.nowMs();
    const state = await host.read(signal, depth);
    if (depth === 'all') kept = { state, atMs };
    return state;
  };
  const hostLately = async (signal: AbortSignal) => {
    const ageMs = kept ? clock.nowMs() - kept.atMs : Number.POSITIVE_INFINITY;
    return kept && ageMs >= 0 && ageMs <= HOST_KEPT_MS ? kept.state : read(signal);
  };
  return { ...instruments, host: { ...host, read }, hostLately };
}
