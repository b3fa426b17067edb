import {
  asksForGpu,
  type ClusterContainer,
  type ClusterPod,
  type JobPeer,
  type PodJob,
} from '../contract/cluster-view.ts';
import { failedEnd, worstContainer } from '../contract/failed-run.ts';
import type { JobLog } from '../contract/job-log.ts';
import {
  JOB_LOG_BYTES_MAX,
  JOB_LOG_LINES_MAX,
  LAST_WORDS_BESIDE_MAX,
  LAST_WORDS_BYTES_MAX,
  LAST_WORDS_LINES_MAX,
  LAST_WORDS_PODS_MAX,
  PEER_LOG_BYTES_MAX,
  PEER_LOG_LINES_MAX,
  PEER_LOGS_MAX,
} from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import type { Reading } from '../contract/reading.ts';
import type { TargetJob } from '../contract/target-job.ts';
import { readJobLog } from '../job-log/read-job-log.ts';
import type { ApiServer } from './http.ts';
import { objectAt, textsOf } from './json.ts';
import { listAll } from './list.ts';
import { podList } from './paths.ts';
import { type ContainerRun, fetchedLog, type LogBounds } from './pod-log.ts';
import { readClusterPod } from './read-view.ts';

type Api = Pick<ApiServer, 'object' | 'settings' | 'text'>;
type Tried = <T>(ask: () => Promise<T>) => Promise<Reading<T>>;

const OWN: LogBounds = { linesMax: JOB_LOG_LINES_MAX, bytesMax: JOB_LOG_BYTES_MAX };
const PEER: LogBounds = { linesMax: PEER_LOG_LINES_MAX, bytesMax: PEER_LOG_BYTES_MAX };
const LAST_WORDS: LogBounds = {
  ...{ linesMax: LAST_WORDS_LINES_MAX, bytesMax: LAST_WORDS_BYTES_MAX, requestsMax: 2 },
};

/**
 * The log of the run that failed: the one that ended, or the one before a restart. Undefined where no
 * container of the pod has failed.
 *
 * @throws ApiError and other ClusterErrors.
 */
export function failedRunLog(
  api: Api,
  pod: ClusterPod,
  signal: AbortSignal,
  bounds = OWN,
): Promise<JobLog> | undefined {
  const container = worstContainer(pod);
  const end = container && failedEnd(container);
  if (!end) return undefined;
  return fetchLog(
    api,
    { pod, container: container.name, previous: end !== container.ended },
    { bounds, signal },
  );
}

async function fetchLog(
  api: Api,
  of: ContainerRun,
  read: { readonly bounds: LogBounds; readonly signal: AbortSignal },
): Promise<JobLog> {
  const { container, previous } = of;
  const { isCutAtEnd, ...log } = await fetchedLog(api, of, read);
  const lines = log.text.split('\n').length - 1;
  return readJobLog({
    ...{ container, previous, ...log },
    cut: isCutAtEnd || lines >= read.bounds.linesMax,
  });
}

/**
 * The labels by which controllers mark the pods of one job, outermost first: JobSet and what Kubeflow
 * Trainer makes of it, Kubeflow's training operator and MPI operator, LeaderWorkerSet, KubeRay,
 * Volcano, Kubernetes' own Job (batch/v1 labels) and its name before 1.27, and the id that slurm-bridge
 * gives to all pods of one job of Slurm (SlinkyProject/slurm-bridge).
 */
const JOB_LABELS = {
  'jobset.sigs.k8s.io/jobset-name': 'JobSet',
  'training.kubeflow.org/job-name': 'TrainingJob',
  'leaderworkerset.sigs.k8s.io/name': 'LeaderWorkerSet',
  'ray.io/cluster': 'RayCluster',
  'volcano.sh/job-name': 'VolcanoJob',
  'batch.kubernetes.io/job-name': 'Job',
  'job-name': 'Job',
  'scheduler.slinky.slurm.net/slurm-jobid': 'SlurmJob',
} as const;

