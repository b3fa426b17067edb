import type { Action, Blame, Confidence } from '../../contract/finding.ts';
import { reasonWords } from '../../contract/reading.ts';
import { IS_CARD } from '../../findings/support/neighbours.ts';
import { THRESHOLDS } from '../../findings/support/thresholds.ts';
import type { Pace, PaceGpu, PaceNic } from '../pace.ts';

/** One node of a job as it was looked at together with the others. */
export interface LookedAt {
  readonly node: string;
  readonly pace: Pace;
  /** The job's GPUs there by index; empty where they are not known: then all of them count. */
  readonly gpus: readonly number[];
}

interface Judgement {
  readonly fault: Blame;
  readonly confidence: Confidence;
  readonly action: Action;
  readonly advice: string;
  /** Told only where GPUs are seen to wait: a slower link holds nobody up who does not use it. */
  readonly ofLink?: true;
}

/** What holds up a job, the most certain first, and what is to be done. */
export const CAUSES = {
  heat: {
    ...({ fault: 'host', confidence: 'high', action: 'drain' } as const),
    advice:
      'Take the load off, then look at fans, inlet temperature, air flow and the heat sink of this slot.',
  },
  'power brake': {
    ...({ fault: 'host', confidence: 'high', action: 'drain' } as const),
    advice: 'Look at the power supplies, their cables and the power limit of the chassis (BMC).',
  },
  'power limit': {
    ...({ fault: 'configuration', confidence: 'high', action: 'fix_configuration' } as const),
    advice:
      'Set its power limit as that of the others (nvidia-smi -pl), or find out who caps it (BMC, rack).',
  },
  'SM clock': {
    ...({ fault: 'configuration', confidence: 'medium', action: 'fix_configuration' } as const),
    advice:
      'Look for locked clocks and unlock them (nvidia-smi -rgc); where none are, reset the GPU.',
  },
  'memory clock': {
    ...({ fault: 'configuration', confidence: 'medium', action: 'fix_configuration' } as const),
    advice:
      'Look for locked memory clocks and unlock them (nvidia-smi -rmc); where none are, reset the GPU.',
  },
  NVLink: {
    ...({ fault: 'hardware', confidence: 'medium', action: 'drain_and_reset' } as const),
    advice: 'Drain the node and reset its GPUs: links train anew. Where they do not, open a case.',
    ofLink: true,
  },
  PCIe: {
    ...({ fault: 'hardware', confidence: 'medium', action: 'drain' } as const),
    advice: 'Drain the node and reboot it; where the link stays as it is, reseat the card.',
    ofLink: true,
  },
  network: {
    ...({ fault: 'fabric', confidence: 'medium', action: 'drain' } as const),
    advice: 'Look at the cable, the transceiver and the switch port of this adapter.',
    ofLink: true,
  },
  path: {
    ...({ fault: 'fabric', confidence: 'low', action: 'watch' } as const),
    advice:
      'Packets are lost between these adapters, and both ends count that: compare the counters of their switch ports, and the cables.',
    ofLink: true,
  },
  'idle GPU': {
    ...({ fault: 'unknown', confidence: 'low', action: 'watch' } as const),
    advice:
      'Look at what feeds this GPU: its CPUs, its data loader and its storage (py-spy dump of that rank).',
  },
  'more work': {
    ...({ fault: 'application', confidence: 'low', action: 'watch' } as const),
    advice:
      'Compare its batch, its sequence lengths or its stage with those of the others (py-spy dump of that rank).',
  },
} as const satisfies Readonly<Record<string, Judgement>>;
export type Cause = keyof typeof CAUSES;

/** Of a slower link of which nothing tells what it moves: that it is slower proves no wait for it. */
const UNPROVEN: Omit<Judgement, 'ofLink'> = {
  ...{ fault: 'unknown', confidence: 'low', action: 'watch' },
  advice:
    'Ask first what all wait for (py-spy dump of the ranks); that link can be repaired when the node is free.',
};

/** Whose fault it is, how sure that is, and what is to be done. */
export const judgementOf = ({ cause, isUnproven }: Suspect): Omit<Judgement, 'ofLink'> =>
  isUnproven ? UNPROVEN : CAUSES[cause];

export interface JobGpu extends PaceGpu {
  readonly node: string;
}

/** A GPU or an adapter whose own reading is out of line. */
export interface Suspect {
  readonly cause: Cause;
  readonly node: string;
  readonly gpu?: JobGpu;
  readonly nic?: PaceNic;
  readonly reading: string;
  /** A slower link, and nothing tells whether it is used. */
  readonly isUnproven?: boolean | undefined;
}

/** Behind the reading of one that is named for want of another cause. */
export const UNPROVEN_WORDS =
  '; the job waits, and no counter tells what this link moves: that it waits for it is only possible';

const isAtWork = ({ busyPercent }: PaceGpu): boolean =>
  (busyPercent?.min ?? 0) >= THRESHOLDS.keepsClocksPercent.value;
