import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLogEntry, PodWord } from '../../contract/job-log.ts';
import {
  JOB_CLOCKS_MS_MAX,
  JOB_DOUBT_MS_MAX,
  JOB_NOTICE_MS,
  JOB_WENT_ON_MS,
  PLATFORM_ENDS_MS_MAX,
} from '../../contract/limits.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { takenByCluster } from './failure-by-cluster.ts';
import { signalOf } from './failure-facts.ts';
import { isHollow, isSure, timeOf } from './first-cause.ts';
import { failedPods } from './job-state.ts';
import { type Pointer, quoted, toldOf } from './job-told.ts';
import {
  type Beginning,
  hasWorkedOn,
  type LoggedCause,
  loggedCauses,
  logsOf,
  workedOn,
} from './logged-causes.ts';
import { type Places, placesOf, soughtIn } from './pod-places.ts';

/** Where no log tells a cause that is sure: the pod to which the words of all together point. */

export function byPointer(
  job: TargetJob,
  places: Places,
  own: LoggedCause | undefined,
): Beginning | undefined {
  const all = pointersOf(job, places);
  const first = own ? firstBefore(all, own) : all[0];
  return first && toldOf(job, first);
}

/**
 * Of another pod, so much earlier that no clock explains it, and not so long before in the same log that its program went
 * on after that; of its own, why it had no name.
 */
const firstBefore = (all: readonly Pointer[], { pod, by, cause }: LoggedCause) =>
  cause.id === 'name-resolution'
    ? all.find(one => one.pod === pod && one.word.kind === 'unreached')
    : all.find(one => {
        const sinceMs = timeOf(cause.at) - timeOf(one.word.at);
        const hasGoneOn = one.by === by && sinceMs > JOB_WENT_ON_MS;
        return one.pod !== pod && sinceMs > JOB_DOUBT_MS_MAX && !hasGoneOn;
      });

/** What other pods say of one that tells nothing itself: the first word of a launcher, a scheduler or Ray. */
export function toldByOthers(
  job: TargetJob,
  { pod: name, why }: { readonly pod?: string | undefined; readonly why: readonly string[] },
): string[] {
  const own = logsOf(job).find(({ pod }) => pod.name === name);
  if (name === undefined || (own && own.log.entries.length > 0)) return [];
  const places = placesOf(job);
  const words = logsOf(job).flatMap(({ pod: by, log }) =>
    (log.ofPods ?? []).flatMap(word =>
      OF_ANOTHER.includes(word.kind) &&
      by.name !== name &&
      !why.some(one => one.includes(word.text)) &&
      podsIn(word, places, by).some(pod => pod.name === name)
        ? [{ by, pod: by, word }]
        : [],
    ),
  );
  return inTime(words)
    .slice(0, 1)
    .map(({ by, word }) => `pod ${by.name} says of it: ${quoted(word)}`);
}
const OF_ANOTHER: readonly PodWord['kind'][] = ['ended', 'lost', 'awaited'];

/** What loses its link tells of itself, whatever the clocks say; else the earliest. */
function pointersOf(job: TargetJob, places: Places): readonly Pointer[] {
  const words = logsOf(job).flatMap(({ pod, log }) =>
    (log.ofPods ?? []).map(word => ({ pod, by: pod, word })),
  );
  const logs = logsOf(job);
  const isOvercome = ({ by, word }: Pointer) =>
    logs.some(({ pod, log }) => pod === by && hasWorkedOn(log, word));
  const haveWaited = logs.some(({ log }) => log.entries.some(isOfPeers));
  const links = words.filter(
    one =>
      one.word.kind === 'link' &&
      logs.some(({ pod, log }) => pod !== one.pod && log.entries.some(isOfPeers)) &&
      !isOvercome(one),
  );
  const named = words
    .filter(one => (one.word.kind === 'ended' || one.word.kind === 'lost') && !isOvercome(one))
    .flatMap(({ by, word }) => {
      const pod = podsIn(word, places, by)[0];
      return pod && pod !== by ? [{ pod, by, word }] : [];
    });
  // What has ended well by its own word was gone before others missed it.
  const gone = words.filter(
    ({ pod, word }) => haveWaited && word.kind === 'left' && pod.phase === 'Succeeded',
  );
  const rest = [...gone, ...takenAway(job, words), ...unreached(job, words, places), ...named];
  return [...inTime(links), ...crashedFirst(inTime(rest))];
}

/** What a program meets whose peer is gone, or does not come. */
const isOfPeers = ({ role, layer }: JobLogEntry): boolean =>
  role === 'consequence' || layer === 'fabric';

