import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { MissingReason } from '../contract/reading.ts';
import dgxH100 from './machines/dgx-h100.json' with { type: 'json' };
import eccRowRemap from './machines/ecc-row-remap.json' with { type: 'json' };
import healthyT4 from './machines/healthy-t4.json' with { type: 'json' };
import hungDriver from './machines/hung-driver.json' with { type: 'json' };
import lostGpu from './machines/lost-gpu.json' with { type: 'json' };
import migA100 from './machines/mig-a100.json' with { type: 'json' };
import noDriver from './machines/no-driver.json' with { type: 'json' };
import versionMismatch from './machines/version-mismatch.json' with { type: 'json' };
import { MACHINE_NAMES } from './names.ts';

/**
 * A machine as data, once for all who need it: `--simulate`, the tests' fakes, and the simulated
 * libnvidia-ml.so.1 in C.
 */

/** What an NVML function gives: a number, a text, the members of a struct, or a list of these. */
const Scalar = z.union([z.number(), z.string()]);
const Members = z.record(z.string(), Scalar);
const Answer = z.union([Scalar, Members, z.array(z.union([Scalar, Members]))]);
export type Answer = z.infer<typeof Answer>;

/** How a function misbehaves: a return code, a delay, an endless hang, or the death of its process. */
const Fault = z.strictObject({
  return: MissingReason.exactOptional(),
  delayMs: z.int().min(0).exactOptional(),
  hang: z.literal(true).exactOptional(),
  crash: z.literal(true).exactOptional(),
});
export type Fault = z.infer<typeof Fault>;

/**
 * Answers and faults by the name of a row in nvml/functions.ts; an enumeration's member may follow
 * (`deviceGetClockInfo sm`). The fault `*` is for all functions; what has no answer is not supported.
 */
const Part = z.strictObject({
  answers: z.record(z.string(), Answer).default({}),
  faults: z.record(z.string(), Fault).default({}),
});

const PciFunction = z.strictObject({
  /** `dddd:bb:dd` */
  pci: z.string(),
  kind: z.enum(['gpu', 'nvswitch']).default('gpu'),
  deviceId: z.string().default('2330'),
  driver: z.string().nullable().default('nvidia'),
  linkSpeed: z.string().default('32.0 GT/s PCIe'),
  linkWidth: z.int().default(16),
  maxLinkSpeed: z.string().default('32.0 GT/s PCIe'),
  maxLinkWidth: z.int().default(16),
  aerFatal: z.int().default(0),
  aerNonFatal: z.int().default(0),
  aerCorrectable: z.int().default(0),
  /** False for a device that sysfs lists but whose configuration space answers no more. */
  answers: z.boolean().default(true),
});
export type PciFunction = z.infer<typeof PciFunction>;

const HostData = z.strictObject({
  hostname: z.string(),
  bootId: z.string().regex(/^[0-9a-f]{32}$/),
  uptimeSeconds: z.number(),
  kernel: z.string(),
  os: z.string(),
  /** Null where no kernel module of NVIDIA is loaded. */
  module: z.strictObject({ version: z.string(), kind: z.enum(['open', 'proprietary']) }).nullable(),
  deviceNodes: z.array(z.string()),
  blockedTasks: z
    .array(z.strictObject({ pid: z.int(), name: z.string(), waitsIn: z.string().nullable() }))
    .default([]),
  /** comm by pid. */
  processes: z.record(z.string(), z.string()).default({}),
  pci: z.array(PciFunction),
});

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
  gpus: z.array(Part),
  host: HostData,
  kernelLog: KernelLogData,
});
type MachineData = z.infer<typeof MachineData>;
export type Part = z.infer<typeof Part>;

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
  const file = MACHINE_NAMES.includes(name) ? FILES[name] : undefined;
  if (file === undefined) {
    throw new UsageError(
      `there is no simulated machine "${name.slice(0, 40)}"`,
      `the machines are ${MACHINE_NAMES.join(', ')}`,
    );
  }
  return machineFrom(name, file);
}

/** A machine from data of one's own, of the same form as the files. @throws ZodError */
export function machineFrom(name: string, file: unknown): Machine {
  const { everyGpu, gpus, ...machine } = MachineData.parse(withBase(file));
  return {
    name,
    ...machine,
    gpus: gpus.map(gpu => ({
      answers: { ...everyGpu.answers, ...gpu.answers },
      faults: { ...everyGpu.faults, ...gpu.faults },
    })),
  };
}

/** A file may say `"like": "dgx-h100"` and then only what differs; `gpus` may be a record by index. */
function withBase(file: unknown): unknown {
  if (!isRecord(file) || typeof file['like'] !== 'string') return file;
  const { like, ...own } = file;
  return merged(withBase(FILES[String(like)]), own);
}

/** Records are merged member by member; a record over a list replaces items by index. */
function merged(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && isRecord(over)) {
    return base.map((item, index) =>
      String(index) in over ? merged(item, over[String(index)]) : item,
    );
  }
  if (!isRecord(base) || !isRecord(over)) return over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map(key => [key, key in over ? merged(base[key], over[key]) : base[key]]),
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
