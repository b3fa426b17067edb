import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { type Fixed, number, reading } from '../../contract/reading-schema.ts';
import { COMPUTE_MODES, VIRTUALIZATION_MODES } from '../table/enums.ts';
import { POWER_SCOPES } from '../table/field-ids.ts';
import { type FieldRow, field, flagOf, group, numberIn, numberOf, wordOf } from './row.ts';

/** How hot a GPU is, what it draws, and where its limits lie. */
// biome-ignore format: a table
export const HEAT_AND_POWER = {
  temperatureC:         { label: 'temperature', depth: 'first', now: true, ...numberOf('deviceGetTemperature', 'gpu') },
  memoryTemperatureC:   { label: 'memory temperature', depth: 'all', ...field('memoryTemperature') },
  slowdownTemperatureC: { label: 'slowdown temperature', depth: 'first', ...numberOf('deviceGetTemperatureThreshold', 'slowdown') },
  shutdownTemperatureC: { label: 'shutdown temperature', depth: 'first', ...numberOf('deviceGetTemperatureThreshold', 'shutdown') },
  thermal:              { depth: 'all', ...group({
    /** T.Limit, the distance to the slowdown: it falls to 0 and below as the GPU heats up. Ada and newer. */
    marginC:            { label: 'temperature margin', ...numberIn('deviceGetMarginTemperature', 'marginTemperature') },
    /** Thresholds on the scale of the margin. */
    shutdownTlimitC:    { label: 'shutdown T.Limit', ...field('shutdownTlimit') },
    slowdownTlimitC:    { label: 'slowdown T.Limit', ...field('slowdownTlimit') },
    memoryMaxTlimitC:   { label: 'memory T.Limit', ...field('memoryMaxTlimit') },
    gpuMaxTlimitC:      { label: 'GPU T.Limit', ...field('gpuMaxTlimit') },
    /** Thresholds in absolute degrees. */
    memoryMaxC:         { label: 'temperature limits', ...numberOf('deviceGetTemperatureThreshold', 'memoryMax') },
    gpuMaxC:            { label: 'temperature limits', ...numberOf('deviceGetTemperatureThreshold', 'gpuMax') },
  }) },
  /** nvmlDeviceGetFanSpeed: one per fan, in percent of the maximum; none on a board without fans. */
  fans:                 { label: 'fan speed', depth: 'all', schema: reading(z.array(z.object({ percent: number }))) },
  powerUsageMw:         { label: 'power draw', depth: 'first', now: true, ...numberOf('deviceGetPowerUsage') },
  powerLimitMw:         { label: 'power limit', depth: 'first', ...numberOf('deviceGetPowerManagementLimit') },
  enforcedPowerLimitMw: { label: 'enforced power limit', depth: 'first', ...numberOf('deviceGetEnforcedPowerLimit') },
  defaultPowerLimitMw:  { label: 'default power limit', depth: 'first', ...numberOf('deviceGetPowerManagementDefaultLimit') },
  power:                { depth: 'all', ...group({
    // Drivers that do not know these two fields have the call.
    minLimitMw:         { label: 'minimum power limit', ...field('powerMinLimit'), otherwise: numberIn('deviceGetPowerManagementLimitConstraints', 'minLimit').ask },
    maxLimitMw:         { label: 'maximum power limit', ...field('powerMaxLimit'), otherwise: numberIn('deviceGetPowerManagementLimitConstraints', 'maxLimit').ask },
    /** What NVML or another client asked for; the enforced limit may be lower. */
    requestedLimitMw:   { label: 'requested power limit', ...field('powerRequestedLimit') },
    instantMw:          { label: 'instant power draw', ...field('powerInstant') },
    /** Over one second. */
    averageMw:          { label: 'average power draw', ...field('powerAverage') },
    memoryInstantMw:    { label: 'memory power draw', ...field('powerInstant', POWER_SCOPES.memory) },
    /** The module is the GPU with its CPU: Grace Hopper, Grace Blackwell. */
    moduleInstantMw:    { label: 'module power draw', ...field('powerInstant', POWER_SCOPES.module) },
    moduleLimitMw:      { label: 'module power limit', ...field('powerCurrentLimit', POWER_SCOPES.module) },
  }) },
  /** Used since the driver was loaded, in millijoules. */
  energyMj:             { label: 'energy', depth: 'all', grows: 'with load', ...field('totalEnergy') },
} as const satisfies Record<string, FieldRow>;

