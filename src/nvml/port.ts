import type { DriverDepth, Reading } from '../contract/reading.ts';
import type { Gpm, ListedProcess, MigInstance, MigProfile, SramUniqueErrors } from './port-deep.ts';
import type {
  C2c,
  EccByLocation,
  Engines,
  Fabric,
  Gsp,
  Inforom,
  NvLinks,
  PcieCounters,
  Platform,
  Power,
  RemapHistogram,
  SramErrors,
  Thermal,
  Violations,
} from './port-groups.ts';

export type * from './port-deep.ts';
export type * from './port-groups.ts';

/**
 * What the rest of the agent may ask of the driver. Only add what a tool or a finding uses.
 *
 * One call reads everything in one batch within one deadline: a reading that a wedged driver did
 * not give is `timeout`, one that died with the child is `crashed`. Never throws for the driver.
 */
export interface Nvml {
  read(signal: AbortSignal, depth?: DriverDepth, also?: readonly OnDemand[]): Promise<DriverState>;
  /** Starts what the first read needs, so that it loads beside everything else. */
  warm(): void;
  close(): Promise<void>;
}

/** What is `not_read` unless it is asked for: it takes two readings, or dozens of calls. */
export type OnDemand = 'gpm' | 'migProfiles';

export interface DriverState {
  /** When the reading began, in milliseconds since 1970. */
  readonly takenAtMs: number;
  /** The library in use, as a path on the node. */
  readonly library: Reading<string>;
  /** `ok` when nvmlInit_v2 succeeded; else its return code is the reason. */
  readonly initialized: Reading<true>;
  /** Set when NVML did not answer in time: the call it hung in, and for how long we waited. */
  readonly unresponsive?: {
    readonly call: string;
    readonly gpu?: number;
    readonly waitedMs: number;
  };
  readonly driverVersion: Reading<string>;
  readonly nvmlVersion: Reading<string>;
  /** As the driver counts it: 13000 is CUDA 13.0. */
  readonly cudaDriverVersion: Reading<number>;
  readonly count: Reading<number>;
  readonly confidentialCompute: Reading<ConfidentialCompute>;
  /** Every pair of GPUs once, the lower index first; empty where there is one GPU. */
  readonly topology: Reading<readonly GpuPair[]>;
  /** One entry per index below count, also for those that give no handle. */
  readonly gpus: readonly GpuState[];
}

/** Everything read of one GPU. Nested groups are in port-groups.ts. Units stand last in the names; nvml.h's getter is in functions.ts. */
export interface GpuState {
  readonly index: number;
  /** `ok` when there is a handle; `gpu_is_lost` and the like else. */
  readonly handle: Reading<true>;
  readonly name: Reading<string>;
  readonly uuid: Reading<string>;
  readonly serial: Reading<string>;
  /** Normalised, `dddd:bb:dd`. */
  readonly pci: Reading<string>;
  readonly minorNumber: Reading<number>;
  readonly vbios: Reading<string>;
  readonly memory: Reading<Memory>;
  readonly bar1: Reading<Memory>;
  readonly temperatureC: Reading<number>;
  readonly slowdownTemperatureC: Reading<number>;
  readonly shutdownTemperatureC: Reading<number>;
  readonly powerUsageMw: Reading<number>;
  readonly powerLimitMw: Reading<number>;
  readonly enforcedPowerLimitMw: Reading<number>;
  readonly defaultPowerLimitMw: Reading<number>;
  readonly graphicsClockMhz: Reading<number>;
  readonly smClockMhz: Reading<number>;
  readonly memoryClockMhz: Reading<number>;
  readonly maxGraphicsClockMhz: Reading<number>;
  readonly maxSmClockMhz: Reading<number>;
  readonly maxMemoryClockMhz: Reading<number>;
  readonly applicationGraphicsClockMhz: Reading<number>;
  readonly applicationMemoryClockMhz: Reading<number>;
  readonly gpuUtilizationPercent: Reading<number>;
  readonly memoryUtilizationPercent: Reading<number>;
  /** Names of the set bits, as nvml.h spells them after `nvmlClocksEventReason`, in snake_case. */
  readonly clocksEventReasons: Reading<readonly string[]>;
  readonly performanceState: Reading<number>;
  readonly persistenceMode: Reading<boolean>;
  readonly computeMode: Reading<string>;
  readonly eccMode: Reading<{ readonly current: boolean; readonly pending: boolean }>;
  readonly eccCorrectedVolatile: Reading<number>;
  readonly eccUncorrectedVolatile: Reading<number>;
  readonly eccCorrectedAggregate: Reading<number>;
  readonly eccUncorrectedAggregate: Reading<number>;
  readonly retiredPagesSingleBit: Reading<number>;
  readonly retiredPagesDoubleBit: Reading<number>;
  readonly retiredPagesPending: Reading<boolean>;
  readonly remappedRows: Reading<RemappedRows>;
  readonly pcieGenerationCurrent: Reading<number>;
  readonly pcieGenerationMax: Reading<number>;
  readonly pcieWidthCurrent: Reading<number>;
  readonly pcieWidthMax: Reading<number>;
  readonly pcieReplayCounter: Reading<number>;
  readonly migMode: Reading<{ readonly current: boolean; readonly pending: boolean }>;
  /** NVML_FI_DEV_GET_GPU_RECOVERY_ACTION (230): 0 none ... 5 recover IMEX domain. */
  readonly recoveryAction: Reading<number>;
  /** Compute (with MPS clients) and graphics. */
  readonly processes: Reading<readonly GpuProcess[]>;

