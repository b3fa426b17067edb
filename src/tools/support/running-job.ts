import { type Finding, gpusOf, SEVERITIES } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { exitMeaning, OVER_DEADLINE, takenByCluster } from './failure-by-cluster.ts';
import { timeOf } from './first-cause.ts';
import type { JobAnswer } from './job-answer.ts';
import { endsWords } from './job-notes.ts';
import { PLATFORM_FINDING } from './job-platform.ts';
import { type JobRoot, NO_NODE, NOTHING_FOUND, TAKES_OUT } from './job-root.ts';
import { type containersOf, focusOf, type JobNode, type JobRow } from './job-state.ts';
import type { JobPace } from './stragglers.ts';
import { plural } from './wording.ts';

interface Nodes {
  readonly nodes: readonly JobNode[];
  readonly rows: readonly JobRow[];
  readonly pace: JobPace | undefined;
  readonly containers: ReturnType<typeof containersOf>;
}

/** No pod of it has failed: what stands against its GPUs now, and whom the others wait for. */
export function byNodes(job: TargetJob, { nodes, rows, pace, containers }: Nodes): JobRoot {
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
  const ended = isCritical ? undefined : ofGonePods(job);
  if (ended && (ended.fault !== 'unknown' || !worst)) return ended;
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

/** All its pods are gone: what events still say of their ends, else what its controllers do. */
function ofGonePods(job: TargetJob): JobRoot | undefined {
  if (job.pods.length > 0) return undefined;
  const gone = job.gone.ok ? job.gone.value : [];
  const [taken] = gone
    .flatMap(({ pod, node, events = [] }) =>
      events.flatMap(event => {
        const verdict = takenByCluster(event);
        return verdict ? [{ pod, node, event, verdict }] : [];
      }),
    )
    .toSorted((a, b) => timeOf(a.event.firstAt) - timeOf(b.event.firstAt));
  const [end] = job.ends ?? [];
  if (job.controller === 'ended_well') return ENDED_WELL;
  if (taken) {
    const { pod, node = NO_NODE, event, verdict } = taken;
    const [what = 'the cluster ended the pod'] = verdict.why;
    return {
      ...{ ...verdict, pod, why: [`pod ${pod}: ${what}`, ...endsWords(job)] },
      against: [NO_LOGS],
      first: { node, pod, what, ...optional({ time: event.firstAt }) },
    };
  }
  if (job.controller === 'suspended') return SUSPENDED;
  if (!end) return undefined;
  return (
    byDeadline(job) ??
    byPodFailurePolicy(job) ?? { ...NOTHING_FOUND, advice: READ_ELSEWHERE, ...ofEnds(job) }
  );
}

const ENDED_WELL: JobRoot = {
  ...{ ...NOTHING_FOUND, action: 'none', advice: 'Nothing to do: it has ended well.' },
  ...{ why: ['it has ended well, as its controller says, and its pods are gone'], against: [] },
};
const SUSPENDED: JobRoot = {
  ...NOTHING_FOUND,
  action: 'none',
  advice: 'See who holds it back: its own events, and those of its Workload where Kueue is used.',
  why: ['it is suspended, which ends its pods (Kueue and others hold a job back so)'],
  against: [],
};
const READ_ELSEWHERE =
  'No log of its pods is left in the cluster: read them where logs are collected.';
const NO_LOGS = 'its pods are gone, and what they logged with them';

const ofEnds = (job: TargetJob) => ({
  why: endsWords(job),
  against: job.pods.length === 0 ? [NO_LOGS] : [],
});

/** Its own deadline ended it, which deletes its pods or stops them by signals. */
export function byDeadline(job: TargetJob): JobRoot | undefined {
  const isOver = (job.ends ?? []).some(
    ({ reason, message }) => reason === 'DeadlineExceeded' || DEADLINE.test(message),
  );
  if (!isOver) return undefined;
  return { ...OVER_DEADLINE, confidence: 'medium', ...ofEnds(job) };
}

/** How Kubeflow's training operator says it: pkg/controller.v1/common/job.go. */
const DEADLINE = /active longer than specified deadline/;

/** The container and the exit code for which its own policy failed it. */
function byPodFailurePolicy(job: TargetJob): JobRoot | undefined {
  const [said] = (job.ends ?? []).flatMap(({ message, at }) => {
    const [, pod, exitCode] = BY_EXIT_CODE.exec(message) ?? [];
    return pod === undefined ? [] : [{ pod, exitCode: Number(exitCode), at }];
  });
  if (!said) return undefined;
  const { pod, exitCode, at } = said;
  const { fault, text } = exitMeaning({ exitCode });
  const gone = job.gone.ok ? job.gone.value : [];
  const node = gone.find(each => each.pod === pod)?.node ?? NO_NODE;
  return {
    ...({ fault, confidence: 'low', advice: READ_ELSEWHERE, pod } as const),
    action: fault === 'application' ? 'restart_app' : 'watch',
    ...ofEnds(job),
    first: { node, pod, what: text, ...optional({ time: at }) },
  };
}

/** Kubernetes, pkg/controller/job/pod_failure_policy.go. */
const BY_EXIT_CODE =
  /^Container \S{1,63} for pod \S{1,63}\/(\S{1,253}) failed with exit code (\d{1,3}) matching /;

/** No pod failed and no finding stands: what was not looked at is said beside it. */
function withoutFault(
  { pods }: TargetJob,
  { nodes, rows, pace }: Pick<Nodes, 'nodes' | 'rows' | 'pace'>,
): JobRoot {
  const unread = rows.filter(({ verdict }) => verdict === 'unread').length;
  const read = rows.length - unread;
  const unlooked = nodes.filter(each => each.triage !== undefined && !each.pace).length;
  const hasSucceeded = pods.length > 0 && pods.every(({ pod }) => pod.phase === 'Succeeded');
  return {
    ...NOTHING_FOUND,
    action: pods.length === 0 || (read === 0 && unread > 0) ? 'watch' : 'none',
    advice:
      unread > 0
        ? `Ask again: ${plural(unread, 'node')} could not be read.`
        : hasSucceeded
          ? 'Nothing to do: all of its pods have ended well.'
          : pods.length === 0
            ? READ_ELSEWHERE
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
): JobRoot {
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
): JobRoot | undefined {
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
