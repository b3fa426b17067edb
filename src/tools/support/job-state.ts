import * as z from 'zod';
import { asksForGpu, type ClusterPod, type ContainerEnd } from '../../contract/cluster-view.ts';
import { failedEnd, worstContainer } from '../../contract/failed-run.ts';
import { Finding, gpusOf, Verdict } from '../../contract/finding.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import {
  CONTAINER_FINDING,
  type ContainerFault,
  ContainerFaults,
} from '../../findings/support/container-faults.ts';
import type { Pace } from '../pace.ts';
import type { FailureAnswer } from './failure-answer.ts';
import type { JobAnswer } from './job-answer.ts';
import { type JobPace, judgePace } from './stragglers.ts';

/** What came of one of the job's nodes. */
export interface JobNode {
  readonly node: string;
  /** The facts of triage_gpu_node; absent where the node was not read. */
  readonly triage?: unknown;
  /** The facts of explain_failure for the pod of podToExplain. */
  readonly failure?: FailureAnswer | undefined;
  /** The job's GPUs there by the kubelet's allocation, by index. */
  readonly gpus: readonly number[];
  /** Why that pod could not be explained. */
  readonly unexplained?: string | undefined;
  /** How fast its GPUs work, looked at together with those of the other nodes. */
  readonly pace?: Pace | undefined;
  /** What is wrong with what the containers of those of its pods see that triage did not look into. */
  readonly containers?: ContainerFaults | undefined;
  /** Why its containers were not looked into. */
  readonly unseen?: string | undefined;
  /** Why that could not be looked at. */
  readonly unlooked?: string | undefined;
  /** The job's pods there ask for no GPU, as a launcher does on a node of CPUs. */
  readonly asksNoGpu?: boolean;
}

/** The same nodes, with what the job's pods there ask for. */
export const withRequests = (job: TargetJob, nodes: readonly JobNode[]): readonly JobNode[] =>
  nodes.map(each => {
    const here = job.pods.filter(({ pod }) => pod.node === each.node);
    const asksNoGpu = here.length > 0 && here.every(({ pod }) => !asksForGpu(pod));
    return asksNoGpu ? { ...each, asksNoGpu } : each;
  });

interface FailedPod {
  readonly pod: ClusterPod;
  readonly end: ContainerEnd;
  readonly log: TargetJob['pods'][number]['log'];
}

/** Its pods that failed, in the order of their ends. */
export const failedPods = ({ pods }: Pick<TargetJob, 'pods'>): readonly FailedPod[] =>
  pods
    .flatMap(({ pod, log }) => {
      const container = worstContainer(pod);
      const end = container && failedEnd(container);
      return end ? { pod, end, log } : [];
    })
    .toSorted((a, b) => (a.end.finishedAt ?? '').localeCompare(b.end.finishedAt ?? ''));

/** The nodes where its pods run or ran, those where one failed first before others. */
export function nodesOf(job: TargetJob): readonly string[] {
  const gone = job.gone.ok ? job.gone.value : [];
  const nodes = [
    ...failedPods(job).map(({ pod }) => pod.node),
    ...gone.flatMap(({ node }) => node ?? []),
    ...job.pods.map(({ pod }) => pod.node),
  ];
  return [...new Set(nodes)].filter(node => node !== '');
}

/** Whether a container of it has ended with an error, in this run or the one before. */
export const hasFailed = (pod: ClusterPod): boolean => failedPods({ pods: [{ pod }] }).length > 0;

/** Whether it works now, so that how fast it does can be looked at: a restart before this run does not count. */
export const isAtWork = ({ pods }: TargetJob): boolean =>
  pods.some(({ pod }) => pod.phase === 'Running') &&
  pods.every(({ pod }) => pod.phase === 'Succeeded' || runsWhole(pod));

/** Between two runs of a container those beside it alone would look like a pod that has lost its GPUs. */
export const runsWhole = ({ phase, containers }: ClusterPod): boolean =>
  phase === 'Running' && containers.every(({ init, state }) => init || state === 'running');

const Judged = z.looseObject({
  verdict: Verdict,
  findings: z.array(Finding),
  containers: ContainerFaults.exactOptional(),
  gpus: z.array(z.unknown()).exactOptional(),
  layers: z.looseObject({ pciBus: z.int().exactOptional() }).exactOptional(),
});

/** What triage of a node found of the containers of pods on its GPUs. */
export const containersIn = (triage: unknown): ContainerFaults | undefined =>
  Judged.safeParse(triage).data?.containers;

