import type { ClusterView } from '../../contract/cluster-view.ts';
import type { JobLog, JobLogEntry, SaidXid } from '../../contract/job-log.ts';
import {
  JOB_DOUBT_MS_MAX,
  SAID_FAULT_MS_MAX,
  SAID_FAULT_WAIT_MS_MAX,
} from '../../contract/limits.ts';
import { known } from '../../contract/reading.ts';
import { xidVerdict } from '../../xid/catalogue.ts';
import type { Incident } from '../../xid/events.ts';
import type { FailureAnswer } from './failure-answer.ts';
import {
  type FailureVerdict,
  type Judge,
  OF_THE_MACHINE,
  type SaidFault,
} from './failure-facts.ts';
import { firstEntry } from './failure-log.ts';
import { causeIn, isAmbiguous, isSure, isXidLine, timeOf } from './first-cause.ts';

/** Those of the machine that are told of in a pod's own log, of containers beside it and of pods of its job on its node. */
export function saidFaults(
  { log, beside = [], job }: Pick<ClusterView, 'log' | 'beside' | 'job'>,
  facts: Pick<FailureAnswer, 'pod' | 'incidents' | 'searched' | 'takenAt'>,
): readonly SaidFault[] {
  const { pcis } = facts.pod;
  const own = log && known(log);
  const here = ((job && known(job)?.peers) ?? []).filter(({ isHere }) => isHere);
  const told = [
    ...(own ? [{ by: 'its own log', of: own }] : []),
    ...beside.map(of => ({ by: `its container ${of.container}`, of })),
    ...here.flatMap(({ pod, log: said, beside: more = [] }) =>
      [...(said.ok ? [said.value] : []), ...more].map(of => ({ by: `pod ${pod} on its node`, of })),
    ),
  ];
  return told.flatMap(({ by, of }) =>
    machineXids(of)
      .filter(({ pci }) => pci === undefined || pcis.length === 0 || pcis.includes(pci))
      .map(xid => ({ xid, by, kernelLog: kernelWord(xid, facts) })),
  );
}

/** Not those that a program brings about, and none that only tells. */
export const machineXids = ({ xids = [] }: Pick<JobLog, 'xids'>): readonly SaidXid[] =>
  xids.filter(({ code }) => {
    const { blame, severity } = xidVerdict(code);
    return OF_THE_MACHINE.includes(blame) && severity !== 'info';
  });

interface KernelRead extends Pick<FailureAnswer, 'searched' | 'takenAt'> {
  /** Of all GPUs that it may be of. */
  readonly incidents: readonly Pick<Incident, 'codes' | 'gpu'>[];
}

/** What was read of the kernel log has of such a line. */
export function kernelWord(
  { code, pci, at }: SaidXid,
  { incidents, searched: { since, kernelLog }, takenAt }: KernelRead,
): SaidFault['kernelLog'] {
  const holds = incidents.some(
    ({ codes, gpu }) => codes.includes(code) && (pci === undefined || gpu === pci),
  );
  if (holds) return 'holds';
  const atMs = Date.parse(at ?? '');
  const isRead = kernelLog.some(
    ({ available, from, lost, malformed, unread = [], complete = true }) =>
      available &&
      complete &&
      lost + malformed + unread.length === 0 &&
      Date.parse(from ?? '') <= atMs,
  );
  const isWithin = Date.parse(since) <= atMs && atMs <= Date.parse(takenAt);
  return isRead && isWithin ? 'denies' : 'unread';
}

/** The line of this one. */
export const isLineOf = (entry: JobLogEntry, { xid }: Pick<SaidFault, 'xid'>): boolean =>
  isXidLine(entry) && entry.at === xid.at;

/** A log without what the kernel log denies, and where its program failed by itself without what anybody can print. */
export function withoutDenied(log: JobLog, said: readonly SaidFault[]): JobLog {
  const hasOwn = log.entries.some(
    one => one.role === 'cause' && !one.lastResort && !isXidLine(one) && !mayFollow(one),
  );
  const isVoid = (entry: JobLogEntry) =>
    said.some(
      each =>
        (each.kernelLog === 'denies' || (hasOwn && each.kernelLog === 'unread')) &&
        isLineOf(entry, each),
    );
  return { ...log, entries: log.entries.filter(entry => !isVoid(entry)) };
}

