import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { GPU_TYPES, type GpuType, gpuOf, gpuType, pidOf } from './gpu-types.ts';
import { hexOf } from './hex.ts';
import { HostData } from './host-data.ts';
import dgxH100 from './machines/dgx-h100.json' with { type: 'json' };
import eccRowRemap from './machines/ecc-row-remap.json' with { type: 'json' };
import healthyT4 from './machines/healthy-t4.json' with { type: 'json' };
import hungDriver from './machines/hung-driver.json' with { type: 'json' };
import lostGpu from './machines/lost-gpu.json' with { type: 'json' };
import migA100 from './machines/mig-a100.json' with { type: 'json' };
import noDriver from './machines/no-driver.json' with { type: 'json' };
import versionMismatch from './machines/version-mismatch.json' with { type: 'json' };
import { isRecord, merged } from './merged.ts';
import { MACHINE_NAMES } from './names.ts';
import { GpuPart, Part } from './part.ts';

/**
 * A machine as data, once for all who need it: `--simulate`, the tests' fakes, and the simulated
 * libnvidia-ml.so.1 in C.
 */

const KernelLogData = z.strictObject({
  source: z.string().default('/dev/kmsg'),
  /** How far back the log reaches, in seconds before now. */
  reachSeconds: z.number(),
  records: z.int(),
  lost: z.int().default(0),
  /** Oldest first. Ages in seconds before now. */
  lines: z
    .array(
      z.strictObject({
        secondsAgo: z.number().min(0),
        level: z.int().min(0).max(7).default(4),
        text: z.string(),
      }),
    )
    .default([]),
});

const MachineData = z.strictObject({
  /** One sentence for `--help` and for whoever reads the file. */
  title: z.string(),
  /** Path of the library on the node; null where there is none. */
  library: z.string().nullable(),
  driver: Part.prefault({}),
  /** What all GPUs have in common; `gpus` has one entry a GPU, which wins. */
  everyGpu: Part.prefault({}),
  /** GPUs as of gpu-types.json: what they answer where this file is silent. */
  gpuType: z.enum(GPU_TYPES).exactOptional(),
  gpus: z.array(GpuPart),
  host: HostData,
  kernelLog: KernelLogData,
});
type MachineData = z.infer<typeof MachineData>;

export interface Machine extends Omit<MachineData, 'everyGpu'> {
  readonly name: string;
}

const FILES: Readonly<Record<string, unknown>> = {
  'dgx-h100': dgxH100,
  'ecc-row-remap': eccRowRemap,
  'healthy-t4': healthyT4,
  'hung-driver': hungDriver,
  'lost-gpu': lostGpu,
  'mig-a100': migA100,
  'no-driver': noDriver,
  'version-mismatch': versionMismatch,
};

/** A machine by name, whole: `like` and `everyGpu` are worked in. @throws UsageError for no such name. */
export function loadMachine(name: string): Machine {
  const file = MACHINE_NAMES.includes(name) ? fileOf(name) : undefined;
  if (file === undefined) {
    throw new UsageError(
      `there is no simulated machine "${name.slice(0, 40)}"`,
      `the machines are ${MACHINE_NAMES.join(', ')}`,
    );
  }
  return machineFrom(name, file);
}

/**
 * A machine from data of one's own, of the same form as the files. It may be `like` any of them or
 * a healthy machine of any GPU type (GPU_TYPES), and then say only what differs.
 *
 * @throws ZodError
 */
export function machineFrom(name: string, file: unknown): Machine {
  const { everyGpu, gpus, gpuType, ...machine } = MachineData.parse(withBase(file));
  const pciOf = (kind: string) =>
    machine.host.pci.filter(device => device.kind === kind).map(({ pci }) => pci);
  const places = {
    gpus: pciOf('gpu'),
    switches: pciOf('nvswitch'),
    driver: String(machine.driver.answers['systemGetDriverVersion'] ?? ''),
  };
  return {
    name,
    ...machine,
    gpus: gpus.map((gpu, index) => {
      const base: Part = gpuType === undefined ? NOTHING : gpuOf(gpuType, index, places);
      const own = { ...everyGpu.answers, ...gpu.answers };
      return {
        answers: {
          ...base.answers,
          ...(gpuType ? derived({ ...base.answers, ...own }) : {}),
          ...own,
        },
        faults: { ...base.faults, ...everyGpu.faults, ...gpu.faults },
        mig: gpu.mig,
      };
    }),
  };
}

const NOTHING: Part = { answers: {}, faults: {} };

