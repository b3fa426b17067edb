import type { Cluster, ObjectRef } from '../cluster/port.ts';
import { REMOVE_MS_MAX } from '../contract/limits.ts';

/**
 * Deletes all of them at once: the Job, so that it makes no other pod, and its pod, so that nobody
 * waits for the garbage collector. True when the API server has confirmed each.
 */
export async function removeObjects(
  cluster: Cluster,
  objects: readonly ObjectRef[],
): Promise<boolean> {
  const signal = AbortSignal.timeout(REMOVE_MS_MAX);
  const answers = await Promise.allSettled(
    objects.map(object => cluster.deleteObject(object, signal)),
  );
  return answers.every(({ status }) => status === 'fulfilled');
}
