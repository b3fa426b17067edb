import type { Reading } from '../contract/reading.ts';
import type { GpmMetric } from './table/gpm-metrics.ts';

/** Groups of what goes deeper: instances of MIG, GPM, processes of all kinds, addresses of SRAM. */

/** A way to divide a GPU into instances, with what is left of it. */
export interface MigProfile {
  readonly id: number;
  /** As `3g.40gb`. */
  readonly name: string;
  readonly slices: number;
  readonly memoryMib: number;
  /** How many fit on an empty GPU, and how many still do. */
  readonly instancesMax: number;
  readonly remaining: Reading<number>;
}

export interface MigInstance {
  /** Index among the GPU's MIG devices. */
  readonly index: number;
  readonly gpuInstance: Reading<number>;
  readonly computeInstance: Reading<number>;
  readonly uuid: Reading<string>;
  /** As `3g.40gb`. */
  readonly profile: Reading<string>;
  /** The GPU instance's own profile: an id of MigProfile. */
  readonly profileId: Reading<number>;
  /** Which slices of memory the GPU instance has: the first, and how many. */
  readonly placement: Reading<{ readonly start: number; readonly size: number }>;
  readonly totalBytes: Reading<number>;
  readonly usedBytes: Reading<number>;
  readonly slices: Reading<{
    readonly gpuInstance: number;
    readonly computeInstance: number;
    readonly multiprocessors: number;
  }>;
}

export interface ListedProcess {
  readonly pid: number;
  readonly usedBytes?: number;
  /** Memory that the host cannot read: confidential computing. Absent where the driver does not tell. */
  readonly protectedBytes?: number;
}

/**
 * Addresses of SRAM that had uncorrected errors: one that comes again is a broken cell and not a stray
 * particle.
 */
export interface SramUniqueErrors {
  readonly addresses: number;
  /** Most errors first; eight at most. */
  readonly worst: readonly {
    readonly unit: number;
    readonly location: number;
    readonly sublocation: number;
    readonly extlocation: number;
    readonly address: number;
    readonly parity: boolean;
    readonly count: number;
  }[];
}

/**
 * What the GPU did between this reading and the one before that asked for it, Hopper and newer: percent
 * of the time, of the warps or of the bandwidth that there is, or MiB per second.
 */
export type Gpm = { readonly [M in GpmMetric]: Reading<number> };
