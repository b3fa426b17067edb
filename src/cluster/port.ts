import type { Readable, Writable } from 'node:stream';
import type {
  V1EphemeralContainer,
  V1Job,
  V1Pod,
  V1SecurityContext,
} from '@kubernetes/client-node';
import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import { ClusterError, type Sentence, ServerError } from '../contract/errors.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { AdmissionRule } from './admission.ts';

// Kubernetes' own types, for rooms that build objects and may not import the client.
export type {
  V1Container,
  V1EphemeralContainer,
  V1Job,
  V1JobSpec,
  V1Pod,
  V1PodSpec,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
export type { AdmissionRule } from './admission.ts';

/**
 * How we talk to Kubernetes, with the user's own rights. Every method asks the API server once or
 * twice and throws ApiError (or another ClusterError) with a sentence; the signal ends its wait.
 */
export interface Cluster {
  readonly access: ClusterAccess;
  /** One node; a name that does not exist is an error that names those like it. */
  getNode(name: string, signal: AbortSignal): Promise<NodeState>;
  /** Nodes by label selector, '' for all, ordered by name. */
  listNodes(selector: string, signal: AbortSignal): Promise<readonly NodeState[]>;
  /** The names of all namespaces. */
  listNamespaces(signal: AbortSignal): Promise<readonly string[]>;
  /** The pod, or undefined when there is none of that name. */
  getPod(pod: ObjectName, signal: AbortSignal): Promise<PodState | undefined>;
  listPods(query: PodQuery, signal: AbortSignal): Promise<readonly PodState[]>;
  createPod(pod: V1Pod, signal: AbortSignal): Promise<Created>;
  createJob(job: V1Job, signal: AbortSignal): Promise<Created>;
  /**
   * Every change of the pods that match, the present ones first. Re-opens when the API server ends
   * the watch, asks every POLL_MS where `watch` is forbidden, and ends only with the signal.
   */
  watchPods(query: PodQuery, signal: AbortSignal): AsyncIterable<PodChange>;
  /** Events about one object, the present ones first; ends with the signal. Same fallbacks. */
  watchEvents(about: ObjectName, signal: AbortSignal): AsyncIterable<ObjectEvent>;
  /** The last lines of a container's log. */
  podLog(
    pod: ObjectName,
    options: { container: string; linesMax: number },
    signal: AbortSignal,
  ): Promise<string>;
  /**
   * Deletes that very object (uid) and what it owns: 'deleted' when it is, 'ending' while something
   * ends first, 'gone' when it was not there any more. `now` waits for no kubelet: only for a pod whose
   * containers have ended.
   */
  deleteObject(
    object: ObjectRef,
    signal: AbortSignal,
    now?: 'now',
  ): Promise<'deleted' | 'ending' | 'gone'>;
  /** Whether that very object is there; without a uid whatever bears its name. */
  isThere(object: ObjectRef, signal: AbortSignal): Promise<boolean>;
  /** Pods and Jobs that any session of ours made; namespace null: in all namespaces. */
  listOwn(namespace: string | null, signal: AbortSignal): Promise<readonly OwnObject[]>;
  /** A pod as the place of a container of ours; undefined when there is none of that name. */
  targetPod(pod: ObjectName, signal: AbortSignal): Promise<TargetPod | undefined>;
  /** Adds a container to a pod that runs: it cannot be removed again, and its entry stays with the pod. */
  addContainer(
    pod: ObjectName & { readonly uid: string },
    container: V1EphemeralContainer,
    signal: AbortSignal,
  ): Promise<void>;
  /** Every container that a session of ours added to a pod of others; namespace null: in all namespaces. */
  listOwnContainers(
    namespace: string | null,
    signal: AbortSignal,
  ): Promise<readonly OwnContainer[]>;
  /** Attaches to the container's streams; resolves when it can be written to. */
  attach(container: ContainerName, signal: AbortSignal): Promise<AttachStream>;
  /** The same of a container that may not run yet; undefined where it cannot be attached to now. */
  tryAttach(container: ContainerName, signal: AbortSignal): Promise<TriedStream | undefined>;
  /** Leaves an event about a node, which the cluster forgets in its time. */
  createEvent(event: NodeEvent, signal: AbortSignal): Promise<void>;
  /** Whether there is a RuntimeClass of that name. */
  hasRuntimeClass(name: string, signal: AbortSignal): Promise<boolean>;
  /** When the node's kubelet last renewed its lease; undefined where it has none. */
  lease(node: string, signal: AbortSignal): Promise<NodeLease | undefined>;
  /** Now by the API server's clock, to a second; by ours until it has answered once. */
  nowMs(): number;
  /** The user name that the API server sees, or undefined where it does not tell. */
  whoAmI(signal: AbortSignal): Promise<string | undefined>;
  /** NAME, node/NAME, pod/NAME, deployment/NAME, job/NAME ... -> the nodes behind it. */
  resolveTarget(target: string, signal: AbortSignal): Promise<readonly TargetNode[]>;
  /** What the pods of the namespace belong to: `job/train`, `jobset/train`. */
  workloads(signal: AbortSignal): Promise<readonly string[]>;
  /** job/NAME, pod/NAME ... -> its pods, those that are gone too; in the connection's namespace, or another. */
  targetJob(target: string, signal: AbortSignal, namespace?: string): Promise<TargetJob>;
  /** The same with what its pods that failed wrote; a log that could not be read says why. */
  targetLogs(job: TargetJob, signal: AbortSignal): Promise<TargetJob>;
  /** What the cluster knows of one node and its pods; never rejects: each part says why it is missing. */
  view(question: ClusterQuestion, signal: AbortSignal): Promise<ClusterView>;
  /** Closes idle connections, so that the process can end. */
  close(): void;
}

export interface ClusterAccess {
  /** `https://10.0.0.1:6443`, for people. */
  readonly server: string;
  readonly context: string | null;
  /** From -n, else the context's, else `default`. */
  readonly namespace: string;
  /** The name of the kubeconfig's user entry. */
  readonly user: string | null;
}

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface ObjectRef extends ObjectName {
  /** `pods`: all of one session, whose name it bears, or those of one part of it. */
  readonly kind: 'pod' | 'job' | 'pods';
  readonly uid: string;
  readonly part?: string;
}

export interface ContainerName extends ObjectName {
  readonly container: string;
}

export interface PodQuery {
  /** null: all namespaces. */
  readonly namespace: string | null;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Created extends ObjectRef {
  /** A Job that something (Kueue) holds back: it will make no pod by itself. */
  readonly suspended: boolean;
}

/** What we read of a node. Texts are the cluster's. */
export interface NodeState {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly unschedulable: boolean;
  readonly taints: readonly {
    readonly key: string;
    readonly value: string;
    readonly effect: string;
  }[];
  readonly conditions: readonly NodeCondition[];
  readonly osImage: string;
  /** linux or windows. */
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly kubeletVersion: string;
  readonly containerRuntime: string;
  readonly bootId: string;
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly createdAt: string;
  /** What the kubelet says that it can do, since Kubernetes 1.36. */
  readonly declaredFeatures: readonly string[];
  /** The images that the kubelet reports, the largest first, each by all of its names; of one node that was asked for. */
  readonly images?: readonly (readonly string[])[];
}

export interface NodeLease {
  /** By the API server's clock where it notes that, else by the node's. */
  readonly renewedMs: number;
  readonly everyMs: number;
  /** How far the node's clock is ahead of the API server's, where both noted the renewal. */
  readonly aheadMs?: number;
}

export interface NodeCondition {
  readonly type: string;
  /** True, False or Unknown. */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

export interface PodState extends ObjectName {
  readonly uid: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Pending, Running, Succeeded, Failed or Unknown. */
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly createdAt: string;
  readonly startedAt: string;
  readonly deleting: boolean;
  readonly containers: readonly ContainerState[];
  /** By its kubelet's word none of its containers runs any more. */
  readonly hasEnded: boolean;
  /** Extended resources of the containers' limits, added up: `nvidia.com/gpu` -> 8. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface ContainerState {
  readonly name: string;
  readonly image: string;
  /** What runs, as the runtime names it; absent while it is not known. */
  readonly imageId?: string;
  readonly restarts: number;
  readonly state: 'waiting' | 'running' | 'terminated';
  readonly reason: string;
  readonly message: string;
  /** Only of a terminated container. */
  readonly exitCode?: number;
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

/** A pod that a container of ours is added to. */
export interface TargetPod extends ObjectName {
  readonly uid: string;
  readonly node: string;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly deleting: boolean;
  /** The API server's mirror of a pod that its kubelet has from a file. */
  readonly isStatic: boolean;
  readonly isWindows: boolean;
  readonly containers: readonly TargetContainer[];
  /** Init containers that run beside the others. */
  readonly sidecars: readonly TargetContainer[];
  readonly own: readonly OwnContainer[];
  /** Of its other containers, its volumes and its owners: names that a sentence about it may hold. */
  readonly alsoNamed: readonly string[];
}

export interface TargetContainer
  extends Pick<ContainerState, 'name' | 'state' | 'reason' | 'exitCode'> {
  /** As the runtime calls it: 64 hex digits, or '' where none runs. */
  readonly id: string;
  readonly security: {
    readonly user?: number;
    readonly group?: number;
    readonly drop: readonly string[];
    readonly add: readonly string[];
    /** AppArmor's profile and SELinux' options, as they stand there. */
    readonly confined: Pick<V1SecurityContext, 'appArmorProfile' | 'seLinuxOptions'>;
  };
  /** UUIDs of GPUs and MIG devices that it was given. */
  readonly gpus: readonly string[];
}

/** A container of ours in a pod of others. */
export interface OwnContainer extends Omit<ContainerState, 'restarts' | 'finishedAt'> {
  readonly pod: ObjectName;
  readonly node: string;
  readonly user: string;
}

export interface PodChange {
  readonly type: 'present' | 'deleted';
  readonly pod: PodState;
}

/** An Event of core/v1 about a node, as it is sent. */
export interface NodeEvent {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectName & { readonly labels: Readonly<Record<string, string>> };
  readonly involvedObject: Readonly<Record<'apiVersion' | 'kind' | 'name' | 'uid', string>>;
  readonly reason: string;
  readonly message: string;
  readonly type: 'Normal' | 'Warning';
  readonly source: { readonly component: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
  /** ISO 8601. */
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
}

export interface ObjectEvent {
  /** Warning or Normal. */
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly from: string;
  /** Where the text is an admission rule's refusal: which rule, in a sentence, and what to try. */
  readonly refusal?: { readonly sentence: Sentence; readonly hint: string };
}

export interface OwnObject extends ObjectRef {
  readonly kind: 'pod' | 'job';
  readonly node: string;
  readonly user: string;
  readonly createdAt: string;
  /** ISO 8601; '' where the annotation is missing. */
  readonly expiresAt: string;
  readonly finished: boolean;
  /** The Job that owns this pod, if any. */
  readonly owner: string;
}

export interface TargetNode {
  readonly node: string;
}

/** A duplex byte stream to a container. `end()` on stdin is a half-close. */
export interface AttachStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves once with how it ended; never rejects. */
  readonly ended: Promise<AttachEnd>;
  /** Breaks the stream at once. */
  destroy(): void;
}

export interface TriedStream extends AttachStream {
  /** Resolves at the first byte of the container; never rejects. */
  readonly heard: Promise<void>;
}

export interface AttachEnd {
  /** `finished`: the server closed in order; `lost`: the stream broke; `destroyed`: by us. */
  readonly kind: 'finished' | 'lost' | 'destroyed';
  /** One sentence; '' when it finished with Success. */
  readonly detail: string;
  /** The last 4 KiB of the container's stderr. */
  readonly stderr: string;
}

/** No answer came: the connection was refused, or broke. Nothing is known of what was asked. */
export class Unreachable extends ClusterError {}

/** The API server's refusal, in a sentence; `code` and `reason` are its Status'. */
export class ApiError extends ServerError {
  readonly code: number;
  readonly reason: string;
  /** Of an object that was refused: by whom. */
  readonly rule: AdmissionRule | undefined;
  /** A failure of the API server was answered before, by asking again: what was asked may have been done. */
  readonly mayBeDone: boolean;

  constructor(
    message: Sentence,
    options: {
      code: number;
      reason: string;
      hint?: string | undefined;
      foreign?: readonly string[] | undefined;
      cause?: unknown;
      rule?: AdmissionRule | undefined;
      mayBeDone?: boolean | undefined;
    },
  ) {
    super(message, options);
    this.code = options.code;
    this.reason = options.reason;
    this.rule = options.rule;
    this.mayBeDone = options.mayBeDone ?? false;
  }
}

/** The API server let us through to a container that is not there to be attached to. */
export class NotAttachable extends ServerError {}

/** 403 because a role is missing, not because an admission rule refused the object. */
export const isMissingRight = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.code === 403 && error.reason === 'MissingRight';

export const isNotFound = (error: unknown): boolean =>
  error instanceof ApiError && error.code === 404 && error.reason === 'NotFound';
