/**
 * NVML_FI_*: what nvmlDeviceGetFieldValues can be asked for, under our names. A `#` in the name
 * stands for a link, which has a number of its own; where the scope tells the link (or the power
 * domain) one number is for all. test/sim-nvml checks every number against nvml.h.
 */
// biome-ignore format: a table
export const FIELD_IDS = {
  performancePower:          { name: 'NVML_FI_DEV_PERF_POLICY_POWER', numbers: [74] },
  performanceThermal:        { name: 'NVML_FI_DEV_PERF_POLICY_THERMAL', numbers: [75] },
  performanceSyncBoost:      { name: 'NVML_FI_DEV_PERF_POLICY_SYNC_BOOST', numbers: [76] },
  performanceBoardLimit:     { name: 'NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT', numbers: [77] },
  performanceLowUtilization: { name: 'NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION', numbers: [78] },
  performanceReliability:    { name: 'NVML_FI_DEV_PERF_POLICY_RELIABILITY', numbers: [79] },
  swThermalSlowdown:         { name: 'NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN', numbers: [269] },
  hwThermalSlowdown:         { name: 'NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN', numbers: [270] },
  hwPowerBrakeSlowdown:      { name: 'NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN', numbers: [271] },
  memoryTemperature:         { name: 'NVML_FI_DEV_MEMORY_TEMP', numbers: [82] },
  totalEnergy:               { name: 'NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION', numbers: [83] },

  nvlinkCount:               { name: 'NVML_FI_DEV_NVLINK_LINK_COUNT', numbers: [91] },
  nvlinkSpeedCommon:         { name: 'NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON', numbers: [90] },
  nvlinkSpeed:               { name: 'NVML_FI_DEV_NVLINK_GET_SPEED', numbers: [164] },
  nvlinkState:               { name: 'NVML_FI_DEV_NVLINK_GET_STATE', numbers: [165] },
  nvlinkVersion:             { name: 'NVML_FI_DEV_NVLINK_GET_VERSION', numbers: [166] },
  nvlinkDataTx:              { name: 'NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX', numbers: [138] },
  nvlinkDataRx:              { name: 'NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX', numbers: [139] },
  nvlinkReplay:              { name: 'NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY', numbers: [161] },
  nvlinkRecovery:            { name: 'NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY', numbers: [162] },
  nvlinkCrc:                 { name: 'NVML_FI_DEV_NVLINK_ERROR_DL_CRC', numbers: [163] },
  nvlinkReplayOfLink:        { name: 'NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L#', numbers: [46, 47, 48, 49, 50, 51, 108, 109, 110, 111, 112, 113] },
  nvlinkRecoveryOfLink:      { name: 'NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L#', numbers: [53, 54, 55, 56, 57, 58, 114, 115, 116, 117, 118, 119] },
  nvlinkCrcFlitOfLink:       { name: 'NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L#', numbers: [32, 33, 34, 35, 36, 37, 96, 97, 98, 99, 100, 101] },
  nvlinkCrcDataOfLink:       { name: 'NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_L#', numbers: [39, 40, 41, 42, 43, 44, 102, 103, 104, 105, 106, 107] },
  nvlinkEccDataOfLink:       { name: 'NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_L#', numbers: [148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159] },
  nvlinkMalformedPackets:    { name: 'NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS', numbers: [206] },
  nvlinkBufferOverruns:      { name: 'NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS', numbers: [207] },
  nvlinkReceiveErrors:       { name: 'NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS', numbers: [208] },
  nvlinkRemoteErrors:        { name: 'NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS', numbers: [209] },
  nvlinkGeneralErrors:       { name: 'NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS', numbers: [210] },
  nvlinkLocalIntegrity:      { name: 'NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS', numbers: [211] },
  nvlinkTransmitDiscards:    { name: 'NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS', numbers: [212] },
  nvlinkRecoveryFailed:      { name: 'NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS', numbers: [214] },
  nvlinkRecoveryEvents:      { name: 'NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS', numbers: [215] },
  nvlinkEffectiveErrors:     { name: 'NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS', numbers: [219] },
  nvlinkEffectiveBer:        { name: 'NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER', numbers: [220] },
  nvlinkSymbolBer:           { name: 'NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER', numbers: [222] },
  nvlinkSymbolErrors:        { name: 'NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS', numbers: [221] },

  pcieReplay:                { name: 'NVML_FI_DEV_PCIE_REPLAY_COUNTER', numbers: [94] },
  pcieReplayRollover:        { name: 'NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER', numbers: [95] },
  pcieL0ToRecovery:          { name: 'NVML_FI_DEV_PCIE_L0_TO_RECOVERY_COUNTER', numbers: [169] },
  pcieCorrectable:           { name: 'NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS', numbers: [173] },
  pcieNaksReceived:          { name: 'NVML_FI_DEV_PCIE_COUNT_NAKS_RECEIVED', numbers: [174] },
  pcieReceiverErrors:        { name: 'NVML_FI_DEV_PCIE_COUNT_RECEIVER_ERROR', numbers: [175] },
  pcieBadTlp:                { name: 'NVML_FI_DEV_PCIE_COUNT_BAD_TLP', numbers: [176] },
  pcieNaksSent:              { name: 'NVML_FI_DEV_PCIE_COUNT_NAKS_SENT', numbers: [177] },
  pcieBadDllp:               { name: 'NVML_FI_DEV_PCIE_COUNT_BAD_DLLP', numbers: [178] },
  pcieNonFatal:              { name: 'NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR', numbers: [179] },
  pcieFatal:                 { name: 'NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR', numbers: [180] },
  pcieUnsupportedRequests:   { name: 'NVML_FI_DEV_PCIE_COUNT_UNSUPPORTED_REQ', numbers: [181] },
  pcieLcrcErrors:            { name: 'NVML_FI_DEV_PCIE_COUNT_LCRC_ERROR', numbers: [182] },
  pcieLaneErrors:            { name: 'NVML_FI_DEV_PCIE_COUNT_LANE_ERROR', numbers: [183] },
  pcieTxBytes:               { name: 'NVML_FI_DEV_PCIE_COUNT_TX_BYTES', numbers: [197] },
  pcieRxBytes:               { name: 'NVML_FI_DEV_PCIE_COUNT_RX_BYTES', numbers: [198] },

  c2cCount:                  { name: 'NVML_FI_DEV_C2C_LINK_COUNT', numbers: [170] },
  c2cStatus:                 { name: 'NVML_FI_DEV_C2C_LINK_GET_STATUS', numbers: [171] },
  c2cBandwidth:              { name: 'NVML_FI_DEV_C2C_LINK_GET_MAX_BW', numbers: [172] },
  c2cErrors:                 { name: 'NVML_FI_DEV_C2C_LINK_ERROR_INTR', numbers: [231] },
  c2cReplays:                { name: 'NVML_FI_DEV_C2C_LINK_ERROR_REPLAY', numbers: [232] },

  powerAverage:              { name: 'NVML_FI_DEV_POWER_AVERAGE', numbers: [185] },
  powerInstant:              { name: 'NVML_FI_DEV_POWER_INSTANT', numbers: [186] },
  powerMinLimit:             { name: 'NVML_FI_DEV_POWER_MIN_LIMIT', numbers: [187] },
  powerMaxLimit:             { name: 'NVML_FI_DEV_POWER_MAX_LIMIT', numbers: [188] },
  powerCurrentLimit:         { name: 'NVML_FI_DEV_POWER_CURRENT_LIMIT', numbers: [190] },
  powerRequestedLimit:       { name: 'NVML_FI_DEV_POWER_REQUESTED_LIMIT', numbers: [192] },
  shutdownTlimit:            { name: 'NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT', numbers: [193] },
  slowdownTlimit:            { name: 'NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT', numbers: [194] },
  memoryMaxTlimit:           { name: 'NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT', numbers: [195] },
  gpuMaxTlimit:              { name: 'NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT', numbers: [196] },
  resetStatus:               { name: 'NVML_FI_DEV_RESET_STATUS', numbers: [226] },
  drainAndResetStatus:       { name: 'NVML_FI_DEV_DRAIN_AND_RESET_STATUS', numbers: [227] },
  gpuRecoveryAction:         { name: 'NVML_FI_DEV_GET_GPU_RECOVERY_ACTION', numbers: [230] },
} as const satisfies Record<string, { readonly name: string; readonly numbers: readonly [number, ...number[]] }>;

