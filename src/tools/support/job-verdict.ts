import type { ClusterPod, ContainerEnd } from '../../contract/cluster-view.ts';
import { JOB_CLOCKS_MS_MAX, JOB_DOUBT_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import type { FailureAnswer } from './failure-answer.ts';
import {
  exitMeaning,
  isByExitCode,
  killedForMemory,
  takenByCluster,
} from './failure-by-cluster.ts';
import { OF_THE_MACHINE, signalOf } from './failure-facts.ts';
import { firstEntry, ofItsLog, unknownWords, wordOf, wordsOf } from './failure-log.ts';
import { bySharedMemory, SHARED_MEMORY_FINDING } from './failure-shared-memory.ts';
import { judgedIncident } from './failure-verdict.ts';
import { causeIn, isAmbiguous, isHollow, isSure, timeOf } from './first-cause.ts';
import type { JobAnswer } from './job-answer.ts';
import { beginningOf } from './job-beginning.ts';
import { jobNotes } from './job-notes.ts';
import { byPlatform } from './job-platform.ts';
import { isOverWhileRunning, toldByOthers } from './job-pointers.ts';
import { type JobRoot, NO_NODE, NOTHING_FOUND, TAKES_OUT } from './job-root.ts';
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
  sharedMemoryOf,
  stateOf,
  withRequests,
} from './job-state.ts';
import { bySaidXids, byStandingFault, withoutDeniedLines } from './job-struck.ts';
import { type Beginning, type LoggedCause, loggedCauses } from './logged-causes.ts';
import { awaitedRanks } from './rank-places.ts';
import { byDeadline, byNodes } from './running-job.ts';
import { mayFollow } from './said-xids.ts';

/** Which pod of a node is to be explained: where it began by the logs, else the first that ended. */
export function podToExplain(job: TargetJob, node: string): ClusterPod | undefined {
  const here = failedPods(job).filter(({ pod }) => pod.node === node);
  const began = beginningOf(job);
  return (here.find(({ pod }) => pod === began?.pod) ?? here[0])?.pod;
}

