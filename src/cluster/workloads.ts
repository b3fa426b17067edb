import { UsageError } from '../contract/errors.ts';
import { namesLike } from '../contract/names-like.ts';
import { plainText } from '../contract/untrusted.ts';

/** What makes pods: by every name that kubectl takes for it, and how its pods are found. */
export interface Workload {
  readonly kind: string;
  /** The API's group: `batch`. */
  readonly group: string;
  /** Of Kubernetes' own APIs; absent: a custom resource, whose versions the API server tells. */
  readonly version?: string;
  readonly plural: string;
  readonly names: readonly string[];
  /** The label of its pods; absent: those that its spec.selector selects. */
  readonly label?: string;
  /** Where the label's value stands in the object, where that is not its own name; the first that is there. */
  readonly valueAt?: readonly (readonly string[])[];
}

export const CRON_JOB = 'CronJob';
const apps = { group: 'apps', version: 'v1' } as const;
/** Kubeflow's training operator and MPI operator: pkg/apis/kubeflow.org/v1 and v2beta1, JobNameLabel. */
const kubeflow = { group: 'kubeflow.org', label: 'training.kubeflow.org/job-name' } as const;
/** sigs.k8s.io/jobset/api/jobset/v1alpha2, JobSetNameKey; a TrainJob becomes a JobSet of its name. */
const jobSetLabel = 'jobset.sigs.k8s.io/jobset-name';
/**
 * KubeRay, ray-operator/controllers/ray/utils/constant.go, RayClusterLabelKey; the names in a status by
 * apis/ray/v1/rayjob_types.go and rayservice_types.go. A service that has never been ready has its
 * cluster under `pendingServiceStatus` alone.
 */
const ray = { group: 'ray.io', label: 'ray.io/cluster' } as const;

export const WORKLOADS: readonly Workload[] = [
  { kind: 'Deployment', ...apps, plural: 'deployments', names: ['deployment', 'deploy'] },
  { kind: 'DaemonSet', ...apps, plural: 'daemonsets', names: ['daemonset', 'ds'] },
  { kind: 'StatefulSet', ...apps, plural: 'statefulsets', names: ['statefulset', 'sts'] },
  { kind: 'ReplicaSet', ...apps, plural: 'replicasets', names: ['replicaset', 'rs'] },
  { kind: 'Job', group: 'batch', version: 'v1', plural: 'jobs', names: ['job'] },
  // Its pods are those of one of its Jobs.
  {
    ...{ kind: CRON_JOB, group: 'batch', version: 'v1', plural: 'cronjobs' },
    names: ['cronjob', 'cj'],
  },
  {
    ...{ kind: 'JobSet', group: 'jobset.x-k8s.io', plural: 'jobsets', names: ['jobset'] },
    label: jobSetLabel,
  },
  {
    ...{ kind: 'TrainJob', group: 'trainer.kubeflow.org', plural: 'trainjobs' },
    ...{ names: ['trainjob'], label: jobSetLabel },
  },
  { kind: 'PyTorchJob', ...kubeflow, plural: 'pytorchjobs', names: ['pytorchjob'] },
  { kind: 'TFJob', ...kubeflow, plural: 'tfjobs', names: ['tfjob'] },
  { kind: 'JAXJob', ...kubeflow, plural: 'jaxjobs', names: ['jaxjob'] },
  { kind: 'XGBoostJob', ...kubeflow, plural: 'xgboostjobs', names: ['xgboostjob'] },
  { kind: 'PaddleJob', ...kubeflow, plural: 'paddlejobs', names: ['paddlejob'] },
  { kind: 'MPIJob', ...kubeflow, plural: 'mpijobs', names: ['mpijob'] },
  {
    ...{ kind: 'RayJob', ...ray, plural: 'rayjobs', names: ['rayjob'] },
    valueAt: [['status', 'rayClusterName']],
  },
  {
    ...{ kind: 'RayService', ...ray, plural: 'rayservices', names: ['rayservice'] },
    valueAt: ['activeServiceStatus', 'pendingServiceStatus'].map(key => [
      ...['status', key, 'rayClusterName'],
    ]),
  },
  { kind: 'RayCluster', ...ray, plural: 'rayclusters', names: ['raycluster'] },
  {
    ...{ kind: 'LeaderWorkerSet', group: 'leaderworkerset.x-k8s.io', plural: 'leaderworkersets' },
    ...{ names: ['leaderworkerset', 'lws'], label: 'leaderworkerset.sigs.k8s.io/name' },
  },
  // volcano.sh/apis/pkg/apis/batch/v1alpha1, JobNameKey.
  {
    ...{ kind: 'Job', group: 'batch.volcano.sh', plural: 'jobs', names: ['vcjob', 'vj'] },
    label: 'volcano.sh/job-name',
  },
  // Slinky's Slurm: slinky.slurm.net/v1beta1, a selector as a StatefulSet has.
  { kind: 'NodeSet', group: 'slinky.slurm.net', plural: 'nodesets', names: ['nodeset'] },
];

const NODES = ['node', 'nodes', 'no'];
const PODS = ['pod', 'pods', 'po'];

/** A target of a command line, taken apart; nothing is asked for it. */
export type TargetWord =
  | { readonly of: 'node'; readonly name: string }
  | { readonly of: 'pod'; readonly name: string }
  | {
      readonly of: 'workload';
      readonly name: string;
      readonly workload: Workload;
      /** As it was written: `deploy/train`. */
      readonly written: string;
    };

/** `job/`, `pytorchjob/`: the words that a completion offers. */
export const WORKLOAD_WORDS: readonly string[] = WORKLOADS.flatMap(({ names }) => names[0] ?? []);

/**
 * NAME, node/NAME, pod/NAME, or KIND/NAME of what makes pods.
 *
 * @throws UsageError for a kind that we do not follow, and for what is no name.
 */
export function targetWord(target: string): TargetWord {
  const [kind = '', name, ...more] = target.split('/');
  if (name === undefined) return { of: 'node', name: checkedName(target) };
  if (more.length > 0) {
    throw new UsageError(
      `"${target}" is not KIND/NAME`,
      'the namespace stands beside it: -n NAMESPACE',
    );
  }
  if (NODES.includes(kind)) return { of: 'node', name: checkedName(name) };
  if (PODS.includes(kind)) return { of: 'pod', name: checkedName(name) };
  const word = kind.toLowerCase();
  const workload = WORKLOADS.find(
    ({ plural, group, names }) =>
      names.includes(word) || plural === word || `${plural}.${group}` === word,
  );
  if (workload) return { of: 'workload', name: checkedName(name), workload, written: target };
  const alike = namesLike(word, [...WORKLOAD_WORDS, 'pod', 'node']);
  throw new UsageError(
    `"${plainText(kind, 63)}/" is not a kind of target`,
    `${alike.length > 0 ? `did you mean ${alike.map(each => `${each}/${plainText(name, 63)}`).join(' or ')}? ` : ''}name a node, or node/, pod/, ${WORKLOAD_WORDS.join('/, ')}/NAME`,
  );
}

/** Names of objects are DNS subdomains; what is none never reaches a path. */
function checkedName(name: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new UsageError(
    `"${name.slice(0, 80)}" is not the name of a Kubernetes object`,
    'names have small letters, digits, - and .; kubectl gpu-mcp nodes lists the nodes with GPUs',
  );
}
