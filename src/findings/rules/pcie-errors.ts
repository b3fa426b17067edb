import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, HOST_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFarAbove } from '../support/neighbours.ts';
import { gpusOnBus } from '../support/places.ts';
import { correctedGrowth, earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** Errors on the PCIe link of a GPU: uncorrected ones by themselves, corrected ones beside the neighbours'. */
export const pcieErrors = rule(
  'pcie-errors',
  {
    gpu: { decides: ['pcieReplayCounter'], tells: [...GPU_NAMES] },
    host: {
      decides: ['pciDevices', 'pciDevices.aerFatal', 'pciDevices.aerCorrectable'],
      tells: [...HOST_NAMES, 'pciDevices.aerNonFatal'],
    },
    log: true,
    earlier: true,
    secondLook: true,
  },
  facts => [
    ...facts.driver.gpus.flatMap(gpu => replays(facts, gpu)),
    ...uncorrectedAer(facts),
    ...correctedAer(facts),
  ],
);

const PCIE = {
  cause: 'pcie',
  component: 'pcie',
  blame: 'hardware',
} as const;
const RESEAT =
  'Drain the node at the next chance and reseat the card, riser or cable; watch the counter meanwhile.';

function replays(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const total = known(gpu.pcieReplayCounter);
  if (total === undefined) return [];
  const before = earlierGpu(facts, gpu);
  const rate = perSecond(facts, total, known(before?.pcieReplayCounter));
  const { pcieReplaysPerSecond: limit, pcieErrorsCompared: floor } = THRESHOLDS;
  const others = facts.driver.gpus
    .filter(other => other !== gpu)
    .flatMap(other => known(other.pcieReplayCounter) ?? []);
  const fast = rate !== undefined && rate >= limit.value;
  const far = total >= floor.value && isFarAbove(total, others, floor.value / 10);
  if (!fast && !far) return [];
  return [
    gpuClue(gpu, 'pcie-replays', {
      ...PCIE,
      sign: `${total} PCIe replays`,
      severity: 'warning',
      title: `${gpuName(gpu)} repeats PCIe packets${fast ? ` ${Math.round(rate)} times a second` : `: ${total} replays`}`,
      action: 'watch',
      advice: RESEAT,
      byHand: true,
      confidence: fast ? 'high' : 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          `replay counter ${total}${rate === undefined ? '' : `, ${rate.toFixed(1)} a second now`}; neighbours ${others.join(', ')}`,
          `nvidia-smi -i ${gpu.index} -q | grep -i replay`,
        ),
      ],
      counterEvidence: rate === 0 ? ['the counter does not move now'] : [],
      wouldChange: 'A second reading under load tells whether the counter still moves.',
    }),
  ];
}

/** Counts of the GPU itself: those of bridges may be another device's. */
function uncorrectedAer(facts: NodeFacts): readonly Clue[] {
  const gpus = gpusOnBus(facts);
  const nonFatal = gpus.map(gpu => known(gpu.aerNonFatal) ?? 0);
  return gpus.flatMap((device, at) => {
    const fatal = known(device.aerFatal) ?? 0;
    const own = nonFatal[at] ?? 0;
    // Enumeration leaves one or two of these on every device of some machines.
    const standsOut = own > Math.max(0, ...nonFatal.filter((_, other) => other !== at));
    if (fatal === 0 && !(own > 0 && standsOut)) return [];
    const ref = gpuAt(facts, device.pci);
    return [
      gpuClue(ref, 'pcie-aer', {
        ...PCIE,
        sign: 'PCIe errors that were not corrected',
        severity: fatal > 0 ? 'warning' : 'info',
        title: `${gpuName(ref)} had PCIe errors that were not corrected: ${fatal} fatal, ${own} non-fatal since boot`,
        action: fatal > 0 ? 'drain' : 'watch',
        advice:
          fatal > 0
            ? 'Drain the node, then look at the kernel log for AER lines and reseat the card.'
            : RESEAT,
        byHand: true,
        confidence: fatal > 0 ? 'high' : 'medium',
        evidence: [
          {
            what: `AER since boot: ${fatal} fatal, ${own} non-fatal`,
            source: `/sys/bus/pci/devices/${device.pci}.0/aer_dev_*`,
            command: `cat /sys/bus/pci/devices/${device.pci}.0/aer_dev_fatal /sys/bus/pci/devices/${device.pci}.0/aer_dev_nonfatal`,
          },
        ],
        wouldChange:
          'A reset of the GPU or a rescan of the bus at that time leaves such counts behind.',
        counterEvidence:
          fatal === 0 ? ['non-fatal errors can be left by the enumeration at boot'] : [],
      }),
    ];
  });
}

function correctedAer(facts: NodeFacts): readonly Clue[] {
  const gpus = gpusOnBus(facts);
  const floor = THRESHOLDS.pcieErrorsCompared.value;
  return gpus.flatMap(device => {
    const count = known(device.aerCorrectable) ?? 0;
    const others = gpus
      .filter(other => other !== device)
      .flatMap(other => known(other.aerCorrectable) ?? []);
    if (count < floor || !isFarAbove(count, others, floor / 10)) return [];
    const grown = correctedGrowth(facts, device.pci);
    const ref = gpuAt(facts, device.pci);
    return [
      gpuClue(ref, 'pcie-corrected', {
        ...PCIE,
        sign: `${count} corrected PCIe errors`,
        severity: 'warning',
        title: `${gpuName(ref)} has ${count} corrected PCIe errors, far more than its neighbours`,
        action: 'watch',
        advice: RESEAT,
        byHand: true,
        confidence: 'medium',
        evidence: [
          {
            what: `AER corrected since boot: ${count}${grown === undefined ? '' : `, ${grown} of them while it was watched`}; neighbours ${others.join(', ')}`,
            source: `/sys/bus/pci/devices/${device.pci}.0/aer_dev_correctable`,
            command: `cat /sys/bus/pci/devices/${device.pci}.0/aer_dev_correctable`,
          },
        ],
        counterEvidence: [
          'corrected errors lose no data',
          ...(grown === 0 ? ['the counter does not move now'] : []),
        ],
        wouldChange: 'A counter that stands still under traffic is an old event.',
      }),
    ];
  });
}
