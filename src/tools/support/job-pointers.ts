import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { Blame } from '../../contract/finding.ts';
import type { PodWord } from '../../contract/job-log.ts';
import { JOB_CLOCKS_MS_MAX, JOB_DOUBT_MS_MAX, JOB_WENT_ON_MS } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { exitMeaning, takenByCluster } from './failure-by-cluster.ts';
import { firstEntry, wordsOf } from './failure-log.ts';
import { causeIn, isHollow, timeOf } from './first-cause.ts';
import { NOTHING_FOUND } from './job-root.ts';
import { failedPods, hasFailed, runsWhole } from './job-state.ts';
import { type Beginning, type LoggedCause, logsOf, type PodLog } from './logged-causes.ts';
import { type Places, placesOf } from './pod-places.ts';
import { plural } from './wording.ts';

/** Where no log tells a cause that is sure: the pod to which the words of all together point. */

/** A pod that a word points to, and whose word it is. */
interface Pointer {
  readonly pod: ClusterPod;
  readonly by: ClusterPod;
  readonly word: PodWord;
}

export function byPointer(
  job: TargetJob,
  places: Places,
  own: LoggedCause | undefined,
): Beginning | undefined {
  const all = pointersOf(job, places);
  const first = own ? firstBefore(all, own) : all[0];
  if (first) return toldOf(job, first);
  // What a program raised of itself outweighs who waited for whom.
  return own ? undefined : awaited(job, places);
}

/** It left by itself, or runs on, while all others waited. */
export const leftAlone = (job: TargetJob, places: Places): Beginning | undefined =>
  left(job, places) ?? stillRuns(job);

/** Of another pod, so much earlier that no clock explains it; of its own, why it had no name. */
const firstBefore = (all: readonly Pointer[], { pod, cause }: LoggedCause) =>
  cause.id === 'name-resolution'
    ? all.find(one => one.pod === pod && one.word.kind === 'unreached')
    : all.find(one => timeOf(one.word.at) < timeOf(cause.at) - JOB_DOUBT_MS_MAX && one.pod !== pod);

