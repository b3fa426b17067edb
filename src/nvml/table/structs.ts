import type { Struct } from './shapes.ts';
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
} from './structs-broad.ts';
import { DEEP_STRUCTS } from './structs-deep.ts';

/** Every struct we pass to NVML, once; sizes and offsets are checked against nvml.h in e2e. */

/** Where a GPU sits on PCI: `busId` is `00000000:3B:00.0`. */
export const pciInfo = {
  name: 'nvmlPciInfo_t',
  byteSize: 68,
  members: {
    busIdLegacy: 'char[16]',
    domain: 'uint32',
    bus: 'uint32',
    device: 'uint32',
    pciDeviceId: 'uint32',
    pciSubSystemId: 'uint32',
    busId: 'char[32]',
  },
} as const satisfies Struct;

/** Frame-buffer memory in bytes; `used` includes what the driver keeps. */
export const memoryV1 = {
  name: 'nvmlMemory_t',
  byteSize: 24,
  members: { total: 'uint64', free: 'uint64', used: 'uint64' },
} as const satisfies Struct;

/** Frame-buffer memory in bytes; `reserved` is what the driver keeps, `used` is without it. R510. */
export const memoryV2 = {
  name: 'nvmlMemory_v2_t',
  version: 2,
  byteSize: 40,
  members: {
    version: 'uint32',
    total: 'uint64',
    reserved: 'uint64',
    free: 'uint64',
    used: 'uint64',
  },
} as const satisfies Struct;

/** The window into GPU memory that the CPU and peers map, in bytes. */
export const bar1Memory = {
  name: 'nvmlBAR1Memory_t',
  byteSize: 24,
  members: { bar1Total: 'uint64', bar1Free: 'uint64', bar1Used: 'uint64' },
} as const satisfies Struct;

/** Percent of the last sample period (1/6 s to 1 s) in which kernels ran and memory was used. */
export const utilization = {
  name: 'nvmlUtilization_t',
  byteSize: 8,
  members: { gpu: 'uint32', memory: 'uint32' },
} as const satisfies Struct;

/** A process before MIG (R445 and older); memory in bytes or NVML_VALUE_NOT_AVAILABLE. */
export const processInfoV1 = {
  name: 'nvmlProcessInfo_v1_t',
  byteSize: 16,
  members: { pid: 'uint32', usedGpuMemory: 'uint64' },
} as const satisfies Struct;

/** A process with its MIG instances, 0xFFFFFFFF where there are none. Of the _v2 and _v3 calls. */
export const processInfoV2 = {
  name: 'nvmlProcessInfo_v2_t',
  byteSize: 24,
  members: {
    pid: 'uint32',
    usedGpuMemory: 'uint64',
    gpuInstanceId: 'uint32',
    computeInstanceId: 'uint32',
  },
} as const satisfies Struct;

/** One field asked for by its id. `value` is a union of 8 bytes; `valueType` tells its form. */
export const fieldValue = {
  name: 'nvmlFieldValue_t',
  byteSize: 40,
  members: {
    fieldId: 'uint32',
    scopeId: 'uint32',
    timestamp: 'int64',
    latencyUsec: 'int64',
    valueType: 'uint32',
    nvmlReturn: 'uint32',
    value: 'uint64',
  },
} as const satisfies Struct;

export const STRUCTS: readonly Struct[] = [
  pciInfo,
  memoryV1,
  memoryV2,
  bar1Memory,
  utilization,
  processInfoV1,
  processInfoV2,
  fieldValue,
  marginTemperature,
  sramErrorStatus,
  rowRemapperHistogram,
  repairStatus,
  fabricV1,
  fabricV2,
  fabricV3,
  platformV1,
  platformV2,
  addressingMode,
  deviceAttributes,
  bridgeChips,
  confidentialCompute,
  ...DEEP_STRUCTS,
];
