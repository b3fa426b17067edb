import { known, type Reading } from '../contract/reading.ts';
import type { GpuState, Violations } from '../nvml/port.ts';
import {
  type Clue,
  gpuClue,
  gpuName,
  gpuRef,
  type NodeFacts,
  nvmlEvidence,
  type Rule,
} from './facts.ts';
import { isFarAbove } from './neighbours.ts';
import { earlierGpu, windowSeconds } from './rates.ts';
import { THRESHOLDS } from './thresholds.ts';

const NS_PER_SECOND = 1e9;
const NS_PER_HOUR = 3_600 * NS_PER_SECOND;
/** The two clocks of a share, ours and the driver's, may differ by so much. */
const SHARE_MAX = 1.5;

interface Counter {
  readonly name: string;
  readonly thermal: boolean;
  readonly read: (violations: Violations) => Reading<number>;
}

/** Power, sync boost and low utilisation are left out: they count up under normal load. */
const COUNTERS: readonly Counter[] = [
  { name: 'hardware thermal slowdown', thermal: true, read: ({ hwThermalNs }) => hwThermalNs },
  { name: 'external power brake', thermal: false, read: ({ hwPowerBrakeNs }) => hwPowerBrakeNs },
  { name: 'thermal slowdown', thermal: true, read: ({ thermalNs }) => thermalNs },
];

/**
 * For how long clocks were held down: over the window of two readings where there are two, else
 * since the driver took the GPU, and then only beside the neighbours.
 */
export const violations: Rule = facts =>
  facts.driver.gpus.flatMap(gpu => {
    for (const counter of COUNTERS) {
      const found = inWindow(facts, gpu, counter) ?? beside(facts, gpu, counter);
      if (found) return [found];
    }
    return [];
  });

function inWindow(facts: NodeFacts, gpu: GpuState, counter: Counter): Clue | undefined {
  const seconds = windowSeconds(facts);
  const now = known(counter.read(gpu.violations));
  const earlier = earlierGpu(facts, gpu);
  const before = earlier && known(counter.read(earlier.violations));
  if (seconds === undefined || now === undefined || before === undefined) return undefined;
  const share = (now - before) / NS_PER_SECOND / seconds;
  // More than all of the time is a counter that was read wrongly, or that has wrapped.
  if (share < THRESHOLDS.slowdownShare.value || share > SHARE_MAX) return undefined;
  const percent = Math.min(100, Math.round(share * 100));
  const ref = gpuRef(gpu);
  return gpuClue(ref, 'throttled', {
    ...common(counter),
    sign: `${counter.name} for ${percent} % of the time`,
    severity: 'warning',
    title: `${gpuName(ref)} was held down by ${counter.name} for ${percent} % of the last ${seconds.toFixed(1)} s`,
    confidence: 'high',
    evidence: [evidenceOf(facts, gpu, `${counter.name}: ${percent} % of ${seconds.toFixed(1)} s`)],
    wouldChange: 'A longer window: one peak of load is no lack of cooling.',
  });
}

function beside(facts: NodeFacts, gpu: GpuState, counter: Counter): Clue | undefined {
  const total = known(counter.read(gpu.violations)) ?? 0;
  const others = facts.driver.gpus
    .filter(other => other !== gpu)
    .flatMap(other => known(counter.read(other.violations)) ?? []);
  const uptimeNs = (known(facts.host.uptimeSeconds) ?? Infinity) * NS_PER_SECOND;
  if (total > uptimeNs * SHARE_MAX) return undefined;
  if (total < NS_PER_HOUR || !isFarAbove(total, others, NS_PER_HOUR / 10)) return undefined;
  const hours = (total / NS_PER_HOUR).toFixed(1);
  const ref = gpuRef(gpu);
  return gpuClue(ref, 'throttled-before', {
    ...common(counter),
    sign: `${hours} h of ${counter.name} so far`,
    severity: 'info',
    title: `${gpuName(ref)} was held down by ${counter.name} for ${hours} h since the driver took it, far longer than its neighbours`,
    confidence: 'medium',
    evidence: [evidenceOf(facts, gpu, `${counter.name}: ${hours} h in all`)],
    counterEvidence: ['the counter does not say when'],
  });
}

const common = ({ thermal }: Counter) =>
  ({
    ...(thermal ? { cause: 'thermal' as const } : {}),
    component: thermal ? 'thermal' : 'power',
    action: 'watch',
    advice: thermal
      ? 'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.'
      : 'Look at the power supplies and the chassis power limit (BMC).',
    blame: 'host',
  }) as const;

const evidenceOf = (facts: NodeFacts, gpu: GpuState, what: string) =>
  nvmlEvidence(facts, what, `nvidia-smi -i ${gpu.index} -q -d PERFORMANCE`);
