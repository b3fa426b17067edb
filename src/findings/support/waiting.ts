import { THRESHOLDS } from './thresholds.ts';

/** What a GPU does at a moment, or on the average of some looks; undefined is what it does not tell. */
interface Load {
  readonly busyPercent: number | undefined;
  readonly memoryBusyPercent?: number | undefined;
  /** Of its limit of power. */
  readonly powerShare: number | undefined;
  /** GPM, Hopper and newer: it need not be known. */
  readonly smActivePercent?: number | undefined;
}

/** From which load on it is busy, and below which it does no work. */
interface Bounds {
  readonly busyPercent: number;
  readonly memoryBusyPercent: number;
  readonly powerShare: number;
  readonly smActivePercent?: number;
}

/**
 * One GPU at one moment is said to wait only where it looks as GPUs do in a job that hangs: a memory-bound
 * kernel at low power would be taken for it else.
 */
export const ALONE: Bounds = {
  busyPercent: THRESHOLDS.waitingBusyPercent.value,
  memoryBusyPercent: THRESHOLDS.waitingMemoryPercent.value,
  powerShare: THRESHOLDS.waitingPowerShare.value,
};

/**
 * Of nearly all GPUs of a job over several looks the same is said sooner: that they do alike is a sign by
 * itself, and that all wait accuses none of them.
 */
const ALL_ALIKE: Bounds = {
  busyPercent: THRESHOLDS.fullLoadPercent.value,
  memoryBusyPercent: THRESHOLDS.allWaitMemoryPercent.value,
  powerShare: THRESHOLDS.allWaitPowerShare.value,
  smActivePercent: THRESHOLDS.allWaitSmPercent.value,
};

/** Busy, cold, and little traffic to its memory: a kernel that spins until others have come. */
export const isWaiting = (load: Load, bounds: Bounds): boolean =>
  (load.busyPercent ?? 0) >= bounds.busyPercent &&
  (load.memoryBusyPercent ?? 100) < bounds.memoryBusyPercent &&
  (load.powerShare ?? 1) < bounds.powerShare &&
  (bounds.smActivePercent === undefined || (load.smActivePercent ?? 0) < bounds.smActivePercent);

/** Of a GPU of a job: by either of the bounds, so that no job denies what its node says. */
export const waitsInJob = (load: Load): boolean =>
  isWaiting(load, ALL_ALIKE) || isWaiting(load, ALONE);
