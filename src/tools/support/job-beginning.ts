import { asksForGpu, type ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
import {
  JOB_CLOCKS_MS_MAX,
  JOB_DOUBT_MS_MAX,
  JOB_NOTICE_MS,
  JOB_WENT_ON_MS,
} from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { heldBack, killedForMemory, takenByCluster } from './failure-by-cluster.ts';
import { signalOf } from './failure-facts.ts';
import { firstEntry, wordOf, wordsOf } from './failure-log.ts';
import { causeIn, firstOf, isHollow, isSure, timeOf } from './first-cause.ts';
import { byPointer, inTime, isAlike, podsIn } from './job-pointers.ts';
import { failedPods, hasFailed, runsWhole } from './job-state.ts';
import { quoted, standing, toldOf } from './job-told.ts';
import {
  type Beginning,
  hasWorkedOn,
  type LoggedCause,
  loggedCauses,
  logsOf,
  type PodLog,
  type ToldRoot,
  workedOn,
} from './logged-causes.ts';
import { type Places, placesOf } from './pod-places.ts';
import { plural } from './wording.ts';

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
  if (asksForGpu(first.pod)) return undefined;
  const { text, at } = first.cause;
  return causes.find(
    ({ by, cause }) =>
      asksForGpu(by) &&
      Math.abs(timeOf(cause.at) - timeOf(at)) <= JOB_DOUBT_MS_MAX &&
      (text.includes(cause.text) || cause.text.includes(text)),
  );
}

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

/** No word points to a pod: the one that the others missed, by what it does not say, or by how it ended. */

/** It crashed, never began or was awaited; left by itself, or runs on, while all others waited. */
const byWhoWasMissed = (job: TargetJob, places: Places): Beginning | undefined =>
  crashed(job) ??
  neverBegan(job, places) ??
  awaited(job, places) ??
  leftByWord(job, places) ??
  stillRuns(job, places) ??
  leftSilently(job, places) ??
  outOfStep(job, places) ??
  closed(job, places) ??
  silent(job, places);

/** The one pod of which a process, or all of it, was ended by a signal that no peer sends. */
function crashed(job: TargetJob): Beginning | undefined {
  const failed = failedPods(job);
  const words = logsOf(job).flatMap(({ pod, log, end }) => {
    const word = end && log.ofPods?.find(({ kind }) => kind === 'crashed');
    return word ? [{ pod, by: pod, word }] : [];
  });
  const [said, ...saidToo] = words;
  if (said && saidToo.length === 0 && failed.length > 1) return toldOf(job, said);
  const ended = failed.filter(({ end }) => CRASHES.includes(signalOf(end) ?? 0));
  const [one] = ended;
  const others = failed.filter(each => each !== one).map(({ end }) => timeOf(end.finishedAt));
  if (!one || ended.length > 1 || others.length === 0) return undefined;
  // What crashes behind all others does so as it is torn down.
  const isFirst = timeOf(one.end.finishedAt) <= Math.min(...others) + JOB_DOUBT_MS_MAX;
  return isFirst ? { pod: one.pod } : undefined;
}
/** signal(7): SIGILL, SIGBUS, SIGFPE, SIGSEGV. */
const CRASHES: readonly number[] = [4, 7, 8, 11];

/** The one pod that has not begun to run, and for which the others waited. */
function neverBegan(job: TargetJob, places: Places): Beginning | undefined {
  const held = job.pods.flatMap(({ pod, waitsFor }) => {
    const why = heldBack(pod);
    return why && isAlike(job, places, pod) ? [{ pod, why, waitsFor }] : [];
  });
  const [one, ...others] = held;
  const failed = failedPods(job);
  if (!one || others.length > 0 || !failed.some(({ log }) => hasWaited(log))) return undefined;
  if (failed.some(({ log }) => log?.ok && causeIn(log.value))) return undefined;
  const because = `it has not begun to run (${one.why}), and the others waited for it`;
  return {
    pod: one.pod,
    root: {
      ...({ fault: 'configuration', confidence: 'medium', action: 'fix_configuration' } as const),
      advice: 'See its events: what it asks for, its image, its mounts, and who else has the GPUs.',
      why: [`${because}${one.waitsFor ? `: ${one.waitsFor}` : ''}`],
      against: [],
      what: because,
    },
  };
}

