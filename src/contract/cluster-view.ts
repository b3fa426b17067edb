import * as z from 'zod';
import { jobLog } from './job-log.ts';
import { publicText, textOf } from './names-in-text.ts';
import { type Fixed, reading } from './reading-schema.ts';
import { stackLog } from './stack-log.ts';

/**
 * What only the cluster knows of one node, read on the laptop with the user's own rights.
 *
 * Each part is a Reading, because rights may be missing (`no_permission`), the API server silent
 * (`timeout`), or there may be no cluster at all (`not_read`: the agent alone, --local, --simulate).
 * Texts are foreign: cut and made plain, still hostile. Times are ISO 8601 UTC.
 */

/** A part of the view. Why one is missing, the API server says in its own words. */
export const part = <Value extends z.ZodType>(value: Value) => reading(value, textOf('refusal'));

export const time = publicText;
/** GPU resources only (`nvidia.com/gpu`, `nvidia.com/mig-1g.10gb`, ...), in pieces. */
const amounts = z.record(publicText, z.number());
const labelKey = textOf('label key');
const labelValue = textOf('label value');
export const word = textOf('word');
export const sentence = textOf('sentence');

/** A program that wrote a field (metadata.managedFields): `kubectl-cordon`, `nvsentinel`, ... */
const fieldManager = z.object({ manager: textOf('writer'), time: time.exactOptional() });
export type FieldManager = Fixed<z.infer<typeof fieldManager>>;

const clusterTaint = z.object({
  key: labelKey,
  value: labelValue,
  effect: word,
  since: time.exactOptional(),
});

const clusterCondition = z.object({
  type: word,
  /** Unknown is not False: the kubelet has not reported. */
  status: z.enum(['True', 'False', 'Unknown']),
  reason: word,
  message: sentence,
  since: time,
});
export type ClusterCondition = Fixed<z.infer<typeof clusterCondition>>;

/** What NVSentinel keeps of a fault for which it holds the node, until its check says that it is over. */
const quarantineEvent = z.object({
  check: word,
  /** As its checks name them: XIDs, DCGM's codes. */
  codes: z.array(word),
  /** `GPU:3`, `PCI:0000:3b:00`, `NIC:mlx5_0`. */
  entities: z.array(word),
  /** COMPONENT_RESET, RESTART_BM, ...; absent where it recommends none. */
  action: word.exactOptional(),
  message: sentence,
  since: time.exactOptional(),
});
export type QuarantineEvent = Fixed<z.infer<typeof quarantineEvent>>;

const quarantine = z.object({
  events: z.array(quarantineEvent),
  /** How many more it keeps. */
  leftOut: z.int(),
});
export type Quarantine = Fixed<z.infer<typeof quarantine>>;

/** What Karpenter says of the machine that it made for a node. */
const nodeClaim = z.object({
  /** It begins with that of its NodePool. */
  name: labelValue,
  deleting: z.boolean(),
  /** When all its pods are deleted, whatever they ask for; only where it is deleted. */
  endsAt: time.exactOptional(),
  conditions: z.array(clusterCondition),
});
export type NodeClaim = Fixed<z.infer<typeof nodeClaim>>;

const clusterNode = z.object({
  name: publicText,
  /** Those that tell of GPUs, the machine's type and its place; not all. */
  labels: z.record(labelKey, labelValue),
  /** node.kubernetes.io/instance-type, or its beta name. */
  instanceType: labelValue.exactOptional(),
  /** spec.providerID: `aws:///us-east-1a/i-0abc`, what the machine is to its cloud. */
  providerId: labelValue.exactOptional(),
  /** spec.unschedulable. */
  cordoned: z.boolean(),
  /** Who last wrote spec.unschedulable, where metadata.managedFields tell. */
  cordonedBy: fieldManager.exactOptional(),
  taints: z.array(clusterTaint),
  /** Who last wrote spec.taints. */
  taintsBy: fieldManager.exactOptional(),
  conditions: z.array(clusterCondition),
  /** NVSentinel's annotation; absent where there is none. */
  quarantine: part(quarantine).exactOptional(),
  capacity: amounts,
  allocatable: amounts,
  kubeletVersion: publicText,
  containerRuntime: publicText,
  /** status.nodeInfo.bootID, 32 hex digits without dashes: of the boot that the kubelet reported. */
  bootId: publicText,
  createdAt: time,
});
export type ClusterNode = Fixed<z.infer<typeof clusterNode>>;

