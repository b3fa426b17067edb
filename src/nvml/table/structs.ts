import type { Struct } from './shapes.ts';

/** Every struct we pass to NVML, once; sizes and offsets are checked against nvml.h in e2e. */

/* ---- A GPU, its board and its rack ---- */

/** Where a GPU sits on PCI: `busId` is `00000000:3B:00.0`. */
// biome-ignore format: a table
export const pciInfo = {
  name: 'nvmlPciInfo_t', byteSize: 68, members: {
    busIdLegacy: 'char[16]', domain: 'uint32', bus: 'uint32', device: 'uint32', pciDeviceId:
    'uint32', pciSubSystemId: 'uint32', busId: 'char[32]',
  },
} as const satisfies Struct;

/** Of boards with several GPUs: the count is read, the 128 entries are not. */
// biome-ignore format: a table
export const bridgeChips = {
  name: 'nvmlBridgeChipHierarchy_t', byteSize: 1028, members: {
    bridgeCount: 'uint8', 'bridgeChipInfo[0].type': 'uint32', 'bridgeChipInfo[0].fwVersion':
    'uint32', 'bridgeChipInfo[1]': 'bytes[1016]',
  },
} as const satisfies Struct;

/** Where the GPU sits in its rack. R570. */
// biome-ignore format: a table
export const platformV1 = {
  name: 'nvmlPlatformInfo_v1_t', version: 1, byteSize: 44, members: {
    version: 'uint32', ibGuid: 'bytes[16]', rackGuid: 'char[16]', chassisPhysicalSlotNumber:
    'uint8', computeSlotIndex: 'uint8', nodeIndex: 'uint8', peerType: 'uint8', moduleId: 'uint8',
  },
} as const satisfies Struct;

// biome-ignore format: a table
export const platformV2 = {
  name: 'nvmlPlatformInfo_v2_t', version: 2, byteSize: 44, members: {
    version: 'uint32', ibGuid: 'bytes[16]', chassisSerialNumber: 'char[16]', slotNumber:
    'uint8', trayIndex: 'uint8', hostId: 'uint8', peerType: 'uint8', moduleId: 'uint8',
  },
} as const satisfies Struct;

// biome-ignore format: a table
export const addressingMode = {
  name: 'nvmlDeviceAddressingMode_v1_t', version: 1, byteSize: 8, members: {
    version: 'uint32', value: 'uint32',
  },
} as const satisfies Struct;

/* ---- Memory, its errors and its repairs ---- */

/** Frame-buffer memory in bytes; `used` includes what the driver keeps. */
// biome-ignore format: a table
export const memoryV1 = {
  name: 'nvmlMemory_t', byteSize: 24, members: {
    total: 'uint64', free: 'uint64', used: 'uint64',
  },
} as const satisfies Struct;

/** Frame-buffer memory in bytes; `reserved` is what the driver keeps, `used` is without it. R510. */
// biome-ignore format: a table
export const memoryV2 = {
  name: 'nvmlMemory_v2_t', version: 2, byteSize: 40, members: {
    version: 'uint32', total: 'uint64', reserved: 'uint64', free: 'uint64', used: 'uint64',
  },
} as const satisfies Struct;

/** The window into GPU memory that the CPU and peers map, in bytes. */
// biome-ignore format: a table
export const bar1Memory = {
  name: 'nvmlBAR1Memory_t', byteSize: 24, members: {
    bar1Total: 'uint64', bar1Free: 'uint64', bar1Used: 'uint64',
  },
} as const satisfies Struct;

/** SRAM errors by kind, and by part of the chip. R550. */
// biome-ignore format: a table
export const sramErrorStatus = {
  name: 'nvmlEccSramErrorStatus_v1_t', version: 1, byteSize: 104, members: {
    version: 'uint32', aggregateUncParity: 'uint64', aggregateUncSecDed: 'uint64', aggregateCor:
    'uint64', volatileUncParity: 'uint64', volatileUncSecDed: 'uint64', volatileCor: 'uint64',
    aggregateUncBucketL2: 'uint64', aggregateUncBucketSm: 'uint64', aggregateUncBucketPcie:
    'uint64', aggregateUncBucketMcu: 'uint64', aggregateUncBucketOther: 'uint64',
    bThresholdExceeded: 'uint32',
  },
} as const satisfies Struct;

/** One SRAM address that had uncorrected errors, and how many. */
// biome-ignore format: a table
export const sramUniqueError = {
  name: 'nvmlEccSramUniqueUncorrectedErrorEntry_v1_t', byteSize: 28, members: {
    unit: 'uint32', location: 'uint32', sublocation: 'uint32', extlocation: 'uint32', address:
    'uint32', isParity: 'uint32', count: 'uint32',
  },
} as const satisfies Struct;

// biome-ignore format: a table
export const sramUniqueErrors = {
  name: 'nvmlEccSramUniqueUncorrectedErrorCounts_v1_t', version: 1, byteSize: 16, members: {
    version: 'uint32', entryCount: 'uint32', entries: 'uint64',
  },
} as const satisfies Struct;