/** Whose fault it was that the job failed, where it began, and which node is to leave it. Pure. */
export function judgeJob(found: TargetJob, asked: readonly JobNode[]): JobAnswer {
  const nodes = withRequests(found, asked);
  const job = withoutDeniedLines(found, nodes);
  const failed = failedPods(job);
  const rows = nodes.map(node => nodeRow(job, node));
  const pace = paceOver(nodes);
  const containers = containersOf(job, nodes);
  const root =
    byMachine(job, nodes) ??
    (failed.length > 0
      ? (byStandingFault(job, nodes) ?? byPods(job, nodes, rows))
      : byRunning(job, { nodes, rows, pace, containers }));
  const { pod: _, why, ...said } = root;
  return {
    ...{ job: job.name, namespace: job.namespace, summary: summaryOf(job, root) },
    ...{
      state: stateOf(job),
      ...said,
      why: [...why, ...toldByOthers(job, root), ...awaitedRanks(job)],
    },
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
        failure.confidence !== 'low' &&
        !isByHollow(job, failure)
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

/** Ray’s word of a node that it lost is none of this node. */
function isByHollow(job: TargetJob, { pod, why }: FailureAnswer): boolean {
  const log = job.pods.find(each => each.pod.name === pod.pod)?.log;
  const cause = log?.ok ? causeIn(log.value) : undefined;
  return cause !== undefined && isHollow(cause) && why[0]?.includes(cause.title) === true;
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

/** What a node says of this pod begins with another one's cause, and the job began here. */
const isElsewhere = ({ began: other }: FailureAnswer, began: Beginning | undefined): boolean =>
  began?.cause !== undefined && other !== undefined && other.pod !== began.pod.name;

/** A beginning that other pods tell of. */
function ofBeginning({ pod, root }: Beginning, now: readonly string[]): JobRoot | undefined {
  if (!root) return undefined;
  const { what, at, ...said } = root;
  const first = { node: pod.node || NO_NODE, pod: pod.name, ...optional({ time: at }), what };
  return { ...said, against: [...said.against, ...now], pod: pod.name, first };
}

/** No machine is at fault: where it began by the logs, else the first pod that ended. */
function byPods(job: TargetJob, nodes: readonly JobNode[], rows: readonly JobRow[]): JobRoot {
  const root = ofFirstPod(job, nodes, rows);
  const over = root.fault === 'unknown' ? byDeadline(job) : undefined;
  return over ? { ...root, ...over, why: [...over.why, ...root.why] } : root;
}

/** What its nodes show now; where that is nothing, what its logs and the cluster tell of pods that run on. */
function byRunning(job: TargetJob, read: Parameters<typeof byNodes>[1]): JobRoot {
  const root = byNodes(job, read);
  if (root.fault !== 'unknown' || root.first) return root;
  return isOverWhileRunning(job)
    ? byPods(job, read.nodes, read.rows)
    : (bySaidXids(job, read.nodes) ?? root);
}

/** Whether it is as sure as can be where it began: what still runs and tells of a fault of the machine may be a monitor. */
function isKnownFor(began: Beginning | undefined): boolean {
  if (!began) return false;
  if (began.root) return began.root.confidence !== 'low';
  if (!began.cause) return true;
  const { pod, cause } = began;
  const isOwn = isSure(cause) || !mayFollow(cause);
  return isOwn && (hasFailed(pod) || !OF_THE_MACHINE.includes(cause.layer));
}

function ofFirstPod(job: TargetJob, nodes: readonly JobNode[], rows: readonly JobRow[]): JobRoot {
  const began = beginningOf(job);
  const [firstEnd] = failedPods(job);
  const pod = began?.pod ?? firstEnd?.pod;
  const told = nodes.find(({ failure }) => failure?.pod.pod === pod?.name);
  const now = rows
    .filter(({ verdict, findings }) => verdict === 'critical' && findings.length > 0)
    .map(({ node, findings }) => `node ${node} as it is now: ${findings[0]}`);
  const said = isKnownFor(began) ? undefined : bySaidXids(job, nodes);
  if (said) return { ...said, against: [...said.against, ...now] };
  const byOthers = began?.root && ofBeginning(began, now);
  // What a platform did with its node says more than what nobody said.
  const isTaken = byOthers?.confidence === 'low' && told && byPlatform(told) !== undefined;
  if (byOthers && !isTaken) return byOthers;
  const full = pod && bySharedMemoryOf(job, nodes, pod);
  if (full && !told?.failure?.findings.some(({ id }) => id === SHARED_MEMORY_FINDING)) {
    return { ...full, against: [...full.against, ...now] };
  }
  if (told?.failure && !isElsewhere(told.failure, began)) {
    const root = ofFailure(told, told.failure);
    // Of several pods none tells more: an exit code alone says nothing of whose fault it was, nor does a peer's status.
    const isCodeAlone = !began && failedPods(job).length > 1 && isByExitCode(told.failure);
    return {
      ...root,
      ...((isCodeAlone || isOfPeer(began)) && root.fault === 'application' && BLAMES_NOBODY),
      against: [...root.against, ...now],
    };
  }
  const first = pod && { node: pod.node || NO_NODE, pod: pod.name };
  if (!began?.cause || !first) {
    const end = failedPods(job).find(each => each.pod === pod)?.end;
    const taken =
      pod && (takenByCluster(pod) ?? killedForMemory(end) ?? (began && end && bySignal(end)));
    const [why = 'neither a log nor a node that was read shows a cause'] = taken?.why ?? [];
    const what = taken || began ? why : 'the first of its pods that ended';
    return {
      ...(taken ?? NOTHING_FOUND),
      ...{ why: [why], against: now },
      ...(first && { first: { ...first, ...optional({ time: end?.finishedAt }), what } }),
      ...optional({ pod: pod?.name }),
    };
  }
  const { isKnown, action, against } = wordOf(began.cause);
  const { layer, lastResort, advice } = began.cause;
  const isBlamed = (isKnown || layer === 'fabric') && !(isOfPeer(began) && layer === 'application');
  const unread = told ? [] : [`node ${first.node} was not read`];
  return {
    fault: isBlamed ? layer : 'unknown',
    confidence: isKnown && !lastResort ? 'medium' : 'low',
    ...{ action, advice },
    why: [`the first error of all logs: ${wordsOf(began.cause)}`],
    against: [...against, ...unread, ...now],
    first: { ...first, ...optional({ time: began.cause.at }), what: began.cause.title },
    pod: first.pod,
  };
}

const BLAMES_NOBODY = { fault: 'unknown', confidence: 'low', action: 'watch' } as const;
const isOfPeer = (began: Beginning | undefined): boolean =>
  began?.cause !== undefined && isHollow(began.cause);

/** A pod that was ended from outside, or crashed, while the others only lost it. */
function bySignal(end: ContainerEnd): Omit<JobRoot, 'first'> {
  const { fault, text, advice } = exitMeaning(end);
  const why = signalOf(end) === SIGKILL ? KILLED_FIRST : `${text}, and the others lost it`;
  return {
    ...({ fault, confidence: 'low', action: 'watch' } as const),
    advice,
    why: [why],
    against: [],
  };
}
const SIGKILL = 9;
const KILLED_FIRST = 'it was killed from outside (SIGKILL) before any other pod failed';

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
