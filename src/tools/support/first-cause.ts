import type { Blame } from '../../contract/finding.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
import { JOB_DOUBT_MS_MAX } from '../../contract/limits.ts';

/** What can have begun it by itself; a cause for want of another says nothing of where it began. */
export const causeIn = ({ entries }: Pick<JobLog, 'entries'>): JobLogEntry | undefined =>
  entries.find(({ role, lastResort }) => role === 'cause' && !lastResort);

/** Milliseconds since 1970; what has no time comes last. */
export const timeOf = (at: string | null | undefined): number =>
  typeof at === 'string' ? Date.parse(at) : Number.POSITIVE_INFINITY;

/** Errors that a program makes, and that a GPU or driver that fails can make in any program. */
export const isAmbiguous = ({ id }: Pick<JobLogEntry, 'id'>): boolean => AMBIGUOUS.test(id);
const AMBIGUOUS = /^(?:cuda-(?:700|714|715|716|717|718|719|999)|not-finite|library)$/;

/** An error by its form alone, or of what peers sent, as any program meets that another one has left (src/job-log/by-words.ts). */
const BY_FORM = /^(?:exception|first-error|machine-words|collective-received)$/;
/** Of what an ended peer or a dead link can look like to a program nobody says where it began. */
const UNSURE: readonly Blame[] = ['unknown', 'fabric'];

/** Whether a cause begins a failure wherever it stands, and is no sign of another one's. */
export const isSure = ({ id, layer }: Pick<JobLogEntry, 'id' | 'layer'>): boolean =>
  !AMBIGUOUS.test(id) && !BY_FORM.test(id) && !UNSURE.includes(layer);

/**
 * What tells that another process, node or pod has gone, though its text can begin a failure too: Ray that lost a
 * node, TensorFlow's and gRPC's status of a peer, daemons of MPI without each other, what is only passed on or waited for.
 */
export const isHollow = ({ id, text }: Pick<JobLogEntry, 'id' | 'text'>): boolean =>
  id === 'node-lost' || (HOLLOW_IDS.test(id) && HOLLOW.test(text));
const HOLLOW_IDS =
  /^(?:exception|collective-use|first-error|preempted|scheduler|library-status|dataloader)$/;
const HOLLOW = new RegExp(
  [
    /\b(?:due to|because of) node failure\b|\blost due to\b|\bnode has died\b/,
    /\b(?:Unavailable|Aborted|Cancelled|DeadlineExceeded)Error\b|\b(?:UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED): /,
    /\b(?:PMIX|PRTE|ORTE|OPAL) ERROR\b|\bRayTaskError\b|\bplacement group\b|\bavailable node types can fulfill\b/,
    /\b(?:received )?signal 15\b|\bSIGTERM\b|\bexit(?:ed with)? (?:code|status) \d|\bbroken pipe\b/,
    /\bonly \d{1,6} (?:out )?of \d{1,6} (?:workers|ranks|nodes|clients|processes|replicas|hosts)\b|\b\d{1,6}\/\d{1,6} (?:workers|ranks|nodes|clients) (?:joined|registered|connected|ready)\b/,
    /\bcancelled because SparkContext was shut down\b|\bno longer reachable\b|\blost (?:connection|contact|communication) (?:to|with)\b/,
    // A communicator that was aborted has no ranks.
    /\broot should be in the 0\.\.-1\b|\bBootstrap Root ?: mismatch in rank count\b/,
    /TimeoutError\b|\btimed out waiting for\b|\bjob '?[\w-]{1,80}'? failed\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/**
 * Where it began, of what several pods tell: the earliest; but one that is sure before one that is not and came
 * only just before it, for clocks of nodes differ and what dies may tell of it before what killed it does.
 */
export function firstOf<T extends { readonly cause: JobLogEntry }>(
  causes: readonly T[],
): T | undefined {
  const [first, ...later] = causes.toSorted((a, b) => timeOf(a.cause.at) - timeOf(b.cause.at));
  if (!first || isSure(first.cause)) return first;
  const untilMs = timeOf(first.cause.at) + JOB_DOUBT_MS_MAX;
  return later.find(({ cause }) => isSure(cause) && timeOf(cause.at) <= untilMs) ?? first;
}

/** A line of the driver that tells of an XID, wherever it stands: anybody can print one. */
export const isXidLine = ({ id }: Pick<JobLogEntry, 'id'>): boolean =>
  /^(?:xid-\d+|off-the-bus)$/.test(id);
