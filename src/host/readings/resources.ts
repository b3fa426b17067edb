import * as z from 'zod';
import { publicText, textOf } from '../../contract/names-in-text.ts';
import { type Fixed, number, reading } from '../../contract/reading-schema.ts';

/** Memory, disks, load and time of the node. */

const space = z.object({ totalBytes: z.number(), availableBytes: z.number() });
export type Space = Fixed<z.infer<typeof space>>;

const filesystem = z.object({
  /** On the node. */
  mountPoint: publicText,
  type: publicText,
  device: publicText,
  /** By mount or by super block. An error makes the kernel remount read-only. */
  readOnly: z.boolean(),
  /** True where the system is built so: a verified or packed root (COS, Bottlerocket, Talos). */
  readOnlyByDesign: z.boolean(),
  /** Missing where our pod does not see the mount. */
  space: reading(space.extend({ inodesTotal: z.number(), inodesFree: z.number() })),
});
export type Filesystem = Fixed<z.infer<typeof filesystem>>;

/** The average of runnable and blocked tasks over one minute, and how many CPUs there are. */
const load = z.object({ one: z.number(), cpus: number });
export type Load = Fixed<z.infer<typeof load>>;

/** Pressure stall information in percent of time; Documentation/accounting/psi.rst. */
const stall = z.object({
  /** Kept for jobs that are slow and not dead, as the CPU's stalls are: no rule judges it yet. */
  some60Percent: z.number(),
  /** Absent where the kernel has none (cpu before 5.13). */
  full60Percent: z.number().exactOptional(),
});
export type Stall = Fixed<z.infer<typeof stall>>;

const pressure = z.object({ cpu: reading(stall), memory: reading(stall), io: reading(stall) });
export type Pressure = Fixed<z.infer<typeof pressure>>;

const kernelClock = z.object({
  /** As timedatectl says it: the error is bounded. */
  synchronized: z.boolean(),
  maximumErrorMicroseconds: z.number(),
});
export type KernelClock = Fixed<z.infer<typeof kernelClock>>;

export const resources = z.object({
  memory: reading(space),
  /** The node's /dev/shm, which processes outside containers use. */
  sharedMemory: reading(space),
  /** Limit of locked memory that containers inherit from the container runtime, in bytes. */
  memlockBytes: reading(z.union([z.number(), z.literal('unlimited')])),
  /** Disks that the node lives on: /, /var, /var/lib/kubelet, the runtime's, logs. */
  filesystems: reading(z.array(filesystem)),
  load: reading(load),
  pressure: reading(pressure),
  /** Which daemon keeps the clock right. */
  timeSync: reading(z.object({ daemon: textOf('process').exactOptional() })),
  /** Whether it is right, from the kernel: adjtimex(2). */
  clock: reading(kernelClock),
  /** Kills by the OOM killer since boot, from /proc/vmstat. */
  oomKills: number,
  /** Memory errors of the node's own RAM since boot, from EDAC; `not_supported` without it. */
  edac: reading(z.object({ corrected: z.number(), uncorrected: z.number() })),
  /** /proc/sys/kernel/tainted, a bit mask; bit 4 (16) is a machine check, bit 9 (512) a warning, bit 7 (128) an oops. */
  kernelTaint: number,
});
export type NodeResources = Fixed<z.infer<typeof resources>>;
