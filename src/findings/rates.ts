import { known } from '../contract/reading.ts';
import type { GpuState } from '../nvml/port.ts';
import type { NodeFacts } from './facts.ts';

/** The same GPU in the reading before, where there was one. */
export const earlierGpu = (facts: NodeFacts, gpu: GpuState): GpuState | undefined =>
  facts.earlier?.gpus.find(other =>
    known(gpu.uuid) === undefined
      ? other.index === gpu.index
      : known(other.uuid) === known(gpu.uuid),
  );

/** Seconds between the two readings; undefined where there was one, or time stood still. */
export function windowSeconds(facts: NodeFacts): number | undefined {
  if (!facts.earlier) return undefined;
  const seconds = (facts.driver.takenAtMs - facts.earlier.takenAtMs) / 1_000;
  return seconds > 0 ? seconds : undefined;
}

/** How fast a counter moves. A counter that fell was reset: nothing is said of it. */
export function perSecond(
  facts: NodeFacts,
  now: number,
  before: number | undefined,
): number | undefined {
  const seconds = windowSeconds(facts);
  if (seconds === undefined || before === undefined || now < before) return undefined;
  return (now - before) / seconds;
}
