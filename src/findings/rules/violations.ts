import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState, Violations } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFarAbove } from '../support/neighbours.ts';
import { SHARE_MAX, shareOf } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { slowdownCause } from './slowdown.ts';

const NS_PER_HOUR = 3_600e9;

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
export const violations = rule(
  'violations',
  {
    gpu: {
      decides: ['violations.hwThermalNs', 'violations.hwPowerBrakeNs', 'violations.thermalNs'],
      tells: [...GPU_NAMES, 'clocksEventReasons'],
    },
    host: { tells: ['uptimeSeconds'] },
    earlier: true,
  },
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      for (const counter of COUNTERS) {
        const found = inWindow(facts, gpu, counter) ?? beside(facts, gpu, counter);
        if (found) return [found];
      }
      return [];
    }),
);

function inWindow(facts: NodeFacts, gpu: GpuState, counter: Counter): Clue | undefined {
  const window = shareOf(facts, gpu, counter.read);
  // A bit that says so was seen as well: the rule on it tells both.
  if (slowdownCause(facts, gpu)?.thermal === counter.thermal) return undefined;
  if (!window || window.share < THRESHOLDS.slowdownShare.value) return undefined;
  const { seconds } = window;
  const percent = Math.round(window.share * 100);
  return gpuClue(gpu, 'throttled', {
    ...common(counter),
    sign: `${counter.name} for ${percent} % of the time`,
    severity: 'warning',
    title: `${gpuName(gpu)} was held down by ${counter.name} for ${percent} % of the last ${seconds.toFixed(1)} s`,
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
  // More than the machine is up is a counter that was read wrongly.
  const uptimeNs = (known(facts.host.uptimeSeconds) ?? Infinity) * 1e9;
  if (total > uptimeNs * SHARE_MAX) return undefined;
  if (total < NS_PER_HOUR || !isFarAbove(total, others, NS_PER_HOUR / 10)) return undefined;
  const hours = (total / NS_PER_HOUR).toFixed(1);
  return gpuClue(gpu, 'throttled-before', {
    ...common(counter),
    sign: `${hours} h of ${counter.name} so far`,
    severity: 'info',
    title: `${gpuName(gpu)} was held down by ${counter.name} for ${hours} h since the driver took it, far longer than its neighbours`,
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
