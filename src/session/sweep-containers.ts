import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, OwnContainer } from '../cluster/port.ts';
import { CONTAINER_END_MS_MAX, POD_LIFE_SECONDS, POD_LOOK_MS } from '../contract/limits.ts';

/** What became of a container of ours in a pod of others. */
export interface EndedContainer {
  readonly container: OwnContainer;
  readonly outcome: 'ended' | 'would_end' | 'waits' | 'kept' | 'kept_of_another' | 'still_runs';
}

interface Options {
  readonly cluster: Cluster;
  /** null: all namespaces. */
  readonly namespace: string | null;
  readonly dryRun: boolean;
  readonly names: readonly string[];
  readonly olderThanMs?: number | undefined;
}

/**
 * The containers that sessions added to pods of others and that have not ended. Kubernetes removes none: one
 * that is named, or this user's and past its time, is ended by its stdin, as its session would have done it.
 */
export async function endContainers(
  { cluster, namespace, dryRun, names, olderThanMs }: Options,
  signal: AbortSignal,
): Promise<readonly EndedContainer[]> {
  const found = await cluster.listOwnContainers(namespace, signal);
  const alive = found.filter(({ state }) => state !== 'terminated');
  if (alive.length === 0) return [];
  const user = await cluster.whoAmI(signal).catch(() => undefined);
  const nowMs = cluster.nowMs();
  const lifeMs = olderThanMs ?? POD_LIFE_SECONDS * 1_000;
  return Promise.all(
    alive.map(async (container): Promise<EndedContainer> => {
      const isNamed = names.includes(container.name);
      const isOurs = user !== undefined && container.user === user;
      if (!isNamed && !isOurs) return { container, outcome: 'kept_of_another' };
      if (container.state === 'waiting') return { container, outcome: 'waits' };
      const isOld = nowMs - Date.parse(container.startedAt ?? '') >= lifeMs;
      if (!isNamed && (names.length > 0 || !isOld)) return { container, outcome: 'kept' };
      if (dryRun) return { container, outcome: 'would_end' };
      return { container, outcome: (await ends(cluster, container)) ? 'ended' : 'still_runs' };
    }),
  );
}

/** Of two streams the end of one ends the agent's stdin. */
async function ends(cluster: Cluster, { pod, name }: OwnContainer): Promise<boolean> {
  const signal = AbortSignal.timeout(CONTAINER_END_MS_MAX);
  try {
    const stream = await cluster.attach({ ...pod, container: name }, signal);
    stream.stdin.end();
    for (;;) {
      const own = (await cluster.targetPod(pod, signal))?.own.find(each => each.name === name);
      if (own === undefined || own.state === 'terminated') return true;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // It may not be attached to, or does not end: both are told as what they come to.
    return false;
  }
}
