import { argumentTypes } from '../../src/nvml/library/arguments.ts';
import { callNative } from '../../src/nvml/library/outputs.ts';
import { GPU_WIDE_FIELDS } from '../../src/nvml/reader/ask.ts';
import { ENUMS } from '../../src/nvml/table/enums.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { structBytes } from '../../src/nvml/table/layout.ts';
import type { Input, NvmlFunction, Struct } from '../../src/nvml/table/shapes.ts';
import {
  fabricV2,
  fabricV3,
  marginTemperature,
  repairStatus,
  rowRemapperHistogram,
  sramErrorStatus,
} from '../../src/nvml/table/structs.ts';
import { allFields, fieldsAlone } from './raw-fields.ts';
import {
  type Koffi,
  LINKS,
  type RawCall,
  type RawLibrary,
  rawLibrary,
  timed,
} from './raw-library.ts';

/** The parts of what is kept of the first GPU. Each is read by a process of its own: one may crash. */
export const PARTS = ['system', 'device', 'fields', 'alone', 'table'] as const;

export function readRawNvml(koffi: Koffi, path: string, part: string): unknown {
  const library = rawLibrary(koffi, path);
  library.native('nvmlInit_v2', [])?.();
  const device = handleOf(library);
  if (part === 'system') return systemCalls(library);
  if (device === undefined) return 'no handle';
  if (part === 'device') return deviceCalls(library, device);
  if (part === 'fields') return allFields(library, device);
  if (part === 'alone') return fieldsAlone(library, device);
  return tableCalls(koffi, library, device);
}

function handleOf(library: RawLibrary): bigint | undefined {
  const bytes = Buffer.alloc(8);
  const code = library.native('nvmlDeviceGetHandleByIndex_v2', ['uint32_t', 'void *'])?.(0, bytes);
  return code === 0 ? bytes.readBigUInt64LE() : undefined;
}

const room = (bytes = 4096): Buffer => Buffer.alloc(bytes);
const versioned = (struct: Struct): Buffer => Buffer.concat([structBytes(struct), room(256)]);

function systemCalls({ call, native }: RawLibrary): unknown[] {
  const text = (symbol: string) => {
    const bytes = room(256);
    const code = native(symbol, ['void *', 'uint32_t'])?.(bytes, 96) ?? null;
    return { symbol, code, text: bytes.toString('utf8', 0, Math.max(0, bytes.indexOf(0))) };
  };
  const branch = room(256);
  // NVML_STRUCT_VERSION of nvmlSystemDriverBranchInfo_v1_t: a version word and 80 characters.
  branch.writeUInt32LE(84 | (1 << 24));
  const branchCode = native('nvmlSystemGetDriverBranch', ['void *', 'uint32_t'])?.(branch, 80);
  return [
    text('nvmlSystemGetNVMLVersion'),
    text('nvmlSystemGetDriverVersion'),
    call('nvmlSystemGetCudaDriverVersion_v2', [], room(8)),
    { symbol: 'nvmlSystemGetDriverBranch', code: branchCode ?? null, hex: trimmed(branch) },
    call('nvmlSystemGetConfComputeState', [], room()),
    call('nvmlSystemGetConfComputeCapabilities', [], room()),
    call('nvmlSystemGetNvlinkBwMode', [], room(8)),
  ];
}

const trimmed = (bytes: Buffer): string => bytes.toString('hex').replace(/(00)+$/, '');

