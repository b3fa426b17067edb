import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLogEntry } from '../../contract/job-log.ts';
import { JOB_CLOCKS_MS_MAX, JOB_DOUBT_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import type { FailureAnswer } from './failure-answer.ts';
import { killedForMemory, takenByCluster } from './failure-by-cluster.ts';
import { OF_THE_MACHINE, signalOf } from './failure-facts.ts';
import { firstEntry, ofItsLog, unknownWords, wordOf, wordsOf } from './failure-log.ts';
import { bySharedMemory, SHARED_MEMORY_FINDING } from './failure-shared-memory.ts';
import { judgedIncident } from './failure-verdict.ts';
import { causeIn, firstOf, isAmbiguous, isSure, timeOf } from './first-cause.ts';
import type { JobAnswer } from './job-answer.ts';
import { jobNotes } from './job-notes.ts';
import { byPlatform } from './job-platform.ts';
import { type JobRoot, NOTHING_FOUND, TAKES_OUT } from './job-root.ts';
import { bySaidXids } from './job-said-xid.ts';
import {
  containersOf,
  countsOf,
  failedPods,
  focusOf,
  hasFailed,
  type JobNode,
  type JobRow,
  nodeRow,
  paceOver,
  runsWhole,
  sharedMemoryOf,
  stateOf,
  withRequests,
} from './job-state.ts';
import { awaitedRanks } from './rank-places.ts';
import { byDeadline, byNodes } from './running-job.ts';
import { plural } from './wording.ts';

/** Which pod of a node is to be explained: where it began by the logs, else the first that ended. */
export function podToExplain(job: TargetJob, node: string): ClusterPod | undefined {
  const here = failedPods(job).filter(({ pod }) => pod.node === node);
  const began = beginningOf(job);
  return (here.find(({ pod }) => pod === began?.pod) ?? here[0])?.pod;
}

/** Whose fault it was that the job failed, where it began, and which node is to leave it. Pure. */
export function judgeJob(job: TargetJob, asked: readonly JobNode[]): JobAnswer {
  const nodes = withRequests(job, asked);
  const failed = failedPods(job);
  const rows = nodes.map(node => nodeRow(job, node));
  const pace = paceOver(nodes);
  const containers = containersOf(job, nodes);
  const root =
    byMachine(job, nodes) ??
    (failed.length > 0
      ? byPods(job, nodes, rows)
      : byNodes(job, { nodes, rows, pace, containers }));
  const { pod: _, why, ...said } = root;
  return {
    ...{ job: job.name, namespace: job.namespace, summary: summaryOf(job, root) },
    ...{ state: stateOf(job), ...said, why: [...why, ...awaitedRanks(job)] },
    ...optional({ hits: hitsOf(root, nodes) }),
    saw: failed
      .filter(({ pod }) => pod.name !== root.pod)
      .map(({ pod, end, log }) => {
        const first = log?.ok ? firstEntry(log.value) : undefined;
        return {
          ...{ pod: pod.name, node: pod.node, exitCode: end.exitCode },
          ...optional({ finishedAt: end.finishedAt }),
          what: first
            ? `${first.role}, ${first.title} ("${first.text}")`
            : log?.ok
              ? ofItsLog(unknownWords(log.value))
              : `log not read${log ? ` (${log.reason})` : ''}`,
        };
      }),
    nodes: rows,
    ...countsOf(
      job,
      nodes.flatMap(({ failure }) => failure ?? []),
    ),
    ...optional({ pace }),
    ...(containers.length > 0 && { containers }),
    notes: jobNotes(job, nodes, { pace, why: root.why }),
  };
}

/** Whom the step hits, as the node that is to be taken out says of the same step. */
const hitsOf = ({ takeOut, action }: JobRoot, nodes: readonly JobNode[]) =>
  nodes
    .filter(({ node }) => node === takeOut)
    .flatMap(each => focusOf(each).own)
    .find(finding => finding.action === action && finding.hits)?.hits;

/** The first pod that a fault of its machine ended, unless another pod's program had failed before that. */
function byMachine(job: TargetJob, nodes: readonly JobNode[]): JobRoot | undefined {
  const struck = nodes
    .flatMap(of => {
      const { node, failure } = of;
      return failure &&
        !failure.began &&
        OF_THE_MACHINE.includes(failure.fault) &&
        failure.confidence !== 'low'
        ? [{ of, node, failure, atMs: timeOf(judgedIncident(failure)?.firstTime ?? failure.to) }]
        : [];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  const [first] = struck;
  if (!first) return undefined;
  const isBefore = ({ pod, cause }: LoggedCause) =>
    pod.name !== first.failure.pod.pod &&
    !isAmbiguous(cause) &&
    wordOf(cause).isKnown &&
    timeOf(cause.at) < first.atMs - (isSure(cause) ? JOB_CLOCKS_MS_MAX : JOB_DOUBT_MS_MAX);
  if (loggedCauses(job).some(isBefore)) return undefined;
  const others = struck.slice(1).map(({ node }) => node);
  const root = ofFailure(first.of, first.failure);
  return {
    ...root,
    against: [
      ...root.against,
      ...(others.length > 0
        ? [`a fault of the machine ended pods on ${others.join(', ')}, too, later than this`]
        : []),
    ],
  };
}

function ofFailure(of: JobNode, failure: FailureAnswer): JobRoot {
  const { node } = of;
  const { fault, confidence, action, advice, why, against, pod, log, to, began } = failure;
  const isMachine = OF_THE_MACHINE.includes(fault);
  const incident = judgedIncident(failure);
  const entry = log?.entries.find(({ role }) => role === 'cause') ?? log?.entries[0];
  // Where something else was judged by, its log only stands beside it.
  const cause = entry && why[0]?.includes(entry.title) ? entry : undefined;
  const time = incident ? (incident.firstTime ?? undefined) : (cause?.at ?? to);
  return {
    ...{ fault, confidence, action, advice, why, against, pod: began?.pod ?? pod.pod },
    ...(!began && isMachine && confidence !== 'low' && TAKES_OUT.includes(action)
      ? { takeOut: node }
      : {}),
    first: {
      ...(began ?? { node, pod: pod.pod }),
      ...optional({
        time,
        gpu: incident?.gpu ?? undefined,
        code: incident && numberOf(incident.root),
      }),
      what: incident?.title ?? cause?.title ?? why[0] ?? 'its container ended',
    },
    ...byPlatform(of),
  };
}

/** No machine is at fault: where it began by the logs, else the first pod that ended. */
function byPods(job: TargetJob, nodes: readonly JobNode[], rows: readonly JobRow[]): JobRoot {
  const root = ofFirstPod(job, nodes, rows);
  const over = root.fault === 'unknown' ? byDeadline(job) : undefined;
  return over ? { ...root, ...over, why: [...over.why, ...root.why] } : root;
}

function ofFirstPod(job: TargetJob, nodes: readonly JobNode[], rows: readonly JobRow[]): JobRoot {
  const began = beginningOf(job);
  const [firstEnd] = failedPods(job);
  const pod = began?.pod ?? firstEnd?.pod;
  const told = nodes.find(({ failure }) => failure?.pod.pod === pod?.name);
  const now = rows
    .filter(({ verdict, findings }) => verdict === 'critical' && findings.length > 0)
    .map(({ node, findings }) => `node ${node} as it is now: ${findings[0]}`);
  const isSurelyElsewhere = began && (!began.cause || isSure(began.cause));
  const said = isSurelyElsewhere ? undefined : bySaidXids(job, nodes);
  if (said) return { ...said, against: [...said.against, ...now] };
  const waited = stillRuns(job);
  if (waited) return { ...waited, against: now };
  const full = pod && bySharedMemoryOf(job, nodes, pod);
  if (full && !told?.failure?.findings.some(({ id }) => id === SHARED_MEMORY_FINDING)) {
    return { ...full, against: [...full.against, ...now] };
  }
  if (told?.failure) {
    const root = ofFailure(told, told.failure);
    return { ...root, against: [...root.against, ...now] };
  }
  const first = pod && { node: pod.node || 'no node', pod: pod.name };
  if (!began?.cause || !first) {
    const end = failedPods(job).find(each => each.pod === pod)?.end;
    const taken = pod && (takenByCluster(pod) ?? killedForMemory(end));
    const [why = began ? KILLED_FIRST : 'neither a log nor a node that was read shows a cause'] =
      taken?.why ?? [];
    const what = taken || began ? why : 'the first of its pods that ended';
    return {
      ...(taken ?? NOTHING_FOUND),
      ...{ why: [why], against: now },
      ...(first && { first: { ...first, ...optional({ time: end?.finishedAt }), what } }),
      ...optional({ pod: pod?.name }),
    };
  }
  const { isKnown, action, against } = wordOf(began.cause);
  return {
    fault: isKnown ? began.cause.layer : 'unknown',
    confidence: isKnown ? 'medium' : 'low',
    action,
    advice: began.cause.advice,
    why: [`the first error of all logs: ${wordsOf(began.cause)}`],
    against: [...against, `node ${first.node} was not read`, ...now],
    first: { ...first, ...optional({ time: began.cause.at }), what: began.cause.title },
    pod: first.pod,
  };
}

const KILLED_FIRST = 'it was killed from outside (SIGKILL) before any other pod failed';

interface LoggedCause {
  readonly pod: ClusterPod;
  readonly cause: JobLogEntry;
}

/** What the pods' own logs call a cause. */
const loggedCauses = (job: TargetJob): readonly LoggedCause[] =>
  failedPods(job).flatMap(({ pod, log }) => {
    const cause = log?.ok ? causeIn(log.value) : undefined;
    return cause ? [{ pod, cause }] : [];
  });

/** The pod where it began, by the logs and by who was ended from outside before; undefined where none tells. */
function beginningOf(
  job: TargetJob,
): { readonly pod: ClusterPod; readonly cause?: JobLogEntry } | undefined {
  const causes = loggedCauses(job);
  const logged = firstOf(causes);
  const own = logged && (saidBy(logged, causes) ?? logged);
  return killedBefore(job, own) ?? own ?? fabricWord(job);
}

/** Of a pod without a GPU that only prints what the others write, the pod whose words they are. */
function saidBy(first: LoggedCause, causes: readonly LoggedCause[]): LoggedCause | undefined {
  if (hasGpus(first.pod)) return undefined;
  const { text, at } = first.cause;
  return causes.find(
    ({ pod, cause }) =>
      hasGpus(pod) &&
      Math.abs(timeOf(cause.at) - timeOf(at)) <= JOB_DOUBT_MS_MAX &&
      (text.includes(cause.text) || cause.text.includes(text)),
  );
}

const hasGpus = ({ gpus, claims }: ClusterPod): boolean =>
  claims.length > 0 || Object.values(gpus).some(count => count > 0);

/**
 * The first pod that was ended from outside, where that was before what any log tells: killed for memory, or by the cluster, also just behind an error that may be a sign of it.
 */
function killedBefore(job: TargetJob, logged: LoggedCause | undefined) {
  const failed = failedPods(job);
  const isDoubted = logged === undefined || !isSure(logged.cause);
  const found = failed.find(({ pod, end }) => {
    const endMs = timeOf(end.finishedAt);
    const others = failed.filter(other => other.pod !== pod);
    const othersMs = Math.min(
      timeOf(logged?.cause.at),
      ...others.map(other => timeOf(other.end.finishedAt)),
    );
    if (others.length === 0) return false;
    if (takenByCluster(pod) ?? killedForMemory(end)) {
      return endMs <= othersMs + (isDoubted ? JOB_DOUBT_MS_MAX : -JOB_CLOCKS_MS_MAX);
    }
    // A kubelet tells it to the second.
    return signalOf(end) === SIGKILL && endMs + 1_000 < othersMs - JOB_CLOCKS_MS_MAX;
  });
  return found && { pod: found.pod };
}

const SIGKILL = 9;

/** Where no log has a cause: the earliest word of the network for want of another; a peer that died tells no such. */
function fabricWord(job: TargetJob): LoggedCause | undefined {
  const words = failedPods(job).flatMap(({ pod, log }) => {
    const cause = log?.ok
      ? log.value.entries.find(
          ({ role, layer, lastResort }) => role === 'cause' && lastResort && layer === 'fabric',
        )
      : undefined;
    return cause ? [{ pod, cause }] : [];
  });
  return firstOf(words);
}

/** One pod alone still runs, and all others ended because somebody did not come: it is the one to look at. */
function stillRuns(job: TargetJob): JobRoot | undefined {
  const failed = failedPods(job);
  const one = job.pods.find(({ pod }) => runsWhole(pod) && !hasFailed(pod));
  const haveWaited = failed.every(
    ({ log }) => log?.ok && !causeIn(log.value) && firstEntry(log.value)?.role === 'consequence',
  );
  if (!one || !haveWaited || failed.length + 1 < job.pods.length) return undefined;
  const { name, node, namespace } = one.pod;
  const what = `pod ${name} still runs, and ${plural(failed.length, 'pod')} ended waiting for another`;
  return {
    ...NOTHING_FOUND,
    advice: shell`See what it does before it is deleted: kubectl logs ${name} -n ${namespace} --tail=20; py-spy dump in it shows where it stands.`,
    ...{ why: [what], against: [], pod: name },
    first: { node, pod: name, what },
  };
}

/** A full /dev/shm that explains how this pod ended: explain_failure sees only containers on GPUs. */
function bySharedMemoryOf(
  job: TargetJob,
  nodes: readonly JobNode[],
  pod: ClusterPod,
): JobRoot | undefined {
  const failed = failedPods(job).find(each => each.pod === pod);
  const full = failed && sharedMemoryOf(nodes, pod);
  const log = failed?.log?.ok ? failed.log.value : undefined;
  const judged = full && bySharedMemory({ title: full.what, advice: full.advice }, failed.end, log);
  if (!judged) return undefined;
  const { quotes, why, ...said } = judged;
  const time = quotes?.at ?? failed?.end.finishedAt;
  const first = { node: pod.node, pod: pod.name, ...optional({ time }) };
  return {
    ...{ ...said, why: [...why], against: [...said.against], pod: pod.name },
    first: { ...first, what: quotes?.title ?? full.what },
  };
}

function summaryOf(job: TargetJob, { fault, takeOut, first, why }: JobRoot): string {
  const where = `${job.name} in namespace ${job.namespace}`;
  const [because = 'no cause was found'] = why;
  if (fault === 'unknown') return `${where}: ${because}.`;
  const out = takeOut === undefined ? '' : ` Take out node ${takeOut}.`;
  const what = first?.what.includes(first.node) ? first.what : `${first?.what} on ${first?.node}`;
  return `${where}: ${fault}: ${first ? what : because}.${out}`;
}
