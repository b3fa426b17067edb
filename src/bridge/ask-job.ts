import * as z from 'zod';
import type { ClusterPod, ClusterView } from '../contract/cluster-view.ts';
import { PACE_WAIT_MS_MAX } from '../contract/limits.ts';
import { present } from '../contract/reading.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { explainFailure } from '../tools/catalog/explain-failure.ts';
import { getPodGpuAllocation } from '../tools/catalog/get-pod-gpu-allocation.ts';
import { FailureAnswer } from '../tools/support/failure-answer.ts';
import type { JobAnswer } from '../tools/support/job-answer.ts';
import { logsFor } from '../tools/support/job-logs.ts';
import {
  containersIn,
  hasFailed,
  isAtWork,
  type JobNode,
  runsWhole,
} from '../tools/support/job-state.ts';
import { judgeJob, podToExplain } from '../tools/support/job-verdict.ts';
import { TriageFacts } from '../tools/support/triage-facts.ts';
import { containersAt, paceAt } from './ask-apart.ts';
import type { NodeOutcome } from './ask-each.ts';
import { askSession } from './ask-session.ts';

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

/** A target that has pods, and its reading with what its pods wrote, begun once. */
export interface JobSource {
  readonly found: TargetJob;
  readonly read: (signal: AbortSignal) => Promise<TargetJob>;
}

/** The nodes that are asked, and whether all of them are asked at the same time. */
interface NodesOfJob {
  readonly nodes: readonly string[];
  readonly together: boolean;
}

/** What is asked of each node of a job beside its triage, and what all of it comes to. */
export function askingJob(
  { found, read }: JobSource,
  { nodes: asked, together }: NodesOfJob,
  signal: AbortSignal,
) {
  const nodes = new Map<string, Omit<JobNode, 'node' | 'triage'>>();
  const reading = read(signal);
  // Whoever awaits it hears of it.
  reading.catch(() => undefined);
  const meeting = meetingOf(asked);
  const views = new Map<string, ClusterView>();
  return {
    /** A session whose view of its node is kept for what is asked after its triage. */
    session: (session: Session): Session => keepingView(session, views),
    /** Why the pod of this node failed, which GPUs are the job's, and where it runs how fast they work. */
    async more(session: Session, triage: unknown, beside: Beside): Promise<void> {
      const job = await reading;
      const { target } = session;
      const focus = {
        ...(await focusOn(session, { job, triage, view: views.get(target) }, beside)),
        ...(await lookedInto(session, job, triage, beside)),
      };
      nodes.set(target, focus);
      if (!isAtWork(job)) return;
      const pace = together ? await lookedAt(session, meeting, beside) : NOT_TOGETHER;
      nodes.set(target, { ...focus, ...pace });
    },
    /** A node that does not answer is waited for by none of the others. */
    onOutcome: ({ target }: NodeOutcome) => meeting.leave(target),
    async answer(outcomes: readonly NodeOutcome[]): Promise<JobAnswer> {
      const job = await reading.catch(() => found);
      return judgeJob(
        job,
        outcomes.map(({ target, answered }) => ({
          node: target,
          gpus: [],
          ...(answered && { triage: answered.answer.structured }),
          ...nodes.get(target),
        })),
      );
    },
  };
}

/** What is wrong with what the containers of its pods on this node see; those that have ended see nothing. */
async function lookedInto(
  session: Session,
  job: TargetJob,
  triage: unknown,
  beside: Beside,
): Promise<Pick<JobNode, 'containers' | 'unseen'>> {
  const { pods: seen = [], unread } = containersIn(triage) ?? {};
  if (unread !== undefined) return { unseen: `the containers could not be looked into: ${unread}` };
  const here = job.pods.flatMap(({ pod }) =>
    pod.node === session.target && pod.phase === 'Running' && !seen.includes(pod.uid) ? pod : [],
  );
  const whole = here.filter(runsWhole);
  // Beside a container that has failed the others still show the /dev/shm of their pod.
  const ended = here.filter(pod => !whole.includes(pod) && hasFailed(pod));
  const pods = [...whole, ...ended].map(({ uid }) => uid);
  if (pods.length === 0) return {};
  try {
    const containers = await containersAt(session, pods.slice(0, PODS_MAX), beside);
    const { pods: found, unread: why } = containers;
    if (why !== undefined) return { unseen: `the containers could not be looked into: ${why}` };
    if (pods.length > PODS_MAX) {
      return { containers, unseen: `of ${pods.length} pods there only ${PODS_MAX} were` };
    }
    return found.length + containers.leftOut + seen.length > 0 || whole.length === 0
      ? { containers }
      : { unseen: 'none of their processes was found' };
  } catch (error) {
    // A bundle, or a pod without the node's processes: the rest of the answer stands.
    beside.signal.throwIfAborted();
    return { unseen: error instanceof Error ? error.message : String(error) };
  }
}

const PODS_MAX = 64;

const NOT_TOGETHER = { unlooked: 'not all nodes are asked at the same time (--parallel)' };

