/**
 * The enumerations that NVML takes as inputs, each member under our name with nvml.h's name and
 * number beside it. test/sim-nvml checks every number against nvml.h.
 */
export const ENUMS = {
  /** nvmlTemperatureSensors_t */
  temperatureSensor: { gpu: { name: 'NVML_TEMPERATURE_GPU', number: 0 } },
  /** nvmlTemperatureThresholds_t */
  temperatureThreshold: {
    shutdown: { name: 'NVML_TEMPERATURE_THRESHOLD_SHUTDOWN', number: 0 },
    slowdown: { name: 'NVML_TEMPERATURE_THRESHOLD_SLOWDOWN', number: 1 },
  },
  /** nvmlClockType_t */
  clockType: {
    graphics: { name: 'NVML_CLOCK_GRAPHICS', number: 0 },
    sm: { name: 'NVML_CLOCK_SM', number: 1 },
    memory: { name: 'NVML_CLOCK_MEM', number: 2 },
  },
  /** nvmlMemoryErrorType_t */
  memoryErrorType: {
    corrected: { name: 'NVML_MEMORY_ERROR_TYPE_CORRECTED', number: 0 },
    uncorrected: { name: 'NVML_MEMORY_ERROR_TYPE_UNCORRECTED', number: 1 },
  },
  /** nvmlEccCounterType_t: volatile counts since the driver took the GPU, aggregate since it was built. */
  eccCounterType: {
    volatile: { name: 'NVML_VOLATILE_ECC', number: 0 },
    aggregate: { name: 'NVML_AGGREGATE_ECC', number: 1 },
  },
  /** nvmlPageRetirementCause_t */
  pageRetirementCause: {
    singleBit: { name: 'NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS', number: 0 },
    doubleBit: { name: 'NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR', number: 1 },
  },
  /** NVML_FI_*: what nvmlDeviceGetFieldValues can be asked for. */
  fieldId: {
    gpuRecoveryAction: { name: 'NVML_FI_DEV_GET_GPU_RECOVERY_ACTION', number: 230 },
  },
} as const satisfies Record<
  string,
  Record<string, { readonly name: string; readonly number: number }>
>;

/** nvmlComputeMode_t, number to name, in lower case and without NVML_COMPUTEMODE_. */
export const COMPUTE_MODES: readonly string[] = [
  'default',
  'exclusive_thread',
  'prohibited',
  'exclusive_process',
];

/** NVML_PSTATE_UNKNOWN */
export const PERFORMANCE_STATE_UNKNOWN = 32;

/** nvmlValueType_t: the form of an nvmlFieldValue_t's value. */
export const FIELD_VALUE_TYPES = [
  'double',
  'uint32',
  'unsigned long',
  'uint64',
  'int64',
  'int32',
  'uint16',
] as const;

/** NVML_VALUE_NOT_AVAILABLE (-1) as it stands in unsigned members. */
export const NOT_AVAILABLE_64 = 0xffff_ffff_ffff_ffffn;
export const NOT_AVAILABLE_32 = 0xffff_ffff;