  readonly boardPartNumber: Reading<string>;
  /** Equal for the GPUs of one board. */
  readonly boardId: Reading<number>;
  readonly multiGpuBoard: Reading<boolean>;
  /** NVML_BRAND_* in lower case, as `tesla`, `nvidia`. */
  readonly brand: Reading<string>;
  /** NVML_DEVICE_ARCH_* in lower case, as `hopper`. */
  readonly architecture: Reading<string>;
  /** As `9.0`. */
  readonly computeCapability: Reading<string>;
  /** The physical place on the baseboard. */
  readonly moduleId: Reading<number>;
  readonly inforom: Inforom;
  readonly gsp: Gsp;
  readonly memoryTemperatureC: Reading<number>;
  readonly thermal: Thermal;
  /** One per fan, in percent of the maximum; empty on a board without fans. */
  readonly fanPercents: Reading<readonly number[]>;
  readonly power: Power;
  /** Used since the driver was loaded, in millijoules. */
  readonly energyMj: Reading<number>;
  readonly violations: Violations;
  readonly defaultApplicationGraphicsClockMhz: Reading<number>;
  readonly defaultApplicationMemoryClockMhz: Reading<number>;
  readonly eccByLocation: EccByLocation;
  readonly sramErrors: Reading<SramErrors>;
  /** None where `sramErrors` counts no uncorrected error. */
  readonly sramUniqueErrors: Reading<SramUniqueErrors>;
  readonly remapHistogram: Reading<RemapHistogram>;
  /** Repairs that wait for a reset: of a memory channel, of a texture processing cluster. */
  readonly repairPending: Reading<{ readonly channel: boolean; readonly tpc: boolean }>;
  readonly unrepairableMemory: Reading<boolean>;
  readonly pcieCounters: PcieCounters;
  readonly nvlinks: Reading<NvLinks>;
  readonly c2c: Reading<C2c>;
  readonly fabric: Reading<Fabric>;
  readonly platform: Reading<Platform>;
  /** CPUs near the GPU as the kernel lists them: `0-47,96-143`. */
  readonly cpuAffinity: Reading<string>;
  /** NUMA nodes near the GPU, as `0`. */
  readonly memoryAffinity: Reading<string>;
  /** The NUMA node that the GPU's own memory is; only where GPUs are NUMA nodes (Grace). */
  readonly numaNode: Reading<number>;
  /** Empty where MIG is off. */
  readonly migInstances: Reading<readonly MigInstance[]>;
  readonly engines: Engines;
  readonly accountingMode: Reading<boolean>;
  /** How the CPU and the GPU share addresses. */
  readonly addressingMode: Reading<'none' | 'hmm' | 'ats' | 'unknown'>;
  /** NVML_GPU_VIRTUALIZATION_MODE_* in lower case: `none` on bare metal, `passthrough` in a VM. */
  readonly virtualizationMode: Reading<string>;
  /** How a host of virtual GPUs makes them; `not_supported` on all others. */
  readonly hostVgpuMode: Reading<'non_sriov' | 'sriov' | 'unknown'>;
  readonly bridgeChips: Reading<number>;
  /** When the board's black box was last written, in milliseconds since 1970. */
  readonly lastBlackBoxFlushMs: Reading<number>;
  /** Field values 226 and 227: deprecated kin of the recovery action, all that older drivers tell. */
  readonly resetRequired: Reading<boolean>;
  readonly drainAndResetRecommended: Reading<boolean>;
  /** Every process on the GPU, of whatever kind: also those that `processes` does not name. */
  readonly allProcesses: Reading<readonly ListedProcess[]>;
  /** What the GPU can be divided into; empty where MIG is off. */
  readonly migProfiles: Reading<readonly MigProfile[]>;
  readonly gpm: Gpm;
}

export interface ConfidentialCompute {
  readonly environment: 'unavailable' | 'simulation' | 'production' | 'unknown';
  readonly enabled: boolean;
  readonly devToolsMode: boolean;
}

/** Two GPUs of this node. */
export interface GpuPair {
  readonly gpus: readonly [number, number];
  /** What lies between them on PCI, as nvidia-smi topo names it. */
  readonly path: Reading<'internal' | 'PIX' | 'PXB' | 'PHB' | 'NODE' | 'SYS' | 'unknown'>;
  /** Whether one may read the other's memory, and whether over NVLink: NVML_P2P_STATUS_* in lower case. */
  readonly p2pRead: Reading<string>;
  readonly p2pNvlink: Reading<string>;
}

/** In bytes. `reserved` is what the driver keeps; only memory v2 tells it. */
export interface Memory {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly reservedBytes?: number;
}

export interface RemappedRows {
  readonly corrected: number;
  readonly uncorrected: number;
  readonly pending: boolean;
  readonly failureOccurred: boolean;
}

export interface GpuProcess {
  /** The host's pid: the driver knows no pid namespaces. */
  readonly pid: number;
  readonly kind: 'compute' | 'graphics';
  /** A client of the Multi-Process Service; absent else. */
  readonly mps?: true;
  /** Absent where the driver does not tell (MIG, missing rights). */
  readonly usedBytes?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
}
