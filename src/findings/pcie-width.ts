import type { Finding } from '../contract/finding.ts';
import { known } from '../contract/reading.ts';
import { findingId, gpuName, gpuRef, nvmlEvidence, type Rule } from './facts.ts';

/**
 * A PCIe link narrower than the GPU can and than most of its neighbours have. The generation is
 * left alone: an idle link takes it down by itself, the width it does not.
 */
export const pcieWidth: Rule = facts => {
  const widths = facts.driver.gpus.flatMap(gpu => known(gpu.pcieWidthCurrent) ?? []);
  const usual = widths.toSorted((a, b) => a - b)[Math.floor(widths.length / 2)];
  return facts.driver.gpus.flatMap((gpu): readonly Finding[] => {
    const current = known(gpu.pcieWidthCurrent);
    const max = known(gpu.pcieWidthMax);
    if (current === undefined || max === undefined || current >= max) return [];
    const ref = gpuRef(gpu);
    const alone = usual !== undefined && widths.length > 1 && current < usual;
    return [
      {
        id: findingId('pcie-width', ref),
        severity: alone ? 'warning' : 'info',
        component: 'pcie',
        gpu: ref,
        title: `${gpuName(ref)} runs on ${current} PCIe lanes of ${max}`,
        action: alone ? 'drain' : 'watch',
        advice: alone
          ? 'Drain the node, power it off, reseat the card or riser; compare after boot.'
          : 'All GPUs here have this width: it is how the machine or virtual machine is wired, unless it was different before.',
        blame: alone ? 'hardware' : 'configuration',
        confidence: alone ? 'medium' : 'low',
        evidence: [
          nvmlEvidence(
            facts,
            `link width x${current}, maximum x${max}${alone ? `, neighbours x${usual}` : ''}`,
            `nvidia-smi -i ${gpu.index} --query-gpu=pcie.link.width.current,pcie.link.width.max --format=csv`,
          ),
        ],
        counterEvidence: [],
      },
    ];
  });
};
