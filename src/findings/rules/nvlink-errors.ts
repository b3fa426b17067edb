import { known } from '../../contract/reading.ts';
import type { GpuState, NvLink } from '../../nvml/port.ts';
import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFarAbove } from '../support/neighbours.ts';
import { earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * NVLinks that lose packets: by their rate where two readings were taken, else beside all other
 * links of the node. What a link counted since it was trained is by itself no fault.
 */
export const nvlinkErrors = rule(
  'nvlink-errors',
  {
    gpu: {
      decides: [
        ...['nvlinks', 'nvlinks.links.errors.replay', 'nvlinks.links.errors.recovery'],
        ...['nvlinks.links.errors.crcFlit', 'nvlinks.links.errors.crcData'],
        ...['nvlinks.links.errors.recoveryFailed', 'nvlinks.links.errors.effective'],
      ],
      tells: [...GPU_NAMES],
    },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const bad = linksOf(gpu).flatMap(link => {
        const why = whyBad(facts, gpu, link);
        return why === undefined ? [] : [{ link, why }];
      });
      const [worst] = bad;
      const still = bad.every(({ link }) => stoodStill(facts, gpu, link));
      if (!worst) return [];
      const links = bad.map(({ link }) => link.link).join(', ');
      return [
        gpuClue(gpu, 'nvlink-errors', {
          cause: 'nvlink',
          sign: `errors on NVLink ${links}`,
          severity: 'warning',
          component: 'nvlink',
          title: `${gpuName(gpu)} has errors on NVLink ${links}: ${worst.why}`,
          action: 'watch',
          advice:
            'Look again after some minutes of traffic; where it goes on, drain the node and have cable, bridge or baseboard checked.',
          blame: 'fabric',
          confidence: 'medium',
          evidence: bad
            .slice(0, EVIDENCE_MAX)
            .map(({ link, why }) =>
              nvmlEvidence(
                facts,
                `link ${link.link}: ${why}`,
                `nvidia-smi nvlink -e -i ${gpu.index}`,
              ),
            ),
          counterEvidence: still ? ['the counters stood still while they were watched'] : [],
          wouldChange: 'A counter that stands still under traffic is an old event.',
        }),
      ];
    }),
);

const EVIDENCE_MAX = 4;

export const linksOf = (gpu: GpuState): readonly NvLink[] => known(gpu.nvlinks)?.links ?? [];

const earlierLink = (facts: NodeFacts, gpu: GpuState, { link }: NvLink): NvLink | undefined => {
  const before = earlierGpu(facts, gpu);
  return before && linksOf(before).find(other => other.link === link);
};

function stoodStill(facts: NodeFacts, gpu: GpuState, link: NvLink): boolean {
  const earlier = earlierLink(facts, gpu, link);
  return earlier !== undefined && errorsOfLink(link) === errorsOfLink(earlier);
}

function whyBad(facts: NodeFacts, gpu: GpuState, link: NvLink): string | undefined {
  const failed = known(link.errors.recoveryFailed) ?? 0;
  if (failed > 0) return `${failed} recoveries failed`;
  const earlier = earlierLink(facts, gpu, link);
  const crc = crcOf(link);
  const rate = perSecond(facts, crc, earlier && crcOf(earlier));
  const { nvlinkCrcPerSecond: limit, nvlinkErrorsCompared: floor } = THRESHOLDS;
  if (rate !== undefined && rate >= limit.value) {
    return `${Math.round(rate)} CRC errors a second, limit ${limit.value} (${limit.source})`;
  }
  const total = errorsOfLink(link);
  if (total < floor.value) return undefined;
  const others = facts.driver.gpus.flatMap(linksOf).filter(other => other !== link);
  return isFarAbove(total, others.map(errorsOfLink), floor.value / 10)
    ? `${total} errors since it was trained, far more than the other links`
    : undefined;
}

const crcOf = ({ errors }: NvLink): number =>
  (known(errors.crcFlit) ?? 0) + (known(errors.crcData) ?? 0);

/** Symbol errors are left out: forward error correction makes them normal on NVLink 5. */
export const errorsOfLink = (link: NvLink): number =>
  crcOf(link) +
  (known(link.errors.replay) ?? 0) +
  (known(link.errors.recovery) ?? 0) +
  (known(link.errors.effective) ?? 0);
