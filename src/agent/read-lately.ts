import { HOST_KEPT_MS, NODE_LATELY_MS } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import type { NodeFacts } from '../findings/facts.ts';
import type { Host, HostState } from '../host/port.ts';
import type { NodeMemory } from '../tools/instruments.ts';

export interface HostLately {
  /** The host as it was last read in full, if that was moments ago; else it is read. */
  readonly hostLately: (signal: AbortSignal) => Promise<HostState>;
}

interface Kept {
  readonly facts: NodeFacts;
  readonly atMs: number;
}

/** The last reading of everything, while it is a matter of moments. */
export function nodeMemory(clock: Clock): NodeMemory {
  let kept: Kept | undefined;
  return {
    keep(facts) {
      kept = { facts, atMs: clock.nowMs() };
    },
    last() {
      const ageMs = kept ? clock.nowMs() - kept.atMs : Number.POSITIVE_INFINITY;
      return ageMs >= 0 && ageMs <= NODE_LATELY_MS ? kept?.facts : undefined;
    },
  };
}

/** Instruments that keep their last full readings for what asks about the same moment. */
export function keepingReadings<Some extends { readonly host: Host; readonly clock: Clock }>(
  instruments: Some,
): Some & HostLately & { readonly lately: NodeMemory } {
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
  return { ...instruments, host: { ...host, read }, hostLately, lately: nodeMemory(clock) };
}
