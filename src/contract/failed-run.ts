import type { ClusterContainer, ClusterPod, ContainerEnd } from './cluster-view.ts';

/** The container whose end is to be explained: one that failed, with GPUs before others. */
export function worstContainer(pod: ClusterPod): ClusterContainer | undefined {
  const rank = (container: ClusterContainer): number =>
    (failedEnd(container) ? 4 : container.state === 'waiting' && container.reason !== '' ? 2 : 0) +
    (Object.keys(container.gpus).length > 0 ? 1 : 0);
  return pod.containers.toSorted((a, b) => rank(b) - rank(a))[0];
}

/** How its last failed run ended: this one, or the one before a restart. */
export const failedEnd = ({ ended, endedBefore }: ClusterContainer): ContainerEnd | undefined =>
  [ended, endedBefore].find(
    end => end !== undefined && (end.exitCode !== 0 || end.signal !== undefined),
  );
