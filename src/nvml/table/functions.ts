import type { Reading } from '../../contract/reading.ts';
import { PROCESS_MODE_ALL } from './enums.ts';
import type { InputValues, NvmlFunction, OutputValue } from './shapes.ts';
import {
  bits,
  fields,
  handle,
  handleOf,
  int32,
  list,
  metrics,
  nothing,
  pointedList,
  scalars,
  struct,
  text,
  uint32,
  uint64,
  unsizedText,
} from './shapes.ts';
import {
  bar1Memory,
  memoryV1,
  memoryV2,
  pciInfo,
  processInfoV1,
  processInfoV2,
  utilization,
} from './structs.ts';
import {
  addressingMode,
  bridgeChips,
  confidentialCompute,
  deviceAttributes,
  fabricV1,
  fabricV2,
  fabricV3,
  marginTemperature,
  platformV1,
  platformV2,
  repairStatus,
  rowRemapperHistogram,
  sramErrorStatus,
  unrepairableMemory,
} from './structs-broad.ts';
import {
  gpmSupport,
  gpuInstanceInfo,
  gpuInstanceProfileV2,
  processDetail,
  processDetailList,
  sramUniqueError,
  sramUniqueErrors,
} from './structs-deep.ts';

/**
 * Every NVML entry point we call, once, in the order of nvml.h's chapters.
 *
 * Names follow nvml.h without the `nvml` prefix and the version suffix. All are getters: this table
 * is the proof that the agent cannot change a GPU (a GPM sample is memory of this process, taken and
 * given back). Sizes of texts are nvml.h's *_BUFFER_SIZE.
 * Two versions with different structs are two rows; but an older nvmlPciInfo_t is shorter and ends in
 * what we do not read: its text of the address is the legacy one.
 */
