import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuState, NvLink } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { linksOf } from './nvlink-errors.ts';

/**
 * NVLinks that are up and slower than the fastest link of the same model on this node; where all are
 * alike, than what the product's links are sold with; and a mode that gives the node less bandwidth.
 */
export const nvlinkSpeed = rule(
  'nvlink-speed',
  {
    gpu: {
      decides: [...['name', 'nvlinks', 'nvlinks.links.state', 'nvlinks.links.speedMbps']],
      tells: [...GPU_NAMES],
    },
    driver: { decides: ['nvlinkBandwidthMode'] },
  } as const,
  facts => [
    ...bandwidthMode(facts),
    ...facts.driver.gpus.flatMap(gpu => {
      const usual = fastest(facts, gpu);
      const slow = upLinks(gpu).filter(link => (speedOf(link) ?? usual) < usual * LEAST_SHARE);
      const [first] = slow;
      if (!first) return [];
      const names = slow.map(({ link }) => link).join(', ');
      const speed = speedOf(first);
      return [
        gpuClue(gpu, 'nvlink-slow', {
          cause: 'nvlink',
          sign: `${slow.length} NVLinks at ${speed} MB/s instead of ${usual}`,
          severity: 'warning',
          component: 'nvlink',
          title: `${gpuName(gpu)} has ${slow.length} NVLinks at ${speed} MB/s instead of ${usual}: link ${names}`,
          action: 'drain',
          advice:
            'Move multi-GPU work away; look whether someone has set an NVLink bandwidth mode (nvidia-smi nvlink -gBwMode), then at cable, bridge, tray or baseboard.',
          blame: 'fabric',
          confidence: 'high',
          evidence: [
            nvmlEvidence(
              facts,
              `link ${names} at ${speed} MB/s; ${usual} MB/s is what such a link has`,
              `nvidia-smi nvlink -s -i ${gpu.index}`,
            ),
          ],
          wouldChange: 'A bandwidth mode that someone has set on purpose.',
        }),
      ];
    }),
  ],
);

/** Links of one product are trained to one speed; drivers round it in two ways. */
const LEAST_SHARE = 0.9;

const upLinks = (gpu: GpuState): readonly NvLink[] =>
  linksOf(gpu).filter(({ state }) => known(state) === 'active');

const speedOf = ({ speedMbps }: NvLink): number | undefined => known(speedMbps);

function fastest({ driver }: NodeFacts, gpu: GpuState): number {
  const name = known(gpu.name);
  const like = driver.gpus.filter(other => known(other.name) === name);
  const speeds = like.flatMap(upLinks).flatMap(link => speedOf(link) ?? []);
  const product = PRODUCTS.find(({ model }) => model.test(name ?? ''));
  // A driver that gives no speed gives 0 for every link.
  return speeds.some(speed => speed > 0) ? Math.max(product?.mbps ?? 0, ...speeds) : 0;
}

/** MB/s of a link in one direction, as drivers give it at least (NVIDIA, product pages: 300, 600, 900, 1800 GB/s). */
const PRODUCTS = [
  { model: /V100-SXM/, mbps: 25_000 },
  { model: /A100-SXM|A800-SXM/, mbps: 25_000 },
  { model: /\bH[12]00\b|\bH800\b|\bH20\b/, mbps: 25_000 },
  { model: /\bG?B[23]00\b/, mbps: 50_000 },
];

function bandwidthMode(facts: NodeFacts): readonly Clue[] {
  const mode = known(facts.driver.nvlinkBandwidthMode) ?? 'full';
  if (mode === 'full') return [];
  return [
    nodeClue('nvlink-bandwidth-mode', {
      severity: 'warning',
      component: 'nvlink',
      title: `Someone has set the NVLink bandwidth mode of this node to ${plainText(mode, 16)}`,
      action: 'fix_configuration',
      advice:
        'Set it back to FULL when nothing runs (nvidia-smi nvlink -sBwMode FULL), or find out who set it.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(facts, `bandwidth mode ${plainText(mode, 16)}`, 'nvidia-smi nvlink -gBwMode'),
      ],
      wouldChange: 'A mode that was set on purpose, to save power.',
    }),
  ];
}
