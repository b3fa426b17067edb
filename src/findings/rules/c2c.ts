import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { C2c, GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { countsFarAbove, likeIt } from '../support/neighbours.ts';
import { earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** The chip-to-chip links between a GPU and its Grace: each that there is must be up, and lose nothing. */
export const c2c = rule(
  'c2c',
  {
    gpu: {
      decides: [
        'c2c',
        'c2c.activeLinks',
        'c2c.maxBandwidthMbps',
        'c2c.crcErrors',
        'c2c.replayErrors',
      ],
      tells: [...GPU_NAMES],
    },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const links = known(gpu.c2c);
      return links ? [...down(facts, gpu, links), ...slow(facts, gpu), ...errors(facts, gpu)] : [];
    }),
);

const C2C = { cause: 'nvlink', component: 'c2c', blame: 'hardware' } as const;

const PARTNERS =
  'Drain the node and power-cycle it; where it stays, open a case: GPU and Grace sit on one module.';

const evidence = (facts: NodeFacts, gpu: GpuState, what: string) =>
  nvmlEvidence(
    facts,
    what,
    shell`nvidia-smi c2c -s -i ${gpu.index}; nvidia-smi c2c -e -i ${gpu.index}`,
  );

function down(facts: NodeFacts, gpu: GpuState, { links, activeLinks }: C2c): readonly Clue[] {
  const up = known(activeLinks) ?? links;
  if (up >= links) return [];
  return [
    gpuClue(gpu, 'c2c-down', {
      ...C2C,
      sign: `${links - up} of ${links} C2C links are down`,
      severity: 'critical',
      title: `${gpuName(gpu)} has ${links - up} of ${links} C2C links to its CPU down`,
      action: 'power_cycle',
      advice: PARTNERS,
      confidence: 'high',
      evidence: [evidence(facts, gpu, `${up} of ${links} C2C links up`)],
      wouldChange: 'All links up in a later reading.',
    }),
  ];
}

/** Slower than on the neighbours: links of one product have one bandwidth. */
function slow(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const bandwidth = (other: GpuState) =>
    amountOf(other, ({ maxBandwidthMbps }) => maxBandwidthMbps);
  const own = bandwidth(gpu);
  const usual = Math.max(...likeIt(facts, gpu).map(other => bandwidth(other) ?? 0));
  if (own === undefined || own >= usual * LEAST_SHARE) return [];
  return [
    gpuClue(gpu, 'c2c-slow', {
      ...C2C,
      sign: `C2C links at ${own} MB/s instead of ${usual}`,
      severity: 'warning',
      title: `${gpuName(gpu)} has C2C links to its CPU at ${own} MB/s, its neighbours at ${usual}`,
      action: 'drain',
      advice: PARTNERS,
      confidence: 'medium',
      evidence: [evidence(facts, gpu, `C2C links at ${own} MB/s; neighbours at ${usual}`)],
      wouldChange: 'Full bandwidth in a reading under load.',
    }),
  ];
}

const LEAST_SHARE = 0.9;

const amountOf = (gpu: GpuState, read: (links: C2c) => Reading<number>): number | undefined => {
  const links = known(gpu.c2c);
  return links && known(read(links));
};

const COUNTERS = [
  { words: 'CRC errors', read: ({ crcErrors }: C2c) => crcErrors },
  { words: 'replays', read: ({ replayErrors }: C2c) => replayErrors },
] as const;

function errors(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const bad = COUNTERS.flatMap(({ words, read }) => {
    const count = amountOf(gpu, read) ?? 0;
    const earlier = earlierGpu(facts, gpu);
    const rate = perSecond(facts, count, earlier && amountOf(earlier, read));
    const others = facts.driver.gpus.filter(other => other !== gpu);
    const counts = others.flatMap(other => amountOf(other, read) ?? []);
    const { c2cErrorsPerSecond: limit, c2cErrorsCompared: floor, c2cErrors: many } = THRESHOLDS;
    const fast = rate !== undefined && rate >= limit.value;
    const far = countsFarAbove(count, counts, floor.value);
    return fast || far || count >= many.value ? [{ words, count, rate }] : [];
  });
  const [worst] = bad;
  if (!worst) return [];
  return [
    gpuClue(gpu, 'c2c-errors', {
      ...C2C,
      sign: `${worst.count} ${worst.words} on its C2C links`,
      severity: 'warning',
      title: `${gpuName(gpu)} has ${worst.count} ${worst.words} on the C2C links to its CPU`,
      action: 'watch',
      advice: `Look again after some minutes of load; where it goes on: ${PARTNERS}`,
      confidence: 'medium',
      evidence: bad.map(({ words, count, rate }) =>
        evidence(
          facts,
          gpu,
          `${count} ${words}${rate === undefined ? '' : `, ${rate.toFixed(1)} a second now`}`,
        ),
      ),
      counterEvidence: bad.every(({ rate }) => rate === 0) ? ['the counters do not move now'] : [],
      wouldChange: 'A counter that stands still under load is an old event.',
    }),
  ];
}
