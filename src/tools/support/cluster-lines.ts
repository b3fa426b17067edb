import type * as z from 'zod';
import { gapLine, type Written } from '../../contract/answer.ts';
import type { ClusterPart, EventRow, Manager } from './cluster-rows.ts';
import { plural } from './wording.ts';

type NodePart = NonNullable<ClusterPart['node']>;
type PodPart = NonNullable<ClusterPart['pods']>[number];
type EventPart = z.infer<typeof EventRow>;

/** What the lines show of the cluster's part. */
export type ShownCluster = Omit<ClusterPart, 'node' | 'pods' | 'events'> & {
  node?: Omit<NodePart, 'conditionsFine' | 'containerRuntime' | 'labels'> | undefined;
  pods?: Omit<PodPart, 'claims' | 'deleting'>[] | undefined;
  events?: ShownEvent[] | undefined;
};
type ShownEvent = Pick<EventPart, 'type' | 'reason' | 'message' | 'count' | 'lastAt'>;

/** The cluster's part as lines, what is wrong first. */
export function clusterLines(part: ShownCluster): Written[] {
  const { node, pods = [], events = [], requested = {} } = part;
  return [
    ...(node ? nodeLines(node, requested) : []),
    ...pods.map(
      pod =>
        `  pod ${pod.namespace}/${pod.pod}  ${pod.phase}${pod.reason === undefined ? '' : ` (${pod.reason})`}  ${amounts(pod.gpus)}${pod.owner === undefined ? '' : `  of ${pod.owner}`}${pod.restarts === undefined ? '' : `  ${pod.restarts} restarts`}`,
    ),
    ...(part.podsLeftOut === undefined ? [] : [`  ${part.podsLeftOut} more GPU pods`]),
    ...(part.podsOnlyOf === undefined
      ? []
      : [gapLine(`only pods of namespace ${part.podsOnlyOf} could be listed`)]),
    ...(part.otherSessions ?? []).map(
      ({ user, namespace, pod, since }) =>
        `  a session of ${user === undefined ? 'another user' : `"${user}"`} is on this node too, since ${since} (pod ${namespace}/${pod})`,
    ),
    ...events.map(eventText),
    ...(part.asked === undefined
      ? []
      : [
          `cluster: read by ${plural(part.asked.requests, 'request')}, ${plural(part.asked.bytes, 'byte')}`,
        ]),
    ...Object.entries(part.unavailable ?? {}).map(([reason, names]) =>
      reason === 'not_read'
        ? 'cluster: not asked'
        : `cluster: ${names.join(', ')} not read (${reason})`,
    ),
  ];
}

/** One event on one line. */
export const eventText = (event: ShownEvent): string =>
  `  event ${event.lastAt ?? 'time unknown'}  ${event.type} ${event.reason}${event.count > 1 ? ` x${event.count}` : ''}: ${event.message}`;

function nodeLines(
  node: NonNullable<ShownCluster['node']>,
  requested: Readonly<Record<string, number>>,
): string[] {
  const by = (who: z.infer<typeof Manager> | undefined) =>
    who === undefined ? '' : ` by ${who.manager}${who.time === undefined ? '' : ` at ${who.time}`}`;
  const resources = [...new Set([...Object.keys(node.capacity), ...Object.keys(node.allocatable)])];
  return [
    [
      `cluster: Ready ${node.ready}`,
      node.cordoned ? `cordoned${by(node.cordonedBy)}` : 'not cordoned',
      ...(node.taints.length > 0 ? [`taints ${node.taints.join(' ')}${by(node.taintsBy)}`] : []),
      ...(node.instanceType === undefined ? [] : [node.instanceType]),
      `kubelet ${node.kubeletVersion}`,
    ].join(', '),
    ...node.conditions.map(
      condition =>
        `  condition ${condition.type} ${condition.status} since ${condition.since || 'unknown'}: ${condition.reason} ${condition.message}`,
    ),
    ...(resources.length === 0
      ? ['  the node offers no nvidia.com resource']
      : resources.map(
          name =>
            `  ${name}: ${node.allocatable[name] ?? 0} of ${node.capacity[name] ?? 0} allocatable, ${requested[name] ?? 0} asked for by pods`,
        )),
  ];
}

const amounts = (quantities: Readonly<Record<string, number>>): string =>
  Object.entries(quantities)
    .map(([name, amount]) => `${amount} ${name}`)
    .join(', ') || 'no extended resource';
