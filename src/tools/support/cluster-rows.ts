import * as z from 'zod';
import type {
  ClusterEvent,
  ClusterNode,
  ClusterPod,
  ClusterPods,
  ClusterSession,
  ClusterView,
} from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import {
  known,
  MISSING_REASONS,
  type MissingReason,
  type Reading,
} from '../../contract/reading.ts';

const Quantities = z.record(z.string(), z.number());
/** Who wrote a field, and when. */
export const Manager = z
  .strictObject({ manager: z.string(), time: z.string().optional() })
  .meta({ listedKeys: ['manager'] });

const ConditionRow = z
  .strictObject({
    type: z.string(),
    /** Unknown is not False: the kubelet has not reported. */
    status: z.enum(['True', 'False', 'Unknown']),
    reason: z.string(),
    message: z.string(),
    since: z.string(),
  })
  .meta({ listedKeys: ['type', 'status', 'reason'] });

const NodeOfCluster = z
  .strictObject({
    ready: z.enum(['True', 'False', 'Unknown']),
    cordoned: z.boolean(),
    cordonedBy: Manager.optional(),
    taints: z.array(z.string()),
    taintsBy: Manager.optional(),
    /** Those that are not as they are on a well node; with detail full all of them. */
    conditions: z.array(ConditionRow),
    conditionsFine: z.int(),
    capacity: Quantities,
    allocatable: Quantities,
    instanceType: z.string().optional(),
    providerId: z.string().optional(),
    kubeletVersion: z.string(),
    containerRuntime: z.string(),
    labels: z.record(z.string(), z.string()),
  })
  .meta({
    listedKeys: ['ready', 'cordoned', 'cordonedBy', 'taints', 'conditions', 'allocatable'],
  });

const PodRow = z
  .strictObject({
    namespace: z.string(),
    pod: z.string(),
    phase: z.string(),
    reason: z.string().optional(),
    owner: z.string().optional(),
    gpus: Quantities,
    claims: z.array(z.string()).optional(),
    restarts: z.int().optional(),
    deleting: z.boolean().optional(),
  })
  .meta({ listedKeys: ['namespace', 'pod', 'phase', 'owner', 'gpus'] });

export const EventRow = z
  .strictObject({
    type: z.enum(['Warning', 'Normal']),
    reason: z.string(),
    message: z.string(),
    count: z.int(),
    firstAt: z.string().optional(),
    lastAt: z.string().optional(),
    from: z.string(),
  })
  .meta({ listedKeys: ['type', 'reason', 'message'] });

const OtherSession = z.strictObject({
  user: z.string().optional(),
  namespace: z.string(),
  pod: z.string(),
  since: z.string(),
});

/**
 * What the cluster says, in an answer. A part that was not read is absent and stands under its
 * reason in `unavailable`; the agent alone knows none of it.
 */
export const ClusterPart = z
  .strictObject({
    node: NodeOfCluster.optional(),
    pods: z.array(PodRow).optional(),
    podsLeftOut: z.int().optional(),
    /** Only pods of this namespace could be listed. */
    podsOnlyOf: z.string().optional(),
    /** Sessions of this plugin on the node that are not this one. */
    otherSessions: z.array(OtherSession).optional(),
    /** GPU resources that pods which have not ended ask for. */
    requested: Quantities.optional(),
    events: z.array(EventRow).optional(),
    /** What it took of the API server, with requests that were tried again. */
    asked: z.strictObject({ requests: z.int(), bytes: z.int() }).optional(),
    unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
  })
  .meta({ listedKeys: ['node', 'pods', 'events', 'unavailable'] });
export type ClusterPart = z.infer<typeof ClusterPart>;

/** The part as the agent alone answers it. */
export const CLUSTER_NOT_READ: ClusterPart = {
  unavailable: { not_read: ['node', 'pods', 'events'] },
};

/** Key labels; the rest only with detail full. */
const KEY_LABEL =
  /^nvidia\.com\/(?:gpu\.(?:product|count|present|deploy\.driver)|mig\.(?:strategy|config(?:\.state)?)|gpu-driver-upgrade-state)$|accelerator|topology\.kubernetes\.io\/zone|nodepool/;

interface Bounds {
  readonly full: boolean;
  readonly podsMax: number;
  readonly eventsMax: number;
}

