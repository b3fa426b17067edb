import type { Reading } from '../contract/reading.ts';

/**
 * What the rest of the agent may ask of the driver. Only add what a tool or a finding uses.
 *
 * One call reads everything in one batch within one deadline: a reading that a wedged driver did
 * not give is `timeout`, one that died with the child is `crashed`. Never throws for the driver.
 */
export interface Nvml {
  read(signal: AbortSignal): Promise<DriverState>;
  close(): Promise<void>;
}

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
  /** One entry per index below count, also for those that give no handle. */
  readonly gpus: readonly GpuState[];
}

/** Everything read of one GPU. Units stand last in the names; nvml.h's getter is in functions.ts. */
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
  readonly processes: Reading<readonly GpuProcess[]>;
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
  /** Absent where the driver does not tell (MIG, missing rights). */
  readonly usedBytes?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
}
