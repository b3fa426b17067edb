import type { ClusterEvent, ClusterPod, ClusterPods, StackPod } from '../contract/cluster-view.ts';
import { STACK_PARTS } from '../contract/cluster-view.ts';
import { mayBeIdle } from '../contract/idle-pods.ts';
import { missing, type Reading } from '../contract/reading.ts';

type EventsOf = (
  pod: Pick<ClusterPod, 'namespace' | 'name'>,
) => Promise<Reading<readonly ClusterEvent[]>>;

/** One request each. Parts that wait for the same are idle for the same. */
const STACK_MAX = 2;
const JOBS_MAX = 2;

const NOT_ASKED = missing('not_read', `events are read of the pods of ${JOBS_MAX} jobs`);

/**
 * The pods of a node with the events of those of which nothing begins: only there does the kubelet say why.
 * Of the stack the first parts, of jobs a pod of each.
 */
export async function withIdleEvents(pods: ClusterPods, eventsOf: EventsOf): Promise<ClusterPods> {
  const isIdle = (pod: ClusterPod) => mayBeIdle(pod, pods.readAt) !== undefined;
  const stack = (pods.stack ?? [])
    .filter(pod => !pod.isClaim && isIdle(pod))
    .toSorted((a, b) => orderOf(a) - orderOf(b))
    .slice(0, STACK_MAX);
  const own = new Set(stack.map(({ uid }) => uid));
  const idle = pods.gpuPods.filter(pod => !own.has(pod.uid) && isIdle(pod));
  const jobs = [...Map.groupBy(idle, jobOf).values()].flatMap(([first]) => first ?? []);
  const read = new Map(
    await Promise.all([
      ...[...stack, ...jobs.slice(0, JOBS_MAX)].map(
        async pod => [pod.uid, await eventsOf(pod)] as const,
      ),
      ...jobs.slice(JOBS_MAX).map(({ uid }) => [uid, NOT_ASKED] as const),
    ]),
  );
  if (read.size === 0) return pods;
  const withEvents = <Pod extends ClusterPod>(pod: Pod): Pod => {
    const events = read.get(pod.uid);
    return events ? { ...pod, events } : pod;
  };
  return {
    ...pods,
    gpuPods: pods.gpuPods.map(withEvents),
    ...(pods.stack && { stack: pods.stack.map(withEvents) }),
  };
}

const orderOf = ({ part }: StackPod): number => STACK_PARTS.indexOf(part);

const jobOf = ({ namespace, name, owner }: ClusterPod): string => `${namespace}/${owner ?? name}`;
