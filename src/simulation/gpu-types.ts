import * as z from 'zod';
import gpuTypes from './gpu-types.json' with { type: 'json' };
import { hexOf } from './hex.ts';
import { isRecord, merged } from './merged.ts';
import type { Answer, Part } from './part.ts';

/**
 * What healthy GPUs of a type answer under full load: limits, clocks, links, and which functions do
 * not exist for them. One table for `--simulate`, for the tests' fakes and for scenarios.
 *
 * Sizes, limits and counts are the products'; temperatures and counters are plausible. What an `h200`
 * answers is what one did under load (test/fixtures/silicon/h200-580), but for its links and its fabric.
 */
const Value = z.union([z.number(), z.string()]);
const Members = z.record(z.string(), Value);
const AnswerData = z.union([Value, Members, z.array(z.union([Value, Members]))]).nullable();

/** Keys are short: `Name` is deviceGetName, `.powerInstant` is a field value; those of GPM are whole. */
const AnswersData = z
  .record(z.string(), AnswerData)
  .transform(answers =>
    Object.fromEntries(Object.entries(answers).map(([key, answer]) => [wholeKey(key), answer])),
  );

function wholeKey(key: string): string {
  if (key.startsWith('gpm')) return key;
  return key.startsWith('.') ? `deviceGetFieldValue ${key.slice(1)}` : `deviceGet${key}`;
}

const GpuType = z.strictObject({
  title: z.string(),
  driver: z.string(),
  /** As the driver counts it: 12080 is CUDA 12.8. */
  cuda: z.int(),
  module: z.enum(['open', 'proprietary']),
  deviceId: z.string(),
  /** Of the GPUs of one machine, and of its NVSwitches. */
  pci: z.array(z.string()),
  switches: z.array(z.string()),
  /** CPUs of each NUMA node. */
  cpus: z.array(z.string()),
  speed: z.string(),
  totalBytes: z.int(),
  reservedBytes: z.int(),
  temperatureC: z.int(),
  powerMw: z.int(),
  /** Links that are there, where the driver counts more indexes. */
  wiredLinks: z.int().nullish(),
  arm: z.boolean().nullish(),
  /** Functions that the type's driver does not have. */
  without: z.array(z.string()).nullish(),
  answers: AnswersData,
});
export type GpuType = z.infer<typeof GpuType>;

const TYPES: Readonly<Record<string, unknown>> = gpuTypes.types;
export const GPU_TYPES: readonly string[] = Object.keys(TYPES);
const COMMON = AnswersData.parse(gpuTypes.common);
const parsed = new Map<string, GpuType>();

/** @throws Error for a type that is not in the table. */
export function gpuType(name: string): GpuType {
  const type = parsed.get(name) ?? GpuType.parse(whole(name));
  parsed.set(name, type);
  return type;
}

/** A type may be `like` another one. */
function whole(name: string): unknown {
  const own = TYPES[name];
  if (!isRecord(own)) throw new Error(`no GPU type "${name}"`);
  const { like, ...rest } = own;
  return like === undefined ? rest : merged(whole(String(like)), rest);
}

/** Indexes of links that nvml.h knows: NVML_NVLINK_MAX_LINKS. */
const LINKS_MAX = 36;

/** The process on GPU `index`. */
export const pidOf = (index: number): number => 41_210 + index;

/** Where the GPUs and NVSwitches of a machine sit on PCI, which its links and pairs tell of. */
export interface Places {
  readonly gpus: readonly string[];
  readonly switches: readonly string[];
  readonly driver: string;
}

