import type { ContainerEnd, JobPeer, PodJob } from '../../contract/cluster-view.ts';
import type { Blame } from '../../contract/finding.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
import { JOB_CLOCKS_MS_MAX } from '../../contract/limits.ts';
import type { Incident } from '../../xid/events.ts';
import {
  type FailureFacts,
  type FailureVerdict,
  type Judge,
  type Judgement,
  OF_THE_MACHINE,
} from './failure-facts.ts';
import { causeIn, firstOf, isAmbiguous, isSure, isXidLine, timeOf } from './first-cause.ts';
import { plural } from './wording.ts';

/** What began the failure by the log, else what came first of what it says; a report never began one. */
export const firstEntry = ({ entries }: JobLog): JobLogEntry | undefined =>
  entries.find(({ role }) => role === 'cause') ??
  entries.find(({ role }) => role === 'consequence') ??
  entries[0];

type SaidLine = { readonly text: string } | undefined;

const EMPTY = 'it is empty';

/** The same as a sentence about a pod. @param words of `unknownWords` */
export const ofItsLog = (words: string): string =>
  words === EMPTY ? 'its log is empty' : `its log: ${words}`;

/** What is told of a log of which no line tells of its end: its own last words, and never that all is well. */
export function unknownWords(
  log: Pick<JobLog, 'cut' | 'lines' | 'unreadCharacters' | 'recovered'> & {
    readonly newestUnread?: true | undefined;
  } & {
    readonly [Said in 'last' | 'done']?: SaidLine;
  },
): string {
  const { last, done } = log;
  if (!last && log.lines === 0) return EMPTY;
  const where = log.cut || log.unreadCharacters > 0 ? ' in what was read' : '';
  return [
    log.recovered > 0
      ? `only ${plural(log.recovered, 'error')} after which it went on${where}`
      : `no line of a known form${where}`,
    ...(done ? [`the program said that it was done: "${done.text}"`] : []),
    ...(!last || last.text === done?.text
      ? []
      : [`the last line${log.newestUnread ? ' that was read' : ''}: "${last.text}"`]),
  ].join('; ');
}

/** The program's own words for what went wrong. They never prove a fault of the machine. */
export const ownLog: Judge = facts => {
  const { log, job, end, logCovers, ownGpusKnown } = facts;
  const cause = log && causeIn(log);
  const mayBeOver = endedWell(facts) || log?.doneAfter !== undefined;
  const elsewhere = job && firstElsewhere(job, cause, end);
  if (elsewhere) return byPeer(elsewhere, facts);
  if (!cause) return undefined;
  const wellRead = logCovers && ownGpusKnown;
  const { isKnown, action, against } = wordOf(cause);
  return {
    // Who prints such a line proves nothing by it.
    fault: isXidLine(cause) ? 'unknown' : cause.layer,
    confidence: !isKnown || mayBeOver ? 'low' : wellRead ? 'high' : 'medium',
    action: endedWell(facts) ? 'watch' : action,
    advice: adviceOf(cause),
    why: [`the first error of its log: ${wordsOf(cause)}`, incidentsBeside(facts)],
    against:
      isKnown && isAmbiguous(cause)
        ? ['a faulty GPU can look like this to a program, too']
        : against,
    quotes: cause,
  };
};

/** An exit code of 0: by its own word nothing failed. */
const endedWell = ({ end, container }: Pick<FailureFacts, 'end' | 'container'>): boolean =>
  end === undefined && container?.ended?.exitCode === 0 && container.ended.signal === undefined;
const ENDED_WELL =
  'its container ended with exit code 0: what its log tells of may have ended nothing';

/** What stands of incidents beside what the program or its end says. */
export function incidentsBeside({
  logCovers,
  ownGpusKnown,
  incidents,
  ofOthers = [],
}: Pick<FailureFacts, 'logCovers' | 'ownGpusKnown' | 'incidents' | 'ofOthers'>): string {
  const but = ofOthers.length > 0 ? ' but of other pods’ programs' : '';
  if (ownGpusKnown) {
    return logCovers
      ? `the kernel log covers the whole run and shows no incident of its GPUs${but}`
      : `no incident of its GPUs was found${but}`;
  }
  const { length } = incidents;
  if (length === 0) return `no incident of the GPUs of its node was found${but}`;
  return `${plural(length, 'incident')} on its node, whose GPUs they were is not known`;
}