// biome-ignore format: a table
export const NVML_FUNCTIONS = {
  init:                          { symbols: ['nvmlInit_v2'], inputs: [], output: nothing },
  shutdown:                      { symbols: ['nvmlShutdown'], inputs: [], output: nothing },
  systemGetDriverVersion:        { symbols: ['nvmlSystemGetDriverVersion'], inputs: [], output: text(80) },
  systemGetNVMLVersion:          { symbols: ['nvmlSystemGetNVMLVersion'], inputs: [], output: text(80) },
  systemGetCudaDriverVersion:    { symbols: ['nvmlSystemGetCudaDriverVersion_v2', 'nvmlSystemGetCudaDriverVersion'], inputs: [], output: int32 },
  systemGetConfComputeState:     { symbols: ['nvmlSystemGetConfComputeState'], inputs: [], output: struct(confidentialCompute) },

  deviceGetCount:                { symbols: ['nvmlDeviceGetCount_v2'], inputs: [], output: uint32 },
  deviceGetHandleByIndex:        { symbols: ['nvmlDeviceGetHandleByIndex_v2'], inputs: ['index'], output: handle },
  deviceGetName:                 { symbols: ['nvmlDeviceGetName'], inputs: ['device'], output: text(96) },
  deviceGetUUID:                 { symbols: ['nvmlDeviceGetUUID'], inputs: ['device'], output: text(96) },
  deviceGetSerial:               { symbols: ['nvmlDeviceGetSerial'], inputs: ['device'], output: text(30) },
  deviceGetPciInfo:              { symbols: ['nvmlDeviceGetPciInfo_v3', 'nvmlDeviceGetPciInfo_v2'], inputs: ['device'], output: struct(pciInfo) },
  deviceGetMinorNumber:          { symbols: ['nvmlDeviceGetMinorNumber'], inputs: ['device'], output: uint32 },
  deviceGetVbiosVersion:         { symbols: ['nvmlDeviceGetVbiosVersion'], inputs: ['device'], output: text(32) },
  deviceGetBoardPartNumber:      { symbols: ['nvmlDeviceGetBoardPartNumber'], inputs: ['device'], output: text(80) },
  deviceGetBoardId:              { symbols: ['nvmlDeviceGetBoardId'], inputs: ['device'], output: uint32 },
  deviceGetMultiGpuBoard:        { symbols: ['nvmlDeviceGetMultiGpuBoard'], inputs: ['device'], output: uint32 },
  deviceGetBrand:                { symbols: ['nvmlDeviceGetBrand'], inputs: ['device'], output: uint32 },
  deviceGetArchitecture:         { symbols: ['nvmlDeviceGetArchitecture'], inputs: ['device'], output: uint32 },
  deviceGetCudaComputeCapability: { symbols: ['nvmlDeviceGetCudaComputeCapability'], inputs: ['device'], output: scalars({ major: 'int32', minor: 'int32' }) },
  deviceGetModuleId:             { symbols: ['nvmlDeviceGetModuleId'], inputs: ['device'], output: uint32 },
  deviceGetPlatformInfo:         { symbols: ['nvmlDeviceGetPlatformInfo'], inputs: ['device'], output: struct(platformV2) },
  deviceGetPlatformInfoV1:       { symbols: ['nvmlDeviceGetPlatformInfo'], inputs: ['device'], output: struct(platformV1) },
  deviceGetInforomImageVersion:  { symbols: ['nvmlDeviceGetInforomImageVersion'], inputs: ['device'], output: text(16) },
  deviceGetInforomVersion:       { symbols: ['nvmlDeviceGetInforomVersion'], inputs: ['device', 'inforomObject'], output: text(16) },
  deviceGetInforomConfigurationChecksum: { symbols: ['nvmlDeviceGetInforomConfigurationChecksum'], inputs: ['device'], output: uint32 },
  deviceGetGspFirmwareVersion:   { symbols: ['nvmlDeviceGetGspFirmwareVersion'], inputs: ['device'], output: unsizedText(64) },
  deviceGetGspFirmwareMode:      { symbols: ['nvmlDeviceGetGspFirmwareMode'], inputs: ['device'], output: scalars({ isEnabled: 'uint32', defaultMode: 'uint32' }) },
  deviceGetLastBBXFlushTime:     { symbols: ['nvmlDeviceGetLastBBXFlushTime'], inputs: ['device'], output: scalars({ timestamp: 'uint64', durationUs: 'uint64' }) },
  deviceGetBridgeChipInfo:       { symbols: ['nvmlDeviceGetBridgeChipInfo'], inputs: ['device'], output: struct(bridgeChips) },
  deviceGetVirtualizationMode:   { symbols: ['nvmlDeviceGetVirtualizationMode'], inputs: ['device'], output: uint32 },
  deviceGetHostVgpuMode:         { symbols: ['nvmlDeviceGetHostVgpuMode'], inputs: ['device'], output: uint32 },
  deviceGetAddressingMode:       { symbols: ['nvmlDeviceGetAddressingMode'], inputs: ['device'], output: struct(addressingMode) },

  deviceGetMemoryInfo:           { symbols: ['nvmlDeviceGetMemoryInfo_v2'], inputs: ['device'], output: struct(memoryV2) },
  deviceGetMemoryInfoV1:         { symbols: ['nvmlDeviceGetMemoryInfo'], inputs: ['device'], output: struct(memoryV1) },
  deviceGetBAR1MemoryInfo:       { symbols: ['nvmlDeviceGetBAR1MemoryInfo'], inputs: ['device'], output: struct(bar1Memory) },

  deviceGetMarginTemperature:    { symbols: ['nvmlDeviceGetMarginTemperature'], inputs: ['device'], output: struct(marginTemperature) },
  deviceGetNumFans:              { symbols: ['nvmlDeviceGetNumFans'], inputs: ['device'], output: uint32 },
  deviceGetFanSpeed:             { symbols: ['nvmlDeviceGetFanSpeed_v2'], inputs: ['device', 'index'], output: uint32 },
  deviceGetFanSpeedV1:           { symbols: ['nvmlDeviceGetFanSpeed'], inputs: ['device'], output: uint32 },
  deviceGetTemperature:          { symbols: ['nvmlDeviceGetTemperature'], inputs: ['device', 'temperatureSensor'], output: uint32 },
  deviceGetTemperatureThreshold: { symbols: ['nvmlDeviceGetTemperatureThreshold'], inputs: ['device', 'temperatureThreshold'], output: uint32 },
  deviceGetPowerUsage:           { symbols: ['nvmlDeviceGetPowerUsage'], inputs: ['device'], output: uint32 },
  deviceGetPowerManagementLimit: { symbols: ['nvmlDeviceGetPowerManagementLimit'], inputs: ['device'], output: uint32 },
  deviceGetPowerManagementLimitConstraints: { symbols: ['nvmlDeviceGetPowerManagementLimitConstraints'], inputs: ['device'], output: scalars({ minLimit: 'uint32', maxLimit: 'uint32' }) },
  deviceGetEnforcedPowerLimit:   { symbols: ['nvmlDeviceGetEnforcedPowerLimit'], inputs: ['device'], output: uint32 },
  deviceGetPowerManagementDefaultLimit: { symbols: ['nvmlDeviceGetPowerManagementDefaultLimit'], inputs: ['device'], output: uint32 },

  deviceGetClockInfo:            { symbols: ['nvmlDeviceGetClockInfo'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetMaxClockInfo:         { symbols: ['nvmlDeviceGetMaxClockInfo'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetApplicationsClock:    { symbols: ['nvmlDeviceGetApplicationsClock'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetDefaultApplicationsClock: { symbols: ['nvmlDeviceGetDefaultApplicationsClock'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetCurrentClocksEventReasons: { symbols: ['nvmlDeviceGetCurrentClocksEventReasons', 'nvmlDeviceGetCurrentClocksThrottleReasons'], inputs: ['device'], output: uint64 },
  deviceGetUtilizationRates:     { symbols: ['nvmlDeviceGetUtilizationRates'], inputs: ['device'], output: struct(utilization) },
  deviceGetEncoderUtilization:   { symbols: ['nvmlDeviceGetEncoderUtilization'], inputs: ['device'], output: scalars({ utilization: 'uint32', samplingPeriodUs: 'uint32' }) },
  deviceGetDecoderUtilization:   { symbols: ['nvmlDeviceGetDecoderUtilization'], inputs: ['device'], output: scalars({ utilization: 'uint32', samplingPeriodUs: 'uint32' }) },
  deviceGetJpgUtilization:       { symbols: ['nvmlDeviceGetJpgUtilization'], inputs: ['device'], output: scalars({ utilization: 'uint32', samplingPeriodUs: 'uint32' }) },
  deviceGetOfaUtilization:       { symbols: ['nvmlDeviceGetOfaUtilization'], inputs: ['device'], output: scalars({ utilization: 'uint32', samplingPeriodUs: 'uint32' }) },
  deviceGetAccountingMode:       { symbols: ['nvmlDeviceGetAccountingMode'], inputs: ['device'], output: uint32 },
  deviceGetPerformanceState:     { symbols: ['nvmlDeviceGetPerformanceState'], inputs: ['device'], output: uint32 },
  deviceGetPersistenceMode:      { symbols: ['nvmlDeviceGetPersistenceMode'], inputs: ['device'], output: uint32 },
  deviceGetComputeMode:          { symbols: ['nvmlDeviceGetComputeMode'], inputs: ['device'], output: uint32 },

  deviceGetEccMode:              { symbols: ['nvmlDeviceGetEccMode'], inputs: ['device'], output: scalars({ current: 'uint32', pending: 'uint32' }) },
  deviceGetTotalEccErrors:       { symbols: ['nvmlDeviceGetTotalEccErrors'], inputs: ['device', 'memoryErrorType', 'eccCounterType'], output: uint64 },
  deviceGetRetiredPages:         { symbols: ['nvmlDeviceGetRetiredPages'], inputs: ['device', 'pageRetirementCause'], output: list('uint64') },
  deviceGetRetiredPagesPendingStatus: { symbols: ['nvmlDeviceGetRetiredPagesPendingStatus'], inputs: ['device'], output: uint32 },
  deviceGetRemappedRows:         { symbols: ['nvmlDeviceGetRemappedRows'], inputs: ['device'], output: scalars({ corrected: 'uint32', uncorrected: 'uint32', pending: 'uint32', failureOccurred: 'uint32' }) },
  deviceGetMemoryErrorCounter:   { symbols: ['nvmlDeviceGetMemoryErrorCounter'], inputs: ['device', 'memoryErrorType', 'eccCounterType', 'memoryLocation'], output: uint64 },
  deviceGetSramEccErrorStatus:   { symbols: ['nvmlDeviceGetSramEccErrorStatus'], inputs: ['device'], output: struct(sramErrorStatus) },
  deviceGetSramUniqueUncorrectedEccErrorCounts: { symbols: ['nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts'], inputs: ['device'], output: pointedList({ struct: sramUniqueErrors, count: 'entryCount', pointer: 'entries', item: sramUniqueError }) },
  deviceGetRowRemapperHistogram: { symbols: ['nvmlDeviceGetRowRemapperHistogram'], inputs: ['device'], output: struct(rowRemapperHistogram) },
  deviceGetRepairStatus:         { symbols: ['nvmlDeviceGetRepairStatus'], inputs: ['device'], output: struct(repairStatus) },
  deviceGetUnrepairableMemoryFlag: { symbols: ['nvmlDeviceGetUnrepairableMemoryFlag_v1'], inputs: ['device'], output: struct(unrepairableMemory) },

  deviceGetCurrPcieLinkGeneration: { symbols: ['nvmlDeviceGetCurrPcieLinkGeneration'], inputs: ['device'], output: uint32 },
  deviceGetMaxPcieLinkGeneration:  { symbols: ['nvmlDeviceGetMaxPcieLinkGeneration'], inputs: ['device'], output: uint32 },
  deviceGetCurrPcieLinkWidth:    { symbols: ['nvmlDeviceGetCurrPcieLinkWidth'], inputs: ['device'], output: uint32 },
  deviceGetMaxPcieLinkWidth:     { symbols: ['nvmlDeviceGetMaxPcieLinkWidth'], inputs: ['device'], output: uint32 },
  deviceGetPcieReplayCounter:    { symbols: ['nvmlDeviceGetPcieReplayCounter'], inputs: ['device'], output: uint32 },

  deviceGetNvLinkState:          { symbols: ['nvmlDeviceGetNvLinkState'], inputs: ['device', 'index'], output: uint32 },
  deviceGetNvLinkVersion:        { symbols: ['nvmlDeviceGetNvLinkVersion'], inputs: ['device', 'index'], output: uint32 },
  deviceGetNvLinkRemoteDeviceType: { symbols: ['nvmlDeviceGetNvLinkRemoteDeviceType'], inputs: ['device', 'index'], output: uint32 },
  deviceGetNvLinkRemotePciInfo:  { symbols: ['nvmlDeviceGetNvLinkRemotePciInfo_v2', 'nvmlDeviceGetNvLinkRemotePciInfo'], inputs: ['device', 'index'], output: struct(pciInfo) },
  deviceGetGpuFabricInfoV3:      { symbols: ['nvmlDeviceGetGpuFabricInfoV'], inputs: ['device'], output: struct(fabricV3) },
  deviceGetGpuFabricInfoV2:      { symbols: ['nvmlDeviceGetGpuFabricInfoV'], inputs: ['device'], output: struct(fabricV2) },
  deviceGetGpuFabricInfo:        { symbols: ['nvmlDeviceGetGpuFabricInfo'], inputs: ['device'], output: struct(fabricV1) },
  deviceGetTopologyCommonAncestor: { symbols: ['nvmlDeviceGetTopologyCommonAncestor'], inputs: ['device', 'device'], output: uint32 },
  deviceGetP2PStatus:            { symbols: ['nvmlDeviceGetP2PStatus'], inputs: ['device', 'device', 'p2pCapability'], output: uint32 },
  deviceGetCpuAffinity:          { symbols: ['nvmlDeviceGetCpuAffinity'], inputs: ['device'], output: bits(32) },
  deviceGetMemoryAffinity:       { symbols: ['nvmlDeviceGetMemoryAffinity'], inputs: ['device'], output: bits(16, 0) },
  deviceGetNumaNodeId:           { symbols: ['nvmlDeviceGetNumaNodeId'], inputs: ['device'], output: uint32 },

  deviceGetMaxMigDeviceCount:    { symbols: ['nvmlDeviceGetMaxMigDeviceCount'], inputs: ['device'], output: uint32 },
  deviceGetMigDeviceHandleByIndex: { symbols: ['nvmlDeviceGetMigDeviceHandleByIndex'], inputs: ['device', 'index'], output: handle },
  deviceGetGpuInstanceId:        { symbols: ['nvmlDeviceGetGpuInstanceId'], inputs: ['device'], output: uint32 },
  deviceGetComputeInstanceId:    { symbols: ['nvmlDeviceGetComputeInstanceId'], inputs: ['device'], output: uint32 },
  deviceGetAttributes:           { symbols: ['nvmlDeviceGetAttributes_v2', 'nvmlDeviceGetAttributes'], inputs: ['device'], output: struct(deviceAttributes) },
  deviceGetGpuInstanceById:      { symbols: ['nvmlDeviceGetGpuInstanceById'], inputs: ['device', 'index'], output: handleOf('gpuInstance') },
  gpuInstanceGetInfo:            { symbols: ['nvmlGpuInstanceGetInfo'], inputs: ['gpuInstance'], output: struct(gpuInstanceInfo) },
  deviceGetGpuInstanceProfileInfo: { symbols: ['nvmlDeviceGetGpuInstanceProfileInfoV'], inputs: ['device', 'index'], output: struct(gpuInstanceProfileV2) },
  deviceGetGpuInstanceRemainingCapacity: { symbols: ['nvmlDeviceGetGpuInstanceRemainingCapacity'], inputs: ['device', 'index'], output: uint32 },
  deviceGetMigMode:              { symbols: ['nvmlDeviceGetMigMode'], inputs: ['device'], output: scalars({ current: 'uint32', pending: 'uint32' }) },
  deviceGetFieldValues:          { symbols: ['nvmlDeviceGetFieldValues'], inputs: ['device', 'fields'], output: fields },

  deviceGetComputeRunningProcesses:    { symbols: ['nvmlDeviceGetComputeRunningProcesses_v3', 'nvmlDeviceGetComputeRunningProcesses_v2'], inputs: ['device'], output: list(processInfoV2) },
  deviceGetComputeRunningProcessesV1:  { symbols: ['nvmlDeviceGetComputeRunningProcesses'], inputs: ['device'], output: list(processInfoV1) },
  deviceGetGraphicsRunningProcesses:   { symbols: ['nvmlDeviceGetGraphicsRunningProcesses_v3', 'nvmlDeviceGetGraphicsRunningProcesses_v2'], inputs: ['device'], output: list(processInfoV2) },
  deviceGetGraphicsRunningProcessesV1: { symbols: ['nvmlDeviceGetGraphicsRunningProcesses'], inputs: ['device'], output: list(processInfoV1) },
  deviceGetMPSComputeRunningProcesses: { symbols: ['nvmlDeviceGetMPSComputeRunningProcesses_v3', 'nvmlDeviceGetMPSComputeRunningProcesses_v2'], inputs: ['device'], output: list(processInfoV2) },
  deviceGetRunningProcessDetailList:   { symbols: ['nvmlDeviceGetRunningProcessDetailList'], inputs: ['device'], output: pointedList({ struct: processDetailList, count: 'numProcArrayEntries', pointer: 'procArray', item: processDetail, given: { mode: PROCESS_MODE_ALL } }) },

  gpmQueryDeviceSupport:         { symbols: ['nvmlGpmQueryDeviceSupport'], inputs: ['device'], output: struct(gpmSupport) },
  gpmSampleAlloc:                { symbols: ['nvmlGpmSampleAlloc'], inputs: [], output: handleOf('gpmSample') },
  gpmSampleFree:                 { symbols: ['nvmlGpmSampleFree'], inputs: ['gpmSample'], output: nothing },
  gpmSampleGet:                  { symbols: ['nvmlGpmSampleGet'], inputs: ['device', 'gpmSample'], output: nothing },
  gpmMetricsGet:                 { symbols: ['nvmlGpmMetricsGet'], inputs: ['gpmSample', 'gpmSample', 'metrics'], output: metrics },
} as const satisfies Record<string, NvmlFunction>;

export type NvmlFunctions = typeof NVML_FUNCTIONS;
export type NvmlFunctionName = keyof NvmlFunctions;
export type Inputs<N extends NvmlFunctionName> = InputValues<NvmlFunctions[N]['inputs']>;
export type Value<N extends NvmlFunctionName> = OutputValue<NvmlFunctions[N]['output']>;

/** A library that can be asked: the real one through koffi, or a machine made of data. */
export interface NvmlLibrary {
  /** Calls one function and waits for it, however long it takes. Never throws for the driver. */
  call<N extends NvmlFunctionName>(name: N, ...inputs: Inputs<N>): Reading<Value<N>>;
}

/** What came of the search for the library: its path on the node, and the library where it opened. */
export interface OpenedLibrary {
  readonly path: Reading<string>;
  readonly library: NvmlLibrary | undefined;
}
