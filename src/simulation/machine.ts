import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { namesLike } from '../contract/names-like.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { quoted } from './answer-check.ts';
import { BUILT_IN } from './built-in.ts';
import { GPU_TYPES, type GpuType, gpuOf, gpuType, pidOf } from './gpu-types.ts';
import { hexOf } from './hex.ts';
import { HostData } from './host-data.ts';
import { isRecord, MergeError, merged } from './merged.ts';
import { GpuPart, Part } from './part.ts';
import { ClusterData, PodsData, withPods } from './pods.ts';

/**
 * A machine as data, once for all who need it: `--simulate`, the tests' fakes, and the simulated
 * libnvidia-ml.so.1 in C.
 */

const KernelLogData = z
  .strictObject({
    source: z.string().default('/dev/kmsg'),
    /** How far back the log reaches, in seconds before now. */
    reachSeconds: z.number().min(0).max(4e9),
    records: z.int().min(0),
    lost: z.int().min(0).default(0),
    /** Ages in seconds before now. */
    lines: z
      .array(
        z.strictObject({
          secondsAgo: z.number().min(0).max(4e9),
          level: z.int().min(0).max(7).default(4),
          text: z.string().max(8_192),
        }),
      )
      .max(10_000)
      .default([]),
    /** Lines that come so many seconds after one has begun to look. */
    later: z
      .array(
        z.strictObject({
          afterSeconds: z.number().min(0).max(86_400),
          level: z.int().min(0).max(7).default(4),
          text: z.string().max(8_192),
        }),
      )
      .max(1_000)
      .default([]),
  })
  .transform(({ lines: earlier, later, ...log }) => ({
    ...log,
    lines: [
      ...earlier,
      ...later.map(({ afterSeconds, ...line }) => ({ secondsAgo: -afterSeconds, ...line })),
    ],
  }))
  .transform(({ lines, records, reachSeconds, ...log }) => ({
    ...log,
    // A log holds its lines, the oldest first.
    records: Math.max(records, lines.length),
    reachSeconds: Math.max(reachSeconds, ...lines.map(({ secondsAgo }) => secondsAgo)),
    lines: lines.toSorted((a, b) => b.secondsAgo - a.secondsAgo),
  }));

const GPUS_MAX = 64;

export const MachineData = z
  .strictObject({
    /** The version of this form. */
    version: z.literal(1).exactOptional(),
    /** Its story in one line: `--simulate help` shows it. */
    title: z.string(),
    /** Path of the library on the node; null where there is none. */
    library: z.string().nullable(),
    driver: Part.prefault({}),
    /** What all GPUs have in common; `gpus` has one entry a GPU, which wins. */
    everyGpu: Part.prefault({}),
    /** GPUs as of gpu-types.json: what they answer where this file is silent. */
    gpuType: z.enum(GPU_TYPES).exactOptional(),
    gpus: z.array(GpuPart).max(GPUS_MAX),
    host: HostData,
    kernelLog: KernelLogData,
    pods: PodsData,
    /** Absent where the machine is in no cluster. */
    cluster: ClusterData.exactOptional(),
  })
  .superRefine(({ gpus, pods }, context) => {
    for (const [at, pod] of pods.entries()) {
      for (const [place, gpu] of pod.gpus.entries()) {
        if (gpu < gpus.length) continue;
        const path = ['pods', at, 'gpus', place];
        context.addIssue({ code: 'custom', path, message: `the machine has no GPU ${gpu}` });
      }
    }
  });
type MachineData = z.infer<typeof MachineData>;

export interface Machine extends Omit<MachineData, 'everyGpu'> {
  readonly name: string;
}

/** The machines that `--simulate` knows by name. */
export const MACHINE_NAMES: readonly string[] = Object.keys(BUILT_IN);

/** What each of them is, for the help. */
export const MACHINES: readonly { readonly name: string; readonly title: string }[] =
  Object.entries(BUILT_IN).map(([name, file]) => ({
    name,
    title: isRecord(file) ? String(file['title']) : '',
  }));

/** A machine by name, whole: `like` and `everyGpu` are worked in. @throws UsageError for no such name. */
export function loadMachine(name: string): Machine {
  if (!Object.hasOwn(BUILT_IN, name)) {
    throw new UsageError(
      `there is no simulated machine ${quoted(plainText(name))}`,
      `${alikeText(machinesLike(name))}--simulate help lists all ${MACHINE_NAMES.length}`,
    );
  }
  return machineFrom(name, BUILT_IN[name]);
}