/** Whom an autoscaler took: the first of that group that was told to stop after it. */
const takenAway = (job: TargetJob, words: readonly Pointer[]): readonly Pointer[] =>
  words.flatMap(({ by, word }) => {
    if (word.kind !== 'taken') return [];
    const atMs = timeOf(word.at) - JOB_CLOCKS_MS_MAX;
    const taken = failedPods(job).find(
      ({ pod, end }) =>
        word.names.some(name => pod.name.includes(`-${name}-`)) &&
        STOPPED.includes(signalOf(end) ?? 0) &&
        timeOf(end.finishedAt) >= atMs &&
        timeOf(end.finishedAt) <= atMs + PLATFORM_ENDS_MS_MAX,
    );
    return taken ? [{ pod: taken.pod, by, word }] : [];
  });
const STOPPED: readonly number[] = [9, 15];

export const inTime = (pointers: readonly Pointer[]): readonly Pointer[] =>
  pointers.toSorted((a, b) => timeOf(a.word.at) - timeOf(b.word.at));

export const isAlike = (job: TargetJob, places: Places, pod: ClusterPod): boolean =>
  failedPods(job).some(each => each.pod !== pod && places.peersOf(pod).includes(each.pod));

export const podsIn = (
  { names, ranks }: PodWord,
  places: Places,
  by?: ClusterPod,
): readonly ClusterPod[] => [
  ...new Set([
    ...names.flatMap(name => places.ofName(name, by) ?? []),
    ...ranks.flatMap(rank => places.ofRank(rank) ?? []),
  ]),
];

/** Whom a launcher ends at once with the one that crashed is told beside it. */
function crashedFirst(named: readonly Pointer[]): readonly Pointer[] {
  const [first] = named;
  if (!first || !IS_ENDED.test(first.word.how ?? '')) return named;
  const untilMs = timeOf(first.word.at) + JOB_DOUBT_MS_MAX;
  const crashed = named.find(
    ({ word }) => CRASHED.test(word.how ?? '') && timeOf(word.at) <= untilMs,
  );
  return crashed ? [crashed, ...named.filter(one => one !== crashed)] : named;
}
const IS_ENDED = /\b(?:killed|terminated)\b|\bsignal:? (?:9|15)\b|= -(?:9|15)\b/i;
const CRASHED =
  /\bsegmentation\b|\babort|\bbus error\b|\bfloating\b|\billegal\b|\bout of memory\b|\bsignal:? (?:4|6|7|8|11)\b|= -(?:4|6|7|8|11)\b/i;

/**
 * Few that could not reach one which others reached: not those whose peer had ended before, and not all of them, who
 * tell of the one that they sought.
 */
function unreached(job: TargetJob, words: readonly Pointer[], places: Places): readonly Pointer[] {
  const failed = failedPods(job);
  const logs = logsOf(job);
  const found = words.filter(({ pod, word }) => {
    if (word.kind !== 'unreached') return false;
    const own = logs.find(each => each.pod === pod)?.log;
    if (own && hasWorkedOn(own, word)) return false;
    const sought = soughtIn(word, places).filter(one => one !== pod);
    // Else it may be anybody: where metrics, experiments or models are kept.
    if (sought.length === 0 && !word.isOfJob) return false;
    const atMs = timeOf(word.at) - JOB_CLOCKS_MS_MAX;
    const peers = new Set([...sought, ...places.peersOf(pod)]);
    return (
      !workedOn(job, { pod, atMs, forMs: JOB_NOTICE_MS }) &&
      !sought.some(one => takenByCluster(one)) &&
      !job.pods.some(
        each =>
          each.pod !== pod &&
          peers.has(each.pod) &&
          timeOf(each.pod.containers[0]?.ended?.finishedAt) < atMs,
      ) &&
      !failed.some(each => sought.includes(each.pod) && timeOf(each.end.finishedAt) < atMs)
    );
  });
  const pods = new Set(found.map(({ pod }) => pod));
  const sought = new Set(
    found.flatMap(({ pod, word }) => soughtIn(word, places).filter(one => one !== pod)),
  );
  const others = logs.filter(({ pod }) => !sought.has(pod)).length;
  return pods.size > 1 && pods.size * 2 > others ? [] : found;
}

/** No pod of it has failed, and its logs or the cluster tell that it is over: Ray and sshd run on after their jobs. */
export function isOverWhileRunning(job: TargetJob): boolean {
  const isAwaited = logsOf(job).some(
    ({ pod, log: { wait, ofPods = [] } }) =>
      (wait?.behind.length ?? 0) > 0 ||
      ofPods.some(
        ({ kind, at }) =>
          (kind === 'awaited' || kind === 'ended') &&
          !workedOn(job, { pod, atMs: timeOf(at), forMs: JOB_WENT_ON_MS }),
      ),
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
