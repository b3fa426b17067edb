import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { RECOVERY_ACTIONS } from '../../xid/nvidia-actions.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName } from '../facts.ts';
import { rule } from '../rule.ts';

/** The driver's recovery action, when it is not "none"; older drivers have two flags instead. */
export const recoveryAction = rule(
  'recovery-action',
  {
    gpu: {
      decides: ['recoveryAction', 'resetRequired', 'drainAndResetRecommended'],
      tells: [...GPU_NAMES],
    },
  },
  facts =>
    facts.driver.gpus.flatMap((gpu): readonly Clue[] => {
      const { code, field } = demandOf(gpu);
      if (code === 0) return [];
      const demand = RECOVERY_ACTIONS[code];
      const word = demand?.name ?? `code ${code}, which this program does not know`;
      const fabric = demand?.action === 'fix_configuration';
      return [
        gpuClue(gpu, 'recovery-action', {
          cause: 'asked',
          sign: `the driver asks for: ${word}`,
          severity: 'critical',
          component: fabric ? 'fabric' : 'gpu',
          title: `The driver asks for a recovery of ${gpuName(gpu)}: ${word}`,
          action: demand?.action ?? 'contact_support',
          advice:
            demand?.advice ??
            'Look the code up in the nvml.h of the loaded driver (nvmlDeviceGpuRecoveryAction_t).',
          blame: demand ? (fabric ? 'fabric' : 'hardware') : 'unknown',
          confidence: demand ? 'high' : 'low',
          evidence: [
            nvmlEvidence(
              facts,
              `${field} (${word})`,
              shell`nvidia-smi -i ${gpu.index} -q | grep -i -A1 recovery`,
            ),
          ],
          wouldChange: 'The driver withdraws its demand when the GPU has recovered.',
        }),
      ];
    }),
);

function demandOf(gpu: GpuState): { readonly code: number; readonly field: string } {
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

/** The board's own storage is corrupt: it holds the board's identity and what was remapped. */
export const inforom = rule(
  'inforom',
  {
    gpu: {
      decides: [
        ...['inforom.imageVersion', 'inforom.oemVersion', 'inforom.eccVersion'],
        ...['inforom.powerVersion', 'inforom.configurationChecksum', 'inforom.valid'],
      ],
      tells: [...GPU_NAMES],
    },
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const corrupt = Object.entries(gpu.inforom).filter(
        ([, reading]) => !reading.ok && reading.reason === 'corrupted_inforom',
      );
      if (corrupt.length === 0) return [];
      return [
        gpuClue(gpu, 'inforom-corrupt', {
          severity: 'warning',
          component: 'gpu',
          title: `${gpuName(gpu)} has a corrupt InfoROM`,
          action: 'contact_support',
          advice:
            'Open a case with nvidia-bug-report: the board forgets its remapped rows and settings; it may work on until it is replaced.',
          blame: 'hardware',
          confidence: 'high',
          evidence: [
            nvmlEvidence(
              facts,
              `corrupted_inforom for ${corrupt.map(([name]) => name).join(', ')}`,
              shell`nvidia-smi -i ${gpu.index} -q | grep -i -A6 inforom`,
            ),
          ],
          wouldChange: 'A valid checksum after a reboot.',
        }),
      ];
    }),
);