/** How many banks have so many spare rows left. */
// biome-ignore format: a table
export const rowRemapperHistogram = {
  name: 'nvmlRowRemapperHistogramValues_t', byteSize: 20, members: {
    max: 'uint32', high: 'uint32', partial: 'uint32', low: 'uint32', none: 'uint32',
  },
} as const satisfies Struct;

/** Rubin and newer, R615. */
// biome-ignore format: a table
export const bankRemapperStatus = {
  name: 'nvmlEccBankRemapperStatus_v1_t', byteSize: 20, members: {
    activeRemappings: 'uint32', inactiveRemappings: 'uint32', bPending: 'uint32',
    'histogram.maxSpareGroupCount': 'uint32', 'histogram.noSpareGroupCount': 'uint32',
  },
} as const satisfies Struct;

// biome-ignore format: a table
export const repairStatus = {
  name: 'nvmlRepairStatus_v1_t', version: 1, byteSize: 12, members: {
    version: 'uint32', bChannelRepairPending: 'uint32', bTpcRepairPending: 'uint32',
  },
} as const satisfies Struct;

/**
 * nvml.h has one word here, the flag (nvmlUnrepairableMemoryStatus_v1_t); NVIDIA's Python client has
 * a version word before it. We pass the larger of the two, which suits both, and look at both words.
 * Not in the list of structs that are checked against nvml.h.
 */
// biome-ignore format: a table
export const unrepairableMemory = {
  name: 'nvmlUnrepairableMemory_v1_t', version: 1, byteSize: 8, members: {
    version: 'uint32', bUnrepairableMemory: 'uint32',
  },
} as const satisfies Struct;

/* ---- Heat and activity ---- */

/** Degrees Celsius to the slowdown. */
// biome-ignore format: a table
export const marginTemperature = {
  name: 'nvmlMarginTemperature_v1_t', version: 1, byteSize: 8, members: {
    version: 'uint32', marginTemperature: 'int32',
  },
} as const satisfies Struct;

/** Percent of the last sample period (1/6 s to 1 s) in which kernels ran and memory was used. */
// biome-ignore format: a table
export const utilization = {
  name: 'nvmlUtilization_t', byteSize: 8, members: {
    gpu: 'uint32', memory: 'uint32',
  },
} as const satisfies Struct;

/** One field asked for by its id. `value` is a union of 8 bytes, in the form of `valueType`. */
// biome-ignore format: a table
export const fieldValue = {
  name: 'nvmlFieldValue_t', byteSize: 40, members: {
    fieldId: 'uint32', scopeId: 'uint32', timestamp: 'int64', latencyUsec: 'int64', valueType:
    'uint32', nvmlReturn: 'uint32', value: 'uint64',
  },
} as const satisfies Struct;

/** Whether a GPU can be sampled by GPM. R520. */
// biome-ignore format: a table
export const gpmSupport = {
  name: 'nvmlGpmSupport_t', bareVersion: { name: 'NVML_GPM_SUPPORT_VERSION', number: 1 }, byteSize: 8, members: {
    version: 'uint32', isSupportedDevice: 'uint32',
  },
} as const satisfies Struct;

/** One metric between two samples: what is asked, whether it came to something, and its value. */
// biome-ignore format: a table
export const gpmMetric = {
  name: 'nvmlGpmMetric_t', byteSize: 40, members: {
    metricId: 'uint32', nvmlReturn: 'uint32', value: 'double', 'metricInfo.shortName': 'uint64',
    'metricInfo.longName': 'uint64', 'metricInfo.unit': 'uint64',
  },
} as const satisfies Struct;

/** Two samples, and room for every metric of nvml.h: 477 nvmlGpmMetric_t, `numMetrics` of them used. */
// biome-ignore format: a table
export const gpmMetricsGet = {
  name: 'nvmlGpmMetricsGet_t', bareVersion: { name: 'NVML_GPM_METRICS_GET_VERSION', number: 1 }, byteSize: 19_104, members: {
    version: 'uint32', numMetrics: 'uint32', sample1: 'uint64', sample2: 'uint64', metrics:
    'bytes[19080]',
  },
} as const satisfies Struct;

/* ---- The fabric ---- */

/** The fabric before it had a health mask (R525). */
// biome-ignore format: a table
export const fabricV1 = {
  name: 'nvmlGpuFabricInfo_t', byteSize: 28, members: {
    clusterUuid: 'bytes[16]', status: 'uint32', cliqueId: 'uint32', state: 'uint8',
  },
} as const satisfies Struct;

/** R550. */
// biome-ignore format: a table
export const fabricV2 = {
  name: 'nvmlGpuFabricInfo_v2_t', version: 2, byteSize: 36, members: {
    version: 'uint32', clusterUuid: 'bytes[16]', status: 'uint32', cliqueId: 'uint32', state:
    'uint8', healthMask: 'uint32',
  },
} as const satisfies Struct;