const containerEnd = z.object({
  exitCode: z.int(),
  signal: z.int().exactOptional(),
  /** Error, OOMKilled, Completed, ContainerCannotRun, ... */
  reason: word,
  message: sentence,
  startedAt: time.exactOptional(),
  finishedAt: time.exactOptional(),
});
export type ContainerEnd = Fixed<z.infer<typeof containerEnd>>;

const clusterContainer = z.object({
  name: textOf('container'),
  init: z.boolean(),
  /** Of an init container that runs for good, and ends after the others. */
  sidecar: z.literal(true).exactOptional(),
  gpus: amounts,
  restarts: z.int(),
  /** As its readiness probe says, and of an init container whether it is done; absent before its first run. */
  ready: z.boolean().exactOptional(),
  state: z.enum(['waiting', 'running', 'terminated']),
  reason: word,
  message: sentence,
  startedAt: time.exactOptional(),
  /** Only of a terminated state. */
  ended: containerEnd.exactOptional(),
  /** How the run before this one ended (lastState). */
  endedBefore: containerEnd.exactOptional(),
});
export type ClusterContainer = Fixed<z.infer<typeof clusterContainer>>;

export const clusterEvent = z.object({
  type: z.enum(['Warning', 'Normal']),
  reason: word,
  message: sentence,
  count: z.int(),
  firstAt: time.exactOptional(),
  lastAt: time.exactOptional(),
  from: textOf('writer'),
});
export type ClusterEvent = Fixed<z.infer<typeof clusterEvent>>;

export const clusterPod = z.object({
  namespace: textOf('namespace'),
  name: textOf('pod'),
  uid: publicText,
  node: publicText,
  /** status.podIPs; absent before it has one, and where an older version wrote the view. */
  ips: z.array(textOf('pod')).exactOptional(),
  /** spec.hostname, where it was given one: its pods are met by that name. */
  hostname: textOf('pod').exactOptional(),
  /** The controller, `Job/train-7`; absent for a bare pod. */
  owner: textOf('owner').exactOptional(),
  phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']),
  /** Of the pod's status: Evicted, OOMKilled, UnexpectedAdmissionError, ... */
  reason: word,
  message: sentence,
  createdAt: time,
  startedAt: time.exactOptional(),
  deleting: z.boolean(),
  /** In effect, as the scheduler counts: init containers are a maximum. */
  gpus: amounts,
  /** Names of the pod's resource claims (DRA). */
  claims: z.array(textOf('claim')),
  containers: z.array(clusterContainer),
  /** Newest first; only of a pod of a node that has been idle for long, and not of many. */
  events: part(z.array(clusterEvent)).exactOptional(),
});
export type ClusterPod = Fixed<z.infer<typeof clusterPod>>;

/** Whether it has GPUs of its own, by device plugin or DRA: `nvidia.com/gpu: 0` asks for none. */
export const asksForGpu = ({ gpus, claims }: Pick<ClusterPod, 'gpus' | 'claims'>): boolean =>
  claims.length > 0 || Object.values(gpus).some(count => count > 0);

/** A session of this plugin on the node, whoever began it. */
const clusterSession = z.object({
  namespace: textOf('namespace'),
  pod: textOf('pod'),
  /** Absent where the pod bears no name. */
  user: textOf('user').exactOptional(),
  session: publicText,
  since: time,
});
export type ClusterSession = Fixed<z.infer<typeof clusterSession>>;
/** The parts of NVIDIA's software on a node, in the order in which they wait for each other. */
export const STACK_PARTS = [
  'driver',
  'container toolkit',
  'validator',
  'MPS control daemon',
  'device plugin',
  'DRA driver',
  'MIG manager',
  'vGPU device manager',
  'Kata manager',
  'confidential computing manager',
  'feature discovery',
  'node feature discovery',
  'DCGM',
  'network operator',
  'IMEX',
  'node status exporter',
  'GPU Operator',
] as const;