/** Findings above info: on the job's GPUs or on no GPU, and those of other GPUs. */
export function focusOf({ triage, failure, gpus, asksNoGpu = false }: JobNode) {
  const found = Judged.safeParse(triage);
  if (!found.success) return { verdict: undefined, indexes: [], own: [], others: 0 };
  const pcis = failure?.pod.pcis ?? [];
  const isWhole = failure?.pod.gpusFrom === 'whole_node';
  const indexes = [...new Set([...gpus, ...(failure?.pod.gpus ?? [])])].toSorted((a, b) => a - b);
  const isKnown = !isWhole && (indexes.length > 0 || pcis.length > 0);
  // What containers see is told of each of the job's pods.
  // A node without GPUs, where the job wants none, is as it should be; not one whose GPUs have no driver.
  const isOfCpus = asksNoGpu && found.data.layers?.pciBus === 0;
  const serious = found.data.findings.filter(
    ({ severity, id }) =>
      severity !== 'info' &&
      !id.startsWith(CONTAINER_FINDING) &&
      !(isOfCpus && id === NO_DRIVER_FINDING),
  );
  const own = serious.filter(finding => {
    const about = gpusOf(finding);
    // What another program did on this node is nothing of this job.
    if (about.length === 0 || !isKnown) return finding.blame !== 'application';
    return about.some(
      ({ index, pci }) =>
        (index !== undefined && indexes.includes(index)) ||
        (pci !== undefined && pcis.includes(pci)),
    );
  });
  return { verdict: found.data.verdict, indexes, own, others: serious.length - own.length };
}

const NO_DRIVER_FINDING = 'driver-not-loaded';

export type JobRow = JobAnswer['nodes'][number];

export function nodeRow(job: TargetJob, each: JobNode): JobRow {
  const { verdict, indexes, own, others } = focusOf(each);
  const here = job.pods.filter(({ pod }) => pod.node === each.node);
  const gone = job.gone.ok ? job.gone.value.filter(({ node }) => node === each.node) : [];
  return {
    node: each.node,
    verdict: verdict ?? 'unread',
    pods: [...here.map(({ pod }) => pod.name), ...gone.map(({ pod }) => `${pod} (gone)`)],
    failed: failedPods({ pods: here }).length,
    gpus: [...indexes],
    findings: own.map(({ title }) => title),
    otherGpus: others,
    ...(each.asksNoGpu && { asksNoGpu: true as const }),
  };
}

export function stateOf(job: TargetJob): JobAnswer['state'] {
  if (failedPods(job).length > 0) return 'failed';
  if (job.pods.length === 0) return 'gone';
  const phases = new Set(job.pods.map(({ pod }) => pod.phase));
  if (phases.has('Running')) return 'running';
  return phases.has('Pending') ? 'pending' : 'succeeded';
}

/** @param failures of its pods that were explained: each took something of the API server. */
export function countsOf(
  job: TargetJob,
  failures: readonly Pick<FailureAnswer, 'asked'>[],
): Pick<JobAnswer, 'pods' | 'logs' | 'asked'> {
  const failed = failedPods(job);
  const isFailed = (pod: ClusterPod) => failed.some(other => other.pod === pod);
  const count = (phase: ClusterPod['phase']) =>
    job.pods.filter(({ pod }) => pod.phase === phase && !isFailed(pod)).length;
  const logs = job.pods.flatMap(({ log, beside = [] }) => [
    ...(log?.ok ? [log.value] : []),
    ...beside,
  ]);
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const asked = [job, ...failures].flatMap(each => each.asked ?? []);
  return {
    pods: {
      all: job.pods.length,
      running: count('Running'),
      pending: count('Pending'),
      succeeded: count('Succeeded'),
      failed: failed.length,
      gone: job.gone.ok ? job.gone.value.length : 0,
    },
    logs: {
      read: logs.length,
      requests: sum(logs.map(({ requests }) => requests)),
      bytes: sum(logs.map(({ bytes }) => bytes)),
    },
    ...(asked.length > 0 && {
      asked: {
        requests: sum(asked.map(({ requests }) => requests)),
        bytes: sum(asked.map(({ bytes }) => bytes)),
      },
    }),
  };
}

/** The nodes that were looked at together; undefined where none was. */
export function paceOver(nodes: readonly JobNode[]): JobPace | undefined {
  const looks = nodes.flatMap(each =>
    each.pace && each.pace.gpus.length > 0
      ? [{ node: each.node, pace: each.pace, gpus: focusOf(each).indexes }]
      : [],
  );
  return looks.length > 0 ? judgePace(looks) : undefined;
}

/** A full /dev/shm of this pod, as one of its containers sees it: all of them have the same. */
export const sharedMemoryOf = (
  nodes: readonly JobNode[],
  { uid }: Pick<ClusterPod, 'uid'>,
): ContainerFault | undefined =>
  nodes
    .flatMap(({ triage, containers }) => [containersIn(triage), containers])
    .flatMap(found => found?.faults ?? [])
    .find(({ podUid, kind }) => podUid === uid && kind === 'shared-memory');

/** What is wrong with what its containers see, by their pods' names; what keeps a program from its GPUs first. */
export const containersOf = (
  job: TargetJob,
  nodes: readonly JobNode[],
): NonNullable<JobAnswer['containers']> =>
  nodes
    .flatMap(({ node, containers, triage }) =>
      [containersIn(triage), containers]
        .flatMap(found => found?.faults ?? [])
        .flatMap(({ podUid, pid: _, kind: __, seen: ___, ...fault }) => {
          const named = job.pods.find(({ pod }) => pod.uid === podUid && runsWhole(pod));
          return named ? { node, pod: named.pod.name, ...fault } : [];
        }),
    )
    .toSorted((a, b) => Number(b.isSevere) - Number(a.isSevere));