/** R570. */
// biome-ignore format: a table
export const fabricV3 = {
  name: 'nvmlGpuFabricInfo_v3_t', version: 3, byteSize: 40, members: {
    ...fabricV2.members, healthSummary: 'uint8',
  },
} as const satisfies Struct;

/* ---- Instances of MIG, and processes ---- */

/** What a MIG device has; memory in MiB. */
// biome-ignore format: a table
export const deviceAttributes = {
  name: 'nvmlDeviceAttributes_t', byteSize: 40, members: {
    multiprocessorCount: 'uint32', sharedCopyEngineCount: 'uint32', sharedDecoderCount:
    'uint32', sharedEncoderCount: 'uint32', sharedJpegCount: 'uint32', sharedOfaCount: 'uint32',
    gpuInstanceSliceCount: 'uint32', computeInstanceSliceCount: 'uint32', memorySizeMB: 'uint64',
  },
} as const satisfies Struct;

/** A GPU instance of MIG: `placement` counts slices of memory. */
// biome-ignore format: a table
export const gpuInstanceInfo = {
  name: 'nvmlGpuInstanceInfo_t', byteSize: 24, members: {
    device: 'uint64', id: 'uint32', profileId: 'uint32', 'placement.start': 'uint32',
    'placement.size': 'uint32',
  },
} as const satisfies Struct;

/** A way to divide the GPU; `instanceCount` is how many fit on an empty one. After R470. */
// biome-ignore format: a table
export const gpuInstanceProfileV2 = {
  name: 'nvmlGpuInstanceProfileInfo_v2_t', version: 2, byteSize: 152, members: {
    version: 'uint32', id: 'uint32', isP2pSupported: 'uint32', sliceCount: 'uint32',
    instanceCount: 'uint32', multiprocessorCount: 'uint32', copyEngineCount: 'uint32',
    decoderCount: 'uint32', encoderCount: 'uint32', jpegCount: 'uint32', ofaCount: 'uint32',
    memorySizeMB: 'uint64', name: 'char[96]',
  },
} as const satisfies Struct;

/** A process before MIG (R445 and older); memory in bytes or NVML_VALUE_NOT_AVAILABLE. */
// biome-ignore format: a table
export const processInfoV1 = {
  name: 'nvmlProcessInfo_v1_t', byteSize: 16, members: {
    pid: 'uint32', usedGpuMemory: 'uint64',
  },
} as const satisfies Struct;

/** A process with its MIG instances, 0xFFFFFFFF where there are none. Of the _v2 and _v3 calls. */
// biome-ignore format: a table
export const processInfoV2 = {
  name: 'nvmlProcessInfo_v2_t', byteSize: 24, members: {
    pid: 'uint32', usedGpuMemory: 'uint64', gpuInstanceId: 'uint32', computeInstanceId: 'uint32',
  },
} as const satisfies Struct;

/** A process with its memory under confidential computing, in bytes or NVML_VALUE_NOT_AVAILABLE. */
// biome-ignore format: a table
export const processDetail = {
  name: 'nvmlProcessDetail_v1_t', byteSize: 32, members: {
    pid: 'uint32', usedGpuMemory: 'uint64', gpuInstanceId: 'uint32', computeInstanceId:
    'uint32', usedGpuCcProtectedMemory: 'uint64',
  },
} as const satisfies Struct;

/** All processes of a mode. R535. */
// biome-ignore format: a table
export const processDetailList = {
  name: 'nvmlProcessDetailList_v1_t', version: 1, byteSize: 24, members: {
    version: 'uint32', mode: 'uint32', numProcArrayEntries: 'uint32', procArray: 'uint64',
  },
} as const satisfies Struct;

/** Records that firmware and driver wrote of hardware errors, from a cursor on, into a buffer. R610. */
// biome-ignore format: a table
export const getCper = {
  name: 'nvmlGetCPER_v1_t', byteSize: 112, members: {
    'cursor.cperTypeMask': 'uint32', 'cursor.uuid': 'char[80]', 'cursor.handle': 'uint64',
    buffer: 'uint64', bufferSize: 'uint32',
  },
} as const satisfies Struct;

// biome-ignore format: a list
export const STRUCTS: readonly Struct[] = [
  pciInfo, bridgeChips, platformV1, platformV2, addressingMode, memoryV1,
  memoryV2, bar1Memory, sramErrorStatus, sramUniqueError, sramUniqueErrors,
  rowRemapperHistogram, bankRemapperStatus, repairStatus, marginTemperature, utilization, fieldValue, gpmSupport,
  gpmMetric, gpmMetricsGet, fabricV1, fabricV2, fabricV3, deviceAttributes, gpuInstanceInfo,
  gpuInstanceProfileV2, processInfoV1, processInfoV2, processDetail, processDetailList,
  getCper,
];
