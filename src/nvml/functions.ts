import type { Reading } from '../contract/reading.ts';
import type { InputValues, NvmlFunction, OutputValue } from './shapes.ts';
import {
  field,
  handle,
  int32,
  list,
  nothing,
  scalars,
  struct,
  text,
  uint32,
  uint64,
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

/**
 * Every NVML entry point we call, once, in the order of nvml.h's chapters.
 *
 * Names follow nvml.h without the `nvml` prefix and the version suffix. All are getters: this table
 * is the proof that the agent cannot change a GPU. Sizes of texts are nvml.h's *_BUFFER_SIZE.
 * Two versions with different structs are two rows.
 */
// biome-ignore format: a table
export const NVML_FUNCTIONS = {
  init:                          { symbols: ['nvmlInit_v2'], inputs: [], output: nothing },
  shutdown:                      { symbols: ['nvmlShutdown'], inputs: [], output: nothing },
  systemGetDriverVersion:        { symbols: ['nvmlSystemGetDriverVersion'], inputs: [], output: text(80) },
  systemGetNVMLVersion:          { symbols: ['nvmlSystemGetNVMLVersion'], inputs: [], output: text(80) },
  systemGetCudaDriverVersion:    { symbols: ['nvmlSystemGetCudaDriverVersion_v2', 'nvmlSystemGetCudaDriverVersion'], inputs: [], output: int32 },

  deviceGetCount:                { symbols: ['nvmlDeviceGetCount_v2'], inputs: [], output: uint32 },
  deviceGetHandleByIndex:        { symbols: ['nvmlDeviceGetHandleByIndex_v2'], inputs: ['index'], output: handle },
  deviceGetName:                 { symbols: ['nvmlDeviceGetName'], inputs: ['device'], output: text(96) },
  deviceGetUUID:                 { symbols: ['nvmlDeviceGetUUID'], inputs: ['device'], output: text(96) },
  deviceGetSerial:               { symbols: ['nvmlDeviceGetSerial'], inputs: ['device'], output: text(30) },
  deviceGetPciInfo:              { symbols: ['nvmlDeviceGetPciInfo_v3'], inputs: ['device'], output: struct(pciInfo) },
  deviceGetMinorNumber:          { symbols: ['nvmlDeviceGetMinorNumber'], inputs: ['device'], output: uint32 },
  deviceGetVbiosVersion:         { symbols: ['nvmlDeviceGetVbiosVersion'], inputs: ['device'], output: text(32) },

  deviceGetMemoryInfo:           { symbols: ['nvmlDeviceGetMemoryInfo_v2'], inputs: ['device'], output: struct(memoryV2) },
  deviceGetMemoryInfoV1:         { symbols: ['nvmlDeviceGetMemoryInfo'], inputs: ['device'], output: struct(memoryV1) },
  deviceGetBAR1MemoryInfo:       { symbols: ['nvmlDeviceGetBAR1MemoryInfo'], inputs: ['device'], output: struct(bar1Memory) },

  deviceGetTemperature:          { symbols: ['nvmlDeviceGetTemperature'], inputs: ['device', 'temperatureSensor'], output: uint32 },
  deviceGetTemperatureThreshold: { symbols: ['nvmlDeviceGetTemperatureThreshold'], inputs: ['device', 'temperatureThreshold'], output: uint32 },
  deviceGetPowerUsage:           { symbols: ['nvmlDeviceGetPowerUsage'], inputs: ['device'], output: uint32 },
  deviceGetPowerManagementLimit: { symbols: ['nvmlDeviceGetPowerManagementLimit'], inputs: ['device'], output: uint32 },
  deviceGetEnforcedPowerLimit:   { symbols: ['nvmlDeviceGetEnforcedPowerLimit'], inputs: ['device'], output: uint32 },
  deviceGetPowerManagementDefaultLimit: { symbols: ['nvmlDeviceGetPowerManagementDefaultLimit'], inputs: ['device'], output: uint32 },

  deviceGetClockInfo:            { symbols: ['nvmlDeviceGetClockInfo'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetMaxClockInfo:         { symbols: ['nvmlDeviceGetMaxClockInfo'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetApplicationsClock:    { symbols: ['nvmlDeviceGetApplicationsClock'], inputs: ['device', 'clockType'], output: uint32 },
  deviceGetCurrentClocksEventReasons: { symbols: ['nvmlDeviceGetCurrentClocksEventReasons', 'nvmlDeviceGetCurrentClocksThrottleReasons'], inputs: ['device'], output: uint64 },
  deviceGetUtilizationRates:     { symbols: ['nvmlDeviceGetUtilizationRates'], inputs: ['device'], output: struct(utilization) },
  deviceGetPerformanceState:     { symbols: ['nvmlDeviceGetPerformanceState'], inputs: ['device'], output: uint32 },
  deviceGetPersistenceMode:      { symbols: ['nvmlDeviceGetPersistenceMode'], inputs: ['device'], output: uint32 },
  deviceGetComputeMode:          { symbols: ['nvmlDeviceGetComputeMode'], inputs: ['device'], output: uint32 },

  deviceGetEccMode:              { symbols: ['nvmlDeviceGetEccMode'], inputs: ['device'], output: scalars({ current: 'uint32', pending: 'uint32' }) },
  deviceGetTotalEccErrors:       { symbols: ['nvmlDeviceGetTotalEccErrors'], inputs: ['device', 'memoryErrorType', 'eccCounterType'], output: uint64 },
  deviceGetRetiredPages:         { symbols: ['nvmlDeviceGetRetiredPages'], inputs: ['device', 'pageRetirementCause'], output: list('uint64') },
  deviceGetRetiredPagesPendingStatus: { symbols: ['nvmlDeviceGetRetiredPagesPendingStatus'], inputs: ['device'], output: uint32 },
  deviceGetRemappedRows:         { symbols: ['nvmlDeviceGetRemappedRows'], inputs: ['device'], output: scalars({ corrected: 'uint32', uncorrected: 'uint32', pending: 'uint32', failureOccurred: 'uint32' }) },

  deviceGetCurrPcieLinkGeneration: { symbols: ['nvmlDeviceGetCurrPcieLinkGeneration'], inputs: ['device'], output: uint32 },
  deviceGetMaxPcieLinkGeneration:  { symbols: ['nvmlDeviceGetMaxPcieLinkGeneration'], inputs: ['device'], output: uint32 },
  deviceGetCurrPcieLinkWidth:    { symbols: ['nvmlDeviceGetCurrPcieLinkWidth'], inputs: ['device'], output: uint32 },
  deviceGetMaxPcieLinkWidth:     { symbols: ['nvmlDeviceGetMaxPcieLinkWidth'], inputs: ['device'], output: uint32 },
  deviceGetPcieReplayCounter:    { symbols: ['nvmlDeviceGetPcieReplayCounter'], inputs: ['device'], output: uint32 },

  deviceGetMigMode:              { symbols: ['nvmlDeviceGetMigMode'], inputs: ['device'], output: scalars({ current: 'uint32', pending: 'uint32' }) },
  deviceGetFieldValue:           { symbols: ['nvmlDeviceGetFieldValues'], inputs: ['device', 'fieldId'], output: field },

  deviceGetComputeRunningProcesses:    { symbols: ['nvmlDeviceGetComputeRunningProcesses_v3', 'nvmlDeviceGetComputeRunningProcesses_v2'], inputs: ['device'], output: list(processInfoV2) },
  deviceGetComputeRunningProcessesV1:  { symbols: ['nvmlDeviceGetComputeRunningProcesses'], inputs: ['device'], output: list(processInfoV1) },
  deviceGetGraphicsRunningProcesses:   { symbols: ['nvmlDeviceGetGraphicsRunningProcesses_v3', 'nvmlDeviceGetGraphicsRunningProcesses_v2'], inputs: ['device'], output: list(processInfoV2) },
  deviceGetGraphicsRunningProcessesV1: { symbols: ['nvmlDeviceGetGraphicsRunningProcesses'], inputs: ['device'], output: list(processInfoV1) },
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
