import { missing, type Reading } from '../contract/reading.ts';
import type { NodeFiles } from './files.ts';

/** The node's file system as we see it: whole, or a few directories of it. */
export interface NodeRoot {
  readonly path: string;
  /** Every part of the node is there; else what is absent may only not be mounted. */
  readonly whole: boolean;
  /** What was not found where we do not see everything was not read. */
  orNotMounted<T>(reading: Reading<T>): Reading<T>;
}

/** A whole root has the directories that the kernel's own file systems are mounted on. */
export async function openRoot(files: NodeFiles, path: string): Promise<NodeRoot> {
  const names = await files.names(path);
  const whole = names.ok && ['etc', 'proc', 'sys', 'var'].every(name => names.value.includes(name));
  return {
    path,
    whole,
    orNotMounted: reading =>
      !whole && !reading.ok && reading.reason === 'not_found'
        ? missing('not_read', 'this part of the node is not mounted into the pod')
        : reading,
  };
}