function deviceCalls({ call, native }: RawLibrary, device: bigint): RawCall[] {
  const one = (symbol: string, output = room(8), ...inputs: number[]) =>
    call(symbol, [device, ...inputs], output);
  const pairs = (symbol: string) =>
    [0, 1].flatMap(type => [0, 1].map(counter => one(symbol, room(64), type, counter)));
  const limits = [room(8), room(8)] as const;
  const constraints = native('nvmlDeviceGetPowerManagementLimitConstraints', [
    ...['void *', 'void *', 'void *'],
  ])?.(device, ...limits);
  return [
    {
      symbol: 'nvmlDeviceGetPowerManagementLimitConstraints',
      inputs: ['handle'],
      code: constraints ?? null,
      microseconds: 0,
      hex: Buffer.concat(limits).toString('hex'),
    },
    ...LINKS.flatMap(link => [
      one('nvmlDeviceGetNvLinkVersion', room(8), link),
      one('nvmlDeviceGetNvLinkState', room(8), link),
      one('nvmlDeviceGetNvLinkRemoteDeviceType', room(8), link),
      one('nvmlDeviceGetNvLinkRemotePciInfo_v2', room(), link),
      ...[0, 1, 2, 3, 4].map(kind => one('nvmlDeviceGetNvLinkErrorCounter', room(8), link, kind)),
      ...[0, 1, 2, 3, 4, 5].map(kind => one('nvmlDeviceGetNvLinkCapability', room(8), link, kind)),
    ]),
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map(kind =>
      one('nvmlDeviceGetTemperatureThreshold', room(8), kind),
    ),
    one('nvmlDeviceGetTemperature', room(8), 0),
    one('nvmlDeviceGetMarginTemperature', versioned(marginTemperature)),
    ...[0, 1, 2, 15].map(sensor => one('nvmlDeviceGetThermalSettings', room(), sensor)),
    ...pairs('nvmlDeviceGetTotalEccErrors'),
    ...pairs('nvmlDeviceGetDetailedEccErrors'),
    ...[0, 1].flatMap(type =>
      [0, 1].flatMap(counter =>
        [0, 1, 2, 3, 4, 5, 6, 7].map(place =>
          one('nvmlDeviceGetMemoryErrorCounter', room(8), type, counter, place),
        ),
      ),
    ),
    one('nvmlDeviceGetSramEccErrorStatus', versioned(sramErrorStatus)),
    one('nvmlDeviceGetRowRemapperHistogram', versioned(rowRemapperHistogram)),
    one('nvmlDeviceGetRepairStatus', versioned(repairStatus)),
    one('nvmlDeviceGetInforomConfigurationChecksum'),
    one('nvmlDeviceGetGpuFabricInfoV', versioned(fabricV2)),
    one('nvmlDeviceGetGpuFabricInfoV', versioned(fabricV3)),
    one('nvmlDeviceGetCurrentClocksEventReasons'),
    one('nvmlDeviceGetSupportedClocksEventReasons'),
    one('nvmlDeviceGetClkMonStatus', room()),
    one('nvmlDeviceGetDisplayActive'),
    one('nvmlDeviceGetDisplayMode'),
    one('nvmlDeviceGetIrqNum'),
    one('nvmlDeviceGetBusType'),
    one('nvmlDeviceGetPcieSpeed'),
    one('nvmlDeviceGetPcieLinkMaxSpeed'),
    one('nvmlDeviceGetGpuMaxPcieLinkGeneration'),
    one('nvmlDeviceGetAdaptiveClockInfoStatus'),
    one('nvmlDeviceGetTotalEnergyConsumption'),
    one('nvmlDeviceGetNumGpuCores'),
    one('nvmlDeviceGetMemoryBusWidth'),
    one('nvmlDeviceGetPowerState'),
    one('nvmlDeviceGetPowerSource'),
    // It has no output; the room is not touched.
    one('nvmlDeviceValidateInforom'),
  ];
}

/** Each row of our own table, through our own caller. */
function tableCalls(koffi: Koffi, library: RawLibrary, device: bigint): unknown[] {
  return Object.entries<NvmlFunction>(NVML_FUNCTIONS).flatMap(([name, row]): unknown[] => {
    if (row.inputs.some(input => input === 'gpuInstance' || input === 'gpmSample')) return [];
    if (['init', 'shutdown', 'gpmSampleAlloc'].includes(name)) return [];
    const symbol = row.symbols.find(found => library.native(found, argumentTypes(row)));
    const native = symbol && library.native(symbol, argumentTypes(row));
    if (!native) return [{ name, symbol: null }];
    const given = row.inputs.map(input => inputOf(input, device));
    return [{ name, symbol, ...timed(() => callNative(native, row, given, koffi.address)) }];
  });
}

function inputOf(input: Input, device: bigint): unknown {
  if (input === 'index') return 0;
  if (input === 'fields') return GPU_WIDE_FIELDS;
  if (input === 'device') return device;
  return input in ENUMS
    ? Object.keys(ENUMS[input === 'metrics' ? 'clockType' : enumOf(input)])[0]
    : [];
}

const enumOf = (input: Input): keyof typeof ENUMS => {
  const found = ENUM_NAMES.find(name => name === input);
  if (!found) throw new Error(`no enumeration ${input}`);
  return found;
};
const isEnum = (name: string): name is keyof typeof ENUMS => name in ENUMS;
const ENUM_NAMES = Object.keys(ENUMS).filter(isEnum);
