import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachStream, Cluster, OwnContainer } from '../cluster/port.ts';
import { CONTAINER_END_MS_MAX, POD_LIFE_SECONDS, POD_LOOK_MS } from '../contract/limits.ts';

/** What became of a container of ours in a pod of others. */
export interface EndedContainer {
  readonly container: OwnContainer;
  readonly outcome: 'ended' | 'would_end' | 'waits' | 'kept' | 'kept_of_another' | 'still_runs';
  /** Of one that still runs: what came of ending it. */
  readonly why?: string;
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
      const why = await whyItRuns(cluster, container, signal);
      return why === undefined
        ? { container, outcome: 'ended' }
        : { container, outcome: 'still_runs', why };
    }),
  );
}

/** Of two streams the end of one ends the agent's stdin; undefined where the container was seen to end. */
async function whyItRuns(
  cluster: Cluster,
  { pod, name }: OwnContainer,
  asked: AbortSignal,
): Promise<string | undefined> {
  const over = AbortSignal.timeout(CONTAINER_END_MS_MAX);
  const signal = AbortSignal.any([asked, over]);
  let stream: AttachStream | undefined;
  try {
    stream = await cluster.attach({ ...pod, container: name }, signal);
    stream.stdin.end();
    let lost: string | undefined;
    void stream.ended.then(({ kind, detail }) => {
      if (kind === 'lost') lost = detail;
    });
    for (;;) {
      // A stream that broke, or was refused behind its start, may have ended nobody's stdin.
      const before = lost;
      const own = (await cluster.targetPod(pod, signal))?.own.find(each => each.name === name);
      if (own === undefined || own.state === 'terminated') return undefined;
      if (before !== undefined) return before;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch (error) {
    asked.throwIfAborted();
    if (over.aborted) return `it did not end within ${CONTAINER_END_MS_MAX / 1_000} s`;
    return error instanceof Error ? error.message : String(error);
  } finally {
    stream?.destroy();
  }
}
