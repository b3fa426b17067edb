import type { Cluster, OwnObject } from '../cluster/port.ts';
import { SWEEP_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';

export interface CleanOptions {
  readonly cluster: Cluster;
  /** null: all namespaces. */
  readonly namespace: string | null;
  readonly clock: Clock;
  readonly dryRun?: boolean;
  /** Also sessions that still run, when they are at least this old. */
  readonly olderThanMs?: number | undefined;
}

export interface Cleaned {
  readonly object: OwnObject;
  readonly outcome: 'deleted' | 'would_delete' | 'gone' | 'kept';
}

/**
 * Removes what earlier sessions of anybody left in the namespace: objects that have finished or
 * outlived their time, and older ones on request. What still runs is listed as kept.
 *
 * @throws ClusterError when the list or a deletion is refused.
 */
export async function clean(
  options: CleanOptions,
  signal: AbortSignal,
): Promise<readonly Cleaned[]> {
  const { cluster, namespace, clock } = options;
  const own = await cluster.listOwn(namespace, signal);
  const jobs = new Set(
    own.filter(one => one.kind === 'job').map(one => `${one.namespace}/${one.name}`),
  );
  // A Job takes its pod with it.
  const roots = own.filter(one => !one.owner || !jobs.has(`${one.namespace}/${one.owner}`));
  return Promise.all(
    roots.map(async object => {
      if (!isLeftover(object, clock.nowMs(), options.olderThanMs))
        return { object, outcome: 'kept' as const };
      if (options.dryRun) return { object, outcome: 'would_delete' as const };
      return { object, outcome: await cluster.deleteObject(object, signal) };
    }),
  );
}

/** Finished, past its time, or older than the user allows. */
export function isLeftover(
  object: OwnObject,
  nowMs: number,
  olderThanMs: number | undefined,
): boolean {
  if (olderThanMs !== undefined) return nowMs - Date.parse(object.createdAt) >= olderThanMs;
  return object.finished || Date.parse(object.expiresAt) < nowMs;
}

/** The silent sweep beside a start: whatever it may not do or cannot, it leaves. */
export async function sweep(cluster: Cluster, namespace: string, clock: Clock): Promise<void> {
  try {
    await clean({ cluster, namespace, clock }, AbortSignal.timeout(SWEEP_MS_MAX));
  } catch {
    // Another user's objects, or no right to list: `clean` says so when it is asked for.
  }
}
