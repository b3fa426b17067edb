import type { Finding } from '../contract/finding.ts';
import type { GpuState } from '../nvml/port.ts';
import { findingId, gpuName, gpuRef, type NodeFacts, nvmlEvidence, type Rule } from './facts.ts';

/**
 * What the memory of each GPU asks for: remap failed, remap pending, pages pending, uncorrected
 * errors since the driver was loaded. A lifetime (aggregate) count alone is no fault: NVIDIA's
 * policy looks at volatile counts, pending remaps and failures.
 */
export const memoryErrors: Rule = facts =>
  facts.driver.gpus.flatMap(gpu => [
    ...remapFailed(facts, gpu),
    ...remapPending(facts, gpu),
    ...uncorrectedVolatile(facts, gpu),
  ]);

function remapFailed(facts: NodeFacts, gpu: GpuState): readonly Finding[] {
  if (!gpu.remappedRows.ok || !gpu.remappedRows.value.failureOccurred) return [];
  const ref = gpuRef(gpu);
  const { corrected, uncorrected } = gpu.remappedRows.value;
  return [
    {
      id: findingId('row-remap-failed', ref),
      severity: 'critical',
      component: 'memory',
      gpu: ref,
      title: `${gpuName(ref)} could not remap a failed memory row`,
      action: 'contact_support',
      advice:
        'Drain the node and open a case for this GPU with nvidia-bug-report; a reset does not cure it.',
      blame: 'hardware',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `row remapping failure occurred; remapped so far: ${corrected} for corrected, ${uncorrected} for uncorrected errors`,
          `nvidia-smi -i ${gpu.index} --query-remapped-rows=gpu_uuid,remapped_rows.failure,remapped_rows.pending --format=csv`,
        ),
      ],
      counterEvidence: [],
    },
  ];
}

function remapPending(facts: NodeFacts, gpu: GpuState): readonly Finding[] {
  const rows = gpu.remappedRows.ok && gpu.remappedRows.value.pending;
  const pages = gpu.retiredPagesPending.ok && gpu.retiredPagesPending.value;
  if (!rows && !pages) return [];
  const ref = gpuRef(gpu);
  const what = rows ? 'row remap' : 'page retirement';
  return [
    {
      id: findingId(rows ? 'row-remap-pending' : 'page-retirement-pending', ref),
      severity: 'warning',
      component: 'memory',
      gpu: ref,
      title: `${gpuName(ref)} has a ${what} pending: a reset makes it take effect`,
      action: 'drain_and_reset',
      advice: `Let the jobs on ${gpuName(ref)} end, then reset it; until then the bad memory is still in use.`,
      blame: 'hardware',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `${what} pending: yes`,
          rows
            ? `nvidia-smi -i ${gpu.index} --query-remapped-rows=gpu_uuid,remapped_rows.pending --format=csv`
            : `nvidia-smi -i ${gpu.index} -q -d PAGE_RETIREMENT`,
        ),
      ],
      counterEvidence: [],
    },
  ];
}

function uncorrectedVolatile(facts: NodeFacts, gpu: GpuState): readonly Finding[] {
  const count = gpu.eccUncorrectedVolatile;
  if (!count.ok || count.value === 0) return [];
  const ref = gpuRef(gpu);
  const aggregate = gpu.eccUncorrectedAggregate;
  const pending = gpu.remappedRows.ok && !gpu.remappedRows.value.pending;
  return [
    {
      id: findingId('ecc-uncorrected', ref),
      severity: 'critical',
      component: 'memory',
      gpu: ref,
      title: `${gpuName(ref)} has ${count.value} uncorrected ECC error${count.value === 1 ? '' : 's'} since the driver was loaded`,
      action: 'drain_and_reset',
      advice: `Drain what uses ${gpuName(ref)} and reset it; if the errors come back, open a case with nvidia-bug-report.`,
      blame: 'hardware',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `uncorrected: ${count.value} volatile${aggregate.ok ? `, ${aggregate.value} in its lifetime` : ''}`,
          `nvidia-smi -i ${gpu.index} -q -d ECC`,
        ),
      ],
      counterEvidence: pending ? ['no row remap is pending'] : [],
    },
  ];
}
