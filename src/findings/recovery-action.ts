import type { Action, Finding } from '../contract/finding.ts';
import { findingId, gpuName, gpuRef, nvmlEvidence, type Rule } from './facts.ts';

/**
 * What the driver itself asks for. nvml.h: NVML_FI_DEV_GET_GPU_RECOVERY_ACTION (230),
 * nvmlDeviceGpuRecoveryAction_t; the same codes as in XID 154.
 */
const ASKED: Readonly<Record<number, { word: string; action: Action; advice: string }>> = {
  1: { word: 'GPU reset', action: 'reset_gpu', advice: 'Drain what uses it, then reset the GPU.' },
  2: { word: 'node reboot', action: 'reboot_node', advice: 'Drain the node and reboot it.' },
  3: {
    word: 'drain peer-to-peer work',
    action: 'drain',
    advice: 'End the jobs that use this GPU over NVLink; single-GPU work may go on.',
  },
  4: {
    word: 'drain and reset',
    action: 'drain_and_reset',
    advice: 'Let the jobs on it end, then reset the GPU.',
  },
  5: {
    word: 'recover the IMEX domain',
    action: 'fix_configuration',
    advice: 'Restart IMEX on the nodes of this NVLink domain.',
  },
};

/** The driver's recovery action, when it is not "none". */
export const recoveryAction: Rule = facts =>
  facts.driver.gpus.flatMap((gpu): readonly Finding[] => {
    if (!gpu.recoveryAction.ok) return [];
    const asked = ASKED[gpu.recoveryAction.value];
    if (!asked) return [];
    const ref = gpuRef(gpu);
    return [
      {
        id: findingId('recovery-action', ref),
        severity: 'critical',
        component: 'gpu',
        gpu: ref,
        title: `The driver asks for a recovery of ${gpuName(ref)}: ${asked.word}`,
        action: asked.action,
        advice: asked.advice,
        blame: 'hardware',
        confidence: 'high',
        evidence: [
          nvmlEvidence(
            facts,
            `recovery action ${gpu.recoveryAction.value} (${asked.word})`,
            `nvidia-smi -i ${gpu.index} -q | grep -i -A1 recovery`,
          ),
        ],
        counterEvidence: [],
      },
    ];
  });
