import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { count, type Fixed, number, reading, text } from '../../contract/reading-schema.ts';
import { type FieldRow, flag, recordOf, schemasOf } from './row.ts';

/** How a GPU is divided and who uses it. */

// biome-ignore format: a table
const MIG_INSTANCE = {
  gpuInstance:     { label: 'GPU instance', schema: number },
  computeInstance: { label: 'compute instance', schema: number },
  uuid:            { label: 'MIG UUID', schema: text },
  /** As `3g.40gb`. */
  profile:         { label: 'MIG profile', schema: text },
  /** The GPU instance's own profile: an id of `migProfiles`. */
  profileId:       { label: 'MIG profile', schema: number },
  /** Which slices of memory the GPU instance has: the first, and how many. */
  placement:       { label: 'MIG placement', schema: reading(z.object({ start: z.number(), size: z.number() })) },
  totalBytes:      { label: 'MIG memory', schema: number },
  usedBytes:       { label: 'MIG memory', schema: number },
  slices:          { label: 'MIG slices', schema: reading(z.object({
    gpuInstance: z.number(), computeInstance: z.number(), multiprocessors: z.number(),
  })) },
} as const;

/** A way to divide a GPU. */
const MIG_PROFILE = { remaining: { label: 'MIG capacity', schema: number } } as const;

const migInstance = z.object({
  /** Among the GPU's MIG devices. */
  index: z.number(),
  ...schemasOf(MIG_INSTANCE),
});
export type MigInstance = Fixed<z.infer<typeof migInstance>>;
const migProfile = z.object({
  id: z.number(),
  /** As `3g.40gb`. */
  name: publicText,
  slices: z.number(),
  memoryMib: z.number(),
  /** How many fit on an empty GPU, and how many still do. */
  instancesMax: z.number(),
  ...schemasOf(MIG_PROFILE),
});
export type MigProfile = Fixed<z.infer<typeof migProfile>>;

const gpuProcess = z.object({
  /** The host's pid: the driver knows no pid namespaces. */
  pid: count,
  kind: z.enum(['compute', 'graphics']),
  /** A client of the Multi-Process Service; absent else. */
  mps: z.literal(true).exactOptional(),
  /** Absent where the driver does not give it (MIG, missing rights). */
  usedBytes: z.number().exactOptional(),
  gpuInstance: z.number().exactOptional(),
  computeInstance: z.number().exactOptional(),
});
export type GpuProcess = Fixed<z.infer<typeof gpuProcess>>;
const listedProcess = z.object({
  pid: count,
  usedBytes: z.number().exactOptional(),
  /** Memory that the host cannot read: confidential computing. Absent where the driver does not give it. */
  protectedBytes: z.number().exactOptional(),
});
export type ListedProcess = Fixed<z.infer<typeof listedProcess>>;

// biome-ignore format: a table
export const SHARING = {
  migMode:      { label: 'MIG mode', depth: 'first', ...recordOf('deviceGetMigMode', { current: flag('current'), pending: flag('pending') }) },
  /** None where MIG is off. */
  migInstances: { label: 'MIG instances', depth: 'all', schema: reading(z.array(migInstance)), members: MIG_INSTANCE },
  /** nvmlDeviceGetGpuInstanceProfileInfo: what the GPU can be divided into; none where MIG is off. */
  migProfiles:  { label: 'MIG profiles', depth: 'on demand', schema: reading(z.array(migProfile)), members: MIG_PROFILE },
  /** nvmlDeviceGet{Compute,MPSCompute,Graphics}RunningProcesses */
  processes:    { label: 'processes', depth: 'first', now: true, shown: 'apart', schema: reading(z.array(gpuProcess)) },
  /** nvmlDeviceGetRunningProcessDetailList: of whatever kind, also those that `processes` leaves out. */
  allProcesses: { label: 'processes of all kinds', depth: 'all', shown: 'apart', schema: reading(z.array(listedProcess)) },
} as const satisfies Record<string, FieldRow>;
