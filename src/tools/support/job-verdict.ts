import type { ClusterPod, TargetJob } from '../../contract/cluster-view.ts';
import { type Action, type Finding, gpusOf, SEVERITIES } from '../../contract/finding.ts';
import type { JobLogEntry } from '../../contract/job-log.ts';
import { JOB_CLOCKS_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import type { FailureAnswer } from './failure-answer.ts';
import { OF_THE_MACHINE } from './failure-facts.ts';
import {
  causeIn,
  firstEntry,
  isAmbiguous,
  ofItsLog,
  unknownWords,
  wordOf,
  wordsOf,
} from './failure-log.ts';
import { bySharedMemory, SHARED_MEMORY_FINDING } from './failure-shared-memory.ts';
import { judgedIncident, takenByCluster } from './failure-verdict.ts';
import type { JobAnswer } from './job-answer.ts';
import { jobNotes } from './job-notes.ts';
import { byPlatform, PLATFORM_FINDING } from './job-platform.ts';
import {
  containersOf,
  countsOf,
  failedPods,
  focusOf,
  type JobNode,
  type JobRow,
  nodeRow,
  paceOver,
  sharedMemoryOf,
  stateOf,
  withRequests,
} from './job-state.ts';
import { awaitedRanks } from './rank-places.ts';
import type { JobPace } from './stragglers.ts';
import { plural } from './wording.ts';

/** Which pod of a node is to be explained: where it began by the logs, else the first that ended. */
export function podToExplain(job: TargetJob, node: string): ClusterPod | undefined {
  const here = failedPods(job).filter(({ pod }) => pod.node === node);
  const [began] = loggedCauses(job);
  return (here.find(({ pod }) => pod === began?.pod) ?? here[0])?.pod;
}

interface LoggedCause {
  readonly pod: ClusterPod;
  readonly cause: JobLogEntry;
}

/** What the pods' own logs call a cause, first first. */
const loggedCauses = (job: TargetJob): readonly LoggedCause[] =>
  failedPods(job)
    .flatMap(({ pod, log }) => {
      const cause = log?.ok ? causeIn(log.value) : undefined;
      return cause ? [{ pod, cause }] : [];
    })
    .toSorted((a, b) => timeOf(a.cause.at) - timeOf(b.cause.at));

const timeOf = (at: string | null | undefined): number =>
  typeof at === 'string' ? Date.parse(at) : Number.POSITIVE_INFINITY;

/** What is known of the job's failure, whoever told it. */
type Root = Pick<
  JobAnswer,
  'fault' | 'confidence' | 'action' | 'advice' | 'why' | 'against' | 'first' | 'takeOut'
> & { readonly pod?: string | undefined };

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
const hitsOf = ({ takeOut, action }: Root, nodes: readonly JobNode[]) =>
  nodes
    .filter(({ node }) => node === takeOut)
    .flatMap(each => focusOf(each).own)
    .find(finding => finding.action === action && finding.hits)?.hits;

/** Actions that take GPUs or the machine from whoever runs there. */
const TAKES_OUT: readonly Action[] = [
  ...(['reset_gpu', 'drain', 'drain_and_reset', 'reboot_node'] as const),
  ...(['power_cycle', 'contact_support'] as const),
];

/** The first pod that a fault of its machine ended, unless another pod's program had failed before that. */
function byMachine(job: TargetJob, nodes: readonly JobNode[]): Root | undefined {
  const struck = nodes
    .flatMap(of => {
      const { node, failure } = of;
      return failure && OF_THE_MACHINE.includes(failure.fault) && failure.confidence !== 'low'
        ? [{ of, node, failure, atMs: timeOf(judgedIncident(failure)?.firstTime ?? failure.to) }]
        : [];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  const [first] = struck;
  if (!first) return undefined;
  const [logged] = loggedCauses(job).filter(
    ({ pod, cause }) =>
      pod.name !== first.failure.pod.pod && !isAmbiguous(cause) && wordOf(cause).isKnown,
  );
  if (logged && timeOf(logged.cause.at) < first.atMs - JOB_CLOCKS_MS_MAX) return undefined;
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

function ofFailure(of: JobNode, failure: FailureAnswer): Root {
  const { node } = of;
  const { fault, confidence, action, advice, why, against, pod, log, to } = failure;
  const isMachine = OF_THE_MACHINE.includes(fault);
  const incident = judgedIncident(failure);
  const entry = log?.entries.find(({ role }) => role === 'cause') ?? log?.entries[0];
  // Where something else was judged by, its log only stands beside it.
  const cause = entry && why[0]?.includes(entry.title) ? entry : undefined;
  const time = incident ? (incident.firstTime ?? undefined) : (cause?.at ?? to);
  return {
    ...{ fault, confidence, action, advice, why, against, pod: pod.pod },
    ...(isMachine && confidence !== 'low' && TAKES_OUT.includes(action) ? { takeOut: node } : {}),
    first: {
      ...{ node, pod: pod.pod },
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
function byPods(job: TargetJob, nodes: readonly JobNode[], rows: readonly JobRow[]): Root {
  const [began] = loggedCauses(job);
  const [firstEnd] = failedPods(job);
  const pod = began?.pod ?? firstEnd?.pod;
  const told = nodes.find(({ failure }) => failure?.pod.pod === pod?.name);
  const now = rows
    .filter(({ verdict, findings }) => verdict === 'critical' && findings.length > 0)
    .map(({ node, findings }) => `node ${node} as it is now: ${findings[0]}`);
  const full = pod && bySharedMemoryOf(job, nodes, pod);
  if (full && !told?.failure?.findings.some(({ id }) => id === SHARED_MEMORY_FINDING)) {
    return { ...full, against: [...full.against, ...now] };
  }
  if (told?.failure) {
    const root = ofFailure(told, told.failure);
    return { ...root, against: [...root.against, ...now] };
  }
  const first = pod && { node: pod.node || 'no node', pod: pod.name };
  if (!began || !first) {
    const taken = pod && takenByCluster(pod);
    const [why = 'neither a log nor a node that was read shows a cause'] = taken?.why ?? [];
    const what = taken ? why : 'the first of its pods that ended';
    return {
      ...(taken ?? NOTHING_FOUND),
      ...{ why: [why], against: now },
      ...(first && { first: { ...first, ...optional({ time: firstEnd?.end.finishedAt }), what } }),
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

/** A full /dev/shm that explains how this pod ended: explain_failure sees only containers on GPUs. */
function bySharedMemoryOf(
  job: TargetJob,
  nodes: readonly JobNode[],
  pod: ClusterPod,
): Root | undefined {
  const failed = failedPods(job).find(each => each.pod === pod);
  const full = failed && sharedMemoryOf(nodes, pod);
  const log = failed?.log?.ok ? failed.log.value : undefined;
  const judged = full && bySharedMemory({ title: full.what, advice: full.advice }, failed.end, log);
  if (!judged) return undefined;
  const { quotes, ofPeer: _, why, ...said } = judged;
  const time = quotes?.at ?? failed?.end.finishedAt;
  const first = { node: pod.node, pod: pod.name, ...optional({ time }) };
  return {
    ...{ ...said, why: [...why], against: [...said.against], pod: pod.name },
    first: { ...first, what: quotes?.title ?? full.what },
  };
}

const NOTHING_FOUND: Pick<Root, 'fault' | 'confidence' | 'action' | 'advice'> = {
  ...({ fault: 'unknown', confidence: 'low', action: 'watch' } as const),
  advice: 'Read what follows of each node, and the log of the pod that ended first.',
};

interface Nodes {
  readonly nodes: readonly JobNode[];
  readonly rows: readonly JobRow[];
  readonly pace: JobPace | undefined;
  readonly containers: ReturnType<typeof containersOf>;
}

/** No pod of it has failed: what stands against its GPUs now, and whom the others wait for. */
function byNodes(job: TargetJob, { nodes, rows, pace, containers }: Nodes): Root {
  const serious = nodes
    .flatMap(each => focusOf(each).own.map(finding => ({ node: each.node, finding })))
    // Who waits for whom is told better by all nodes together than by one.
    .filter(({ finding }) => finding.id !== 'waiting' || pace === undefined)
    // What a platform plans explains pods that are gone, and nothing of those that run.
    .filter(({ finding }) => job.pods.length === 0 || !finding.id.startsWith(PLATFORM_FINDING))
    .toSorted(
      (a, b) => SEVERITIES.indexOf(a.finding.severity) - SEVERITIES.indexOf(b.finding.severity),
    );
  const [worst, ...others] = serious;
  const isCritical = worst?.finding.severity === 'critical';
  const [container] = containers;
  if (container && (container.isSevere ? !isCritical : !worst && !pace?.stragglers.length)) {
    return byContainer(container, pace);
  }
  const slow = isCritical ? undefined : byStraggler(job, pace, serious);
  if (slow) {
    const beside = serious.filter(each => each.node !== slow.first?.node).slice(0, 2);
    return {
      ...slow,
      against: beside.map(each => `also ${each.node}: ${each.finding.title}`),
    };
  }
  if (!worst) return withoutFault(job, { nodes, rows, pace });
  const { node, finding } = worst;
  const { blame, confidence, action, advice, title, counterEvidence, evidence } = finding;
  const gpu = gpusOf(finding)[0];
  return {
    ...{ fault: blame, confidence, action, advice },
    ...(finding.severity === 'critical' && TAKES_OUT.includes(action) ? { takeOut: node } : {}),
    first: {
      node,
      // The evidence of a rule comes first: what stands beside it has times of its own.
      ...(finding.began ?? optional({ time: evidence[0]?.time })),
      ...optional({ gpu: gpu?.pci }),
      what: title,
    },
    why: [title],
    against: [
      ...counterEvidence.slice(0, 1),
      ...others.slice(0, 2).map(other => `also ${other.node}: ${other.finding.title}`),
    ],
  };
}

/** No pod failed and no finding stands: what was not looked at is said beside it. */
function withoutFault(
  { pods }: TargetJob,
  { nodes, rows, pace }: Pick<Nodes, 'nodes' | 'rows' | 'pace'>,
): Root {
  const unread = rows.filter(({ verdict }) => verdict === 'unread').length;
  const read = rows.length - unread;
  const unlooked = nodes.filter(each => each.triage !== undefined && !each.pace).length;
  const hasSucceeded = pods.length > 0 && pods.every(({ pod }) => pod.phase === 'Succeeded');
  return {
    ...NOTHING_FOUND,
    action: read === 0 && unread > 0 ? 'watch' : 'none',
    advice:
      unread > 0
        ? `Ask again: ${plural(unread, 'node')} could not be read.`
        : hasSucceeded
          ? 'Nothing to do: all of its pods have ended well.'
          : (pace?.advice ??
            'No GPU fault seen: if it hangs or is slow, look at its program, its input and the network.'),
    why: [
      ...(pace ? [pace.text] : []),
      pods.length === 0
        ? 'its pods are gone, and how they ended is not known any more'
        : read === 0 && unread > 0
          ? 'none of its nodes could be read'
          : `no pod of it has failed, and no finding stands against its GPUs${unread > 0 ? ' on the nodes that were read' : ''}`,
    ],
    against: [
      ...(unread > 0 ? [`${plural(unread, 'node')} of ${rows.length} not read`] : []),
      ...(pace && unlooked > 0
        ? [
            `the pace of ${plural(unlooked, 'node')} of ${rows.length} was not looked at: who is waited for may be there`,
          ]
        : []),
    ],
  };
}

/** A container that does not see what it was given, or is at a limit. */
function byContainer(
  {
    node,
    pod,
    what,
    fault,
    confidence,
    action,
    advice,
  }: NonNullable<JobAnswer['containers']>[number],
  pace: JobPace | undefined,
): Root {
  return {
    ...{ fault, confidence, action, advice, pod },
    first: { node, pod, what: `container of pod ${pod}: ${what}` },
    why: [`container of pod ${pod}: ${what}`, ...(pace ? [pace.text] : [])],
    against: [],
  };
}

interface Serious {
  readonly node: string;
  readonly finding: Finding;
}

/** Whom the others wait for, by readings of both. */
function byStraggler(
  job: TargetJob,
  pace: JobPace | undefined,
  serious: readonly Serious[],
): Root | undefined {
  const [first] = pace?.stragglers ?? [];
  if (!pace || !first) return undefined;
  const { fault, confidence, action, text } = pace;
  // Where its node says the same of that GPU, it is in the same words: one fault, one step.
  const told = serious.find(
    ({ node, finding }) =>
      node === first.node &&
      finding.action === action &&
      gpusOf(finding).some(({ index }) => index !== undefined && first.gpus.includes(index)),
  );
  const { advice } = told?.finding ?? pace;
  const pods = job.pods.flatMap(({ pod }) => (pod.node === first.node ? pod.name : []));
  return {
    ...{ fault, confidence, action, advice, why: [text], against: [] },
    ...(TAKES_OUT.includes(action) ? { takeOut: first.node } : {}),
    first: {
      ...{ node: first.node, what: first.reading },
      ...(pods.length === 1 ? optional({ pod: pods[0] }) : {}),
    },
  };
}

function summaryOf(job: TargetJob, { fault, takeOut, first, why }: Root): string {
  const where = `${job.name} in namespace ${job.namespace}`;
  const [because = 'no cause was found'] = why;
  if (fault === 'unknown') return `${where}: ${because}.`;
  const out = takeOut === undefined ? '' : ` Take out node ${takeOut}.`;
  const what = first?.what.includes(first.node) ? first.what : `${first?.what} on ${first?.node}`;
  return `${where}: ${fault}: ${first ? what : because}.${out}`;
}
