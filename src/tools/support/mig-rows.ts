import type * as z from 'zod';
import type { VALUES } from './gpu-fields.ts';
import { bytesText } from './wording.ts';

type Divided = {
  readonly [Part in 'migInstances' | 'migProfiles']?: z.infer<(typeof VALUES)[Part]>;
};
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
function instanceLine(row: NonNullable<Divided['migInstances']>[number]): string {
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
