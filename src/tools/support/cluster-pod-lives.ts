import type { ClusterPod, ClusterView, ContainerEnd } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { lifeAt } from '../../findings/support/container-lives.ts';
import type { EventPod } from '../../findings/support/event-pods.ts';

interface Event {
  readonly xid: number | null;
  readonly time: string | null;
  readonly pods?: EventPod[] | undefined;
}

const CANDIDATES_MAX = 8;

/**
 * The events with the pods that only the cluster remembers: where the node could not tell who had
 * the GPU, the GPU pods that ran on it then. One with as many GPUs as the node has had this one,
 * too; of the others only the time is known. Pure.
 */
export function withClusterPods<E extends Event>(events: readonly E[], view: ClusterView): E[] {
  const pods = known(view.pods)?.gpuPods ?? [];
  const total = known(view.node)?.capacity['nvidia.com/gpu'];
  return events.map(event => {
    const isTold = (event.pods ?? []).some(({ by }) => by !== 'allocation' && by !== 'time');
    if (event.xid === null || event.time === null || isTold) return event;
    const atMs = Date.parse(event.time);
    const found = pods.flatMap(pod => ranAt(pod, atMs)).slice(0, CANDIDATES_MAX);
    const whole = found.filter(({ gpus }) => total !== undefined && gpus === total);
    const candidates: EventPod[] =
      whole.length === 1
        ? whole.map(({ pod }) => ({ ...pod, by: 'device_and_time', confidence: 'medium' }))
        : found.map(({ pod }) => ({ ...pod, by: 'ran_then', confidence: 'low' }));
    // What the node knows of its own is kept before a guess by time.
    if (candidates.length === 0 || (whole.length !== 1 && event.pods?.length)) return event;
    return { ...event, pods: candidates };
  });
}

/** A pod and how many GPUs it asked for, where a container of it with GPUs ran at that moment. */
function ranAt(pod: ClusterPod, atMs: number) {
  const ran = pod.containers.flatMap(container => {
    const { name, ended, endedBefore, startedAt } = container;
    const open = ended === undefined && startedAt !== undefined ? { startedAt } : undefined;
    const lives = [ended, endedBefore, open].flatMap(run => (run ? lifeOf(run) : []));
    const life = lifeAt(lives, atMs);
    return life ? [{ container: name, life }] : [];
  });
  const [first] = ran.filter(({ container }) => hasGpus(pod, container));
  const { container, life } = first ?? ran[0] ?? {};
  if (life === undefined || container === undefined) return [];
  return [
    {
      gpus: pod.gpus['nvidia.com/gpu'] ?? 0,
      pod: {
        namespace: plainText(pod.namespace, 63),
        pod: plainText(pod.name, 253),
        podUid: plainText(pod.uid, 64),
        container: plainText(container, 63),
        ...optional({ endedAt: life.endedAt, exitCode: life.exitCode }),
      },
    },
  ];
}

const hasGpus = (pod: ClusterPod, container: string): boolean =>
  pod.containers.some(({ name, gpus }) => name === container && Object.keys(gpus).length > 0);

function lifeOf(run: Pick<ContainerEnd, 'startedAt' | 'finishedAt'> & { exitCode?: number }) {
  const { startedAt, finishedAt, exitCode } = run;
  return [
    {
      source: 'cluster' as const,
      ...(startedAt === undefined ? {} : { startedMs: Date.parse(startedAt) }),
      ...(finishedAt === undefined ? {} : { endedMs: Date.parse(finishedAt), endedAt: finishedAt }),
      ...optional({ exitCode }),
    },
  ];
}

/** One start or end of a GPU pod's container, as the cluster remembers it. */
interface PodTime {
  readonly time: string;
  readonly kind: 'pod_started' | 'pod_ended';
  readonly text: string;
}

/**
 * When the GPU pods of the node started and ended, as far as the cluster still knows: the run of
 * now, the one before it, and none of pods that are deleted.
 *
 * @param without Pods to leave out, as `namespace/pod`.
 */
export const podTimes = (
  view: ClusterView,
  without: ReadonlySet<string> = new Set(),
): readonly PodTime[] =>
  (known(view.pods)?.gpuPods ?? [])
    .filter(({ namespace, name }) => !without.has(`${namespace}/${name}`))
    .flatMap(timesOf);

function timesOf(pod: ClusterPod): readonly PodTime[] {
  return pod.containers.flatMap(container => {
    const name = `${pod.namespace}/${pod.name} container ${container.name}`;
    const ends = [container.endedBefore, container.ended].flatMap(end => end ?? []);
    const starts = new Set([container.startedAt, ...ends.map(({ startedAt }) => startedAt)]);
    return [
      ...[...starts].flatMap(time =>
        time === undefined ? [] : [{ time, kind: 'pod_started' as const, text: `${name} started` }],
      ),
      ...ends.flatMap(({ finishedAt, exitCode, reason }) =>
        finishedAt === undefined
          ? []
          : [
              {
                time: finishedAt,
                kind: 'pod_ended' as const,
                text: `${name} ended: exit code ${exitCode}${reason === '' ? '' : `, ${reason}`}`,
              },
            ],
      ),
    ];
  });
}
