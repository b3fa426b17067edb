import { known, mapReading, missing, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import type { NodeFacts } from '../facts.ts';
import type { Path } from '../labels.ts';
import { readingsAt } from './readings.ts';

/**
 * Which readings a GPU must give before it may be called healthy. `not_supported` excuses a reading
 * only where nothing shows that the GPU has it: its form, a mode that it is in, or a neighbour.
 */

/** How a GPU is built and reached: what it can be asked follows from that. */
export type Form =
  /** A share of a GPU in a virtual machine: what is below is its host's to read. */
  | 'guest'
  /** A part of a processor with its memory: Jetson, DGX Spark. */
  | 'integrated'
  /** A GPU and a Grace CPU in one module: GH200, GB200, GB300. */
  | 'superchip'
  /** A module on a baseboard (SXM) with memory in its package. */
  | 'module'
  /** A card with memory in its package: A100 PCIe, A30, H100 NVL. */
  | 'package-memory card'
  /** A card for servers or workstations: T4, L40S, RTX PRO 6000. */
  | 'card'
  | 'consumer card'
  | 'unknown';

interface Board {
  readonly form: Form;
  /** The compute capability as a number: 9 is Hopper. */
  readonly chip: number | undefined;
  /** Of the driver: 570. */
  readonly branch: number | undefined;
  readonly hasEccOn: boolean;
  readonly hasMigOn: boolean;
  /** Something shows that its NVLinks are wired, and to switches. */
  readonly isWired: boolean;
  readonly isSwitched: boolean;
}

interface Row {
  readonly readings: readonly Path<'gpu'>[];
  readonly forms: readonly Form[];
  /** The driver's branch from which on it gives them. */
  readonly branch?: number;
  readonly where?: (board: Board) => boolean;
  readonly source: string;
}

const SERVER = ['superchip', 'module', 'package-memory card', 'card'] as const;
const PACKAGE_MEMORY = ['superchip', 'module', 'package-memory card'] as const;
const PLUGGED = ['module', 'package-memory card', 'card', 'consumer card', 'unknown'] as const;
const DISCRETE = ['superchip', ...PLUGGED] as const;

/** Every reading that must be there, once. What is not here is asked of the neighbours only. */
const EXPECTED: readonly Row[] = [
  {
    readings: [
      ...(['name', 'uuid', 'pci', 'memory', 'temperatureC', 'clocksEventReasons'] as const),
      ...(['smClockMhz', 'graphicsClockMhz', 'memoryClockMhz', 'performanceState'] as const),
      'processes',
    ],
    forms: DISCRETE,
    source: 'nvml.h: for all discrete products of the driver’s branches in use (450 and newer)',
  },
  {
    readings: ['gpuUtilizationPercent'],
    forms: DISCRETE,
    where: ({ hasMigOn }) => !hasMigOn,
    source: 'nvml.h, nvmlDeviceGetUtilizationRates: not supported while MIG is on',
  },
  {
    readings: [
      ...(['pcieWidthCurrent', 'pcieWidthMax'] as const),
      ...(['pcieGenerationCurrent', 'pcieGenerationMax'] as const),
    ],
    forms: PLUGGED,
    source: 'nvml.h, nvmlDeviceGetCurrPcieLinkWidth: Fermi and newer',
  },
  {
    readings: ['temperatureC', 'clocksEventReasons', 'smClockMhz'],
    forms: ['integrated'],
    source: 'this project: with less than this nothing is known of a GPU without ECC and PCIe',
  },
  {
    readings: ['powerUsageMw', 'powerLimitMw', 'enforcedPowerLimitMw'],
    forms: SERVER,
    source: 'nvidia-smi: power.draw is N/A on consumer cards only; DCGM_FR_POWER_UNREADABLE',
  },
  {
    readings: ['pcieReplayCounter'],
    forms: ['module', 'package-memory card', 'card'],
    source: 'nvml.h, nvmlDeviceGetPcieReplayCounter: Kepler and newer',
  },
  {
    readings: ['eccMode', 'inforom.imageVersion'],
    forms: PACKAGE_MEMORY,
    source: 'test/fixtures/silicon/h200-580; memory in the package always has ECC',
  },
  {
    readings: ['slowdownTemperatureC'],
    forms: PACKAGE_MEMORY,
    where: ({ chip = Infinity }) => chip < 10,
    source: 'test/fixtures/silicon/h200-580; from Blackwell on T.Limit may stand in its place',
  },
  {
    readings: ['memoryTemperatureC'],
    forms: PACKAGE_MEMORY,
    branch: 450,
    where: ({ chip = 0 }) => chip >= 8,
    source: 'nvml.h, NVML_FI_DEV_MEMORY_TEMP; test/fixtures/silicon/h200-580',
  },
  {
    readings: ['eccUncorrectedVolatile', 'eccCorrectedVolatile'],
    forms: [...SERVER, 'consumer card', 'unknown'],
    where: ({ hasEccOn }) => hasEccOn,
    source: 'nvml.h, nvmlDeviceGetTotalEccErrors: only, and then always, with ECC on',
  },
  {
    readings: ['remappedRows'],
    forms: SERVER,
    branch: 450,
    where: ({ hasEccOn, chip = 0 }) => hasEccOn && chip >= 8 && chip <= 10.3,
    source: 'NVIDIA GPU Memory Error Management: row remapping from Ampere on, as known up to B300',
  },
  {
    readings: ['remapHistogram'],
    forms: PACKAGE_MEMORY,
    branch: 470,
    where: ({ hasEccOn, chip = 0 }) => hasEccOn && chip >= 8 && chip < 10,
    source: 'nvml.h, nvmlDeviceGetRowRemapperHistogram; test/fixtures/silicon/h200-580',
  },
  {
    readings: ['retiredPagesPending', 'retiredPagesDoubleBit', 'retiredPagesSingleBit'],
    forms: SERVER,
    where: ({ hasEccOn, chip = Infinity }) => hasEccOn && chip < 8,
    source: 'NVIDIA Dynamic Page Retirement: Kepler to Turing',
  },
  {
    readings: ['nvlinks'],
    forms: ['module', 'superchip'],
    where: ({ isWired }) => isWired,
    source: 'NVIDIA HGX and NVL72: every GPU of a baseboard or tray is wired',
  },
  {
    readings: ['fabric'],
    forms: ['module', 'superchip'],
    branch: 535,
    where: ({ isSwitched, chip = 0 }) => isSwitched && chip >= 9,
    source: 'nvml.h, nvmlDeviceGetGpuFabricInfo: Hopper and newer',
  },
  {
    readings: ['c2c'],
    forms: ['superchip'],
    branch: 570,
    source: 'nvml.h, NVML_FI_DEV_C2C_LINK_COUNT: the link of a GPU and its Grace CPU',
  },
];

/** Why a reading that a GPU does not give should be there; undefined where nothing says so. */
export function proofsOf(facts: NodeFacts): (gpu: GpuState) => Proof {
  const { gpus } = facts.driver;
  /** By reading, the GPUs that give it. */
  const giving = new Map<string, readonly GpuState[]>();
  const giversOf = ({ path, keys }: Place): readonly GpuState[] => {
    const givers =
      giving.get(path) ?? gpus.filter(gpu => comparedAt(gpu, keys).some(({ ok }) => ok));
    giving.set(path, givers);
    return givers;
  };
  return gpu => {
    let board: Board | undefined;
    return place => {
      const { path, keys } = place;
      if (!comparedAt(gpu, keys).some(isDenied)) return undefined;
      board ??= boardOf(facts, gpu);
      if (board.form === 'guest' || isTakenAway(board, gpu, path)) return undefined;
      const own = board;
      const rows = EXPECTED.filter(({ readings }) => readings.some(reading => reading === path));
      if (rows.some(row => isOf(own, row))) return own.form === 'unknown' ? EVERY : MODEL;
      // Links of one GPU have each other for neighbours.
      return giversOf(place).some(other => other === gpu || isAlike(gpu, other))
        ? NEIGHBOURS
        : undefined;
    };
  };
}

interface Place {
  readonly path: string;
  readonly keys: readonly string[];
}
type Proof = (place: Place) => string | undefined;

const EVERY = 'which every GPU gives';
const MODEL = 'which a GPU of its kind gives';
const NEIGHBOURS = 'which others beside it give';

const isOf = (board: Board, { forms, branch = 0, where = () => true }: Row): boolean =>
  forms.includes(board.form) && (board.branch ?? 0) >= branch && where(board);

/**
 * The driver says that this GPU has no such reading. A detail is our own word; what an old library
 * lacks, it lacks for every GPU, and says so by another reason.
 */
const isDenied = (reading: Reading<unknown>): boolean =>
  !reading.ok && reading.reason === 'not_supported' && reading.detail === undefined;

/** As GPUs are compared: without links is without NVLink, and a link that is down counts nothing. */
const comparedAt = (gpu: GpuState, keys: readonly string[]): readonly Reading<unknown>[] =>
  readingsAt(keys[0] === 'nvlinks' ? { nvlinks: comparedLinks(gpu) } : gpu, keys);

const comparedLinks = ({ nvlinks }: GpuState): GpuState['nvlinks'] =>
  known(nvlinks)?.links.length === 0
    ? missing('not_supported')
    : mapReading(nvlinks, ({ links, ...all }) => ({
        ...all,
        links: links.filter(({ state }) => !state.ok || state.value === 'active'),
      }));

/** Of one model and reached in the same way, as far as both say. */
const isAlike = (gpu: GpuState, other: GpuState): boolean =>
  mayEqual(gpu.name, other.name) && mayEqual(gpu.virtualizationMode, other.virtualizationMode);

const mayEqual = (one: Reading<string>, other: Reading<string>): boolean =>
  !one.ok || !other.ok || one.value === other.value;

/** What a GPU does not give in a mode that it is in. */
const isTakenAway = ({ hasMigOn }: Board, gpu: GpuState, path: string): boolean =>
  path === ASKED_WHERE_NEEDED ||
  (hasMigOn && WITHOUT_MIG.test(path)) ||
  (known(gpu.eccMode)?.current === false && WITH_ECC.test(path));
/** Where there are no errors, nobody asks the driver for their addresses: that says nothing of others. */
const ASKED_WHERE_NEEDED = 'sramUniqueErrors';
const WITHOUT_MIG = /^(?:gpuUtilization|memoryUtilization|processes|nvlinks|fabric|remap)/;
const WITH_ECC = /^(?:ecc(?!Mode)|sram|remap|retired|repair|unrepairable)/;

function boardOf(facts: NodeFacts, gpu: GpuState): Board {
  const chip = chipOf(gpu);
  const form = formOf(facts, gpu, chip);
  const branch = Number.parseInt(known(facts.driver.driverVersion) ?? '', 10);
  const alike = facts.driver.gpus.filter(other => isAlike(gpu, other));
  const isSwitched = alike.some(other => hasSwitchAtEnd(other)) || hasSwitches(facts);
  // A virtual machine may be given some modules of a board without their links: they know of no fabric.
  const isApart =
    known(gpu.virtualizationMode) !== 'none' &&
    (alike.length === 1 ||
      (alike.length < GPUS_OF_BOARD && known(gpu.fabric)?.state === 'not_supported'));
  const isOnBoard = form === 'module' && !isApart;
  return {
    form,
    chip,
    branch: Number.isNaN(branch) ? undefined : branch,
    hasEccOn: known(gpu.eccMode)?.current === true,
    hasMigOn: known(gpu.migMode)?.current === true,
    isWired: isSwitched || alike.some(isOfFabric) || isOnBoard,
    isSwitched,
  };
}

/** Modules of an HGX board. */
const GPUS_OF_BOARD = 8;

const hasSwitches = ({ host }: NodeFacts): boolean =>
  (known(host.pciDevices) ?? []).some(({ kind }) => kind === 'nvswitch');
const hasSwitchAtEnd = (gpu: GpuState): boolean =>
  (known(gpu.nvlinks)?.links ?? []).some(({ remoteType }) => known(remoteType) === 'switch');
const isOfFabric = (gpu: GpuState): boolean => {
  const state = known(gpu.fabric)?.state;
  return state !== undefined && state !== 'not_supported';
};

function chipOf(gpu: GpuState): number | undefined {
  const chip = Number.parseFloat(known(gpu.computeCapability) ?? '');
  return Number.isNaN(chip) ? CHIPS[known(gpu.architecture) ?? ''] : chip;
}
/** Compute capabilities of architectures that have one kind of chip. */
const CHIPS: Readonly<Record<string, number>> = { volta: 7, turing: 7.5, ada: 8.9, hopper: 9 };
/** Chips with memory in their package: P100, V100, A100 and A30, H100, and all of 10 but Thor. */
const hasStackedMemory = (chip: number): boolean =>
  [6, 7, 8, 9].includes(chip) || (Math.floor(chip) === 10 && !INTEGRATED_CHIPS.includes(chip));
/** Memory in the package has its check bits beside the data: ECC takes nothing of it (NVIDIA, HBM2). */
export const hasFreeEcc = ({ computeCapability }: GpuState): boolean =>
  hasStackedMemory(Number.parseFloat(known(computeCapability) ?? ''));
/** Of processors with a GPU: TX1, TX2, Xavier, Orin, Thor, GB10. */
const INTEGRATED_CHIPS: readonly number[] = [5.3, 6.2, 7.2, 8.7, 10.1, 11, 12.1];
/** The newest chip that these lists know. */
const NEWEST_CHIP = 12.1;

/** By what it answers before what it is called: a new product has a new name. */
function formOf(facts: NodeFacts, gpu: GpuState, chip: number | undefined): Form {
  const name = known(gpu.name) ?? '';
  const brand = known(gpu.brand) ?? '';
  if (known(gpu.virtualizationMode) === 'vgpu' || /^GRID |-\d+(?:-\d+)?[ABCQV]$/.test(name)) {
    return 'guest';
  }
  const isIntegrated =
    chip === undefined
      ? /\b(?:Orin|Xavier|Thor|Tegra|GB10)\b|nvgpu/i.test(name)
      : INTEGRATED_CHIPS.includes(chip);
  if (isIntegrated) return 'integrated';
  if (gpu.numaNode.ok || (known(gpu.c2c)?.links ?? 0) > 0 || /\bG[BH]\d{3}\b/.test(name)) {
    return 'superchip';
  }
  if (/geforce|titan/i.test(`${brand} ${name}`) || /\bCMP\b/.test(name)) return 'consumer card';
  if (hasPackageMemory(gpu, chip, name)) {
    if (/PCIe|NVL$|\bA30\b/i.test(name)) return 'package-memory card';
    const isModule =
      /SXM|HBM|\b(?:H20|H[128]00|B[123]00)\b/.test(name) ||
      hasSwitches(facts) ||
      facts.driver.gpus.some(hasSwitchAtEnd);
    return isModule ? 'module' : 'package-memory card';
  }
  const isCard = chip !== undefined && chip <= NEWEST_CHIP;
  return isCard || /\b(?:Tesla|Quadro|RTX|[AL]\d{1,2}[GS]?|T4G?)\b/.test(name) ? 'card' : 'unknown';
}

function hasPackageMemory(gpu: GpuState, chip: number | undefined, name: string): boolean {
  if (chip !== undefined && chip <= NEWEST_CHIP) return hasStackedMemory(chip);
  return (
    hasSwitchAtEnd(gpu) ||
    gpu.memoryTemperatureC.ok ||
    /\b(?:[PV]100|A100|A30|A800|H20|H[128]00|B[123]00)\b|HBM|SXM/.test(name)
  );
}