const alikeText = (names: readonly string[]): string =>
  names.length === 0 ? '' : `did you mean ${names.join(', ')}? `;

/** Those of a similar name, or of the same first word. */
function machinesLike(name: string): readonly string[] {
  const near = namesLike(name, MACHINE_NAMES);
  if (near.length > 0) return near;
  const [first = ''] = name.split('-');
  return first === '' ? [] : MACHINE_NAMES.filter(other => other.startsWith(`${first}-`));
}

/**
 * A machine from data of one's own, of the same form as the files. It may be `like` any of them or
 * a healthy machine of any GPU type (GPU_TYPES), and then say only what differs.
 *
 * @throws ZodError
 */
export function machineFrom(name: string, file: unknown): Machine {
  const { everyGpu, gpus, gpuType, version: _, ...machine } = MachineData.parse(withBase(file));
  const pciOf = (kind: string) =>
    machine.host.pci.filter(device => device.kind === kind).map(({ pci }) => pci);
  const places = {
    gpus: pciOf('gpu'),
    switches: pciOf('nvswitch'),
    driver: String(machine.driver.answers['systemGetDriverVersion'] ?? ''),
  };
  const whole = gpus.map((gpu, index) => {
    const base: Part = gpuType === undefined ? NOTHING : gpuOf(gpuType, index, places);
    const own = { ...everyGpu.answers, ...gpu.answers };
    const moves = { ...everyGpu.moves, ...gpu.moves };
    return {
      answers: {
        ...base.answers,
        ...(gpuType ? derived({ ...base.answers, ...own }) : {}),
        ...own,
      },
      faults: { ...base.faults, ...everyGpu.faults, ...gpu.faults },
      moves: { ...derivedMoves(moves), ...moves },
      mig: gpu.mig,
    };
  });
  const isDra = machine.cluster?.dra !== undefined;
  const host = withPods(machine.host, machine.pods, { gpus: whole, isDra });
  return { name, ...machine, gpus: whole, host };
}

const NOTHING: Part = { answers: {}, faults: {}, moves: {} };

/** What follows from another answer moves with it. */
const derivedMoves = (moves: Part['moves']): Part['moves'] =>
  Object.fromEntries(
    Object.entries(moves).flatMap(([key, move]) => {
      const [, kind] = /^deviceGetTotalEccErrors (.+)$/.exec(key) ?? [];
      if (kind !== undefined) return [[`deviceGetMemoryErrorCounter ${kind} dram`, move]];
      if (key !== 'deviceGetPowerUsage') return [];
      return ['powerInstant', 'powerAverage'].map(name => [`deviceGetFieldValue ${name}`, move]);
    }),
  );

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
    ...optional({ deviceGetGpuFabricInfoV2: fabric }),
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
export function withBase(file: unknown): unknown {
  if (!isRecord(file) || !Object.hasOwn(file, 'like')) return file;
  const { like, ...own } = file;
  const base = typeof like === 'string' ? baseOf(like) : undefined;
  if (base === undefined) {
    const near = typeof like === 'string' ? namesLike(like, LIKE_NAMES) : [];
    const what = near.length > 0 ? near : LIKE_NAMES;
    throw new MergeError(
      ['like'],
      `there is no machine or GPU type ${quoted(String(like))}; there is ${what.join(', ')}`,
    );
  }
  return merged(withBase(base), own);
}

const LIKE_NAMES = [...new Set([...GPU_TYPES, ...Object.keys(BUILT_IN)])];

/** A GPU type before a machine of the same name, which is like it. */
const baseOf = (name: string): unknown =>
  GPU_TYPES.includes(name)
    ? healthyFile(name)
    : Object.hasOwn(BUILT_IN, name)
      ? BUILT_IN[name]
      : undefined;

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
      ...(type.switches.length > 0 && { driverFiles: { packages: [managerOf(type)] } }),
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

/** Its package has the branch in its name. */
const managerOf = ({ driver }: GpuType) => ({
  name: `nvidia-fabricmanager-${driver.split('.')[0]}`,
  version: driver,
});

const daemonsOf = ({ switches, arm }: GpuType) => [
  { kind: 'persistenced', pid: 1_204, name: 'nvidia-persiste' },
  ...(switches.length > 0 ? [{ kind: 'fabric_manager', pid: 1_288, name: 'nv-fabricmanage' }] : []),
  ...(arm ? [{ kind: 'imex', pid: 1_301, name: 'nvidia-imex' }] : []),
];
