import * as z from 'zod';
import { bytesText } from './wording.ts';

/** A MIG device of a GPU. What could not be read is absent and named in the GPU's `unavailable`. */
export const MigInstanceRow = z.strictObject({
  index: z.int(),
  gpuInstance: z.int().optional(),
  computeInstance: z.int().optional(),
  uuid: z.string().optional(),
  profile: z.string().optional(),
  profileId: z.int().optional(),
  /** Slices of memory: the first that the GPU instance has, and how many. */
  placement: z.strictObject({ start: z.int(), size: z.int() }).optional(),
  totalBytes: z.number().optional(),
  usedBytes: z.number().optional(),
  slices: z
    .strictObject({ gpuInstance: z.int(), computeInstance: z.int(), multiprocessors: z.int() })
    .optional(),
});

/** A way to divide the GPU: how many instances of it fit on an empty one, and how many still do. */
export const MigProfileRow = z.strictObject({
  id: z.int(),
  name: z.string(),
  slices: z.int(),
  memoryMib: z.number(),
  instancesMax: z.int(),
  remaining: z.int().optional(),
});

interface Divided {
  readonly migInstances?: readonly z.infer<typeof MigInstanceRow>[] | undefined;
  readonly migProfiles?: readonly z.infer<typeof MigProfileRow>[] | undefined;
}

/** How a GPU is divided, and what still fits; no line where MIG is off. */
export function migLines({ migInstances = [], migProfiles = [] }: Divided): string[] {
  const left = migProfiles.map(
    ({ name, remaining, instancesMax }) => `${name} ${remaining ?? 'unknown'}/${instancesMax}`,
  );
  return [
    ...migInstances.map(instanceLine),
    ...(left.length > 0 ? [`  MIG free/total: ${left.join(', ')}`] : []),
  ];
}

/** `  MIG 3g.40gb  GPU instance 1, memory slices 4-7  18.6 GiB of 39.3 GiB  MIG-5f3b...`. */
function instanceLine(row: z.infer<typeof MigInstanceRow>): string {
  const { profile, gpuInstance, placement, usedBytes, totalBytes, uuid } = row;
  const slices =
    placement === undefined
      ? ''
      : `, memory slices ${placement.start}-${placement.start + placement.size - 1}`;
  return [
    `  MIG ${profile ?? 'profile not read'}`,
    `GPU instance ${gpuInstance ?? 'not read'}${slices}`,
    usedBytes === undefined || totalBytes === undefined
      ? ''
      : `${bytesText(usedBytes)} of ${bytesText(totalBytes)}`,
    uuid ?? '',
  ]
    .filter(text => text !== '')
    .join('  ');
}
