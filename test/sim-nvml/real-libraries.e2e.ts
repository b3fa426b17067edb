import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, type TestContext, test } from 'vitest';
import type { DriverState } from '../../src/nvml/port.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { overProcesses, temporaryFolder } from '../nvml/children.ts';
import { GENERATIONS, type Generation, realLibraries } from './real-libraries.ts';
import { LIBRARY_ON_NODE } from './root.ts';

const never = new AbortController().signal;
const libraries = await realLibraries();

/** Skips, with the reason, where the package cannot be had. */
function libraryOf(generation: Generation, context: TestContext): string {
  const library = libraries[generation];
  if ('path' in library) return library.path;
  context.skip(true, `NVIDIA’s library of ${generation} cannot be had: ${library.absent}`);
  return '';
}

/** Rows of the table that find no symbol in NVIDIA's own library: what is lost with such a driver. */
async function rowsWithoutSymbol(
  generation: Generation,
  context: TestContext,
): Promise<readonly string[]> {
  const library = libraryOf(generation, context);
  const { stdout } = await promisify(execFile)('nm', ['-D', '--defined-only', library]);
  const defined = new Set(stdout.split('\n').map(line => line.split(/[ @]/)[2]));
  return Object.entries(NVML_FUNCTIONS).flatMap(([name, { symbols }]) =>
    symbols.some(symbol => defined.has(symbol)) ? [] : [name],
  );
}

test('R390 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R390', context)).toMatchInlineSnapshot(`
    [
      "systemGetNvlinkBwMode",
      "systemGetCPER",
      "deviceGetArchitecture",
      "deviceGetModuleId",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetGspFirmwareVersion",
      "deviceGetGspFirmwareMode",
      "deviceGetLastBBXFlushTime",
      "deviceGetHostVgpuMode",
      "deviceGetAddressingMode",
      "deviceGetMemoryInfo",
      "deviceGetMarginTemperature",
      "deviceGetNumFans",
      "deviceGetFanSpeed",
      "deviceGetJpgUtilization",
      "deviceGetOfaUtilization",
      "deviceGetRemappedRows",
      "deviceGetSramEccErrorStatus",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetRowRemapperHistogram",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetNvLinkRemoteDeviceType",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetGpuFabricInfo",
      "deviceGetMemoryAffinity",
      "deviceGetNumaNodeId",
      "deviceGetMaxMigDeviceCount",
      "deviceGetMigDeviceHandleByIndex",
      "deviceGetGpuInstanceId",
      "deviceGetComputeInstanceId",
      "deviceGetAttributes",
      "deviceGetGpuInstanceById",
      "gpuInstanceGetInfo",
      "deviceGetGpuInstanceProfileInfo",
      "deviceGetGpuInstanceRemainingCapacity",
      "deviceGetMigMode",
      "deviceGetComputeRunningProcesses",
      "deviceGetGraphicsRunningProcesses",
      "deviceGetMPSComputeRunningProcesses",
      "deviceGetRunningProcessDetailList",
      "gpmQueryDeviceSupport",
      "gpmSampleAlloc",
      "gpmSampleFree",
      "gpmSampleGet",
      "gpmMetricsGet",
    ]
  `);
});

test('R418 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R418', context)).toMatchInlineSnapshot(`
    [
      "systemGetNvlinkBwMode",
      "systemGetCPER",
      "deviceGetArchitecture",
      "deviceGetModuleId",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetGspFirmwareVersion",
      "deviceGetGspFirmwareMode",
      "deviceGetLastBBXFlushTime",
      "deviceGetHostVgpuMode",
      "deviceGetAddressingMode",
      "deviceGetMemoryInfo",
      "deviceGetMarginTemperature",
      "deviceGetNumFans",
      "deviceGetJpgUtilization",
      "deviceGetOfaUtilization",
      "deviceGetRemappedRows",
      "deviceGetSramEccErrorStatus",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetRowRemapperHistogram",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetNvLinkRemoteDeviceType",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetGpuFabricInfo",
      "deviceGetMemoryAffinity",
      "deviceGetNumaNodeId",
      "deviceGetMaxMigDeviceCount",
      "deviceGetMigDeviceHandleByIndex",
      "deviceGetGpuInstanceId",
      "deviceGetComputeInstanceId",
      "deviceGetAttributes",
      "deviceGetGpuInstanceById",
      "gpuInstanceGetInfo",
      "deviceGetGpuInstanceProfileInfo",
      "deviceGetGpuInstanceRemainingCapacity",
      "deviceGetMigMode",
      "deviceGetComputeRunningProcesses",
      "deviceGetGraphicsRunningProcesses",
      "deviceGetMPSComputeRunningProcesses",
      "deviceGetRunningProcessDetailList",
      "gpmQueryDeviceSupport",
      "gpmSampleAlloc",
      "gpmSampleFree",
      "gpmSampleGet",
      "gpmMetricsGet",
    ]
  `);
});

