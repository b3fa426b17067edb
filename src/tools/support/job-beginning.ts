import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLogEntry } from '../../contract/job-log.ts';
import {
  JOB_CLOCKS_MS_MAX,
  JOB_DOUBT_MS_MAX,
  JOB_NOTICE_MS,
  JOB_WENT_ON_MS,
} from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { killedForMemory, takenByCluster } from './failure-by-cluster.ts';
import { signalOf } from './failure-facts.ts';
import { wordOf, wordsOf } from './failure-log.ts';
import { firstOf, isHollow, isSure, timeOf } from './first-cause.ts';
import { byWhoWasMissed, startedAnew } from './job-missed.ts';
import { byPointer } from './job-pointers.ts';
import { failedPods } from './job-state.ts';
import {
  type Beginning,
  type LoggedCause,
  loggedCauses,
  logsOf,
  type ToldRoot,
  workedOn,
} from './logged-causes.ts';
import { placesOf } from './pod-places.ts';

/** The pod where it began, by the logs and by who was ended from outside before; undefined where none tells. */
export function beginningOf(job: TargetJob): Beginning | undefined {
  const places = placesOf(job);
  const causes = loggedCauses(job, places);
  const failed = failedPods(job);
  const hasFailed = ({ by }: LoggedCause) => failed.some(({ pod }) => pod === by);
  const solid = withoutOvercome(
    job,
    causes.filter(({ cause }) => !isHollow(cause)),
  );
  // What still runs, or has ended well, has mostly gone on after what it says.
  const logged =
    firstOf(solid.filter(one => hasFailed(one) || isSure(one.cause))) ?? firstOf(solid);
  const own = logged && inItsOwnWords(logged, causes);
  const killed = killedBefore(job, own);
  if (killed) return killed;
  const pointed = byPointer(job, places, own);
  if (own && isSure(own.cause)) return isUnnamed(own, pointed) ? pointed : ofCause(own);
  const lost = job.pods.find(
    ({ pod }) => takenByCluster(pod) && !failed.some(each => each.pod === pod),
  );
  if (lost) return { pod: lost.pod };
  const anew = own && own.cause.layer !== 'fabric' ? undefined : startedAnew(job, places);
  if (anew) return anew;
  if (pointed) return pointed;
  if (own) return ofCause(own);
  const missed = byWhoWasMissed(job, places);
  if (missed) return missed;
  const hollow = firstOf(causes);
  // That a node was lost says more than what any program noticed of its peers.
  const word = hollow?.cause.layer === 'host' ? undefined : anyWord(job);
  return word ?? (hollow && ofCause(inItsOwnWords(hollow, causes)));
}

/** Of several, those after which the others did not work on: a logger's or an evaluator's error ends no training. */
function withoutOvercome(job: TargetJob, causes: readonly LoggedCause[]): readonly LoggedCause[] {
  const endingAfter = (forMs: number) =>
    causes.filter(
      ({ by, cause }) =>
        cause.at === undefined || !workedOn(job, { pod: by, atMs: timeOf(cause.at), forMs }),
    );
  const ending = endingAfter(JOB_WENT_ON_MS);
  return ending.length > 0 ? ending : endingAfter(JOB_NOTICE_MS);
}

/** No pod of it has failed, and its logs or the cluster tell that it is over: Ray and sshd run on after their jobs. */
export function isOverWhileRunning(job: TargetJob): boolean {
  const isAwaited = logsOf(job).some(
    ({ log: { wait, ofPods = [] } }) =>
      (wait?.behind.length ?? 0) > 0 || ofPods.some(({ kind }) => kind === 'awaited'),
  );
  if (isAwaited || job.pods.some(({ pod }) => takenByCluster(pod))) return true;
  const causes = loggedCauses(job).filter(({ cause }) => isSure(cause) && !isHollow(cause));
  return causes.some(({ by, cause }) =>
    logsOf(job).some(
      ({ pod, log }) =>
        pod !== by &&
        log.entries.some(
          ({ role, at }) =>
            role === 'consequence' && timeOf(at) >= timeOf(cause.at) - JOB_DOUBT_MS_MAX,
        ),
    ),
  );
}

