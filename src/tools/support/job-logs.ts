import type { ClusterPod, ClusterView, ContainerEnd } from '../../contract/cluster-view.ts';
import type { JobLog } from '../../contract/job-log.ts';
import { optional } from '../../contract/optional.ts';
import type { Reading } from '../../contract/reading.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { failedPods } from './job-state.ts';

/** A pod of a job that did not fail, and whose last words were asked for. */
export interface StandingPod {
  readonly pod: ClusterPod;
  /** Absent: it still runs. */
  readonly ended: ContainerEnd | undefined;
  readonly log: Reading<JobLog>;
}

/** Its pods that still run, or have ended well, as far as their logs were asked for. */
export function standingPods({ pods }: Pick<TargetJob, 'pods'>): readonly StandingPod[] {
  const failed = failedPods({ pods });
  return pods.flatMap(({ pod, log }) => {
    if (!log || failed.some(other => other.pod === pod)) return [];
    const isOver = pod.phase === 'Succeeded';
    const ended = pod.containers.find(one => !one.init && one.ended)?.ended;
    return [{ pod, ended: isOver ? ended : undefined, log }];
  });
}

/** The logs of a job as explain_failure takes them for one pod of it: its own, and those of the others. */
export function logsFor(
  job: Pick<TargetJob, 'name' | 'pods'>,
  pod: ClusterPod,
): Pick<ClusterView, 'log' | 'beside' | 'job'> {
  const failed = failedPods(job);
  const own = job.pods.find(each => each.pod === pod);
  const peers = [
    ...failed.map(({ pod: peer, end, log }) => ({ peer, end, log })),
    ...standingPods(job).map(({ pod: peer, ended, log }) => ({ peer, end: ended, log })),
  ].flatMap(({ peer, end, log }) => {
    if (peer === pod || !log) return [];
    const { exitCode, reason = peer.reason, finishedAt } = end ?? {};
    const { beside } = job.pods.find(each => each.pod === peer) ?? {};
    return {
      ...{ pod: peer.name, node: peer.node, reason, log },
      ...optional({ exitCode, finishedAt, beside }),
      ...(peer.node === pod.node && { isHere: true as const }),
    };
  });
  return {
    ...optional({ log: own?.log, beside: own?.beside }),
    job: {
      ok: true,
      value: { name: job.name, pods: job.pods.length, failed: failed.length, peers },
    },
  };
}
