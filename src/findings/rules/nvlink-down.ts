import { known, missing, present, type Reading } from '../../contract/reading.ts';
import type { GpuState, NvLink } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isOnBaseboard, outliers } from '../support/neighbours.ts';
import { linksOf } from './nvlink-errors.ts';

/**
 * NVLinks that are down although the GPU's neighbours have them up, or, on a board where all links
 * are wired (SXM), although the GPU's other links are up. How many links a GPU has is its own word:
 * a B200 knows 36 indexes and has 18 links; bridges of PCIe cards wire some of them or none.
 */
export const nvlinkDown = rule(
  'nvlink-down',
  {
    gpu: {
      decides: [
        ...['handle', 'name', 'virtualizationMode', 'nvlinks', 'nvlinks.links.state'],
        'nvlinks.links.remoteType',
      ],
      tells: [...GPU_NAMES, 'migMode', 'nvlinks.links.remotePci'],
    },
  } as const,
  facts => {
    const active = (gpu: GpuState) => activeLinks(facts, gpu);
    const few = outliers(facts, active)
      // Cards without a bridge beside cards with one are how the machine was built.
      .filter(({ gpu, value, usual }) => value < usual && (value > 0 || isOnBaseboard(gpu)))
      .map(({ gpu, value, usual, agreeing }) =>
        down(facts, gpu, {
          expected: usual,
          value,
          against: `${agreeing} neighbours have ${usual} up`,
        }),
      );
    if (few.length > 0) return few;
    return facts.driver.gpus.flatMap(gpu => {
      const up = known(active(gpu)) ?? 0;
      const all = linksOf(gpu).length;
      if (!isOnBaseboard(gpu) || !isWhole(gpu) || up === 0 || up === all) return [];
      return [down(facts, gpu, { expected: all, value: up, against: `the GPU has ${all} links` })];
    });
  },
);

/** A virtual machine may have some GPUs of a board: links to the others are down for ever. */
const isWhole = (gpu: GpuState): boolean =>
  known(gpu.virtualizationMode) === 'none' ||
  linksOf(gpu).some(({ remoteType }) => known(remoteType) === 'switch');

/** How many links are up; missing where this says nothing of the links themselves. */
function activeLinks(facts: NodeFacts, gpu: GpuState): Reading<number> {
  if (!gpu.nvlinks.ok) return gpu.nvlinks;
  const { links } = gpu.nvlinks.value;
  // MIG takes the links of its GPU down (NVIDIA Fabric Manager user guide).
  if (known(gpu.migMode)?.current) return missing('not_supported', 'MIG');
  // Where GPUs are wired to each other, the links to a lost one are down for its sake.
  const lost = facts.driver.gpus.some(other => !other.handle.ok);
  const toGpus = links.some(({ remoteType }) => known(remoteType) === 'gpu');
  if (lost && toGpus) return missing('invalid_state', 'a GPU that it is wired to is lost');
  // A link whose state could not be read is not known to be down; that it was not read is a gap.
  return present(links.filter(link => !isDown(link)).length);
}

const isDown = ({ state }: NvLink): boolean =>
  state.ok && state.value !== 'active' && state.value !== 'sleep';

function down(
  facts: NodeFacts,
  gpu: GpuState,
  { expected, value, against }: { expected: number; value: number; against: string },
): Clue {
  const dead = linksOf(gpu).filter(isDown);
  const names = dead.map(link => link.link).join(', ');
  const remotes = [...new Set(dead.flatMap(link => known(link.remotePci) ?? []))];
  return gpuClue(gpu, 'nvlink-down', {
    cause: 'nvlink',
    sign: `${expected - value} of ${expected} NVLinks are down`,
    severity: 'critical',
    component: 'nvlink',
    title: `${gpuName(gpu)} has ${expected - value} of ${expected} NVLinks down${names === '' ? '' : `: link ${names}`}`,
    action: 'drain_and_reset',
    advice:
      'Drain the node and reset its GPUs (on NVSwitch machines all together); if the link stays down, look at the baseboard, tray or bridge with NVIDIA.',
    blame: 'fabric',
    confidence: 'high',
    evidence: [
      nvmlEvidence(
        facts,
        `${value} links up; ${against}${remotes.length > 0 ? `; the other end is ${remotes.join(', ')}` : ''}`,
        `nvidia-smi nvlink -s -i ${gpu.index}`,
      ),
    ],
    wouldChange: 'XID 74 or 144 to 150, or an SXid of the switch, would tell which end failed.',
  });
}
