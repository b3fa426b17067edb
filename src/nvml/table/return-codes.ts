import {
  MISSING_REASONS,
  type MissingReason,
  missing,
  type Reading,
} from '../../contract/reading.ts';

export const NVML_SUCCESS = 0;
export const NVML_ERROR_INSUFFICIENT_SIZE = 7;

/** nvmlReturn_t of nvml.h (API 13), number to our word. */
// biome-ignore format: a table
export const RETURN_CODES: Readonly<Partial<Record<MissingReason, number>>> = {
  uninitialized: 1, invalid_argument: 2, not_supported: 3, no_permission: 4,
  already_initialized: 5, not_found: 6, insufficient_size: NVML_ERROR_INSUFFICIENT_SIZE, insufficient_power: 8,
  driver_not_loaded: 9, timeout: 10, irq_issue: 11, library_not_found: 12,
  function_not_found: 13, corrupted_inforom: 14, gpu_is_lost: 15, reset_required: 16,
  operating_system: 17, lib_rm_version_mismatch: 18, in_use: 19, memory: 20,
  no_data: 21, vgpu_ecc_not_supported: 22, insufficient_resources: 23, freq_not_supported: 24,
  argument_version_mismatch: 25, deprecated: 26, not_ready: 27, gpu_not_found: 28,
  invalid_state: 29, reset_type_not_supported: 30, unknown: 999,
};

const REASONS: ReadonlyMap<number, MissingReason> = new Map(
  MISSING_REASONS.flatMap(reason => {
    const code = RETURN_CODES[reason];
    return code === undefined ? [] : [[code, reason] as const];
  }),
);

/** The missing reading for a return code other than NVML_SUCCESS; a code of tomorrow is `unknown`. */
export function missingFor(code: number): Reading<never> {
  const reason = REASONS.get(code);
  return reason === undefined ? missing('unknown', `nvmlReturn_t ${code}`) : missing(reason);
}
