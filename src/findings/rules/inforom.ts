import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName } from '../facts.ts';
import { rule } from '../rule.ts';

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
              `nvidia-smi -i ${gpu.index} -q | grep -i -A6 inforom`,
            ),
          ],
          wouldChange: 'A valid checksum after a reboot.',
        }),
      ];
    }),
);
