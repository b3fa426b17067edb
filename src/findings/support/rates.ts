import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState, Violations } from '../../nvml/port.ts';
import type { NodeFacts } from '../facts.ts';

/** The same GPU in the reading before, where there was one. */
export const earlierGpu = (facts: NodeFacts, gpu: GpuState): GpuState | undefined =>
  facts.earlier?.gpus.find(other =>
    known(gpu.uuid) === undefined
      ? other.index === gpu.index
      : known(other.uuid) === known(gpu.uuid),
  );

/** Seconds between the two readings; undefined where there was one, or time stood still. */
function windowSeconds(facts: NodeFacts): number | undefined {
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

/** The part of the time between the two readings in which a counter of nanoseconds ran. */
export function shareOf(
  facts: NodeFacts,
  gpu: GpuState,
  read: (violations: Violations) => Reading<number>,
): { readonly share: number; readonly seconds: number } | undefined {
  const seconds = windowSeconds(facts);
  const now = known(read(gpu.violations));
  const earlier = earlierGpu(facts, gpu);
  const before = earlier && known(read(earlier.violations));
  if (seconds === undefined || now === undefined || before === undefined) return undefined;
  const share = (now - before) / 1e9 / seconds;
  return share < 0 || share > SHARE_MAX ? undefined : { share: Math.min(1, share), seconds };
}

/**
 * Our clock and the driver's may differ a little; more than all of the time is a counter that was
 * read wrongly, or that has wrapped.
 */
export const SHARE_MAX = 1.5;

/** By how much a counter of a network port grew while it was watched; undefined where it fell or is unknown. */
export function portGrowth(
  { secondLook }: NodeFacts,
  port: { readonly nic: string; readonly port: number },
  counter: string,
): { readonly grown: number; readonly seconds: number } | undefined {
  const host = secondLook?.host;
  if (!host || host.seconds <= 0) return undefined;
  const [before, after] = [host.before, host.after].map(
    ({ ports }) =>
      ports.find(other => other.nic === port.nic && other.port === port.port)?.counters[counter],
  );
  if (before === undefined || after === undefined || after < before) return undefined;
  return { grown: after - before, seconds: host.seconds };
}

/** By how much the corrected PCIe errors of a GPU grew while it was watched. */
export function correctedGrowth({ secondLook }: NodeFacts, pci: string): number | undefined {
  const [before, after] = [secondLook?.host?.before, secondLook?.host?.after].map(counters =>
    known(counters?.aer.find(other => other.pci === pci && other.function === 0)?.aerCorrectable),
  );
  return before === undefined || after === undefined || after < before ? undefined : after - before;
}