/** What one answer says of another, so that a machine need not say it twice. */
function derived(answers: Part['answers']): Part['answers'] {
  const powerMw = Number(answers['deviceGetPowerUsage'] ?? 0);
  const rows = answers['deviceGetRemappedRows'];
  const banks = answers['deviceGetRowRemapperHistogram'];
  const fabric = answers['deviceGetGpuFabricInfoV3'];
  const remapped = isRecord(rows) ? Number(rows['corrected']) + Number(rows['uncorrected']) : 0;
  const errors = Object.entries(answers).flatMap(([key, count]) => {
    const [, kind] = /^deviceGetTotalEccErrors (.+)$/.exec(key) ?? [];
    return kind === undefined ? [] : [[`deviceGetMemoryErrorCounter ${kind} dram`, count] as const];
  });
  const kinds = ['Compute', 'Graphics', 'MPSCompute'].map(
    kind => answers[`deviceGet${kind}RunningProcesses`],
  );
  return {
    ...Object.fromEntries(errors),
    deviceGetRunningProcessDetailList: kinds.flatMap(list => (Array.isArray(list) ? list : [])),
    // A driver that knows the newest struct fills the one before it too.
    ...(fabric === undefined ? {} : { deviceGetGpuFabricInfoV2: fabric }),
    'deviceGetFieldValue powerInstant 0': powerMw,
    ...(answers['deviceGetArchitecture'] === 7
      ? {}
      : { 'deviceGetFieldValue powerAverage': powerMw }),
    ...(isRecord(banks) && remapped > 0
      ? {
          deviceGetRowRemapperHistogram: {
            ...banks,
            max: Number(banks['max']) - remapped,
            high: remapped,
          },
        }
      : {}),
  };
}

/** A file may say `"like": "dgx-h100"` and then only what differs; `gpus` may be a record by index. */
function withBase(file: unknown): unknown {
  if (!isRecord(file) || typeof file['like'] !== 'string') return file;
  const { like, ...own } = file;
  return merged(withBase(fileOf(String(like))), own);
}

const fileOf = (name: string): unknown =>
  GPU_TYPES.includes(name) ? healthyFile(name) : FILES[name];

/** A machine of one type, healthy and under full load, as a file would tell it. */
function healthyFile(name: string): unknown {
  const type = gpuType(name);
  const folder = type.arm ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const gpuNodes = type.pci.map((_, index) => `nvidia${index}`);
  const switchNodes = type.switches.map((_, index) => `nvidia-nvswitch${index}`);
  const node = (index: number, of: number) => (index < of / 2 ? 0 : type.cpus.length - 1);
  return {
    title: type.title,
    gpuType: name,
    library: `/usr/lib/${folder}/libnvidia-ml.so.${type.driver}`,
    driver: {
      answers: {
        systemGetDriverVersion: type.driver,
        systemGetNVMLVersion: `${Math.floor(type.cuda / 1000)}.${type.driver}`,
        systemGetCudaDriverVersion: type.cuda,
      },
    },
    gpus: type.pci.map(() => ({})),
    host: {
      hostname: `${name}-01`,
      bootId: hexOf(name, 32),
      uptimeSeconds: 1_814_400,
      kernel: type.arm ? '6.8.0-1028-nvidia-64k' : '5.15.0-1063-nvidia',
      os: type.arm ? 'Ubuntu 24.04.2 LTS' : 'Ubuntu 22.04.5 LTS',
      module: { version: type.driver, kind: type.module },
      deviceNodes: [
        ...gpuNodes,
        ...['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'],
        ...(type.switches.length > 0 ? ['nvidia-nvswitchctl', ...switchNodes] : []),
      ],
      processes: Object.fromEntries(type.pci.map((_, index) => [pidOf(index), 'pt_main_thread'])),
      daemons: daemonsOf(type),
      pci: [
        ...type.pci.map((pci, index) => ({
          pci,
          currentLinkSpeed: type.speed,
          maxLinkSpeed: type.speed,
          numaNode: node(index, type.pci.length),
        })),
        ...type.switches.map(pci => ({
          pci,
          kind: 'nvswitch',
          currentLinkSpeed: '2.5 GT/s PCIe',
          currentLinkWidth: 2,
          maxLinkSpeed: '32.0 GT/s PCIe',
          maxLinkWidth: 2,
        })),
      ],
    },
    kernelLog: {
      reachSeconds: 1_814_400,
      records: 5_213,
      lines: [{ secondsAgo: 1_814_369, level: 5, text: bannerOf(type) }],
    },
  };
}

const bannerOf = ({ driver, module, arm }: GpuType): string =>
  module === 'open'
    ? `NVRM: loading NVIDIA UNIX Open Kernel Module for ${arm ? 'aarch64' : 'x86_64'}  ${driver}  Release Build  (dvs-builder@U22-I3-G01-1-1)`
    : `NVRM: loading NVIDIA UNIX ${arm ? 'aarch64' : 'x86_64'} Kernel Module  ${driver}`;

const daemonsOf = ({ switches, arm }: GpuType) => [
  { kind: 'persistenced', pid: 1_204, name: 'nvidia-persiste' },
  ...(switches.length > 0 ? [{ kind: 'fabric_manager', pid: 1_288, name: 'nv-fabricmanage' }] : []),
  ...(arm ? [{ kind: 'imex', pid: 1_301, name: 'nvidia-imex' }] : []),
];
