import { known, type Reading } from '../contract/reading.ts';
import type { GpuState } from '../nvml/port.ts';
import {
  type Clue,
  gpuClue,
  gpuName,
  gpuRef,
  type NodeFacts,
  nodeClue,
  nvmlEvidence,
  type Rule,
} from './facts.ts';
import { isBusy, oddOnes } from './neighbours.ts';

/**
 * A PCIe link narrower or slower than what the GPU can and most of its neighbours have. The speed is
 * compared only while the GPU works: an idle link takes it down by itself, the width it does not.
 */
export const pcieLink: Rule = facts => [...width(facts), ...speed(facts)];

const RESEAT = 'Drain the node, power it off, reseat the card or riser; compare after boot.';

function width(facts: NodeFacts): readonly Clue[] {
  const narrow = facts.driver.gpus.filter(
    gpu => (known(gpu.pcieWidthCurrent) ?? Infinity) < (known(gpu.pcieWidthMax) ?? 0),
  );
  const widestLike = (gpu: GpuState) =>
    Math.max(
      ...facts.driver.gpus
        .filter(other => known(other.name) === known(gpu.name))
        .map(other => known(other.pcieWidthCurrent) ?? 0),
    );
  const alone = narrow.filter(gpu => (known(gpu.pcieWidthCurrent) ?? 0) < widestLike(gpu));
  if (narrow.length > 0 && alone.length === 0) return [allNarrow(facts, narrow)];
  return alone.map(gpu => {
    const ref = gpuRef(gpu);
    const [current, max] = [known(gpu.pcieWidthCurrent), known(gpu.pcieWidthMax)];
    return gpuClue(ref, 'pcie-width', {
      cause: 'pcie',
      sign: `${current} PCIe lanes of ${max}`,
      severity: 'warning',
      component: 'pcie',
      title: `${gpuName(ref)} runs on ${current} PCIe lanes of ${max}`,
      action: 'drain',
      advice: RESEAT,
      blame: 'hardware',
      confidence: 'medium',
      evidence: [
        linkEvidence(
          facts,
          gpu,
          `link width x${current}, maximum x${max}, neighbours up to x${widestLike(gpu)}`,
        ),
      ],
    });
  });
}

const linkEvidence = (facts: NodeFacts, gpu: GpuState, what: string) =>
  nvmlEvidence(
    facts,
    what,
    `nvidia-smi -i ${gpu.index} --query-gpu=pcie.link.width.current,pcie.link.width.max,pcie.link.gen.current,pcie.link.gen.max --format=csv`,
  );

/** The same on every GPU: how the machine or the virtual machine is wired. */
function allNarrow(facts: NodeFacts, gpus: readonly GpuState[]): Clue {
  const [first] = gpus;
  const [current, max] = [known(first?.pcieWidthCurrent), known(first?.pcieWidthMax)];
  return nodeClue('pcie-width', {
    severity: 'info',
    component: 'pcie',
    title: `${gpus.length === 1 ? 'The GPU runs' : `All ${gpus.length} GPUs run`} on ${current} PCIe lanes of ${max}`,
    action: 'watch',
    advice:
      'All GPUs here have this width: it is how the machine or virtual machine is wired, unless it was different before.',
    blame: 'configuration',
    confidence: 'low',
    evidence: first ? [linkEvidence(facts, first, `link width x${current}, maximum x${max}`)] : [],
  });
}

function speed(facts: NodeFacts): readonly Clue[] {
  const underLoad = (gpu: GpuState): Reading<number> =>
    isBusy(gpu) ? gpu.pcieGenerationCurrent : { ok: false, reason: 'not_read' };
  return oddOnes(facts, underLoad)
    .filter(({ value, usual }) => value < usual)
    .map(({ gpu, value, usual, agreeing }) => {
      const ref = gpuRef(gpu);
      return gpuClue(ref, 'pcie-speed', {
        cause: 'pcie',
        sign: `PCIe generation ${value} instead of ${usual}`,
        severity: 'warning',
        component: 'pcie',
        title: `${gpuName(ref)} works on a PCIe link of generation ${value}, its neighbours on ${usual}`,
        action: 'drain',
        advice: RESEAT,
        blame: 'hardware',
        confidence: 'medium',
        evidence: [
          linkEvidence(
            facts,
            gpu,
            `generation ${value} while ${known(gpu.gpuUtilizationPercent) ?? '?'} % busy; ${agreeing} busy neighbours have ${usual}`,
          ),
        ],
      });
    });
}
