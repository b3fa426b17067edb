import type { Struct } from './shapes.ts';

/** The structs of what is read beside identity, memory and processes; structs.ts has the list of all. */

/** Degrees Celsius to the slowdown. */
export const marginTemperature = {
  name: 'nvmlMarginTemperature_v1_t',
  version: 1,
  byteSize: 8,
  members: { version: 'uint32', marginTemperature: 'int32' },
} as const satisfies Struct;

/** SRAM errors by kind, and by part of the chip. R550. */
export const sramErrorStatus = {
  name: 'nvmlEccSramErrorStatus_v1_t',
  version: 1,
  byteSize: 104,
  members: {
    version: 'uint32',
    aggregateUncParity: 'uint64',
    aggregateUncSecDed: 'uint64',
    aggregateCor: 'uint64',
    volatileUncParity: 'uint64',
    volatileUncSecDed: 'uint64',
    volatileCor: 'uint64',
    aggregateUncBucketL2: 'uint64',
    aggregateUncBucketSm: 'uint64',
    aggregateUncBucketPcie: 'uint64',
    aggregateUncBucketMcu: 'uint64',
    aggregateUncBucketOther: 'uint64',
    bThresholdExceeded: 'uint32',
  },
} as const satisfies Struct;

/** How many banks have so many spare rows left. */
export const rowRemapperHistogram = {
  name: 'nvmlRowRemapperHistogramValues_t',
  byteSize: 20,
  members: { max: 'uint32', high: 'uint32', partial: 'uint32', low: 'uint32', none: 'uint32' },
} as const satisfies Struct;

export const repairStatus = {
  name: 'nvmlRepairStatus_v1_t',
  version: 1,
  byteSize: 12,
  members: { version: 'uint32', bChannelRepairPending: 'uint32', bTpcRepairPending: 'uint32' },
} as const satisfies Struct;

/**
 * nvml.h has one word here, the flag (nvmlUnrepairableMemoryStatus_v1_t); NVIDIA's Python client has
 * a version word before it. We pass the larger of the two, which suits both, and look at both words.
 * Not in the list of structs that are checked against nvml.h.
 */
export const unrepairableMemory = {
  name: 'nvmlUnrepairableMemory_v1_t',
  version: 1,
  byteSize: 8,
  members: { version: 'uint32', bUnrepairableMemory: 'uint32' },
} as const satisfies Struct;

/** The fabric before it had a health mask (R525). */
export const fabricV1 = {
  name: 'nvmlGpuFabricInfo_t',
  byteSize: 28,
  members: { clusterUuid: 'bytes[16]', status: 'uint32', cliqueId: 'uint32', state: 'uint8' },
} as const satisfies Struct;

/** R550. */
export const fabricV2 = {
  name: 'nvmlGpuFabricInfo_v2_t',
  version: 2,
  byteSize: 36,
  members: {
    version: 'uint32',
    clusterUuid: 'bytes[16]',
    status: 'uint32',
    cliqueId: 'uint32',
    state: 'uint8',
    healthMask: 'uint32',
  },
} as const satisfies Struct;

/** R570. */
export const fabricV3 = {
  name: 'nvmlGpuFabricInfo_v3_t',
  version: 3,
  byteSize: 40,
  members: { ...fabricV2.members, healthSummary: 'uint8' },
} as const satisfies Struct;

/** Where the GPU sits in its rack. R570. */
export const platformV1 = {
  name: 'nvmlPlatformInfo_v1_t',
  version: 1,
  byteSize: 44,
  members: {
    version: 'uint32',
    ibGuid: 'bytes[16]',
    rackGuid: 'char[16]',
    chassisPhysicalSlotNumber: 'uint8',
    computeSlotIndex: 'uint8',
    nodeIndex: 'uint8',
    peerType: 'uint8',
    moduleId: 'uint8',
  },
} as const satisfies Struct;

export const platformV2 = {
  name: 'nvmlPlatformInfo_v2_t',
  version: 2,
  byteSize: 44,
  members: {
    version: 'uint32',
    ibGuid: 'bytes[16]',
    chassisSerialNumber: 'char[16]',
    slotNumber: 'uint8',
    trayIndex: 'uint8',
    hostId: 'uint8',
    peerType: 'uint8',
    moduleId: 'uint8',
  },
} as const satisfies Struct;

export const addressingMode = {
  name: 'nvmlDeviceAddressingMode_v1_t',
  version: 1,
  byteSize: 8,
  members: { version: 'uint32', value: 'uint32' },
} as const satisfies Struct;

/** What a MIG device has; memory in MiB. */
export const deviceAttributes = {
  name: 'nvmlDeviceAttributes_t',
  byteSize: 40,
  members: {
    multiprocessorCount: 'uint32',
    sharedCopyEngineCount: 'uint32',
    sharedDecoderCount: 'uint32',
    sharedEncoderCount: 'uint32',
    sharedJpegCount: 'uint32',
    sharedOfaCount: 'uint32',
    gpuInstanceSliceCount: 'uint32',
    computeInstanceSliceCount: 'uint32',
    memorySizeMB: 'uint64',
  },
} as const satisfies Struct;

/** Of boards with several GPUs: the count is read, the 128 entries are not. */
export const bridgeChips = {
  name: 'nvmlBridgeChipHierarchy_t',
  byteSize: 1028,
  members: {
    bridgeCount: 'uint8',
    'bridgeChipInfo[0].type': 'uint32',
    'bridgeChipInfo[0].fwVersion': 'uint32',
    'bridgeChipInfo[1]': 'bytes[1016]',
  },
} as const satisfies Struct;

export const confidentialCompute = {
  name: 'nvmlConfComputeSystemState_t',
  byteSize: 12,
  members: { environment: 'uint32', ccFeature: 'uint32', devToolsMode: 'uint32' },
} as const satisfies Struct;
