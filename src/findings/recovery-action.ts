import type { Action } from '../contract/finding.ts';
import { known } from '../contract/reading.ts';
import type { GpuState } from '../nvml/port.ts';
import { type Clue, gpuClue, gpuName, gpuRef, nvmlEvidence, type Rule } from './facts.ts';

interface Asked {
  readonly word: string;
  readonly action: Action;
  readonly advice: string;
}

/**
 * What the driver itself asks for. nvml.h: NVML_FI_DEV_GET_GPU_RECOVERY_ACTION (230),
 * nvmlDeviceGpuRecoveryAction_t; the same codes as in XID 154.
 */
const ASKED: Readonly<Record<number, Asked>> = {
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

/** The driver's recovery action, when it is not "none"; older drivers have two flags instead. */
export const recoveryAction: Rule = facts =>
  facts.driver.gpus.flatMap((gpu): readonly Clue[] => {
    const found = askedOf(gpu);
    if (!found) return [];
    const { asked, field } = found;
    const ref = gpuRef(gpu);
    const fabric = asked.action === 'fix_configuration';
    return [
      gpuClue(ref, 'recovery-action', {
        cause: 'asked',
        sign: `the driver asks for: ${asked.word}`,
        severity: 'critical',
        component: fabric ? 'fabric' : 'gpu',
        title: `The driver asks for a recovery of ${gpuName(ref)}: ${asked.word}`,
        action: asked.action,
        advice: asked.advice,
        blame: fabric ? 'fabric' : 'hardware',
        confidence: 'high',
        evidence: [
          nvmlEvidence(
            facts,
            `${field} (${asked.word})`,
            `nvidia-smi -i ${gpu.index} -q | grep -i -A1 recovery`,
          ),
        ],
      }),
    ];
  });

function askedOf(gpu: GpuState): { readonly asked: Asked; readonly field: string } | undefined {
  if (gpu.recoveryAction.ok) {
    const asked = ASKED[gpu.recoveryAction.value];
    return asked && { asked, field: `recovery action ${gpu.recoveryAction.value}` };
  }
  const [field, code] = known(gpu.resetRequired)
    ? ['reset required: yes', 1]
    : known(gpu.drainAndResetRecommended)
      ? ['drain and reset recommended: yes', 4]
      : ['', 0];
  const asked = ASKED[code];
  return asked && { asked, field };
}
