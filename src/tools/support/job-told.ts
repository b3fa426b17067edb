import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { Blame } from '../../contract/finding.ts';
import type { JobLog, PodWord } from '../../contract/job-log.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { exitMeaning } from './failure-by-cluster.ts';
import { firstEntry, ofItsLog, unknownWords, wordsOf } from './failure-log.ts';
import { causeIn, isHollow } from './first-cause.ts';
import { NOTHING_FOUND } from './job-root.ts';
import { runsWhole } from './job-state.ts';
import { type Beginning, logsOf } from './logged-causes.ts';

/** A pod that a word points to, and whose word it is. */
export interface Pointer {
  readonly pod: ClusterPod;
  readonly by: ClusterPod;
  readonly word: PodWord;
}

/** What a word that points to a pod says of it, beside what that pod says itself. */
export function toldOf(job: TargetJob, { pod, by, word }: Pointer): Beginning {
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

export const quoted = ({ text, at }: PodWord): string =>
  `"${text}"${at === undefined ? '' : ` at ${at}`}`;

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
  if (kind === 'taken') {
    return {
      fault: 'host',
      because: 'an autoscaler took it away as idle',
      advice: 'Let the autoscaler wait longer, or mark what must not be taken: idleTimeoutSeconds.',
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
    because: isOwn
      ? `a process of its own was ended by a signal (${how}), and the others lost it`
      : `a process there was the first that ended${how === '' ? '' : ` (${how})`}`,
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
  const [, digits, negative] =
    /\bsignal:? (\d{1,2})\b|(?:=|exitcode:) -(\d{1,2})\b/i.exec(how) ?? [];
  if (digits !== undefined || negative !== undefined) return Number(digits ?? negative);
  return SIGNALS.find(([word]) => word.test(how))?.[1];
}

/** It says itself that it left or skipped something, or is silent. */
export function standing(
  job: TargetJob,
  pod: ClusterPod,
  { because, why }: { readonly because: string; readonly why: string },
): Beginning {
  const log = logsOf(job).find(each => each.pod === pod)?.log;
  const word = log?.ofPods?.find(({ kind }) => kind === 'left');
  const itself = word ? undefined : log?.entries.find(({ role }) => role === 'cause');
  if (itself && !isHollow(itself)) return { pod, cause: itself };
  const { name, namespace } = pod;
  const isUnread = job.pods.some(each => each.pod === pod && each.log?.ok === false);
  return {
    pod,
    root: {
      ...NOTHING_FOUND,
      ...(word && { fault: 'application' as const }),
      advice: word
        ? 'Its ranks did less than the others: give each as many samples and steps, or join the end of all.'
        : runsWhole(pod)
          ? shell`See what it does before it is deleted: kubectl logs ${name} -n ${namespace} --tail=20; py-spy dump in it shows where it stands.`
          : isUnread
            ? shell`Its own log could not be read: kubectl logs ${name} -n ${namespace}.`
            : 'Its own log does not tell what it did: see its program, and its node at that time.',
      why: [
        ...(word ? [`its own log: ${quoted(word)}`] : []),
        why,
        ...(word ? [] : lastWords(log)),
      ],
      against: isUnread ? ['its own log could not be read'] : [],
      what: word ? 'it left the others by its own word' : because,
      ...optional({ at: word?.at }),
    },
  };
}

/** What its log says beside that, or how it ends. */
function lastWords(log: JobLog | undefined): string[] {
  if (!log) return [];
  const first = firstEntry(log);
  return [
    ...(first ? [`its log says: ${wordsOf(first)}`] : []),
    ...(first?.role === 'cause' || (!log.last && log.lines > 0)
      ? []
      : [ofItsLog(unknownWords(log))]),
  ];
}
