import type { ClusterPod, JobPeer, PodJob } from '../contract/cluster-view.ts';
import { failedEnd, worstContainer } from '../contract/failed-run.ts';
import type { JobLog } from '../contract/job-log.ts';
import {
  JOB_LOG_BYTES_MAX,
  JOB_LOG_LINES_MAX,
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
  { tried, signal }: { readonly tried: Tried; readonly signal: AbortSignal },
): Promise<Reading<PodJob> | undefined> {
  const labels = textsOf(objectAt(json, 'metadata')['labels']);
  const [label, kind] =
    Object.entries(JOB_LABELS).find(([key]) => /^[\w.-]{1,63}$/.test(labels[key] ?? '')) ?? [];
  if (label === undefined) return undefined;
  const own = readClusterPod(json);
  const query = { namespace: own.namespace, labelSelector: `${label}=${labels[label]}` };
  return tried(async () => {
    const pods = (await listAll(api, podList(query), signal)).map(readClusterPod);
    const failed = pods.flatMap(pod => {
      const container = worstContainer(pod);
      const end = container && failedEnd(container);
      return end ? { pod, end } : [];
    });
    const peers = failed
      .filter(({ pod }) => pod.uid !== own.uid)
      .toSorted((a, b) => (a.end.finishedAt ?? '').localeCompare(b.end.finishedAt ?? ''))
      .slice(0, PEER_LOGS_MAX)
      .map(async ({ pod, end }): Promise<JobPeer> => {
        const { exitCode, reason, finishedAt } = end;
        return {
          ...{ pod: pod.name, node: pod.node, exitCode, reason },
          ...optional({ finishedAt }),
          log: await tried(async () => {
            const reading = failedRunLog(api, pod, signal, PEER);
            if (!reading) throw new Error('no container of it has failed');
            return await reading;
          }),
        };
      });
    return {
      name: `${kind}/${labels[label]}`,
      pods: pods.length,
      failed: failed.length,
      peers: await Promise.all(peers),
    };
  });
}

/** The same of all pods of a target that failed: those that ended first, where they are many. */
export async function targetLogs(
  api: Api,
  job: TargetJob,
  { tried, signal }: { readonly tried: Tried; readonly signal: AbortSignal },
): Promise<TargetJob> {
  const failed = job.pods
    .flatMap(({ pod }) => {
      const container = worstContainer(pod);
      const end = container && failedEnd(container);
      return end ? { uid: pod.uid, at: end.finishedAt ?? '' } : [];
    })
    .toSorted((a, b) => a.at.localeCompare(b.at))
    .slice(0, PEER_LOGS_MAX);
  const bounds = failed.length === 1 ? OWN : PEER;
  const pods = job.pods.map(async each => {
    const isRead = failed.some(({ uid }) => uid === each.pod.uid);
    const reading = isRead ? failedRunLog(api, each.pod, signal, bounds) : undefined;
    return reading ? { ...each, log: await tried(() => reading) } : each;
  });
  return { ...job, pods: await Promise.all(pods) };
}