/** What the other pods of its job say; undefined where it has no label of a job. */
export async function podJob(
  api: Api,
  json: unknown,
  within: Within,
): Promise<Reading<PodJob> | undefined> {
  const labels = textsOf(objectAt(json, 'metadata')['labels']);
  const [label, kind] =
    Object.entries(JOB_LABELS).find(([key]) => /^[\w.-]{1,63}$/.test(labels[key] ?? '')) ?? [];
  if (label === undefined) return undefined;
  const own = readClusterPod(json);
  const query = { namespace: own.namespace, labelSelector: `${label}=${labels[label]}` };
  return within.tried(async () => {
    const pods = (await listAll(api, podList(query), within.signal)).map(readClusterPod);
    const others = pods.filter(({ uid }) => uid !== own.uid);
    const failed = inOrderOfEnds(others).slice(0, PEER_LOGS_MAX);
    const beside = besideOf(api, failed, within);
    const peers = failed.map(async (pod): Promise<JobPeer> => {
      const log = within.tried(async () => {
        const reading = failedRunLog(api, pod, within.signal, PEER);
        if (!reading) throw new Error('no container of it has failed');
        return await reading;
      });
      return { ...peerOf(pod, own), log: await log, ...(await beside(pod)) };
    });
    const standing = standingRuns(pods)
      .filter(({ pod }) => pod.uid !== own.uid)
      .map(
        async (run): Promise<JobPeer> => ({
          ...peerOf(run.pod, own),
          log: await within.tried(() => lastWords(api, run, within.signal)),
        }),
      );
    return {
      name: `${kind}/${labels[label]}`,
      pods: pods.length,
      failed: inOrderOfEnds(pods).length,
      peers: await Promise.all([...peers, ...standing]),
    };
  });
}

interface Within {
  readonly tried: Tried;
  readonly signal: AbortSignal;
}

/** Of a pod that failed how it did, of one that ended well that; and whether it was on the node of another one. */
function peerOf(pod: ClusterPod, own: ClusterPod): Omit<JobPeer, 'log'> {
  const { name, node } = pod;
  const end = endOf(pod) ?? pod.containers.find(({ init, ended }) => !init && ended)?.ended;
  const { exitCode, reason = pod.reason, finishedAt } = end ?? {};
  return {
    ...{ pod: name, node, reason, ...optional({ exitCode, finishedAt }) },
    ...(node !== '' && node === own.node && { isHere: true as const }),
  };
}

const endOf = (pod: ClusterPod) => {
  const container = worstContainer(pod);
  return container && failedEnd(container);
};

/** Those that failed. */
const inOrderOfEnds = (pods: readonly ClusterPod[]): readonly ClusterPod[] =>
  pods
    .filter(pod => endOf(pod) !== undefined)
    .toSorted((a, b) => (endOf(a)?.finishedAt ?? '').localeCompare(endOf(b)?.finishedAt ?? ''));

const lastWords = (api: Api, run: PodRun, signal: AbortSignal): Promise<JobLog> =>
  fetchLog(api, run, { bounds: LAST_WORDS, signal });

/** Begins to read what stands beside pods that failed; each is told its own. What cannot be read is left out. */
function besideOf(api: Api, failed: readonly ClusterPod[], { tried, signal }: Within) {
  const read = runsBeside(failed).map(run => ({
    uid: run.pod.uid,
    log: tried(() => lastWords(api, run, signal)),
  }));
  return async ({ uid }: ClusterPod): Promise<{ readonly beside?: readonly JobLog[] }> => {
    const logs = await Promise.all(read.flatMap(one => (one.uid === uid ? one.log : [])));
    const beside = logs.flatMap(log => (log.ok ? log.value : []));
    return beside.length > 0 ? { beside } : {};
  };
}

/** What stands beside one pod that failed. */
export const podBeside = (api: Api, pod: ClusterPod, within: Within) =>
  besideOf(api, [pod], within)(pod);

/**
 * The same of all pods of a target that failed: those that ended first, where they are many; and the last words of
 * those that did not. Where none has failed nothing is read of one pod, nor of a workload that serves, as a Deployment.
 */