/** The value of the better quarter: half of a job that is slow does not make slow the usual. */
export function usualOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(0.75 * (sorted.length - 1))];
}

const share = (part: number | undefined, whole: number | undefined): number | undefined =>
  part === undefined || whole === undefined || whole <= 0 ? undefined : part / whole;

export const powerShare = (gpu: PaceGpu) =>
  share(gpu.powerW, gpu.defaultLimitW ?? gpu.enforcedLimitW);
const clockShare = (gpu: PaceGpu) => share(gpu.smClockMhz, gpu.maxSmClockMhz);
const memoryClockShare = (gpu: PaceGpu) => share(gpu.memoryClockMhz, gpu.maxMemoryClockMhz);
const pcieRate = ({ pcie }: PaceGpu) => pcie && 2 ** pcie.generation * pcie.width;
export const busyOf = (gpu: PaceGpu): number => gpu.busyPercent?.mean ?? 0;

type Usual = (read: (other: PaceGpu) => number | undefined) => number | undefined;
type Proof = readonly [cause: Cause, reading: string, isUnproven?: boolean];

const usualIn =
  (others: readonly PaceGpu[]): Usual =>
  read =>
    usualOf(others.flatMap(other => read(other) ?? []));

/** What a GPU's own readings say beside those of the GPUs of its model. */
export function gpuSuspects(gpu: JobGpu, gpus: readonly JobGpu[]): Suspect[] {
  const others = gpus.filter(other => other !== gpu && other.name === gpu.name);
  const usual = usualIn(others);
  const isWorking = isAtWork(gpu);
  const clock = isWorking ? (slowSm(gpu, others) ?? slowMemory(gpu, usual)) : undefined;
  const beside = others.filter(({ node }) => node === gpu.node);
  const link = isBridgeless(gpu, beside) ? undefined : slowNvlink(gpu, others);
  const told = [clock, link, slowPcie(gpu, usual)].flatMap(each => (each ? [each] : []));
  return told.map(([cause, reading, isUnproven]) => ({
    ...{ cause, node: gpu.node, gpu, reading },
    ...(isUnproven && { isUnproven }),
  }));
}

const HEAT = ['hw_thermal_slowdown', 'sw_thermal_slowdown'];
const BRAKE = ['hw_power_brake_slowdown', 'hw_slowdown'];

function slowSm(gpu: PaceGpu, others: readonly PaceGpu[]): Proof | undefined {
  const usual = usualIn(others);
  const clock = clockShare(gpu);
  const usualClock = usual(clockShare);
  const isBelow = (least: number) =>
    clock !== undefined && usualClock !== undefined && clock < usualClock * least;
  const at = `SM clock ${whole(gpu.smClockMhz)} of ${whole(gpu.maxSmClockMhz)} MHz`;
  const cause = (
    [
      ['heat', HEAT],
      ['power brake', BRAKE],
    ] as const
  ).find(([, reasons]) => {
    if (heldBy(gpu, reasons) === undefined) return false;
    // What holds most of them is no difference between them.
    const alike = others.filter(other => heldBy(other, reasons) !== undefined).length;
    return isBelow(
      alike * 2 > others.length ? THRESHOLDS.slowClockShare.value : THRESHOLDS.heldClockShare.value,
    );
  });
  if (cause) {
    const [name, reasons] = cause;
    const degrees =
      name === 'heat' && gpu.temperatureC !== undefined ? ` at ${whole(gpu.temperatureC)} °C` : '';
    return [name, `${at}, ${heldBy(gpu, reasons)}${degrees}`];
  }
  const isCapped = heldBy(gpu, ['sw_power_cap']) !== undefined;
  const limit = gpu.enforcedLimitW;
  const usualLimit = usual(({ enforcedLimitW }) => enforcedLimitW);
  // A board that is made for less has the limit that it should have.
  const isLower =
    limit !== undefined &&
    usualLimit !== undefined &&
    limit < usualLimit * THRESHOLDS.lowerLimitShare.value &&
    limit < (gpu.defaultLimitW ?? usualLimit) * THRESHOLDS.lowerLimitShare.value;
  if (isLower && (isCapped || isBelow(THRESHOLDS.heldClockShare.value))) {
    return [
      'power limit',
      `held to ${whole(limit)} W, the others to ${whole(usualLimit)} W; ${at}`,
    ];
  }
  // A GPU at its limit of power has the clock that its work leaves it: that is no fault.
  if (isCapped || !isBelow(THRESHOLDS.slowClockShare.value)) return undefined;
  const reasons = Object.keys(gpu.held).map(ownWords).join(', ');
  return ['SM clock', `${at}, ${reasons === '' ? 'and no reason is told' : `for ${reasons}`}`];
}