/** How fast a GPU runs, how busy it is, what holds its clocks down, and in which modes it is. */
// biome-ignore format: a table
export const ACTIVITY = {
  graphicsClockMhz:            { label: 'graphics clock', depth: 'first', ...numberOf('deviceGetClockInfo', 'graphics') },
  smClockMhz:                  { label: 'SM clock', depth: 'first', now: true, ...numberOf('deviceGetClockInfo', 'sm') },
  memoryClockMhz:              { label: 'memory clock', depth: 'first', now: true, ...numberOf('deviceGetClockInfo', 'memory') },
  maxGraphicsClockMhz:         { label: 'maximum graphics clock', depth: 'first', ...numberOf('deviceGetMaxClockInfo', 'graphics') },
  maxSmClockMhz:               { label: 'maximum SM clock', depth: 'first', ...numberOf('deviceGetMaxClockInfo', 'sm') },
  maxMemoryClockMhz:           { label: 'maximum memory clock', depth: 'first', ...numberOf('deviceGetMaxClockInfo', 'memory') },
  applicationGraphicsClockMhz: { label: 'application clock', depth: 'first', ...numberOf('deviceGetApplicationsClock', 'graphics') },
  applicationMemoryClockMhz:   { label: 'application memory clock', depth: 'first', ...numberOf('deviceGetApplicationsClock', 'memory') },
  defaultApplicationGraphicsClockMhz: { label: 'default application clock', depth: 'all', ...numberOf('deviceGetDefaultApplicationsClock', 'graphics') },
  defaultApplicationMemoryClockMhz:   { label: 'default application memory clock', depth: 'all', ...numberOf('deviceGetDefaultApplicationsClock', 'memory') },
  gpuUtilizationPercent:       { label: 'utilization', depth: 'first', now: true, ...numberIn('deviceGetUtilizationRates', 'gpu') },
  memoryUtilizationPercent:    { label: 'memory utilization', depth: 'first', now: true, ...numberIn('deviceGetUtilizationRates', 'memory') },
  /** In percent of the last sample period, which the driver chooses (167 ms to 1 s). */
  engines:                     { depth: 'all', ...group({
    encoderPercent:            { label: 'encoder utilization', ...numberIn('deviceGetEncoderUtilization', 'utilization') },
    decoderPercent:            { label: 'decoder utilization', ...numberIn('deviceGetDecoderUtilization', 'utilization') },
    jpegPercent:               { label: 'JPEG decoder utilization', ...numberIn('deviceGetJpgUtilization', 'utilization') },
    ofaPercent:                { label: 'optical flow utilization', ...numberIn('deviceGetOfaUtilization', 'utilization') },
  }) },
  /** nvmlDeviceGetCurrentClocksEventReasons: names of the set bits, in snake_case. */
  clocksEventReasons:          { label: 'clocks event reasons', depth: 'first', counters: true, now: true, schema: reading(z.array(publicText)) },
  /** How long clocks were held down since the driver took the GPU: only the growth between two readings is about now. */
  violations:                  { depth: 'all', counters: true, ...group({
    powerNs:                   { label: 'slowdown counters', grows: 'with load', ...field('performancePower') },
    thermalNs:                 { label: 'slowdown counters', ...field('performanceThermal') },
    syncBoostNs:               { label: 'slowdown counters', ...field('performanceSyncBoost') },
    boardLimitNs:              { label: 'slowdown counters', ...field('performanceBoardLimit') },
    lowUtilizationNs:          { label: 'slowdown counters', grows: 'with load', ...field('performanceLowUtilization') },
    reliabilityNs:             { label: 'slowdown counters', ...field('performanceReliability') },
    swThermalNs:               { label: 'slowdown counters', ...field('swThermalSlowdown') },
    hwThermalNs:               { label: 'slowdown counters', ...field('hwThermalSlowdown') },
    hwPowerBrakeNs:            { label: 'slowdown counters', ...field('hwPowerBrakeSlowdown') },
  }) },
  /** nvmlDeviceGetPerformanceState: 0 is the fastest. */
  performanceState:            { label: 'performance state', depth: 'first', schema: number },
  persistenceMode:             { label: 'persistence mode', depth: 'first', ...flagOf('deviceGetPersistenceMode') },
  computeMode:                 { label: 'compute mode', depth: 'first', ...wordOf('deviceGetComputeMode', COMPUTE_MODES) },
  /** nvmlDeviceGetAddressingMode: how the CPU and the GPU share addresses. */
  addressingMode:              { label: 'addressing mode', depth: 'all', schema: reading(z.enum(['none', 'hmm', 'ats', 'unknown'])) },
  /** NVML_GPU_VIRTUALIZATION_MODE_* in lower case: `none` on bare metal, `passthrough` in a VM. */
  virtualizationMode:          { label: 'virtualization mode', depth: 'all', ...wordOf('deviceGetVirtualizationMode', VIRTUALIZATION_MODES) },
  /** nvmlDeviceGetHostVgpuMode: how a host makes virtual GPUs; `not_supported` on all others. */
  hostVgpuMode:                { label: 'vGPU host mode', depth: 'all', schema: reading(z.enum(['non_sriov', 'sriov', 'unknown'])) },
  accountingMode:              { label: 'accounting mode', depth: 'all', ...flagOf('deviceGetAccountingMode') },
} as const satisfies Record<string, FieldRow>;
export type Violations = Fixed<z.infer<typeof ACTIVITY.violations.schema>>;

/**
 * What the GPU did between this reading and the one before that asked for it, Hopper and newer:
 * percent of the time, of the warps or of the bandwidth that there is, or MiB per second.
 */
// biome-ignore format: a table
export const GPM = {
  gpm: { depth: 'on demand', shown: 'apart', ...group({
    smActivePercent:      { label: 'SM activity', schema: number },
    smOccupancyPercent:   { label: 'SM occupancy', schema: number },
    tensorActivePercent:  { label: 'tensor core activity', schema: number },
    dramBandwidthPercent: { label: 'memory bandwidth', schema: number },
    fp64ActivePercent:    { label: 'FP64 activity', schema: number },
    fp32ActivePercent:    { label: 'FP32 activity', schema: number },
    fp16ActivePercent:    { label: 'FP16 activity', schema: number },
    pcieTxMibPerSecond:   { label: 'PCIe transmit rate', schema: number },
    pcieRxMibPerSecond:   { label: 'PCIe receive rate', schema: number },
    nvlinkTxMibPerSecond: { label: 'NVLink transmit rate', schema: number },
    nvlinkRxMibPerSecond: { label: 'NVLink receive rate', schema: number },
  }) },
} as const satisfies Record<string, FieldRow>;
export type Gpm = Fixed<z.infer<typeof GPM.gpm.schema>>;