/** What fails here leaves the answer without its pace, and with nothing else missing. */
async function lookedAt(
  session: Session,
  meeting: Meeting,
  beside: Beside,
): Promise<Pick<JobNode, 'pace' | 'unlooked'>> {
  try {
    if (!(await meeting.come(session.target))) {
      return { unlooked: 'it came later than the others' };
    }
    beside.onProgress('looking at all nodes of the job together');
    return { pace: await paceAt(session, beside) };
  } catch (error) {
    return { unlooked: error instanceof Error ? error.message : String(error) };
  }
}

const Triaged = TriageFacts.pick({ allocated: true }).loose();

const Allocated = z.looseObject({
  allocations: z.array(
    z.looseObject({
      namespace: z.string().optional(),
      pod: z.string().optional(),
      devices: z.array(z.looseObject({ gpuIndex: z.int().optional() })),
    }),
  ),
});

async function allocatedByClaims(
  session: Session,
  isOwn: (pod: { namespace?: string | undefined; pod?: string | undefined }) => boolean,
  beside: Beside,
): Promise<number[]> {
  const { structured } = await askSession(session, getPodGpuAllocation.question({}), beside);
  return Allocated.parse(structured)
    .allocations.filter(isOwn)
    .flatMap(({ devices }) => devices.flatMap(({ gpuIndex }) => gpuIndex ?? []));
}

/** What is known of a job's node when it has answered. */
interface NodeOfJob {
  readonly job: TargetJob;
  readonly triage: unknown;
  /** What the cluster said of it for its triage. */
  readonly view: ClusterView | undefined;
}

async function focusOn(
  session: Session,
  { job, triage, view }: NodeOfJob,
  beside: Beside,
): Promise<Omit<JobNode, 'node' | 'triage'>> {
  try {
    const pod = podToExplain(job, session.target);
    const failure = pod && (await explained(session, { job, pod, view }, beside));
    const running = job.pods.flatMap(({ pod: each }) =>
      each.node === session.target && each.phase === 'Running' ? each : [],
    );
    const isOwn = ({
      namespace,
      pod: name,
    }: {
      namespace?: string | undefined;
      pod?: string | undefined;
    }) => namespace === job.namespace && running.some(other => other.name === name);
    const told = Triaged.safeParse(triage).data?.allocated.filter(isOwn) ?? [];
    // What DRA gave is named by what its driver publishes to the cluster.
    const gpus = running.some(({ claims }) => claims.length > 0)
      ? await allocatedByClaims(session, isOwn, beside)
      : told.flatMap(each => each.gpus);
    return { gpus, ...(failure && { failure }) };
  } catch (error) {
    beside.signal.throwIfAborted();
    return { gpus: [], unexplained: error instanceof Error ? error.message : String(error) };
  }
}

/** The same session; what the cluster says of its node is kept. */
function keepingView(session: Session, views: Map<string, ClusterView>): Session {
  const { clusterView } = session;
  if (!clusterView) return session;
  return {
    ...session,
    async clusterView(question, signal) {
      const view = await clusterView(question, signal);
      if (question.pod === undefined) views.set(session.target, view);
      return view;
    },
  };
}

/** explain_failure, with the logs that were read once for all nodes, the pod as it was found and its node's view. */
async function explained(
  session: Session,
  { job, pod, view }: Omit<NodeOfJob, 'triage'> & { readonly pod: ClusterPod },
  beside: Beside,
) {
  const { clusterView } = session;
  const own: Session = clusterView
    ? {
        ...session,
        clusterView: async ({ logs: _, ...question }, signal) => {
          const node = view?.node;
          const found = await clusterView({ ...question, eventsAlone: node?.ok === true }, signal);
          // A bundle and a simulated machine are called otherwise than their node.
          const known = node?.ok && { node, pod: present({ ...pod, node: node.value.name }) };
          return { ...found, ...known, ...logsFor(job, pod) };
        },
      }
    : session;
  const question = explainFailure.question({ pod: pod.name, namespace: pod.namespace });
  return FailureAnswer.parse((await askSession(own, question, beside)).structured);
}

/** Where nodes wait for each other, to be looked at together. */
export interface Meeting {
  /** True when all are there; false for whoever comes after it has begun. */
  come(node: string): Promise<boolean>;
  /** This node does not come. */
  leave(node: string): void;
}

/** It begins when all have come or left, and no later than so long after the first came. */
export function meetingOf(nodes: readonly string[], waitMs: number = PACE_WAIT_MS_MAX): Meeting {
  const awaited = new Set(nodes);
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  let late: NodeJS.Timeout | undefined;
  let isOver = false;
  const begin = () => {
    isOver = true;
    clearTimeout(late);
    resolve();
  };
  const leave = (node: string) => {
    awaited.delete(node);
    if (awaited.size === 0) begin();
  };
  return {
    async come(node) {
      if (isOver) return false;
      late ??= setTimeout(begin, waitMs);
      leave(node);
      await begun;
      return true;
    },
    leave,
  };
}
