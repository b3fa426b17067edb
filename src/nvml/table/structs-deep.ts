import type { Struct } from './shapes.ts';

/** The structs of what goes deeper: GPM, MIG instances, lists that a struct points to (as uint64). */

/** Whether a GPU can be sampled by GPM. R520. */
export const gpmSupport = {
  name: 'nvmlGpmSupport_t',
  bareVersion: { name: 'NVML_GPM_SUPPORT_VERSION', number: 1 },
  byteSize: 8,
  members: { version: 'uint32', isSupportedDevice: 'uint32' },
} as const satisfies Struct;

/** One metric between two samples: what is asked, whether it came to something, and its value. */
export const gpmMetric = {
  name: 'nvmlGpmMetric_t',
  byteSize: 40,
  members: {
    metricId: 'uint32',
    nvmlReturn: 'uint32',
    value: 'double',
    'metricInfo.shortName': 'uint64',
    'metricInfo.longName': 'uint64',
    'metricInfo.unit': 'uint64',
  },
} as const satisfies Struct;

/** Two samples, and room for every metric of nvml.h: 477 nvmlGpmMetric_t, `numMetrics` of them used. */
export const gpmMetricsGet = {
  name: 'nvmlGpmMetricsGet_t',
  bareVersion: { name: 'NVML_GPM_METRICS_GET_VERSION', number: 1 },
  byteSize: 19_104,
  members: {
    version: 'uint32',
    numMetrics: 'uint32',
    sample1: 'uint64',
    sample2: 'uint64',
    metrics: 'bytes[19080]',
  },
} as const satisfies Struct;

/** A GPU instance of MIG: `placement` counts slices of memory. */
export const gpuInstanceInfo = {
  name: 'nvmlGpuInstanceInfo_t',
  byteSize: 24,
  members: {
    device: 'uint64',
    id: 'uint32',
    profileId: 'uint32',
    'placement.start': 'uint32',
    'placement.size': 'uint32',
  },
} as const satisfies Struct;

/** A way to divide the GPU; `instanceCount` is how many fit on an empty one. After R470. */
export const gpuInstanceProfileV2 = {
  name: 'nvmlGpuInstanceProfileInfo_v2_t',
  version: 2,
  byteSize: 152,
  members: {
    version: 'uint32',
    id: 'uint32',
    isP2pSupported: 'uint32',
    sliceCount: 'uint32',
    instanceCount: 'uint32',
    multiprocessorCount: 'uint32',
    copyEngineCount: 'uint32',
    decoderCount: 'uint32',
    encoderCount: 'uint32',
    jpegCount: 'uint32',
    ofaCount: 'uint32',
    memorySizeMB: 'uint64',
    name: 'char[96]',
  },
} as const satisfies Struct;

/** A process with its memory under confidential computing, in bytes or NVML_VALUE_NOT_AVAILABLE. */
export const processDetail = {
  name: 'nvmlProcessDetail_v1_t',
  byteSize: 32,
  members: {
    pid: 'uint32',
    usedGpuMemory: 'uint64',
    gpuInstanceId: 'uint32',
    computeInstanceId: 'uint32',
    usedGpuCcProtectedMemory: 'uint64',
  },
} as const satisfies Struct;

/** All processes of a mode. R535. */
export const processDetailList = {
  name: 'nvmlProcessDetailList_v1_t',
  version: 1,
  byteSize: 24,
  members: {
    version: 'uint32',
    mode: 'uint32',
    numProcArrayEntries: 'uint32',
    procArray: 'uint64',
  },
} as const satisfies Struct;

/** One SRAM address that had uncorrected errors, and how many. */
export const sramUniqueError = {
  name: 'nvmlEccSramUniqueUncorrectedErrorEntry_v1_t',
  byteSize: 28,
  members: {
    unit: 'uint32',
    location: 'uint32',
    sublocation: 'uint32',
    extlocation: 'uint32',
    address: 'uint32',
    isParity: 'uint32',
    count: 'uint32',
  },
} as const satisfies Struct;

export const sramUniqueErrors = {
  name: 'nvmlEccSramUniqueUncorrectedErrorCounts_v1_t',
  version: 1,
  byteSize: 16,
  members: { version: 'uint32', entryCount: 'uint32', entries: 'uint64' },
} as const satisfies Struct;

export const DEEP_STRUCTS: readonly Struct[] = [
  gpmSupport,
  gpmMetric,
  gpmMetricsGet,
  gpuInstanceInfo,
  gpuInstanceProfileV2,
  processDetail,
  processDetailList,
  sramUniqueError,
  sramUniqueErrors,
];