const stackPod = clusterPod.extend({
  part: z.enum(STACK_PARTS),
  /** Its labels or its name alone say so: `stackPods` says what would show it. */
  isClaim: z.literal(true).exactOptional(),
  /** `580.126.09` of the driver, `4.2.3` of DCGM, where the tag of its image says it. */
  version: publicText.exactOptional(),
  /** Of the container that is stuck; only of the first that is, and where logs were asked for. */
  log: part(stackLog).exactOptional(),
});
export type StackPod = Fixed<z.infer<typeof stackPod>>;

const clusterPods = z.object({
  /** null: all namespaces; else the only one that the user may list. */
  namespace: textOf('namespace').nullable(),
  /** Pods on the node, all of them. */
  total: z.int(),
  /** Those that ask for GPUs, also finished ones, also by resource claims. */
  gpuPods: z.array(clusterPod),
  /** Sessions that have not ended; absent where there is none. */
  sessions: z.array(clusterSession).exactOptional(),
  /** Pods of the GPU's own software on the node; absent where an older version wrote the view. */
  stack: z.array(stackPod).exactOptional(),
  /** When they were read, by the API server's clock. */
  readAt: time.exactOptional(),
});
export type ClusterPods = Fixed<z.infer<typeof clusterPods>>;

/** A taint of one device: a DRA driver, or an admin's DeviceTaintRule, keeps it from new pods. */
const deviceTaint = z.object({
  /** `gpu.nvidia.com/xid`. */
  key: publicText,
  value: publicText,
  /** NoSchedule, NoExecute, or None, which only informs. */
  effect: publicText,
  since: time.exactOptional(),
});
export type DeviceTaint = Fixed<z.infer<typeof deviceTaint>>;

/** A DeviceTaintRule of an admin: the taint that it lays on every device that it selects. */
const deviceTaintRule = z.object({
  /** `DeviceTaintRule/broken-gpu`. */
  name: textOf('owner'),
  /** Absent: any. */
  driver: publicText.exactOptional(),
  pool: textOf('pool').exactOptional(),
  device: publicText.exactOptional(),
  taint: deviceTaint,
});
export type DeviceTaintRule = Fixed<z.infer<typeof deviceTaintRule>>;

/** A ResourceClaim of pods on the node, and what the scheduler has allocated for it. */
const resourceClaim = z.object({
  namespace: textOf('namespace'),
  name: textOf('claim'),
  users: z.array(z.object({ pod: textOf('pod'), containers: z.array(textOf('container')) })),
  since: time.exactOptional(),
  devices: z.array(z.object({ driver: publicText, pool: textOf('pool'), name: publicText })),
});
export type ResourceClaim = Fixed<z.infer<typeof resourceClaim>>;

/** A ComputeDomain of NVIDIA's DRA driver: the nodes of a job over one NVLink domain, and their IMEX. */
const computeDomain = z.object({
  namespace: textOf('namespace'),
  /** `ComputeDomain/train`. */
  name: textOf('owner'),
  /** Ready, NotReady, or empty where nobody has written one yet. */
  status: publicText,
  /** spec.numNodes; absent where it asks for no number. */
  nodesWanted: z.int().exactOptional(),
  /** `CLUSTER.CLIQUE` as nvml.h numbers them; the clique is empty where the node is in no fabric. */
  nodes: z.array(z.object({ node: publicText, clique: publicText, status: publicText })),
});
export type ComputeDomain = Fixed<z.infer<typeof computeDomain>>;