export type FieldName = keyof typeof FIELD_IDS;

/** One field; the scope is a link, or one of POWER_SCOPES. */
export interface FieldAsk {
  readonly field: FieldName;
  readonly scope: number;
}

/** UINT_MAX: the sum of all links, of NVML_FI_DEV_NVLINK_THROUGHPUT_*. */
export const ALL_LINKS = 0xffff_ffff;

/** NVML_POWER_SCOPE_* */
export const POWER_SCOPES = { gpu: 0, module: 1, memory: 2 } as const;

/** The id of a field for its scope; undefined where nvml.h has none for this link. */
export const fieldNumber = ({ field, scope }: FieldAsk): number | undefined => {
  const numbers: readonly number[] = FIELD_IDS[field].numbers;
  return numbers.length === 1 ? numbers[0] : numbers[scope];
};

/**
 * NVML_GPM_METRIC_*: what nvmlGpmMetricsGet can be asked for between two samples, under our names with
 * their unit. test/sim-nvml checks every number against nvml.h.
 */
// biome-ignore format: a table
export const GPM_METRICS = {
  smActivePercent:         { name: 'NVML_GPM_METRIC_SM_UTIL', number: 2 },
  smOccupancyPercent:      { name: 'NVML_GPM_METRIC_SM_OCCUPANCY', number: 3 },
  tensorActivePercent:     { name: 'NVML_GPM_METRIC_ANY_TENSOR_UTIL', number: 5 },
  dramBandwidthPercent:    { name: 'NVML_GPM_METRIC_DRAM_BW_UTIL', number: 10 },
  fp64ActivePercent:       { name: 'NVML_GPM_METRIC_FP64_UTIL', number: 11 },
  fp32ActivePercent:       { name: 'NVML_GPM_METRIC_FP32_UTIL', number: 12 },
  fp16ActivePercent:       { name: 'NVML_GPM_METRIC_FP16_UTIL', number: 13 },
  pcieTxMibPerSecond:      { name: 'NVML_GPM_METRIC_PCIE_TX_PER_SEC', number: 20 },
  pcieRxMibPerSecond:      { name: 'NVML_GPM_METRIC_PCIE_RX_PER_SEC', number: 21 },
  nvlinkTxMibPerSecond:    { name: 'NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC', number: 61 },
  nvlinkRxMibPerSecond:    { name: 'NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC', number: 60 },
} as const satisfies Record<string, { readonly name: string; readonly number: number }>;

export type GpmMetric = keyof typeof GPM_METRICS;

const isGpmMetric = (name: string): name is GpmMetric => name in GPM_METRICS;
export const GPM_METRIC_NAMES: readonly GpmMetric[] = Object.keys(GPM_METRICS).filter(isGpmMetric);
