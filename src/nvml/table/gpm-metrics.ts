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
