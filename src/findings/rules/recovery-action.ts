import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { RECOVERY_ACTIONS } from '../../xid/nvidia-actions.ts';
import { type Clue, gpuClue, gpuName, gpuRef, nvmlEvidence, type Rule } from '../facts.ts';

/** The driver's recovery action, when it is not "none"; older drivers have two flags instead. */
export const recoveryAction: Rule = facts =>
  facts.driver.gpus.flatMap((gpu): readonly Clue[] => {
    const { code, field } = askedOf(gpu);
    if (code === 0) return [];
    const asked = RECOVERY_ACTIONS[code];
    const word = asked?.name ?? `code ${code}, which this program does not know`;
    const ref = gpuRef(gpu);
    const fabric = asked?.action === 'fix_configuration';
    return [
      gpuClue(ref, 'recovery-action', {
        cause: 'asked',
        sign: `the driver asks for: ${word}`,
        severity: 'critical',
        component: fabric ? 'fabric' : 'gpu',
        title: `The driver asks for a recovery of ${gpuName(ref)}: ${word}`,
        action: asked?.action ?? 'contact_support',
        advice:
          asked?.advice ??
          'Look the code up in the nvml.h of the loaded driver (nvmlDeviceGpuRecoveryAction_t).',
        blame: asked ? (fabric ? 'fabric' : 'hardware') : 'unknown',
        confidence: asked ? 'high' : 'low',
        evidence: [
          nvmlEvidence(
            facts,
            `${field} (${word})`,
            `nvidia-smi -i ${gpu.index} -q | grep -i -A1 recovery`,
          ),
        ],
        wouldChange: 'The driver withdraws its demand when the GPU has recovered.',
      }),
    ];
  });

function askedOf(gpu: GpuState): { readonly code: number; readonly field: string } {
  if (gpu.recoveryAction.ok) {
    const code = gpu.recoveryAction.value;
    return { code, field: `recovery action ${code}` };
  }
  if (known(gpu.resetRequired)) return { code: 1, field: 'reset required: yes' };
  if (known(gpu.drainAndResetRecommended)) {
    return { code: 4, field: 'drain and reset recommended: yes' };
  }
  return { code: 0, field: '' };
}