/** What its program says where neither it nor the node knows a cause: possible at most. */
export const lastResort: Judge = ({ log }) => {
  const said = log?.entries.find(
    ({ lastResort: isLast, layer, id }) => isLast && (layer !== 'unknown' || id === MACHINE_WORDS),
  );
  if (!said) return undefined;
  return {
    ...{ fault: said.layer, confidence: 'low', action: 'watch', advice: adviceOf(said) },
    why: [`the first error of its log: ${wordsOf(said)}`],
    against: wordOf(said).against,
    quotes: said,
  };
};

/** Words of a machine say that it was not shown to be the program, nor anybody else (src/job-log/by-words.ts). */
const MACHINE_WORDS = 'machine-words';

/** A program's word drains no node and resets no GPU. */
const adviceOf = ({ layer, advice }: JobLogEntry): string =>
  layer === 'hardware' || layer === 'driver'
    ? 'Ask triage_gpu_node: only the driver and the kernel log prove it.'
    : advice;

/** How far a program's word goes: never to an action on a machine. */
export function wordOf({ layer, action }: JobLogEntry) {
  const isKnown = KNOWN_BY_PROGRAM.includes(layer);
  return {
    isKnown,
    action: isKnown ? action : ('watch' as const),
    against: isKnown ? [] : ['only the program says so: it is possible, not proven'],
  };
}

/** What a program can know for sure: its own faults, and what the operating system told it. */
const KNOWN_BY_PROGRAM: readonly Blame[] = ['application', 'configuration', 'host'];

interface Who {
  readonly ranks: readonly number[];
  readonly of?: string | undefined;
}

/** Which process said it, and of which host or pod, where its line tells. */
export function whoOf({ ranks, of }: Who): string {
  const [first, ...others] = ranks;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  const rank = first === undefined ? '' : `, rank ${first}${more}`;
  return `${rank}${of === undefined ? '' : `${rank === '' ? ',' : ''} of ${of}`}`;
}

export function wordsOf({ title, at, ranks, gpu, of, frame, text }: JobLogEntry): string {
  const who = whoOf({ ranks: ranks.slice(0, 1), of });
  const where = gpu === undefined ? '' : `, its GPU ${gpu}`;
  return `${title}${at === undefined ? '' : ` at ${at}`}${who}${where} ("${text}"${frame === undefined ? '' : `, in its stack ${frame}`})`;
}

/** Not one that still runs, or has ended well. */
export const hasPeerFailed = ({ exitCode }: Pick<JobPeer, 'exitCode'>): boolean =>
  exitCode !== undefined && exitCode !== 0;

/** Another pod of the job whose log names a cause, where ours names none or a later one. */
function firstElsewhere(
  { peers }: PodJob,
  own: JobLogEntry | undefined,
  end: ContainerEnd | undefined,
): { readonly peer: JobPeer; readonly cause: JobLogEntry } | undefined {
  const causes = peers.flatMap(peer => {
    const cause = peer.log.ok ? causeIn(peer.log.value) : undefined;
    if (!cause || !peer.log.ok || hasPeerFailed(peer)) return cause ? [{ peer, cause }] : [];
    // What still runs, or has ended well, may have gone on after an error; of a GPU it tells as a monitor.
    if (!isSure(cause) || peer.log.value.doneAfter) return [];
    const struck = peers.find(other => hasPeerFailed(other) && other.node === peer.node);
    return [{ peer: (cause.layer === 'hardware' && struck) || peer, cause }];
  });
  const first = firstOf(causes);
  if (!first) return undefined;
  const firstMs = timeOf(first.cause.at);
  if (own) {
    if (isSure(own) !== isSure(first.cause)) {
      return firstOf([{ cause: own }, first])?.cause === own ? undefined : first;
    }
    // Clocks of two nodes differ: what is as good as at once is not called the earlier one.
    return firstMs < timeOf(own.at) - JOB_CLOCKS_MS_MAX ? first : undefined;
  }
  const endMs = end?.finishedAt === undefined ? Number.NaN : Date.parse(end.finishedAt);
  return firstMs > endMs + JOB_CLOCKS_MS_MAX ? undefined : first;
}

