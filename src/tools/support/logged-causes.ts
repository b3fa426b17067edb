import type { ClusterPod, ContainerEnd } from '../../contract/cluster-view.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
import { JOB_DOUBT_MS_MAX, JOB_WENT_ON_MS } from '../../contract/limits.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { causeIn, isXidLine, timeOf } from './first-cause.ts';
import { standingPods } from './job-logs.ts';
import type { JobRoot } from './job-root.ts';
import { failedPods, hasFailed } from './job-state.ts';
import { type Places, placesOf } from './pod-places.ts';

/** Where a job began, and by what that is known. */
export interface Beginning {
  readonly pod: ClusterPod;
  /** What its own log says began it; of a launcher's log where `by` is there. */
  readonly cause?: JobLogEntry;
  /** What is to be told of it, where neither its own log nor its end says it. */
  readonly root?: ToldRoot;
}

export type ToldRoot = Omit<JobRoot, 'pod' | 'first'> & {
  readonly what: string;
  readonly at?: string;
};

export interface LoggedCause {
  /** Where it happened. */
  readonly pod: ClusterPod;
  /** Whose log tells of it. */
  readonly by: ClusterPod;
  readonly cause: JobLogEntry;
}

export interface PodLog {
  readonly pod: ClusterPod;
  readonly log: JobLog;
  /** Absent: it runs, or has ended well. */
  readonly end?: ContainerEnd;
}

/** All logs of the job that were read, those of pods that failed first. */
export function logsOf(job: TargetJob): readonly PodLog[] {
  return [
    ...failedPods(job).flatMap(({ pod, log, end }) =>
      log?.ok ? [{ pod, log: log.value, end }] : [],
    ),
    ...standingPods(job).flatMap(({ pod, log }) => (log.ok ? [{ pod, log: log.value }] : [])),
  ];
}

/** Whether others worked on for long after a moment of this pod: what befell it then did not end them. */
export const workedOn = (
  job: TargetJob,
  { pod, atMs, forMs }: { readonly pod: ClusterPod; readonly atMs: number; readonly forMs: number },
): boolean =>
  logsOf(job).some(
    other =>
      other.pod !== pod &&
      other.log.workedAt !== undefined &&
      timeOf(other.log.workedAt) > atMs + forMs,
  );

/** Its own log counts on for long after that. */
export const hasWorkedOn = (
  { workedAt }: Pick<JobLog, 'workedAt'>,
  { at }: { readonly at?: string | undefined },
): boolean => workedAt !== undefined && timeOf(workedAt) > timeOf(at) + JOB_WENT_ON_MS;

/** What logs of the job call a cause, and where that happened by their words. */
export function loggedCauses(job: TargetJob, places: Places = placesOf(job)): LoggedCause[] {
  return logsOf(job).flatMap(({ pod, log, end }) => {
    const cause = causeIn(end ? log : { entries: log.entries.filter(isOwn) });
    // What it has done all the same ended nothing.
    if (!cause) return [];
    if (!end && (log.doneAfter !== undefined || hasWorkedOn(log, cause))) return [];
    return [{ pod: placeOf({ pod, log }, cause, { job, places }), by: pod, cause }];
  });
}

/**
 * What stands in the log of a pod that did not fail of its node's GPUs is a monitor's, and no end of its own: bySaidXids
 * tells whose GPU it is, if of any.
 */
const isOwn = (entry: JobLogEntry): boolean =>
  !isXidLine(entry) && !/^(?:sxid|nvml)-/.test(entry.id);

/** A launcher, Ray's head and a submitter print what happened elsewhere, and mostly say where. */
const NAMED_LINES = 6;
function placeOf(
  { pod, log }: PodLog,
  cause: JobLogEntry,
  { job, places }: { readonly job: TargetJob; readonly places: Places },
): ClusterPod {
  const whose = cause.of === undefined ? undefined : places.ofName(cause.of, pod);
  // A daemon of ssh tells nothing: where it is well, the launcher alone shows what the program said.
  if (whose) return hasSaid(job, whose) ? whose : pod;
  if (OF_THE_JOB.test(cause.id)) return pod;
  const near = (log.ofPods ?? [])
    .filter(
      ({ kind, line, at }) =>
        (kind === 'ended' || kind === 'lost' || (kind === 'awaited' && line === cause.line)) &&
        Math.abs(line - cause.line) <= NAMED_LINES &&
        !(Math.abs(timeOf(at) - timeOf(cause.at)) > JOB_DOUBT_MS_MAX),
    )
    .toSorted((a, b) => Math.abs(a.line - cause.line) - Math.abs(b.line - cause.line));
  const named = near.flatMap(({ names, ranks }) => [
    ...names.flatMap(name => places.ofName(name, pod) ?? []),
    ...ranks.flatMap(rank => places.ofRank(rank) ?? []),
  ]);
  return named[0] ?? pod;
}

/** What befalls the whole job is of no pod that is named beside it. */
const OF_THE_JOB = /^(?:time-limit|job-cancelled|cancelled|scheduler|launch)$/;

const hasSaid = (job: TargetJob, whose: ClusterPod): boolean =>
  hasFailed(whose) ||
  job.pods.some(({ pod, log }) => pod === whose && log?.ok && causeIn(log.value) !== undefined);
