import type { Reading } from './reading.ts';

/**
 * What only the cluster knows of one node, read on the laptop with the user's own rights.
 *
 * Each part is a Reading, because rights may be missing (`no_permission`), the API server silent
 * (`timeout`), or there may be no cluster at all (`not_read`: the agent alone, --local, --simulate).
 * Texts are foreign: cut and made plain, still hostile. Times are ISO 8601 UTC.
 */
export interface ClusterView {
  readonly node: Reading<ClusterNode>;
  readonly pods: Reading<ClusterPods>;
  /** Newest first. */
  readonly nodeEvents: Reading<readonly ClusterEvent[]>;
  /** Only where a tool asked for one pod; `not_found` when the cluster has none of that name. */
  readonly pod?: Reading<ClusterPod>;
  readonly podEvents?: Reading<readonly ClusterEvent[]>;
  /** Only where a tool asked for them; `not_found` on clusters without DRA. */
  readonly devices?: Reading<readonly ClusterDevice[]>;
}

/** What is asked of the cluster: always one node, and for some tools one pod. */
export interface ClusterQuestion {
  readonly node: string;
  readonly pod?: { readonly namespace?: string | undefined; readonly name: string } | undefined;
  /** Whether the devices that DRA drivers publish for the node are wanted. */
  readonly devices?: boolean;
}

/** A device of the node as its DRA driver publishes it in a ResourceSlice (resource.k8s.io). */
export interface ClusterDevice {
  readonly driver: string;
  readonly pool: string;
  /** What an allocation calls it: unique in its driver's pool. */
  readonly name: string;
  /** `GPU-...` or `MIG-...`. */
  readonly uuid?: string;
  /** Of a MIG device: the GPU it is part of. */
  readonly parentUuid?: string;
  /** `dddd:bb:dd`. */
  readonly pci?: string;
}

export interface ClusterNode {
  readonly name: string;
  /** Those that tell of GPUs, the machine's type and its place; not all. */
  readonly labels: Readonly<Record<string, string>>;
  /** node.kubernetes.io/instance-type, or its beta name. */
  readonly instanceType?: string;
  /** spec.unschedulable. */
  readonly cordoned: boolean;
  /** Who last wrote spec.unschedulable, where metadata.managedFields tell. */
  readonly cordonedBy?: FieldManager;
  readonly taints: readonly ClusterTaint[];
  /** Who last wrote spec.taints. */
  readonly taintsBy?: FieldManager;
  readonly conditions: readonly ClusterCondition[];
  /** GPU resources only (`nvidia.com/gpu`, `nvidia.com/mig-1g.10gb`, ...), in pieces. */
  readonly capacity: Readonly<Record<string, number>>;
  readonly allocatable: Readonly<Record<string, number>>;
  readonly kubeletVersion: string;
  readonly containerRuntime: string;
  /** status.nodeInfo.bootID, 32 hex digits without dashes: of the boot that the kubelet reported. */
  readonly bootId: string;
  readonly createdAt: string;
}

/** A program that wrote a field (metadata.managedFields): `kubectl-cordon`, `nvsentinel`, ... */
export interface FieldManager {
  readonly manager: string;
  readonly time?: string;
}

export interface ClusterTaint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
  readonly since?: string;
}

export interface ClusterCondition {
  readonly type: string;
  /** Unknown is not False: the kubelet has not reported. */
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

export interface ClusterPods {
  /** null: all namespaces; else the only one that the user may list. */
  readonly namespace: string | null;
  /** Pods on the node, all of them. */
  readonly total: number;
  /** Those that ask for GPUs, also finished ones, also by resource claims. */
  readonly gpuPods: readonly ClusterPod[];
}

export interface ClusterPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** The controller, `Job/train-7`; absent for a bare pod. */
  readonly owner?: string;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  /** Of the pod's status: Evicted, OOMKilled, UnexpectedAdmissionError, ... */
  readonly reason: string;
  readonly message: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly deleting: boolean;
  /** GPU resources in effect (as the scheduler counts: init containers are a maximum), in pieces. */
  readonly gpus: Readonly<Record<string, number>>;
  /** Names of the pod's resource claims (DRA). */
  readonly claims: readonly string[];
  readonly containers: readonly ClusterContainer[];
}

export interface ClusterContainer {
  readonly name: string;
  readonly init: boolean;
  readonly gpus: Readonly<Record<string, number>>;
  readonly restarts: number;
  readonly state: 'waiting' | 'running' | 'terminated';
  readonly reason: string;
  readonly message: string;
  readonly startedAt?: string;
  /** Only of a terminated state. */
  readonly ended?: ContainerEnd;
  /** How the run before this one ended (lastState). */
  readonly endedBefore?: ContainerEnd;
}

export interface ContainerEnd {
  readonly exitCode: number;
  readonly signal?: number;
  /** Error, OOMKilled, Completed, ContainerCannotRun, ... */
  readonly reason: string;
  readonly message: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

export interface ClusterEvent {
  readonly type: 'Warning' | 'Normal';
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly firstAt?: string;
  readonly lastAt?: string;
  readonly from: string;
}