function byPeer(
  { peer, cause }: { readonly peer: JobPeer; readonly cause: JobLogEntry },
  { log, job }: FailureFacts,
): Judgement {
  const { isKnown, action, against } = wordOf(cause);
  const own = log && firstEntry(log);
  return {
    fault: isKnown ? cause.layer : 'unknown',
    confidence: isKnown ? 'medium' : 'low',
    action,
    advice: `It began in pod ${peer.pod}: ask node ${peer.node} with explain_failure for that pod.`,
    why: [
      `${job?.name ?? 'its job'}: pod ${peer.pod} on node ${peer.node} was first: ${wordsOf(cause)}`,
      ...(own ? [`this pod followed: ${wordsOf(own)}`] : []),
    ],
    against,
    quotes: own,
    began: { pod: peer.pod, node: peer.node },
  };
}

/** What the log adds to a verdict that rests on something else. */
export function beside(
  { log, job, incidents, end, container }: FailureFacts,
  { fault, quotes, began }: Omit<Judgement, 'why'>,
): Pick<FailureVerdict, 'why' | 'against'> {
  const first = log && firstEntry(log);
  const earlier = job?.peers.find(
    peer =>
      hasPeerFailed(peer) && Date.parse(peer.finishedAt ?? '') < Date.parse(end?.finishedAt ?? ''),
  );
  return {
    why: [
      ...(first && first !== quotes ? [`its log says: ${wordsOf(first)}`] : []),
      ...(log && !first && end ? [ofItsLog(unknownWords(log))] : []),
      ...(log?.wait && !began ? [waitWords(log.wait)] : []),
    ],
    against: [
      ...(first && OF_THE_MACHINE.includes(fault) && isEarlier(first, incidents[0])
        ? ['its log names a cause of its own before that']
        : []),
      ...(first && log?.done && !began
        ? [
            `before that the program had said that it was done ("${log.done.text}"): its results may be complete`,
          ]
        : []),
      ...(first && log?.doneAfter && !began
        ? [`after that the program said that it was done ("${log.doneAfter.text}")`]
        : []),
      ...(first && endedWell({ end, container }) ? [ENDED_WELL] : []),
      ...(earlier && !began
        ? [
            `of ${job?.failed} pods of ${job?.name} that failed ${earlier.pod} on node ${earlier.node} ended first, at ${earlier.finishedAt}`,
          ]
        : []),
    ],
  };
}

const isEarlier = (
  { role, lastResort, layer, at }: JobLogEntry,
  incident: Incident | undefined,
): boolean =>
  role === 'cause' &&
  !lastResort &&
  !OF_THE_MACHINE.includes(layer) &&
  at !== undefined &&
  typeof incident?.firstTime === 'string' &&
  Date.parse(at) < Date.parse(incident.firstTime) - JOB_CLOCKS_MS_MAX;

/** Whom the ranks waited for, and by whose word. */
function waitWords({
  by,
  operation,
  timeoutMs,
  waiting,
  behind,
}: NonNullable<JobLog['wait']>): string {
  const ranks = `rank ${behind.join(', ')}`;
  if (by === 'ras') {
    return operation === undefined
      ? `NCCL RAS got no answer of ${ranks}`
      : `by NCCL RAS ${ranks} stood still with fewer ${operation} than the others`;
  }
  const whom = behind.length > 0 ? ` for ${ranks}` : UNTOLD;
  if (by === 'flight_recorder') {
    return `by the flight recorder the ranks waited in ${operation ?? 'a collective'}${whom}`;
  }
  const time = timeoutMs === undefined ? '' : ` ${timeoutMs / 1_000} s`;
  return `${waiting.length} ranks waited${time} in ${operation ?? 'a collective'}${whom}`;
}

const UNTOLD = '; which rank they waited for the log does not tell';