function slowMemory(gpu: PaceGpu, usual: Usual): Proof | undefined {
  const clock = memoryClockShare(gpu);
  const usualClock = usual(memoryClockShare);
  if (clock === undefined || usualClock === undefined) return undefined;
  if (clock >= usualClock * THRESHOLDS.slowClockShare.value) return undefined;
  const at = `memory clock ${whole(gpu.memoryClockMhz)} of ${whole(gpu.maxMemoryClockMhz)} MHz`;
  return ['memory clock', at];
}

/** `hw_thermal_slowdown` as people say it. */
const ownWords = (reason: string): string =>
  reasonWords(reason).replace(/^hw /, 'hardware ').replace(/^sw /, 'software ');

/** `held by hardware thermal slowdown 98 % of the time`, where one of these reasons held that long. */
function heldBy({ held }: PaceGpu, reasons: readonly string[]): string | undefined {
  const [longest] = reasons
    .map(reason => ({ reason, part: held[reason] ?? 0 }))
    .toSorted((a, b) => b.part - a.part);
  return longest && longest.part >= THRESHOLDS.heldShare.value
    ? `held by ${ownWords(longest.reason)} ${whole(longest.part * 100)} % of the time`
    : undefined;
}

const whole = (value: number | undefined): string =>
  value === undefined ? '?' : String(Math.round(value));

/**
 * No GPU of its model on its node has a link that is up, or it is a card in a slot: such without bridges are
 * built so, also beside others with one.
 */
const isBridgeless = (gpu: PaceGpu, beside: readonly PaceGpu[]): boolean =>
  (gpu.nvlink?.up ?? 0) === 0 &&
  (IS_CARD.test(gpu.name ?? '') || beside.every(({ nvlink }) => (nvlink?.up ?? 0) === 0));

/** In the same place of most other nodes as many links are up: bridges join some cards of a server and not all. */
function isBuiltSo(gpu: JobGpu, others: readonly JobGpu[]): boolean {
  const twins = others.filter(({ node, index }) => node !== gpu.node && index === gpu.index);
  const alike = twins.filter(({ nvlink }) => nvlink?.up === gpu.nvlink?.up);
  return alike.length * 2 > twins.length;
}

function slowNvlink(gpu: JobGpu, others: readonly JobGpu[]): Proof | undefined {
  const usual = usualIn(others);
  const { nvlink } = gpu;
  if (!nvlink) return undefined;
  const up = usual(other => other.nvlink?.up);
  if (up !== undefined && nvlink.up < up && !isBuiltSo(gpu, others)) {
    return ['NVLink', `${nvlink.up} of ${nvlink.all} NVLinks up`];
  }
  const speed = usual(other => other.nvlink?.slowestMbps);
  const own = nvlink.slowestMbps;
  return own !== undefined &&
    speed !== undefined &&
    own < speed * THRESHOLDS.slowLinkShare.value &&
    carriesNvlink(gpu)
    ? [
        'NVLink',
        `an NVLink at ${own} MB/s, those of the others at ${speed} MB/s`,
        gpu.nvlinkMibPerSecond === undefined,
      ]
    : undefined;
}

function slowPcie(gpu: PaceGpu, usual: Usual): Proof | undefined {
  const { pcie } = gpu;
  const rate = pcieRate(gpu);
  const usualRate = usual(pcieRate);
  if (!pcie || rate === undefined || usualRate === undefined) return undefined;
  // Without work the generation goes down by itself, the width does not.
  const isMeant = (isAtWork(gpu) || pcie.width < pcie.maxWidth) && carriesPcie(gpu, rate);
  // What device and slot allow is no fault: another host may be made for less.
  const isBelowOwn = pcie.width < pcie.maxWidth || pcie.generation < pcie.maxGeneration;
  return isMeant && isBelowOwn && rate < usualRate * THRESHOLDS.slowLinkShare.value
    ? [
        'PCIe',
        `PCIe generation ${pcie.generation} x${pcie.width} of ${pcie.maxGeneration} x${pcie.maxWidth}`,
        gpu.pcieMibPerSecond === undefined,
      ]
    : undefined;
}

/** PCI Express: 2.5 GT/s a lane and 8 bits of 10 in generation 1, twice as much in each after it. */
const PCIE_MIB_PER_UNIT = 119;

/** Whether so slow a link is used so much that it can hold a job up; where no counter tells, it may be. */
const carriesPcie = ({ pcieMibPerSecond: moved }: PaceGpu, rate: number): boolean =>
  moved === undefined || moved >= rate * PCIE_MIB_PER_UNIT * THRESHOLDS.usedLinkShare.value;

/** The same of NVLinks that are up; a link that is down carries nothing, and may be what all wait for. */
const carriesNvlink = ({ nvlink, nvlinkMibPerSecond: moved }: PaceGpu): boolean =>
  moved === undefined ||
  moved >= (nvlink?.up ?? 0) * (nvlink?.slowestMbps ?? 0) * THRESHOLDS.usedLinkShare.value;
