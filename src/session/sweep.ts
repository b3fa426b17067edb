import { ApiError, type Cluster, type OwnObject } from '../cluster/port.ts';
import { SWEEP_MS_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';

export interface CleanOptions {
  readonly cluster: Cluster;
  /** null: all namespaces. */
  readonly namespace: string | null;
  readonly dryRun?: boolean;
  /** Also sessions of one's own that still run, when they are at least this old. */
  readonly olderThanMs?: number | undefined;
  /** Pods and Jobs by name, whoever's they are and whatever they do. */
  readonly names?: readonly string[];
}

export interface Cleaned {
  readonly object: OwnObject;
  readonly outcome: 'deleted' | 'ending' | 'would_delete' | 'gone' | 'kept' | 'kept_of_another';
}

/**
 * Removes what earlier sessions of this user left in the namespace: objects that have finished or
 * outlived their time by the API server's clock, and older ones on request. What still runs is
 * listed as kept, and so is what carries no mark of this user: it goes only by its name.
 *
 * @throws ClusterError when a list is not whole or a deletion is refused.
 */
export async function clean(
  options: CleanOptions,
  signal: AbortSignal,
): Promise<readonly Cleaned[]> {
  const { cluster, namespace, names = [] } = options;
  const [lists, asked] = await Promise.allSettled([
    cluster.listOwn(namespace, signal),
    cluster.whoAmI(signal).catch(unlessTold),
  ]);
  if (lists.status === 'rejected') throw lists.reason;
  if (asked.status === 'rejected') throw asked.reason;
  const [own, user] = [lists.value, asked.value];
  const nowMs = cluster.nowMs();
  const jobs = new Set(
    own.filter(({ kind }) => kind === 'job').map(job => `${job.namespace}/${job.name}`),
  );
  // A Job takes its pod with it.
  const roots = own.filter(({ owner, namespace: of }) => !owner || !jobs.has(`${of}/${owner}`));
  return Promise.all(
    roots.map(async object => {
      const isNamed = names.includes(object.name);
      const isOurs = user !== undefined && object.user === user;
      if (!isNamed && !isOurs) return { object, outcome: 'kept_of_another' as const };
      if (!isNamed && (names.length > 0 || !isLeftover(object, nowMs, options.olderThanMs)))
        return { object, outcome: 'kept' as const };
      if (options.dryRun) return { object, outcome: 'would_delete' as const };
      return { object, outcome: await cluster.deleteObject(object, signal) };
    }),
  );
}

/**
 * Without the right to ask, or before Kubernetes 1.28, no object is known to be this user's. Where there
 * was no answer that is unknown too, and nobody's session may be called another's.
 */
function unlessTold(error: unknown): undefined {
  if (error instanceof ApiError && [403, 404].includes(error.code)) return undefined;
  throw error;
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

/**
 * The silent sweep beside a start: whatever it may not do or cannot, it leaves. Gives what it found;
 * nothing where it may not list.
 */
export async function sweep(cluster: Cluster, namespace: string): Promise<readonly Cleaned[]> {
  try {
    return await clean({ cluster, namespace }, AbortSignal.timeout(SWEEP_MS_MAX));
  } catch {
    // No right to list, or a deletion that is refused: `clean` says so when it is asked for.
    return [];
  }
}

/** Who else has a session on this node now, each in a sentence. */
export function othersOn(node: string, found: readonly Cleaned[]): readonly string[] {
  return found
    .filter(({ outcome }) => outcome === 'kept_of_another')
    .map(({ object }) => object)
    .filter(object => object.node === node && !object.finished)
    .map(({ user, createdAt, kind, namespace, name }) => {
      const whose = user === '' ? 'a user without a name' : `"${plainText(user, 120)}"`;
      return `${whose} has a session on this node too, since ${createdAt} (${kind} ${namespace}/${name})`;
    });
}