/** `XID 79: GPU has fallen off the bus at 2026-... ("...")`. */
export const saidWords = ({ code, at, text }: SaidXid): string =>
  `XID ${code}: ${xidVerdict(code).title}${at === undefined ? '' : ` at ${at}`} ("${text}")`;

/**
 * A log of its node tells of a fault of a GPU just before its program failed as programs do on such a GPU, and no
 * kernel log of that time was read. It may be the hardware, and nobody knows.
 */
export const bySaidXid: Judge = ({ saidFaults: said = [], log, end }) => {
  const cause = log && causeIn(log);
  if (cause && !mayFollow(cause)) return undefined;
  const first = log && firstEntry(log);
  const failedMs = timeOf(cause?.at ?? first?.at ?? end?.finishedAt);
  // Who waited for others may have been the one whose GPU was gone.
  const within = first && hasWaited(first) ? SAID_FAULT_WAIT_MS_MAX : SAID_FAULT_MS_MAX;
  const [found] = said
    // Its own log is judged by such a line where that is what it names first.
    .filter(each => each.kernelLog === 'unread' && !(cause && isLineOf(cause, each)))
    .filter(({ xid }) => isBehind(xid, failedMs, within));
  return found && verdictOf(found, 'and its program failed after that');
};

/** Whether it is the end of a long wait, or of a hang: who is told that a peer has gone is told so at once. */
export const hasWaited = ({ role, id }: Pick<JobLogEntry, 'role' | 'id'>): boolean =>
  role === 'consequence' && WAITED.test(id);
const WAITED =
  /^(?:nccl-(?:watchdog|heartbeat|aborted|ras-\w+)|ras-\w+|rendezvous|collective-not-joined|no-connection|told-to-stop|step-ended)$/;

/** @param withinMs between the XID and what followed; a monitor that looks every few seconds tells of it late */
export const isBehind = ({ at }: SaidXid, failedMs: number, withinMs: number): boolean => {
  const afterMs = failedMs - timeOf(at);
  return afterMs >= -JOB_DOUBT_MS_MAX && afterMs <= withinMs;
};

/** What a program meets on a GPU that fails, and by other causes as well: an error that names nothing of a GPU is its own. */
export const mayFollow = (cause: JobLogEntry): boolean =>
  cause.layer === 'hardware' ||
  cause.layer === 'driver' ||
  cause.id === 'crash' ||
  isAmbiguous(cause) ||
  (!isSure(cause) && OF_GPU.test(cause.text));
const OF_GPU =
  /cuda|\bcu(?:blas|dnn|fft|sparse|solver)|nccl|\bgpus?\b|\bnvml|\bnvrm|\bxla\b|\bpjrt/i;

export const verdictOf = (
  { xid, by }: Pick<SaidFault, 'xid' | 'by'>,
  followed: string,
): FailureVerdict => ({
  ...({ fault: 'unknown', confidence: 'low', action: 'watch' } as const),
  advice:
    'It may be the hardware: ask triage_gpu_node of its node, for only the driver and the kernel log prove it.',
  why: [`${by} tells of ${saidWords(xid)}, ${followed}`],
  against: ['anybody can write such a line, and the kernel log of that time was not read'],
});

/** What the kernel log says of lines that other logs told of, where that did not decide. */
export function besideSaid(said: readonly SaidFault[]): Pick<FailureVerdict, 'why' | 'against'> {
  const [held] = said.filter(({ kernelLog }) => kernelLog === 'holds');
  const [denied] = said.filter(({ kernelLog }) => kernelLog === 'denies');
  return {
    why: held ? [`${held.by} tells of XID ${held.xid.code}, too`] : [],
    against: denied
      ? [
          `${denied.by} tells of ${saidWords(denied.xid)}, but the kernel log of that time was read and has no such line`,
        ]
      : [],
  };
}
