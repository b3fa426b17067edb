import { known } from '../../contract/reading.ts';
import { nodeClue, nvmlEvidence } from '../clue.ts';
import { rule } from '../rule.ts';
import { isOnBaseboard } from '../support/neighbours.ts';

/** Baseboards for SXM modules carry so many GPUs; one less means that a module does not come up. */
const BOARDS = [4, 8, 16];

/**
 * A GPU that no layer knows any more: the bus of a bare machine with SXM modules shows one less
 * than its baseboard carries. Nothing else on the node would ever mention it.
 */
export const absentGpu = rule(
  'absent-gpu',
  {
    gpu: { decides: ['name', 'virtualizationMode'], tells: ['moduleId'] },
    host: { decides: ['pciDevices'] },
  },
  facts => {
    const onBus = known(facts.host.pciDevices)?.filter(
      ({ kind, function: fn }) => kind === 'gpu' && fn === 0,
    );
    const { gpus } = facts.driver;
    const board = gpus.length > 0 && gpus.every(isOnBaseboard);
    const bare = gpus.every(gpu => known(gpu.virtualizationMode) === 'none');
    if (!onBus || !board || !bare || !BOARDS.includes(onBus.length + 1)) return [];
    const modules = gpus.flatMap(gpu => known(gpu.moduleId) ?? []);
    const missing = Array.from({ length: onBus.length + 1 }, (_, at) => at + 1).filter(
      id => !modules.includes(id),
    );
    const [module] = missing;
    const where = modules.length > 0 && missing.length === 1 ? `: module ${module} is absent` : '';
    return [
      nodeClue('gpu-absent', {
        severity: 'critical',
        component: 'gpu',
        title: `The PCI bus shows ${onBus.length} GPUs on a baseboard for ${onBus.length + 1}${where}`,
        action: 'power_cycle',
        advice:
          'Drain the node and power-cycle it; where the GPU stays away, look into the BMC and open a case with NVIDIA.',
        blame: 'hardware',
        confidence: where === '' ? 'low' : 'medium',
        evidence: [
          {
            what: `${onBus.length} GPUs: ${onBus.map(({ pci }) => pci).join(', ')}`,
            source: '/sys/bus/pci/devices',
            command: 'lspci -d 10de:',
          },
          ...(modules.length > 0
            ? [
                nvmlEvidence(
                  facts,
                  `modules ${modules.join(', ')}`,
                  'nvidia-smi -q | grep -i "module id"',
                ),
              ]
            : []),
        ],
        wouldChange: 'A machine that was built or is sold with fewer modules.',
      }),
    ];
  },
);