/** The view as a part of an answer. */
export function clusterPart(view: ClusterView, bounds: Bounds): ClusterPart {
  const { node, nodeClaim, pods, nodeEvents, devices, taintRules, claims, computeDomains } = view;
  const unavailable: Partial<Record<MissingReason, string[]>> = {};
  const parts: readonly (readonly [string, Reading<unknown>])[] = [
    ['node', node],
    ['pods', pods],
    ['events', nodeEvents],
    ...(nodeClaim ? [['node claim', nodeClaim] as const] : []),
    ...(node.ok && node.value.quarantine
      ? [['annotation of NVSentinel', node.value.quarantine] as const]
      : []),
    // A cluster without DRA has no devices to be read.
    ...(devices && !(!devices.ok && devices.reason === 'not_found')
      ? [['devices of DRA', devices] as const]
      : []),
    ...(taintRules ? [['device taint rules', taintRules] as const] : []),
    ...(claims ? [['resource claims', claims] as const] : []),
    ...(computeDomains ? [['compute domains', computeDomains] as const] : []),
  ];
  for (const [name, reading] of parts) {
    if (!reading.ok) unavailable[reading.reason] = [...(unavailable[reading.reason] ?? []), name];
  }
  return {
    ...(node.ok && { node: nodeOfCluster(node.value, bounds.full) }),
    ...(pods.ok && podsOf(pods.value, bounds.podsMax)),
    ...(nodeEvents.ok && { events: eventRows(nodeEvents.value, bounds.eventsMax) }),
    ...(view.asked && { asked: { ...view.asked } }),
    ...(Object.keys(unavailable).length > 0 && { unavailable }),
  };
}

function nodeOfCluster(node: ClusterNode, full: boolean): z.infer<typeof NodeOfCluster> {
  const { cordoned, cordonedBy, taintsBy, capacity, allocatable } = node;
  const { instanceType, providerId } = node;
  const odd = node.conditions.filter(condition => !isFine(condition));
  const labels = Object.entries(node.labels).filter(([key]) => full || KEY_LABEL.test(key));
  return {
    ready: node.conditions.find(({ type }) => type === 'Ready')?.status ?? 'Unknown',
    cordoned,
    ...(cordonedBy && { cordonedBy }),
    taints: node.taints.map(({ key, value, effect }) => `${key}${value && `=${value}`}:${effect}`),
    ...(taintsBy && { taintsBy }),
    conditions: [...(full ? node.conditions : odd)],
    conditionsFine: node.conditions.length - odd.length,
    capacity,
    allocatable,
    ...optional({ instanceType, providerId }),
    kubeletVersion: node.kubeletVersion,
    containerRuntime: node.containerRuntime,
    labels: Object.fromEntries(labels),
  };
}

/** Conditions are problems when True, but for Ready and its kin, which are problems unless True. */
const isFine = ({ type, status }: ClusterNode['conditions'][number]): boolean =>
  status === (/(?:Ready|Healthy|Available|Ok)$/.test(type) ? 'True' : 'False');

function podsOf(pods: ClusterPods, podsMax: number) {
  const order = ['Failed', 'Unknown', 'Pending', 'Running', 'Succeeded'];
  const sorted = pods.gpuPods.toSorted((a, b) => order.indexOf(a.phase) - order.indexOf(b.phase));
  const requested: Record<string, number> = {};
  for (const pod of pods.gpuPods.filter(holdsGpus)) {
    for (const [name, amount] of Object.entries(pod.gpus)) {
      requested[name] = (requested[name] ?? 0) + amount;
    }
  }
  return {
    pods: sorted.slice(0, podsMax).map(podRow),
    ...(sorted.length > podsMax && { podsLeftOut: sorted.length - podsMax }),
    ...(pods.namespace !== null && { podsOnlyOf: pods.namespace }),
    ...(pods.sessions !== undefined && { otherSessions: pods.sessions.map(sessionRow) }),
    requested,
  };
}

const sessionRow = ({ user, namespace, pod, since }: ClusterSession) =>
  optional({ user, namespace, pod, since });

/** A pod that has ended holds nothing: the kubelet frees its devices. */
export const holdsGpus = (pod: ClusterPod): boolean =>
  pod.phase !== 'Succeeded' && pod.phase !== 'Failed';

function podRow(pod: ClusterPod): z.infer<typeof PodRow> {
  const restarts = pod.containers.reduce((sum, container) => sum + container.restarts, 0);
  const waiting = pod.containers.find(({ state, reason }) => state === 'waiting' && reason !== '');
  const reason = pod.reason || waiting?.reason;
  return {
    namespace: pod.namespace,
    pod: pod.name,
    phase: pod.phase,
    ...(reason ? { reason } : {}),
    ...optional({ owner: pod.owner }),
    gpus: pod.gpus,
    ...(pod.claims.length > 0 && { claims: [...pod.claims] }),
    ...(restarts > 0 && { restarts }),
    ...(pod.deleting && { deleting: true }),
  };
}

/** Warnings before the others, each newest first; the least left out. */
export const eventRows = (
  events: readonly ClusterEvent[],
  eventsMax: number,
): z.infer<typeof EventRow>[] =>
  [
    ...events.filter(({ type }) => type === 'Warning'),
    ...events.filter(({ type }) => type === 'Normal'),
  ].slice(0, eventsMax);

/** The pod of the cluster behind a name or uid that the node knows. */
export function podInCluster(
  view: ClusterView,
  named: {
    readonly podUid?: string | undefined;
    readonly namespace?: string | undefined;
    readonly pod?: string | undefined;
  },
): ClusterPod | undefined {
  const pods = known(view.pods)?.gpuPods ?? [];
  return (
    pods.find(pod => named.podUid !== undefined && pod.uid === named.podUid) ??
    pods.find(pod => pod.namespace === named.namespace && pod.name === named.pod)
  );
}
