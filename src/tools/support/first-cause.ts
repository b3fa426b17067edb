import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLogEntry } from '../../contract/job-log.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { causeIn } from './failure-log.ts';
import { failedPods } from './job-state.ts';

export interface LoggedCause {
  readonly pod: ClusterPod;
  readonly cause: JobLogEntry;
}

/** What the pods' own logs call a cause, first first. */
export const loggedCauses = (job: TargetJob): readonly LoggedCause[] =>
  failedPods(job)
    .flatMap(({ pod, log }) => {
      const cause = log?.ok ? causeIn(log.value) : undefined;
      return cause ? [{ pod, cause }] : [];
    })
    .toSorted((a, b) => timeOf(a.cause.at) - timeOf(b.cause.at));

export const timeOf = (at: string | null | undefined): number =>
  typeof at === 'string' ? Date.parse(at) : Number.POSITIVE_INFINITY;
