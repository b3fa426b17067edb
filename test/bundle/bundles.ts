import { captureNode } from '../../src/agent/capture-node.ts';
import type { Bundle } from '../../src/bundle/document.ts';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import type { Machine } from '../../src/simulation/machine.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

/** A node as it is captured, in this process. */
export async function captured(
  instruments: Instruments,
  { seconds = 0, cluster }: { seconds?: number; cluster?: ClusterView } = {},
): Promise<Bundle> {
  const sinceMs = instruments.clock.nowMs() - WEEK_MS;
  const signal = new AbortController().signal;
  const bundle = await captureNode(instruments, { sinceMs, seconds }, signal);
  return { ...bundle, cluster };
}

/** The bundle of a simulated machine. */
export const bundleOf = (machine: string): Promise<Bundle> => captured(instrumentsOf(machine));

/** The bundle of a machine without a file, taken so long after noon, when all other machines are. */
export function bundleLater(
  machine: Machine,
  { ms, cluster }: { ms: number; cluster?: ClusterView },
): Promise<Bundle> {
  const instruments = instrumentsFor(machine, ms);
  return captured(instruments, cluster ? { cluster } : {});
}