const hasWaited = (log: TargetJob['pods'][number]['log']): boolean =>
  log?.ok === true && !causeIn(log.value) && firstEntry(log.value)?.role === 'consequence';

/** Of pods that waited in a collective, the one that waited in another one, or that alone did not. */
function outOfStep(job: TargetJob, places: Places): Beginning | undefined {
  const logs = logsOf(job);
  const waits = logs.flatMap(({ pod, log: { wait } }) =>
    wait && wait.by === undefined
      ? [{ pod, where: `${wait.operation ?? 'a collective'} ${wait.sequence ?? ''}`.trim() }]
      : [],
  );
  const [some] = waits;
  if (!some || waits.length < 2) return undefined;
  const peers = places.peersOf(some.pod);
  const groups = [...Map.groupBy(waits, ({ where }) => where).values()].toSorted(
    (a, b) => b.length - a.length,
  );
  const [most = [], [other, ...more] = [], ...others] = groups;
  const where = most[0]?.where ?? '';
  if (other && more.length === 0 && others.length === 0 && most.length > 1) {
    const because = `it waited in ${other.where} while the others waited in ${where}`;
    return standing(job, other.pod, { because, why: because });
  }
  const silent = peers.filter(pod => !waits.some(one => one.pod === pod));
  const [one, ...besides] = silent;
  const isRead = logs.some(({ pod }) => pod === one);
  if (!one || !isRead || besides.length > 0 || groups.length > 1) return undefined;
  const because = `${plural(waits.length, 'pod')} waited in ${where}, and it alone does not say so`;
  return standing(job, one, { because, why: because });
}

/** The one pod whose log begins after the others had lost a peer: what it did before, and how that ended, is gone. */
function startedAnew(job: TargetJob, places: Places): Beginning | undefined {
  const logs = logsOf(job).filter(({ pod }) => isAlike(job, places, pod));
  const lostMs = (log: JobLog) =>
    Math.min(
      ...log.entries.flatMap(({ role, at }) => (role === 'report' ? [] : timeOf(at))),
      ...(log.ofPods ?? []).flatMap(({ kind, at }) => (kind === 'closed' ? timeOf(at) : [])),
    );
  const anew = logs.filter(({ pod, log }) => {
    const fromMs = timeOf(log.from);
    // A log of which only the end is left begins with it.
    const endMs = lostMs(log);
    const hasBegun = Number.isFinite(endMs) && fromMs + JOB_WENT_ON_MS < endMs;
    return (
      hasBegun &&
      !log.cut &&
      logs.some(other => other.pod !== pod && fromMs > lostMs(other.log) + JOB_CLOCKS_MS_MAX)
    );
  });
  const [one, ...others] = anew;
  if (!one || others.length > 0) return undefined;
  const because = `its log begins at ${one.log.from}, after others had lost a peer: it was started anew, and how it ended before is not there`;
  return standing(job, one.pod, { because, why: because });
}

/** All others that are alike tell that another did not come or has gone, and this one at most that it was told to stop. */
function silent(job: TargetJob, places: Places): Beginning | undefined {
  const alike = logsOf(job).filter(({ pod }) => isAlike(job, places, pod));
  const waited = alike.filter(({ log }) =>
    log.entries.some(({ role, id }) => role === 'consequence' && id !== 'told-to-stop'),
  );
  const rest = alike.filter(one => !waited.includes(one));
  const [one, ...others] = rest;
  if (!one || others.length > 0 || waited.length === 0) return undefined;
  const group = places.peersOf(one.pod);
  if (group.length !== waited.length + 1 || one.log.entries.some(({ role }) => role === 'cause')) {
    return undefined;
  }
  const because = 'all others tell that another did not come or had gone, and it alone does not';
  return standing(job, one.pod, { because, why: because });
}