export async function targetLogs(
  api: Api,
  job: TargetJob,
  { tried, signal }: Within,
): Promise<TargetJob> {
  const all = job.pods.map(({ pod }) => pod);
  const failed = inOrderOfEnds(all).slice(0, PEER_LOGS_MAX);
  const bounds = failed.length === 1 ? OWN : PEER;
  const beside = besideOf(api, failed, { tried, signal });
  const isLeft = failed.length === 0 && SERVES.test(job.name);
  const standing = isLeft ? [] : standingRuns(all);
  const pods = job.pods.map(async each => {
    const reading = failed.includes(each.pod)
      ? failedRunLog(api, each.pod, signal, bounds)
      : undefined;
    if (reading) return { ...each, log: await tried(() => reading), ...(await beside(each.pod)) };
    const run = standing.find(({ pod }) => pod === each.pod);
    return run ? { ...each, log: await tried(() => lastWords(api, run, signal)) } : each;
  });
  return { ...job, pods: await Promise.all(pods) };
}

/** Kinds that are never done, of which what a pod logs of a request that failed ends nothing, and pods, which belong to anything. */
const SERVES = /^(?:Pod|Deployment|StatefulSet|DaemonSet|ReplicaSet|NodeSet|RayService)\//;

/** A run of a container of a pod, with the pod as it was read. */
interface PodRun extends ContainerRun {
  readonly pod: ClusterPod;
}

/**
 * Of the pods of a job those that did not fail and have something to say: one that still runs may have said why it
 * hangs, one that ended well why it left early. Those on nodes where others failed come first, then those that ask
 * for no GPU, as launchers, heads and monitors do.
 */
function standingRuns(pods: readonly ClusterPod[]): readonly PodRun[] {
  const struck = new Set(pods.flatMap(pod => (hasFailed(pod) ? pod.node : [])));
  const rank = (pod: ClusterPod) => (struck.has(pod.node) ? 0 : 2) + (asksForGpu(pod) ? 1 : 0);
  return pods
    .filter(pod => !hasFailed(pod))
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap(pod => {
      const container = mainContainer(pod);
      return container ? { pod, container: container.name, previous: false } : [];
    })
    .slice(0, LAST_WORDS_PODS_MAX);
}

/** The other containers of pods that failed, those of the first pods first: a monitor beside the program. */
const runsBeside = (failed: readonly ClusterPod[]): readonly PodRun[] =>
  failed
    .flatMap(pod => {
      const worst = worstContainer(pod);
      return pod.containers
        .filter(one => one.name !== worst?.name && staysBeside(one) && hasRun(one))
        .map(({ name }) => ({ pod, container: name, previous: false }));
    })
    .slice(0, LAST_WORDS_BESIDE_MAX);

/** Whether a container of it has failed, in this run or the one before. */
const hasFailed = ({ containers }: ClusterPod): boolean =>
  containers.some(container => failedEnd(container) !== undefined);

/** The one on GPUs, else the first in its order: the program, and not what runs beside it. */
const mainContainer = ({ containers }: ClusterPod): ClusterContainer | undefined => {
  const own = containers.filter(one => !one.init && hasRun(one));
  return (
    own.find(({ gpus }) => Object.keys(gpus).length > 0) ??
    own.find(({ name }) => !SERVES_POD.test(name)) ??
    own[0]
  );
};

/** What meshes, clouds and collectors of logs put into pods under a name of their own. */
const SERVES_POD =
  /^(?:istio-proxy|linkerd-proxy|envoy|kuma-sidecar|vault-agent|gke-gcsfuse-sidecar|cloud-?sql-proxy|daprd|queue-proxy|oauth2-proxy|fluent-?bit|fluentd|filebeat|vector|datadog-agent)$/;

const staysBeside = ({ init, sidecar }: ClusterContainer): boolean => !init || sidecar === true;
const hasRun = ({ state }: ClusterContainer): boolean => state !== 'waiting';
