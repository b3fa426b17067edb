import type { ClusterPod, ClusterView } from '../../contract/cluster-view.ts';
import { known } from '../../contract/reading.ts';

/** One start or end of a GPU pod's container, as the cluster remembers it. */
export interface PodTime {
  readonly time: string;
  readonly kind: 'pod_started' | 'pod_ended';
  readonly text: string;
}

/**
 * When the GPU pods of the node started and ended, as far as the cluster still knows: the run of
 * now, the one before it, and none of pods that are deleted.
 */
export const podTimes = (view: ClusterView): readonly PodTime[] =>
  (known(view.pods)?.gpuPods ?? []).flatMap(timesOf);

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