/** What GPU `index` of such a machine answers, unless the machine says otherwise. */
export function gpuOf(name: string, index: number, { gpus, switches, driver }: Places): Part {
  const type = gpuType(name);
  const node = index < gpus.length / 2 ? 0 : type.cpus.length - 1;
  const pci = pciInfo(gpus[index] ?? '0000:01:00', type.deviceId);
  const free = Math.floor((type.totalBytes - type.reservedBytes) * 0.03);
  const used = type.totalBytes - type.reservedBytes - free;
  const wired = type.wiredLinks ?? LINKS_MAX;
  const answers = {
    ...COMMON,
    deviceGetUUID: uuidOf(`GPU-${name}-${index}`),
    deviceGetSerial: `165${(4_023_010_117 + index * 7_919).toString()}`,
    deviceGetPciInfo: pci,
    deviceGetMinorNumber: index,
    deviceGetBoardId: pci.bus * 256,
    deviceGetModuleId: index + 1,
    deviceGetGspFirmwareVersion: driver,
    deviceGetMemoryInfo: {
      total: type.totalBytes,
      reserved: type.reservedBytes,
      free,
      used,
    },
    deviceGetMemoryInfoV1: { total: type.totalBytes, free, used: used + type.reservedBytes },
    deviceGetTemperature: type.temperatureC + (index % 3),
    deviceGetPowerUsage: type.powerMw - index * 370,
    deviceGetComputeRunningProcesses: [
      { pid: pidOf(index), usedGpuMemory: used - 12_582_912, ...NO_INSTANCE },
    ],
    deviceGetCpuAffinity: type.cpus[node] ?? '0',
    deviceGetMemoryAffinity: String(node),
    ...(type.arm ? { deviceGetNumaNodeId: 4 + index * 8 } : {}),
    ...pairsOf(index, gpus.length, type),
    ...(type.arm ? {} : linksOf(gpus, switches, index)),
    ...type.answers,
    ...(switches.length === 0 && type.answers['deviceGetNvLinkRemoteDeviceType'] === 2 && !type.arm
      ? { deviceGetNvLinkRemoteDeviceType: 0 }
      : {}),
  };
  return {
    answers: Object.fromEntries(
      Object.entries(answers).flatMap(([key, answer]): [string, Answer][] =>
        answer === null ? [] : [[key, answer]],
      ),
    ),
    faults: Object.fromEntries([
      ...(type.without ?? []).map(key => [key, { return: 'function_not_found' }] as const),
      ...Array.from({ length: LINKS_MAX - wired }, (_, link) => [
        `deviceGetFieldValue nvlinkState ${wired + link}`,
        { return: 'not_supported' } as const,
      ]),
    ]),
    moves: {},
  };
}

/** NVML_VALUE_NOT_AVAILABLE */
const NO_INSTANCE = { gpuInstanceId: 0xffff_ffff, computeInstanceId: 0xffff_ffff };

/** Half of the GPUs hang on each CPU: NODE within it, SYS across; PHB where there is one. */
function pairsOf(index: number, gpus: number, { cpus }: GpuType): Record<string, Answer> {
  const half = (gpu: number) => gpu < gpus / 2;
  const across = cpus.length === 1 ? 30 : 50;
  const within = cpus.length === 1 ? 30 : 40;
  const levels = Array.from({ length: gpus }, (_, other): [string, number] => [
    `deviceGetTopologyCommonAncestor ${other}`,
    half(index) === half(other) ? within : across,
  ]);
  return {
    ...Object.fromEntries(levels),
    'deviceGetP2PStatus read': 0,
  };
}

/** The other ends of the links: the switches in turn, or without any the other GPUs. */
function linksOf(
  gpus: readonly string[],
  switches: readonly string[],
  index: number,
): Record<string, Answer> {
  const ends = switches.length > 0 ? switches : gpus.filter((_, other) => other !== index);
  return Object.fromEntries(
    Array.from({ length: ends.length === 0 ? 0 : LINKS_MAX }, (_, link): [string, Answer] => [
      `deviceGetNvLinkRemotePciInfo ${link}`,
      pciInfo(ends[link % ends.length] ?? '', '0000'),
    ]),
  );
}

function pciInfo(address: string, deviceId: string) {
  const [domain = '0', bus = '0', device = '0'] = address.split(':');
  return {
    busIdLegacy: `${domain}:${bus.toUpperCase()}:${device.toUpperCase()}.0`,
    domain: Number.parseInt(domain, 16),
    bus: Number.parseInt(bus, 16),
    device: Number.parseInt(device, 16),
    pciDeviceId: Number.parseInt(`${deviceId}10de`, 16),
    pciSubSystemId: 381_751_518,
    busId: `${domain.padStart(8, '0')}:${bus.toUpperCase()}:${device.toUpperCase()}.0`,
  };
}

const uuidOf = (seed: string): string => {
  const hex = hexOf(seed, 32);
  const part = (from: number, to: number) => hex.slice(from, to);
  return `GPU-${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
};
