import type { ClusterContainer, ClusterPod } from '../contract/cluster-view.ts';
import { failedEnd, worstContainer } from '../contract/failed-run.ts';
import { LAST_WORDS_BESIDE_MAX, LAST_WORDS_PODS_MAX } from '../contract/limits.ts';
import type { ContainerRun } from './pod-log.ts';

/** A run of a container of a pod, with the pod as it was read. */
export interface PodRun extends ContainerRun {
  readonly pod: ClusterPod;
}

/**
 * Of the pods of a job those that did not fail and have something to say: one that still runs may have said why it
 * hangs, one that ended well why it left early. Those on nodes where others failed come first, then those that ask
 * for no GPU, as launchers, heads and monitors do.
 */
export function standingRuns(pods: readonly ClusterPod[]): readonly PodRun[] {
  const struck = new Set(pods.flatMap(pod => (hasFailed(pod) ? pod.node : [])));
  const rank = (pod: ClusterPod) =>
    (struck.has(pod.node) ? 0 : 2) + (Object.keys(pod.gpus).length + pod.claims.length > 0 ? 1 : 0);
  return pods
    .filter(pod => !hasFailed(pod))
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap(pod => {
      const container = mainContainer(pod);
      return container ? { pod, container: container.name, previous: false } : [];
    })
    .slice(0, LAST_WORDS_PODS_MAX);
}

/** The other containers of pods that failed, those of the first pods first: a monitor beside the program. */
export const runsBeside = (failed: readonly ClusterPod[]): readonly PodRun[] =>
  failed
    .flatMap(pod => {
      const worst = worstContainer(pod);
      return pod.containers
        .filter(one => one.name !== worst?.name && staysBeside(one) && hasRun(one))
        .map(({ name }) => ({ pod, container: name, previous: false }));
    })
    .slice(0, LAST_WORDS_BESIDE_MAX);

/** Whether a container of it has failed, in this run or the one before. */
const hasFailed = ({ containers }: ClusterPod): boolean =>
  containers.some(container => failedEnd(container) !== undefined);

/** The one on GPUs, else the first in its order: the program, and not what runs beside it. */
const mainContainer = ({ containers }: ClusterPod): ClusterContainer | undefined => {
  const own = containers.filter(one => !one.init && hasRun(one));
  return own.find(({ gpus }) => Object.keys(gpus).length > 0) ?? own[0];
};

const staysBeside = ({ init, sidecar }: ClusterContainer): boolean => !init || sidecar === true;
const hasRun = ({ state }: ClusterContainer): boolean => state !== 'waiting';
