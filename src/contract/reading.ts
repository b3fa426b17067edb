import * as z from 'zod';

/**
 * Why a reading is missing, in the driver's own words where it has one.
 * nvml.h: nvmlReturn_t, in lower case and without `NVML_ERROR_`; the last ones are ours.
 */
export const MISSING_REASONS = [
  'uninitialized',
  'invalid_argument',
  'not_supported',
  'no_permission',
  'already_initialized',
  'not_found',
  'insufficient_size',
  'insufficient_power',
  'driver_not_loaded',
  'timeout',
  'irq_issue',
  'library_not_found',
  'function_not_found',
  'corrupted_inforom',
  'gpu_is_lost',
  'reset_required',
  'operating_system',
  'lib_rm_version_mismatch',
  'in_use',
  'memory',
  'no_data',
  'vgpu_ecc_not_supported',
  'insufficient_resources',
  'freq_not_supported',
  'argument_version_mismatch',
  'deprecated',
  'not_ready',
  'gpu_not_found',
  'invalid_state',
  'reset_type_not_supported',
  'unknown',
  'crashed',
  'unreadable',
  'not_read',
] as const;

export const MissingReason = z.enum(MISSING_REASONS);
export type MissingReason = z.infer<typeof MissingReason>;

/** `gpu is lost`: a reason as words of a sentence. */
export const reasonWords = (reason: string): string => reason.replaceAll('_', ' ');

/** A value, or why there is none. Never 0, -1, null or 'N/A' for "unknown". */
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: MissingReason; readonly detail?: string };

export const present = <T>(value: T): Reading<T> => ({ ok: true, value });

export const missing = (reason: MissingReason, detail?: string): Reading<never> =>
  detail === undefined ? { ok: false, reason } : { ok: false, reason, detail };

/**
 * How much is read: `first`, what there is and how it is now; `all`, also what tells why. What a
 * shallow reading leaves out is `not_read`.
 */
export type Depth = 'first' | 'all';

/**
 * The driver can also be asked for its counters alone, which a second look compares, or for what
 * changes from one moment to the next, which a live view shows.
 */
export type DriverDepth = Depth | 'counters' | 'now';

/** The value, or undefined where there is none: only for code that has already told the reason. */
export const known = <T>(reading: Reading<T> | undefined): T | undefined =>
  reading?.ok ? reading.value : undefined;

/** The same reading with its value changed; a missing one stays missing for its reason. */
export const mapReading = <A, B>(reading: Reading<A>, change: (value: A) => B): Reading<B> =>
  reading.ok ? present(change(reading.value)) : reading;