/** What other pods say of one that tells nothing itself: the first word of a launcher, a scheduler or Ray. */
export function toldByOthers(job: TargetJob, name: string | undefined): string[] {
  const own = logsOf(job).find(({ pod }) => pod.name === name);
  if (name === undefined || (own && own.log.entries.length > 0)) return [];
  const places = placesOf(job);
  const words = logsOf(job).flatMap(({ pod: by, log }) =>
    (log.ofPods ?? []).flatMap(word =>
      OF_ANOTHER.includes(word.kind) &&
      by.name !== name &&
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
  const links = words.filter(({ word }) => word.kind === 'link');
  const named = words
    .filter(({ word: { kind } }) => kind === 'ended' || kind === 'lost')
    .flatMap(({ by, word }) => {
      const pod = podsIn(word, places, by)[0];
      return pod && pod !== by ? [{ pod, by, word }] : [];
    });
  // What has ended well by its own word was gone before others missed it.
  const gone = words.filter(
    ({ pod, word }) =>
      word.kind === 'left' && pod.phase === 'Succeeded' && isAlike(job, places, pod),
  );
  const rest = [...gone, ...unreached(job, words, places), ...crashedFirst(inTime(named))];
  return [...inTime(links), ...inTime(rest)];
}

const inTime = (pointers: readonly Pointer[]): readonly Pointer[] =>
  pointers.toSorted((a, b) => timeOf(a.word.at) - timeOf(b.word.at));

const isAlike = (job: TargetJob, places: Places, pod: ClusterPod): boolean =>
  failedPods(job).some(each => each.pod !== pod && places.peersOf(pod).includes(each.pod));

const podsIn = (
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
    const sought = soughtBy(word, places).filter(one => one !== pod);
    const atMs = timeOf(word.at) - JOB_CLOCKS_MS_MAX;
    const peers = new Set([...sought, ...places.peersOf(pod)]);
    return (
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
    found.flatMap(({ pod, word }) => soughtBy(word, places).filter(one => one !== pod)),
  );
  const others = logs.filter(({ pod }) => !sought.has(pod)).length;
  return pods.size > 1 && pods.size * 2 > others ? [] : found;
}

/** Whom it names, by any word that is the name of a pod. */
const soughtBy = ({ text }: PodWord, places: Places): readonly ClusterPod[] =>
  (text.match(/[a-z0-9][\w.-]{3,252}/gi) ?? [])
    .slice(0, NAMES_MAX)
    .flatMap(name => places.ofName(name) ?? []);
const NAMES_MAX = 40;

/** What a word that points to a pod says of it, beside what that pod says itself. */
function toldOf(job: TargetJob, { pod, by, word }: Pointer): Beginning {
  const log = logsOf(job).find(each => each.pod === pod)?.log;
  const itself = log && (causeIn(log) ?? log.entries.find(({ role }) => role === 'cause'));
  if (by !== pod && itself && !isHollow(itself)) return { pod, cause: itself };
  if (word.kind === 'left') {
    const why = 'the others failed after that, waiting';
    return standing(job, pod, { because: why, why });
  }
  const told = by === pod ? undefined : wordsBefore(job, { pod, by, word });
  if (told) return told;
  const { fault, advice, because } = meaningOf(word, by === pod);
  const own = log && firstEntry(log);
  return {
    pod,
    root: {
      ...({ fault, confidence: 'low', action: 'watch' } as const),
      advice,
      why: [
        `${because}${by === pod ? '' : `, as pod ${by.name} says`}: ${quoted(word)}`,
        ...(own && own.text !== word.text ? [`its log: ${wordsOf(own)}`] : []),
      ],
      against: ['only the order of what all pods say tells that it began there'],
      what: because,
      ...optional({ at: word.at }),
    },
  };
}

/** Before its report a launcher has mostly printed what the process said itself. */
function wordsBefore(job: TargetJob, { by, word }: Pointer): Beginning | undefined {
  const log = logsOf(job).find(each => each.pod === by)?.log;
  const said = log?.entries.find(
    entry => entry.role === 'cause' && entry.line < word.line && !isHollow(entry),
  );
  return said && { pod: by, cause: said };
}

const quoted = ({ text, at }: PodWord): string => `"${text}"${at === undefined ? '' : ` at ${at}`}`;

function meaningOf(
  { kind, how = '' }: PodWord,
  isOwn: boolean,
): { readonly fault: Blame; readonly advice: string; readonly because: string } {
  if (kind === 'link') {
    return {
      fault: 'fabric',
      because: 'its RDMA adapter told of an error of its port before others lost their peers',
      advice: 'See the port and its cable on that node: triage_gpu_node, and the switch behind it.',
    };
  }
  if (kind === 'unreached') {
    return {
      fault: 'fabric',
      because: 'it could not reach another pod, which others reached or waited with',
      advice:
        'See the way from its node to the one that it names: DNS there, policies, routes, firewalls; which interface it takes.',
    };
  }
  if (kind === 'lost') {
    return {
      fault: isOwn ? 'unknown' : /\bnode\b/i.test(how) ? 'host' : 'unknown',
      because: 'it was the first that others lost',
      advice: 'See its node: conditions and events of that time, and the network between.',
    };
  }
  const signal = signalIn(how);
  if (OUT_OF_MEMORY.test(how)) {
    return {
      fault: 'application',
      because: 'a process there was ended for memory before any other failed',
      advice: 'Raise the memory limit or lower the use: this is host memory, not GPU memory.',
    };
  }
  const meaning = signal === undefined ? undefined : exitMeaning({ exitCode: 128 + signal });
  return {
    // An exit code alone says nothing of whose fault it was.
    fault: meaning?.fault ?? 'unknown',
    because: `a process there was the first that ended${how === '' ? '' : ` (${how})`}`,
    advice: meaning?.advice ?? 'Read the log of that pod, and the events of its node.',
  };
}

const OUT_OF_MEMORY = /\bout of memory\b|\boom\b|\bmemory (?:usage threshold|pressure)\b/i;
const SIGNALS: readonly (readonly [RegExp, number])[] = [
  [/\bkilled\s*$/i, 9],
  [/\bsegmentation fault\b/i, 11],
  [/\baborted\b/i, 6],
  [/\bbus error\b/i, 7],
  [/\bfloating point\b/i, 8],
  [/\billegal instruction\b/i, 4],
  [/\bterminated\s*$/i, 15],
];
function signalIn(how: string): number | undefined {
  const [, digits, negative] = /\bsignal:? (\d{1,2})\b|= -(\d{1,2})\b/i.exec(how) ?? [];
  if (digits !== undefined || negative !== undefined) return Number(digits ?? negative);
  return SIGNALS.find(([word]) => word.test(how))?.[1];
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

/** It says itself that it left or skipped something, or is silent. */
function standing(
  job: TargetJob,
  pod: ClusterPod,
  { because, why }: { readonly because: string; readonly why: string },
): Beginning {
  const log = logsOf(job).find(each => each.pod === pod)?.log;
  const word = log?.ofPods?.find(({ kind }) => kind === 'left');
  const itself = word ? undefined : log?.entries.find(({ role }) => role === 'cause');
  if (itself && !isHollow(itself)) return { pod, cause: itself };
  const { name, namespace } = pod;
  return {
    pod,
    root: {
      ...NOTHING_FOUND,
      ...(word && { fault: 'application' as const }),
      advice: word
        ? 'Its ranks did less than the others: give each as many samples and steps, or join the end of all.'
        : runsWhole(pod)
          ? shell`See what it does before it is deleted: kubectl logs ${name} -n ${namespace} --tail=20; py-spy dump in it shows where it stands.`
          : 'Its own log does not tell what it did: see its program, and its node at that time.',
      why: [...(word ? [`its own log: ${quoted(word)}`] : []), why],
      against: [],
      what: word ? 'it left the others by its own word' : because,
      ...optional({ at: word?.at }),
    },
  };
}

/** The one pod of several alike that left by itself before the others, who then waited for it. */
function left(job: TargetJob, places: Places): Beginning | undefined {
  const failed = failedPods(job);
  const firstMs = Math.min(...failed.map(({ end }) => timeOf(end.finishedAt)));
  const alike = (pod: ClusterPod) => isAlike(job, places, pod);
  const saying = logsOf(job).filter(({ pod, log }) => {
    const word = log.ofPods?.find(({ kind }) => kind === 'left');
    return word && alike(pod) && log.entries.every(({ line }) => line > word.line);
  });
  const [one, ...others] = saying;
  if (one && others.length === 0 && !hasFailedFirst(one, firstMs)) {
    const why = 'the others failed after that, waiting';
    return standing(job, one.pod, { because: why, why });
  }
  if (!failed.some(({ log }) => log?.ok && firstEntry(log.value)?.role === 'consequence')) {
    return undefined;
  }
  const ended = job.pods
    .filter(({ pod }) => pod.phase === 'Succeeded' && alike(pod))
    .map(({ pod }) => ({ pod, at: pod.containers[0]?.ended?.finishedAt }))
    .toSorted((a, b) => timeOf(a.at) - timeOf(b.at))[0];
  if (!ended || timeOf(ended.at) > firstMs - JOB_WENT_ON_MS) return undefined;
  const why = `it ended with exit code 0 at ${ended.at}, long before the others failed waiting`;
  return standing(job, ended.pod, { because: why, why });
}

/** Whoever failed as the first for another reason than waiting. */
const hasFailedFirst = ({ end, log }: PodLog, firstMs: number): boolean =>
  end !== undefined && timeOf(end.finishedAt) <= firstMs && firstEntry(log)?.role === 'report';

/** One pod alone still runs, and all others ended because somebody did not come: it is the one to look at. */
function stillRuns(job: TargetJob): Beginning | undefined {
  const failed = failedPods(job);
  const one = job.pods.find(({ pod }) => runsWhole(pod) && !hasFailed(pod));
  const haveWaited = failed.every(
    ({ log }) => log?.ok && !causeIn(log.value) && firstEntry(log.value)?.role === 'consequence',
  );
  if (!one || !haveWaited || failed.length + 1 < job.pods.length) return undefined;
  const why = `pod ${one.pod.name} still runs, and ${plural(failed.length, 'pod')} ended waiting for another`;
  return standing(job, one.pod, { because: why, why });
}