/** A name that one pod alone cannot resolve is no name that is wrong. */
const isUnnamed = ({ pod, cause }: LoggedCause, pointed: Beginning | undefined): boolean =>
  cause.id === 'name-resolution' && pointed?.pod === pod;

const ofCause = ({ pod, by, cause }: LoggedCause): Beginning => ({
  pod,
  cause,
  ...(by !== pod && { root: toldBy(by, cause) }),
});

/** What another pod's log says of it, where its own is gone or silent. */
function toldBy(by: ClusterPod, cause: JobLogEntry): ToldRoot {
  const { isKnown, action, against } = wordOf(cause);
  return {
    fault: isKnown || cause.layer === 'fabric' ? cause.layer : 'unknown',
    confidence: isKnown ? 'medium' : 'low',
    action,
    advice: cause.advice,
    why: [`pod ${by.name} tells of it: ${wordsOf(cause)}`],
    against: [...against, 'its own log does not tell why'],
    what: cause.title,
    ...optional({ at: cause.at }),
  };
}

/** What the pod itself says, where another one's log was the first to tell of it. */
function inItsOwnWords(first: LoggedCause, causes: readonly LoggedCause[]): LoggedCause {
  if (first.by !== first.pod) return causes.find(({ by }) => by === first.pod) ?? first;
  return saidBy(first, causes) ?? first;
}

/** Of a pod without a GPU that only prints what the others write, the pod whose words they are. */
function saidBy(first: LoggedCause, causes: readonly LoggedCause[]): LoggedCause | undefined {
  if (hasGpus(first.pod)) return undefined;
  const { text, at } = first.cause;
  return causes.find(
    ({ by, cause }) =>
      hasGpus(by) &&
      Math.abs(timeOf(cause.at) - timeOf(at)) <= JOB_DOUBT_MS_MAX &&
      (text.includes(cause.text) || cause.text.includes(text)),
  );
}

const hasGpus = ({ gpus, claims }: ClusterPod): boolean =>
  claims.length > 0 || Object.values(gpus).some(count => count > 0);

/**
 * The first pod that was ended from outside, where that was before what any log tells: killed for memory, or by the
 * cluster, also just behind an error that may be a sign of it.
 */
function killedBefore(job: TargetJob, logged: LoggedCause | undefined): Beginning | undefined {
  const failed = failedPods(job);
  const isDoubted = logged === undefined || !isSure(logged.cause);
  const found = failed.find(({ pod, end }) => {
    const endMs = timeOf(end.finishedAt);
    const others = failed.filter(other => other.pod !== pod);
    const othersMs = Math.min(
      timeOf(logged?.cause.at),
      ...others.map(other => timeOf(other.end.finishedAt)),
    );
    const isTold = (takenByCluster(pod) ?? killedForMemory(end)) !== undefined;
    if (others.length === 0) return isTold;
    if (logged && workedOn(job, { pod, atMs: endMs, forMs: JOB_WENT_ON_MS })) return false;
    if (isTold) {
      return endMs <= othersMs + (isDoubted ? JOB_DOUBT_MS_MAX : -JOB_CLOCKS_MS_MAX);
    }
    // A kubelet tells it to the second.
    return signalOf(end) === SIGKILL && endMs + 1_000 < othersMs - JOB_CLOCKS_MS_MAX;
  });
  return found && { pod: found.pod };
}

const SIGKILL = 9;

/** Where no log has a cause: the earliest word for want of another; what a peer that died leaves behind tells no such. */
function anyWord(job: TargetJob): Beginning | undefined {
  const failed = failedPods(job);
  const words = failed.flatMap(({ pod, log }) => {
    const cause = log?.ok
      ? log.value.entries.find(
          entry =>
            entry.role === 'cause' &&
            entry.lastResort &&
            (entry.layer === 'fabric' || (failed.length > 1 && entry.layer !== 'unknown')) &&
            !isHollow(entry),
        )
      : undefined;
    return cause ? [{ pod, cause }] : [];
  });
  return firstOf(words);
}