/** The one pod of ranks or tasks that others waited for, by who asked them all. */
function awaited(job: TargetJob, places: Places): Beginning | undefined {
  const logs = logsOf(job);
  const told = logs.flatMap(({ pod: by, log }) => [
    ...(log.wait?.behind ?? []).flatMap(rank => {
      const pod = places.ofRank(rank);
      return pod ? [{ by, pod, what: `rank ${rank}`, text: undefined }] : [];
    }),
    ...(log.ofPods ?? [])
      .filter(({ kind }) => kind === 'awaited')
      .flatMap(word =>
        podsIn(word, places).map(pod => ({
          by,
          pod,
          what: word.names[0] ?? `rank ${word.ranks.join(', ')}`,
          text: quoted(word),
        })),
      ),
  ]);
  const pods = new Set(told.map(({ pod }) => pod));
  const [first] = told;
  if (!first || pods.size !== 1) return undefined;
  const text = told.find(one => one.text !== undefined)?.text;
  return standing(job, first.pod, {
    because: `others waited for ${first.what}, which is there`,
    why: `pod ${first.by.name} says that others waited for ${first.what}, which is there${text ? `: ${text}` : ''}`,
  });
}

/** The one pod of several alike that says that it left, or has done less, before the others failed. */
function leftByWord(job: TargetJob, places: Places): Beginning | undefined {
  const saying = logsOf(job).filter(({ pod, log }) => {
    const word = log.ofPods?.find(({ kind }) => kind === 'left');
    if (!word || !isAlike(job, places, pod) || hasWorkedOn(log, word)) return false;
    return log.entries.every(({ line }) => line > word.line);
  });
  const [one, ...others] = saying;
  const firstMs = Math.min(...failedPods(job).map(({ end }) => timeOf(end.finishedAt)));
  if (!one || others.length > 0 || hasFailedFirst(one, firstMs)) return undefined;
  const why = 'the others failed after that, waiting';
  return standing(job, one.pod, { because: why, why });
}

/** Whose end of a connection was the first that was gone, where nobody tells more. */
function closed(job: TargetJob, places: Places): Beginning | undefined {
  const words = logsOf(job).flatMap(({ pod: by, log }) =>
    (log.ofPods ?? []).flatMap(word => {
      const pod = word.kind === 'closed' ? podsIn(word, places, by)[0] : undefined;
      return pod && pod !== by ? [{ pod, by, word }] : [];
    }),
  );
  const [first] = inTime(words);
  if (!first) return undefined;
  const { pod, by, word } = first;
  const because = 'it was the first that closed a connection to another';
  return standing(job, pod, {
    because,
    why: `${because}, as pod ${by.name} says: ${quoted(word)}`,
  });
}

/** The one that ended well long before others that are alike failed waiting. */
function leftSilently(job: TargetJob, places: Places): Beginning | undefined {
  const failed = failedPods(job);
  if (!failed.some(({ log }) => log?.ok && firstEntry(log.value)?.role === 'consequence')) {
    return undefined;
  }
  const firstMs = Math.min(...failed.map(({ end }) => timeOf(end.finishedAt)));
  const ended = job.pods
    .filter(({ pod }) => pod.phase === 'Succeeded' && isAlike(job, places, pod))
    .map(({ pod, log }) => ({
      pod,
      at: pod.containers[0]?.ended?.finishedAt,
      done: log?.ok ? log.value.done : undefined,
    }))
    .toSorted((a, b) => timeOf(a.at) - timeOf(b.at))[0];
  if (!ended) return undefined;
  const { pod, at, done } = ended;
  if (timeOf(at) > firstMs - (done ? 0 : JOB_WENT_ON_MS)) return undefined;
  const because = `it ended with exit code 0 at ${at}, before the others failed waiting`;
  const told = standing(job, pod, { because, why: because });
  if (!done || !told.root) return told;
  const why = [`it said that it was done: "${done.text}"`, ...told.root.why];
  return { ...told, root: { ...told.root, fault: 'application', why } };
}

/** Whoever failed as the first for another reason than waiting. */
const hasFailedFirst = ({ end, log }: PodLog, firstMs: number): boolean =>
  end !== undefined && timeOf(end.finishedAt) <= firstMs && firstEntry(log)?.role === 'report';

/** One pod alone still runs, and all others ended because somebody did not come: it is the one to look at. */
function stillRuns(job: TargetJob, places: Places): Beginning | undefined {
  const failed = failedPods(job);
  const one = job.pods.find(
    ({ pod }) => runsWhole(pod) && !hasFailed(pod) && isAlike(job, places, pod),
  );
  const haveWaited = failed.every(({ log }) => hasWaited(log));
  if (!one || !haveWaited || failed.length + 1 < job.pods.length) return undefined;
  const why = `pod ${one.pod.name} still runs, and ${plural(failed.length, 'pod')} ended waiting for another`;
  return standing(job, one.pod, { because: why, why });
}
