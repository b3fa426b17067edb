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
    memoryMax: { name: 'NVML_TEMPERATURE_THRESHOLD_MEM_MAX', number: 2 },
    gpuMax: { name: 'NVML_TEMPERATURE_THRESHOLD_GPU_MAX', number: 3 },
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
  /** nvmlMemoryLocation_t */
  memoryLocation: {
    dram: { name: 'NVML_MEMORY_LOCATION_DRAM', number: 2 },
    sram: { name: 'NVML_MEMORY_LOCATION_SRAM', number: 7 },
  },
  /** nvmlInforomObject_t */
  inforomObject: {
    oem: { name: 'NVML_INFOROM_OEM', number: 0 },
    ecc: { name: 'NVML_INFOROM_ECC', number: 1 },
    power: { name: 'NVML_INFOROM_POWER', number: 2 },
  },
  /** nvmlGpuP2PCapsIndex_t */
  p2pCapability: {
    read: { name: 'NVML_P2P_CAPS_INDEX_READ', number: 0 },
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

/** nvmlBrandType_t, number to name, in lower case and without NVML_BRAND_. */
// biome-ignore format: a table
export const BRANDS: readonly string[] = [
  'unknown', 'quadro', 'tesla', 'nvs', 'grid', 'geforce', 'titan', 'nvidia_vapps', 'nvidia_vpc',
  'nvidia_vcs', 'nvidia_vws', 'nvidia_cloud_gaming', 'quadro_rtx', 'nvidia_rtx', 'nvidia',
  'geforce_rtx', 'titan_rtx',
];

/** NVML_DEVICE_ARCH_*, number to name, in lower case. */
export const ARCHITECTURES: Readonly<Record<number, string>> = {
  2: 'kepler',
  3: 'maxwell',
  4: 'pascal',
  5: 'volta',
  6: 'turing',
  7: 'ampere',
  8: 'ada',
  9: 'hopper',
  10: 'blackwell',
  13: 'rubin',
};

/** nvmlGpuVirtualizationMode_t, number to name, in lower case and without NVML_GPU_VIRTUALIZATION_MODE_. */
export const VIRTUALIZATION_MODES: readonly string[] = [
  'none',
  'passthrough',
  'vgpu',
  'host_vgpu',
  'host_vsga',
];

/** nvmlHostVgpuMode_t, number to name, in lower case. */
export const HOST_VGPU_MODES = ['non_sriov', 'sriov'] as const;

/** NVML_GPU_INSTANCE_PROFILE_COUNT: profiles are asked for by a number below it. */
export const GPU_INSTANCE_PROFILES = 18;

/** NVML_PROCESS_MODE_ALL */
export const PROCESS_MODE_ALL = 3;

/**
 * NV2080_CTRL_NVLINK_STATUS_NVLINK_VERSION_*, number to version: drivers hand on the resource manager's
 * number (open-gpu-kernel-modules 595, ctrl2080nvlink.h; an A100 gives 5, an H100 7) and not nvml.h's.
 */
export const NVLINK_VERSIONS: Readonly<Record<number, string>> = {
  1: '1.0',
  2: '2.0',
  4: '2.2',
  5: '3.0',
  6: '3.1',
  7: '4.0',
  8: '5.0',
  9: '6.0',
};

/** NVML_NVLINK_STATE_*, number to name, in lower case. */
export const NVLINK_STATES = ['inactive', 'active', 'sleep', 'active_traffic_disabled'] as const;

/** NV0000_CTRL_CMD_GPU_NVLINK_BW_MODE_* (open-gpu-kernel-modules 595, ctrl0000gpu.h), number to name. */
export const NVLINK_BANDWIDTH_MODES: Readonly<Record<number, string>> = {
  0: 'full',
  1: 'off',
  2: 'min',
  3: 'half',
  4: '3quarter',
  5: 'link_count',
};

/** nvmlIntNvLinkDeviceType_t; 255 is unknown. */
export const NVLINK_DEVICES = ['gpu', 'npu', 'switch'] as const;

/** NVML_GPU_FABRIC_STATE_*, number to name, in lower case. */
export const FABRIC_STATES = ['not_supported', 'not_started', 'in_progress', 'completed'] as const;

/** NVML_GPU_FABRIC_HEALTH_SUMMARY_*, number to name, in lower case. */
export const FABRIC_SUMMARIES = [
  'not_supported',
  'healthy',
  'unhealthy',
  'limited_capacity',
] as const;

/** Four bits from 8 on of the health mask: NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_*. */
export const FABRIC_CONFIGURATIONS: readonly string[] = [
  'not_supported',
  'none',
  'incorrect_sysguid',
  'incorrect_chassis_sn',
  'no_partition',
  'insufficient_nvlinks',
  'incompatible_gpu_fw',
  'invalid_location',
  'gpu_state_invalid',
];

/** nvmlGpuTopologyLevel_t, number to the word of `nvidia-smi topo`. */
export const TOPOLOGY_LEVELS = {
  0: 'internal',
  10: 'PIX',
  20: 'PXB',
  30: 'PHB',
  40: 'NODE',
  50: 'SYS',
} as const;

/** nvmlGpuP2PStatus_t, number to name, in lower case and without NVML_P2P_STATUS_. */
export const P2P_STATUSES: readonly string[] = [
  'ok',
  'chipset_not_supported',
  'gpu_not_supported',
  'ioh_topology_not_supported',
  'disabled_by_regkey',
  'not_supported',
  'unknown',
];

/** nvmlDeviceAddressingModeType_t, number to name, in lower case. */
export const ADDRESSING_MODES = ['none', 'hmm', 'ats'] as const;

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

/**
 * Why a GPU's clocks are where they are: bits of nvmlDeviceGetCurrentClocksEventReasons.
 *
 * nvml.h: nvmlClocksEventReason*, and nvmlClocksThrottleReasonHw* for the three hardware bits.
 */
// biome-ignore format: a table
export const CLOCKS_EVENT_REASONS = [
  { bit: 0x001n, name: 'gpu_idle',                    define: 'nvmlClocksEventReasonGpuIdle' },
  { bit: 0x002n, name: 'applications_clocks_setting', define: 'nvmlClocksEventReasonApplicationsClocksSetting' },
  { bit: 0x004n, name: 'sw_power_cap',                define: 'nvmlClocksEventReasonSwPowerCap' },
  { bit: 0x008n, name: 'hw_slowdown',                 define: 'nvmlClocksThrottleReasonHwSlowdown' },
  { bit: 0x010n, name: 'sync_boost',                  define: 'nvmlClocksEventReasonSyncBoost' },
  { bit: 0x020n, name: 'sw_thermal_slowdown',         define: 'nvmlClocksEventReasonSwThermalSlowdown' },
  { bit: 0x040n, name: 'hw_thermal_slowdown',         define: 'nvmlClocksThrottleReasonHwThermalSlowdown' },
  { bit: 0x080n, name: 'hw_power_brake_slowdown',     define: 'nvmlClocksThrottleReasonHwPowerBrakeSlowdown' },
  { bit: 0x100n, name: 'display_clock_setting',       define: 'nvmlClocksEventReasonDisplayClockSetting' },
  { bit: 0x200n, name: 'board_limit',                 define: 'nvmlClocksEventReasonBoardLimit' },
  { bit: 0x400n, name: 'reliability',                 define: 'nvmlClocksEventReasonReliability' },
] as const;

/** Names of the set bits; a bit of tomorrow is `unknown_0x800`. */
export function clocksEventReasons(mask: bigint): string[] {
  const names: string[] = [];
  for (let bit = 1n; bit <= mask; bit <<= 1n) {
    if ((mask & bit) === 0n) continue;
    const known = CLOCKS_EVENT_REASONS.find(reason => reason.bit === bit);
    names.push(known ? known.name : `unknown_0x${bit.toString(16)}`);
  }
  return names;
}
