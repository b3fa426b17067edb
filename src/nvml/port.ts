import type { DriverDepth } from '../contract/reading.ts';
import type { DriverState, OnDemand } from './readings.ts';

export type { Gpm, Violations } from './readings/activity.ts';
export type { ErrorRecord } from './readings/error-records.ts';
export type { C2c, Fabric, NvLink, NvLinkTraffic } from './readings/links.ts';
export type { GpuProcess, ListedProcess } from './readings/sharing.ts';
export type { DriverState, GpuState, OnDemand } from './readings.ts';

/** How far a reading of the driver is. */
export interface Reached {
  /**
   * GPUs that are read, of how many; absent while the driver has not counted them. A full reading goes
   * over them twice: what every GPU is and how it is, then the rest.
   */
  readonly gpus?: { readonly read: number; readonly all: number };
  /** The call that has not returned, and the GPU that it is about. */
  readonly call?: { readonly name: string; readonly gpu?: number };
}

/**
 * What the rest of the agent may ask of the driver.
 *
 * One call reads everything in one batch within one deadline: a reading that a wedged driver did
 * not give is `timeout`, one that died with the child is `crashed`. Never throws for the driver.
 */
export interface Nvml {
  read(signal: AbortSignal, depth?: DriverDepth, also?: readonly OnDemand[]): Promise<DriverState>;
  /** How far the reading under way is; undefined between readings. Absent where nothing is read any more. */
  reached?(): Reached | undefined;
  /** Starts what the first read needs, so that it loads beside everything else. */
  warm(): void;
  /** True when every process that hosts NVML has ended, also one that hung in the driver. */
  close(): Promise<boolean>;
}
