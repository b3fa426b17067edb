import type { JobLog } from '../../contract/job-log.ts';
import { JOB_CLOCKS_MS_MAX, JOB_WENT_ON_MS } from '../../contract/limits.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { heldBack } from './failure-by-cluster.ts';
import { signalOf } from './failure-facts.ts';
import { firstEntry } from './failure-log.ts';
import { causeIn, timeOf } from './first-cause.ts';
import { inTime, isAlike, podsIn } from './job-pointers.ts';
import { failedPods, hasFailed, runsWhole } from './job-state.ts';
import { quoted, standing, toldOf } from './job-told.ts';
import { type Beginning, logsOf, type PodLog } from './logged-causes.ts';
import type { Places } from './pod-places.ts';
import { plural } from './wording.ts';

/** No word points to a pod: the one that the others missed, by what it does not say, or by how it ended. */

/** It crashed, never began or was awaited; left by itself, or runs on, while all others waited. */
export const byWhoWasMissed = (job: TargetJob, places: Places): Beginning | undefined =>
  crashed(job) ??
  neverBegan(job, places) ??
  awaited(job, places) ??
  leftByWord(job, places) ??
  stillRuns(job, places) ??
  outOfStep(job, places) ??
  closed(job, places) ??
  leftSilently(job, places) ??
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
  return one && ended.length === 1 && failed.length > 1 ? { pod: one.pod } : undefined;
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
export function startedAnew(job: TargetJob, places: Places): Beginning | undefined {
  const logs = logsOf(job).filter(({ pod }) => isAlike(job, places, pod));
  const lostMs = (log: JobLog) =>
    Math.min(
      ...log.entries.flatMap(({ role, at }) => (role === 'report' ? [] : timeOf(at))),
      ...(log.ofPods ?? []).flatMap(({ kind, at }) => (kind === 'closed' ? timeOf(at) : [])),
    );
  const anew = logs.filter(({ pod, log }) => {
    const fromMs = timeOf(log.from);
    // A log of which only the end is left begins with it.
    const hasBegun = fromMs + JOB_WENT_ON_MS < lostMs(log);
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
    return word && isAlike(job, places, pod) && log.entries.every(({ line }) => line > word.line);
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
