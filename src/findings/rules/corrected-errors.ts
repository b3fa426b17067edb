import { known, mapReading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { countsFarAbove, likeIt } from '../support/neighbours.ts';
import { earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * Corrected errors harm no result, but each takes time, and a flood of them is memory that fails.
 * They are judged by how fast they come, by their sum, and beside the neighbours.
 */
export const correctedErrors = rule(
  'corrected-errors',
  {
    gpu: {
      decides: [
        ...['eccCorrectedVolatile', 'eccCorrectedAggregate', 'sramErrors'],
        ...['eccByLocation.sramCorrectedVolatile', 'eccByLocation.sramCorrectedAggregate'],
        ...['eccByLocation.dramCorrectedVolatile', 'eccByLocation.dramCorrectedAggregate'],
      ],
      tells: [...GPU_NAMES],
    },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const why = tooMany(facts, gpu);
      if (why === undefined) return [];
      return [
        gpuClue(gpu, 'ecc-corrected', {
          cause: 'memory',
          sign: 'a flood of corrected ECC errors',
          severity: 'warning',
          component: 'memory',
          title: `${gpuName(gpu)} has a flood of corrected ECC errors: ${why.what}`,
          action: 'contact_support',
          advice:
            'Results are right, but each correction takes time, and the memory wears: move long jobs off this GPU and open a case with nvidia-bug-report.',
          blame: 'hardware',
          confidence: why.confidence,
          evidence: [nvmlEvidence(facts, why.text, `nvidia-smi -i ${gpu.index} -q -d ECC`)],
          wouldChange: 'Counts that stand still under load, after a reset of this GPU.',
        }),
      ];
    }),
);

interface Flood {
  readonly what: string;
  readonly text: string;
  readonly confidence: 'high' | 'medium';
}

function tooMany(facts: NodeFacts, gpu: GpuState): Flood | undefined {
  const now = known(gpu.eccCorrectedVolatile) ?? 0;
  const earlier = earlierGpu(facts, gpu);
  const rate = perSecond(facts, now, earlier && known(earlier.eccCorrectedVolatile)) ?? 0;
  const { correctedPerSecond, correctedCompared } = THRESHOLDS;
  if (rate >= correctedPerSecond.value) {
    const what = `${Math.round(rate)} a second`;
    return { what, text: `corrected: ${what}, ${now} volatile`, confidence: 'high' };
  }
  for (const { place, since, counts, limit } of sumsOf(gpu)) {
    const most = Math.max(0, ...counts.flatMap(count => known(count) ?? []));
    if (most <= limit.value) continue;
    return {
      what: `${most}${place}${since}`,
      text: `corrected${place}: ${most}${since}; the limit is ${limit.value} (${limit.source})`,
      confidence: 'high',
    };
  }
  const others = likeIt(facts, gpu).flatMap(other => known(other.eccCorrectedVolatile) ?? []);
  const { value } = correctedCompared;
  if (!countsFarAbove(now, others, value)) return undefined;
  return {
    what: `${now}${VOLATILE}`,
    text: `corrected: ${now} volatile; neighbours ${others.join(', ')}`,
    confidence: 'medium',
  };
}

const VOLATILE = ' since the driver was loaded';
const AGGREGATE = ' in its life';

/** What Azure's check compares with its limits, and the totals, which may count what no place does. */
const sumsOf = (gpu: GpuState) => {
  const { eccByLocation: by, sramErrors, eccCorrectedVolatile, eccCorrectedAggregate } = gpu;
  return [
    {
      place: ' in SRAM',
      since: VOLATILE,
      counts: [by.sramCorrectedVolatile, mapReading(sramErrors, sram => sram.correctedVolatile)],
      limit: THRESHOLDS.correctedSram,
    },
    {
      place: ' in SRAM',
      since: AGGREGATE,
      counts: [by.sramCorrectedAggregate, mapReading(sramErrors, sram => sram.correctedAggregate)],
      limit: THRESHOLDS.correctedSram,
    },
    {
      place: '',
      since: VOLATILE,
      counts: [eccCorrectedVolatile, by.dramCorrectedVolatile],
      limit: THRESHOLDS.corrected,
    },
    {
      place: '',
      since: AGGREGATE,
      counts: [eccCorrectedAggregate, by.dramCorrectedAggregate],
      limit: THRESHOLDS.corrected,
    },
  ] as const;
};