/** A device of the node as its DRA driver publishes it in a ResourceSlice (resource.k8s.io). */
const clusterDevice = z.object({
  driver: publicText,
  pool: textOf('pool'),
  /** What an allocation calls it: unique in its driver's pool. */
  name: publicText,
  /** `GPU-...` or `MIG-...`. */
  uuid: publicText.exactOptional(),
  /** Of a MIG device: the GPU it is part of. */
  parentUuid: publicText.exactOptional(),
  /** `dddd:bb:dd`. */
  pci: publicText.exactOptional(),
  taints: z.array(deviceTaint).exactOptional(),
  /** Its pool has fewer slices than it says: the scheduler allocates nothing of it meanwhile. */
  poolIncomplete: z.literal(true).exactOptional(),
});
export type ClusterDevice = Fixed<z.infer<typeof clusterDevice>>;

/** Another pod of the same job, and what its log says: all of one that failed, the last words of any other. */
const jobPeer = z.object({
  pod: textOf('pod'),
  node: publicText,
  /** Absent: it still runs; 0: it has ended well. */
  exitCode: z.int().exactOptional(),
  reason: word,
  finishedAt: time.exactOptional(),
  log: part(jobLog),
  /** As of a target's pods. */
  beside: z.array(jobLog).exactOptional(),
  /** On the node of the pod that is asked about. */
  isHere: z.literal(true).exactOptional(),
});
export type JobPeer = Fixed<z.infer<typeof jobPeer>>;

/** What an answer took of the API server: requests, with those that were tried again, and bytes of answers. */
export const apiUse = z.object({ requests: z.int(), bytes: z.int() });
export type ApiUse = Fixed<z.infer<typeof apiUse>>;

/** The job that a pod belongs to, by a label of its controller. */
const podJob = z.object({
  /** `JobSet/train`. */
  name: textOf('owner'),
  /** With the pod itself. */
  pods: z.int(),
  failed: z.int(),
  /** Without the pod itself: those that failed, in the order of their ends, then others; not all of many. */
  peers: z.array(jobPeer),
});
export type PodJob = Fixed<z.infer<typeof podJob>>;

export const clusterView = z.object({
  node: part(clusterNode),
  pods: part(clusterPods),
  /** Newest first. */
  nodeEvents: part(z.array(clusterEvent)),
  /** Only of a node that Karpenter made. */
  nodeClaim: part(nodeClaim).exactOptional(),
  /** Only where a tool asked for one pod; `not_found` when the cluster has none of that name. */
  pod: part(clusterPod).exactOptional(),
  podEvents: part(z.array(clusterEvent)).exactOptional(),
  /** Of the container that failed; absent where none did, or no log was asked for. */
  log: part(jobLog).exactOptional(),
  /** Last words of its other containers. */
  beside: z.array(jobLog).exactOptional(),
  /** Absent where the pod belongs to no job that has other pods. */
  job: part(podJob).exactOptional(),
  /** Only where a tool asked for them; `not_found` on clusters without DRA. */
  devices: part(z.array(clusterDevice)).exactOptional(),
  /** Only of a node with devices. */
  taintRules: part(z.array(deviceTaintRule)).exactOptional(),
  /** Only where pods of the node have claims. */
  claims: part(z.array(resourceClaim)).exactOptional(),
  /** Only where the driver of ComputeDomains serves the node. */
  computeDomains: part(z.array(computeDomain)).exactOptional(),
  /** For all of this, with logs; absent where no API server was asked. */
  asked: apiUse.exactOptional(),
});
export interface ClusterView extends Fixed<z.infer<typeof clusterView>> {}

/** What is asked of the cluster: always one node, and for some tools one pod. */
export interface ClusterQuestion {
  readonly node: string;
  readonly pod?: { readonly namespace?: string | undefined; readonly name: string } | undefined;
  /** Whether that pod's events alone are wanted: the pod and its node were read moments ago. */
  readonly eventsAlone?: boolean | undefined;
  /** Whether logs are wanted: of that pod and of its job's other pods where it failed, of NVIDIA's software where it is stuck. */
  readonly logs?: boolean | undefined;
  /** Whether what DRA knows of the node is wanted: devices, taints, claims, domains. */
  readonly devices?: boolean;
}
