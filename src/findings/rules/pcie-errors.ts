import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, type ClueParts, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, HOST_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { countsFarAbove } from '../support/neighbours.ts';
import { gpusOnBus } from '../support/places.ts';
import { correctedGrowth, earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * Errors on the PCIe link of a GPU: uncorrected ones by themselves; corrected ones by their rate where two
 * readings were taken, beside the neighbours', and where there are so many that nobody need have fewer.
 */
export const pcieErrors = rule(
  'pcie-errors',
  {
    gpu: {
      decides: [
        ...['pcieReplayCounter', 'pcieCounters.replays', 'pcieCounters.replayRollovers'],
        ...['pcieCounters.correctable', 'pcieCounters.naksReceived', 'pcieCounters.naksSent'],
        ...['pcieCounters.receiverErrors', 'pcieCounters.badTlp', 'pcieCounters.badDllp'],
        ...['pcieCounters.lcrcErrors', 'pcieCounters.laneErrors', 'pcieCounters.fatal'],
        ...['pcieCounters.unsupportedRequests', 'pcieCounters.nonFatal'],
      ],
      tells: [...GPU_NAMES, 'pcieGenerationCurrent', 'pcieWidthCurrent'],
    },
    host: {
      decides: [
        ...['pciDevices', 'pciDevices.aerFatal', 'pciDevices.aerCorrectable'],
        ...['pciDevices.bridges', 'pciDevices.bridges.aerFatal'],
      ],
      tells: [...HOST_NAMES, 'pciDevices.aerNonFatal'],
    },
    log: true,
    earlier: true,
    secondLook: true,
  } as const,
  facts => [
    ...facts.driver.gpus.flatMap(gpu => [...uncorrected(facts, gpu), ...repeated(facts, gpu)]),
    ...uncorrectedAer(facts),
    ...fatalAbove(facts),
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

/** What the link counts when it has to say something twice, as the GPU sees it. */
const KINDS = [
  { words: 'replays', isReplay: true, read: gpu => gpu.pcieReplayCounter },
  { words: 'replays', isReplay: true, read: gpu => gpu.pcieCounters.replays },
  { words: 'replay rollovers', isReplay: true, read: gpu => gpu.pcieCounters.replayRollovers },
  { words: 'correctable errors', read: gpu => gpu.pcieCounters.correctable },
  { words: 'NAKs received', read: gpu => gpu.pcieCounters.naksReceived },
  { words: 'NAKs sent', read: gpu => gpu.pcieCounters.naksSent },
  { words: 'receiver errors', read: gpu => gpu.pcieCounters.receiverErrors },
  { words: 'bad TLPs', read: gpu => gpu.pcieCounters.badTlp },
  { words: 'bad DLLPs', read: gpu => gpu.pcieCounters.badDllp },
  { words: 'unsupported requests', read: gpu => gpu.pcieCounters.unsupportedRequests },
  { words: 'LCRC errors', read: gpu => gpu.pcieCounters.lcrcErrors },
  { words: 'lane errors', read: gpu => gpu.pcieCounters.laneErrors },
] as const satisfies readonly Kind[];

interface Kind {
  readonly words: string;
  readonly isReplay?: true;
  readonly read: (gpu: GpuState) => Reading<number>;
}

/** All counts of repeats and corrections on the link of a GPU: what a second look goes by. */
export const pcieCounts = (gpu: GpuState): readonly number[] =>
  KINDS.map(({ read }) => known(read(gpu)) ?? 0);

/** One kind of error whose count is bad, with what is known of it. */
interface BadKind {
  readonly words: string;
  readonly isReplay: true | undefined;
  readonly total: number;
  readonly rate: number | undefined;
  readonly isFast: boolean;
  readonly others: readonly number[];
}

function badKind(
  facts: NodeFacts,
  gpu: GpuState,
  { words, isReplay, read }: Kind,
): readonly BadKind[] {
  const total = known(read(gpu));
  if (total === undefined) return [];
  const before = earlierGpu(facts, gpu);
  const was = before && known(read(before));
  const rate = perSecond(facts, total, was);
  const grown = total - (was ?? total);
  const { pcieErrorsGrown: chance, pcieErrorsCompared: floor, pcieErrors: many } = THRESHOLDS;
  const isFast = rate !== undefined && grown >= chance.value && rate >= mostPerSecond(gpu);
  const others = facts.driver.gpus
    .filter(other => other !== gpu)
    .flatMap(other => known(read(other)) ?? []);
  const isFar = countsFarAbove(total, others, floor.value);
  return isFast || isFar || total >= many.value
    ? [{ words, isReplay, total, rate, isFast, others }]
    : [];
}

/** Errors a second that a link may have: bits a second times the bit error rate, a whole number a minute. */
function mostPerSecond({ pcieGenerationCurrent, pcieWidthCurrent }: GpuState): number {
  // 8, 16, 32 GT/s of the generations 3, 4, 5; those before are a little faster than half of the next.
  const gigatransfers = 2 ** (known(pcieGenerationCurrent) ?? 5);
  const bitsAMinute = gigatransfers * 1e9 * 60 * (known(pcieWidthCurrent) ?? 16);
  return Math.ceil(bitsAMinute * THRESHOLDS.pcieBitErrorRate.value) / 60;
}

function repeated(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const bad = KINDS.flatMap(kind => badKind(facts, gpu, kind));
  const worst = bad.find(({ isFast }) => isFast) ?? bad[0];
  // Replays are counted twice, by a function and by a field.
  const kinds = bad.filter(({ words }, at) => bad.findIndex(kind => kind.words === words) === at);
  if (!worst) return [];
  const { words, total, rate = 0, isFast } = worst;
  const isReplays = bad.some(({ isReplay }) => isReplay === true);
  return [
    gpuClue(gpu, isReplays ? 'pcie-replays' : 'pcie-link-errors', {
      ...PCIE,
      sign: `${total} PCIe ${words}`,
      severity: 'warning',
      title: isReplays
        ? `${gpuName(gpu)} repeats PCIe packets${isFast ? ` ${Math.round(rate)} times a second` : `: ${total} ${words}`}`
        : `${gpuName(gpu)} has ${total} ${words} on its PCIe link${isFast ? `, ${Math.round(rate)} a second` : ''}`,
      action: 'watch',
      advice: RESEAT,
      byHand: true,
      confidence: isFast ? 'high' : 'medium',
      evidence: kinds.slice(0, EVIDENCE_MAX).map(kind => countEvidence(facts, gpu, kind)),
      counterEvidence: bad.every(kind => kind.rate === 0) ? ['the counter does not move now'] : [],
      wouldChange: 'A second reading under load tells whether the counter still moves.',
    }),
  ];
}

const EVIDENCE_MAX = 4;

const countEvidence = (facts: NodeFacts, gpu: GpuState, { words, total, rate, others }: BadKind) =>
  nvmlEvidence(
    facts,
    `${words}: ${total}${rate === undefined ? '' : `, ${rate.toFixed(1)} a second now`}${others.length === 0 ? '' : `; neighbours ${others.join(', ')}`}`,
    shell`nvidia-smi -i ${gpu.index} -q | grep -i replay`,
  );

/** What the GPU itself counts of errors that were not corrected. */
function uncorrected(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const { fatal, nonFatal } = gpu.pcieCounters;
  const [deadly, other] = [known(fatal) ?? 0, known(nonFatal) ?? 0];
  if (deadly + other === 0) return [];
  // Enumeration at boot leaves one or two that are not fatal.
  const isSerious = deadly > 0 || other >= THRESHOLDS.pcieNonFatal.value;
  return [
    gpuClue(gpu, 'pcie-uncorrected', {
      ...PCIE,
      sign: 'PCIe errors that were not corrected',
      severity: isSerious ? 'warning' : 'info',
      title: `${gpuName(gpu)} counts PCIe errors that were not corrected: ${deadly} fatal, ${other} non-fatal`,
      action: deadly > 0 ? 'drain' : 'watch',
      advice:
        deadly > 0
          ? 'Drain the node, then look at the kernel log for AER lines and reseat the card.'
          : RESEAT,
      byHand: true,
      confidence: deadly > 0 ? 'high' : 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          `since its reset ${deadly} fatal and ${other} non-fatal PCIe errors`,
          `dmesg | grep -i aer`,
        ),
      ],
      wouldChange:
        'A reset of the GPU or a rescan of the bus at that time leaves such counts behind.',
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
            command: shell`cat /sys/bus/pci/devices/${device.pci}.0/aer_dev_fatal /sys/bus/pci/devices/${device.pci}.0/aer_dev_nonfatal`,
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

/**
 * What the ports between a GPU and its CPU had: fatal for whatever hangs below. Of the port right above
 * one GPU it is that link.
 */
function fatalAbove(facts: NodeFacts): readonly Clue[] {
  const gpus = gpusOnBus(facts);
  const placed = gpus.flatMap(gpu =>
    (known(gpu.bridges) ?? []).map((bridge, height) => ({ gpu, bridge, height })),
  );
  const ports = Map.groupBy(placed, ({ bridge }) => `${bridge.pci}.${bridge.function}`);
  return [...ports].flatMap(([port, below]) => {
    const [first, ...others] = below;
    const fatal = (first && known(first.bridge.aerFatal)) ?? 0;
    if (!first || fatal === 0) return [];
    const ref = gpuAt(facts, first.gpu.pci);
    const isOwn = others.length === 0 && first.height === 0;
    const parts: ClueParts = {
      ...PCIE,
      sign: 'fatal PCIe errors of the port above',
      severity: 'warning',
      title: `The PCIe port ${port} above ${others.length === 0 ? gpuName(ref) : `${below.length} GPUs`} had ${fatal} fatal error${fatal === 1 ? '' : 's'} since boot`,
      action: 'watch',
      advice:
        'Look at the kernel log for AER lines of that port: they name the device; then reseat its card, riser or cable.',
      byHand: true,
      confidence: isOwn ? 'medium' : 'low',
      evidence: [
        {
          what: `AER since boot: ${fatal} fatal`,
          source: `/sys/bus/pci/devices/${port}/aer_dev_fatal`,
          command: shell`cat /sys/bus/pci/devices/${port}/aer_dev_fatal; lspci -tv`,
        },
      ],
      counterEvidence: isOwn ? [] : ['another device below the same port may have caused them'],
      wouldChange:
        'A reset of a GPU or a rescan of the bus at that time leaves such counts behind.',
    };
    const { cause: _, ...ofNode } = parts;
    return [
      isOwn
        ? gpuClue(ref, 'pcie-port-fatal', parts)
        : nodeClue('pcie-port-fatal', { ...ofNode, of: port }),
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
    if (!countsFarAbove(count, others, floor)) return [];
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
            command: shell`cat /sys/bus/pci/devices/${device.pci}.0/aer_dev_correctable`,
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