test('R450 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R450', context)).toMatchInlineSnapshot(`
    [
      "systemGetNvlinkBwMode",
      "systemGetCPER",
      "deviceGetModuleId",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetGspFirmwareVersion",
      "deviceGetGspFirmwareMode",
      "deviceGetLastBBXFlushTime",
      "deviceGetAddressingMode",
      "deviceGetMemoryInfo",
      "deviceGetMarginTemperature",
      "deviceGetNumFans",
      "deviceGetJpgUtilization",
      "deviceGetOfaUtilization",
      "deviceGetSramEccErrorStatus",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetNvLinkRemoteDeviceType",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetGpuFabricInfo",
      "deviceGetNumaNodeId",
      "deviceGetGpuInstanceProfileInfo",
      "deviceGetMPSComputeRunningProcesses",
      "deviceGetRunningProcessDetailList",
      "gpmQueryDeviceSupport",
      "gpmSampleAlloc",
      "gpmSampleFree",
      "gpmSampleGet",
      "gpmMetricsGet",
    ]
  `);
});

test('R470 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R470', context)).toMatchInlineSnapshot(`
    [
      "systemGetNvlinkBwMode",
      "systemGetCPER",
      "deviceGetModuleId",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetGspFirmwareVersion",
      "deviceGetGspFirmwareMode",
      "deviceGetLastBBXFlushTime",
      "deviceGetAddressingMode",
      "deviceGetMemoryInfo",
      "deviceGetMarginTemperature",
      "deviceGetNumFans",
      "deviceGetJpgUtilization",
      "deviceGetOfaUtilization",
      "deviceGetSramEccErrorStatus",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetGpuFabricInfo",
      "deviceGetNumaNodeId",
      "deviceGetGpuInstanceProfileInfo",
      "deviceGetRunningProcessDetailList",
      "gpmQueryDeviceSupport",
      "gpmSampleAlloc",
      "gpmSampleFree",
      "gpmSampleGet",
      "gpmMetricsGet",
    ]
  `);
});

test('R525 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R525', context)).toMatchInlineSnapshot(`
    [
      "systemGetNvlinkBwMode",
      "systemGetCPER",
      "deviceGetModuleId",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetLastBBXFlushTime",
      "deviceGetAddressingMode",
      "deviceGetMarginTemperature",
      "deviceGetJpgUtilization",
      "deviceGetOfaUtilization",
      "deviceGetSramEccErrorStatus",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetNumaNodeId",
      "deviceGetRunningProcessDetailList",
    ]
  `);
});

test('R535 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R535', context)).toMatchInlineSnapshot(`
    [
      "systemGetCPER",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetAddressingMode",
      "deviceGetMarginTemperature",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
      "deviceGetGpuFabricInfoV3",
      "deviceGetGpuFabricInfoV2",
      "deviceGetNumaNodeId",
    ]
  `);
});

test('R550 lacks these rows', async context => {
  expect(await rowsWithoutSymbol('R550', context)).toMatchInlineSnapshot(`
    [
      "systemGetCPER",
      "deviceGetPlatformInfo",
      "deviceGetPlatformInfoV1",
      "deviceGetAddressingMode",
      "deviceGetMarginTemperature",
      "deviceGetSramUniqueUncorrectedEccErrorCounts",
      "deviceGetBankRemapperStatus",
      "deviceGetRepairStatus",
      "deviceGetUnrepairableMemoryFlag",
    ]
  `);
});

const isGeneration = (name: string): name is Generation => name in GENERATIONS;

/** The library tells its own version without the driver since then. */
const TELL_THEIR_VERSION: readonly Generation[] = ['R535', 'R550'];

test.for(Object.keys(GENERATIONS).filter(isGeneration))(
  'without a driver, NVIDIA’s library of %s says so, and every reading with it',
  async (generation, context) => {
    const { reasons, values } = told(await readWith(libraryOf(generation, context)));
    expect(reasons).toEqual(['driver_not_loaded']);
    const version = TELL_THEIR_VERSION.includes(generation) ? ['nvmlVersion'] : [];
    expect(values).toEqual(['library', ...version]);
  },
);

/** Reads a machine that has the library and no driver, through the process that hosts NVML. */
async function readWith(library: string): Promise<DriverState> {
  const root = temporaryFolder();
  const file = join(root, LIBRARY_ON_NODE);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(library, file);
  const { nvml } = overProcesses(['host', root]);
  try {
    return await nvml.read(never);
  } finally {
    await nvml.close();
  }
}

/** Which readings have a value, and the reasons of all others. */
function told({ takenAtMs: _, kept: __, gpus, unresponsive, ...readings }: DriverState) {
  expect({ gpus, unresponsive }).toEqual({ gpus: [], unresponsive: undefined });
  const entries = Object.entries(readings);
  return {
    values: entries.flatMap(([name, { ok }]) => (ok ? [name] : [])),
    reasons: [...new Set(entries.flatMap(([, one]) => (one.ok ? [] : [one.reason])))],
  };
}
