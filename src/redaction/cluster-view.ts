import type {
  ClusterContainer,
  ClusterDevice,
  ClusterEvent,
  ClusterNode,
  ClusterPod,
  ClusterView,
  ContainerEnd,
  FieldManager,
} from '../contract/cluster-view.ts';
import { mapReading, missing, type Reading } from '../contract/reading.ts';
import type { Names } from './names.ts';
import { optional } from './optional.ts';
import { camelWord, keyToken, valueToken, withheld, writerToken } from './public-words.ts';

/**
 * What the cluster says of a node without the names of whoever uses it. Every field is named here:
 * one that is not does not leave. Names of nodes, UIDs, times and numbers stay.
 */
export const redactedView = (view: ClusterView, names: Names): ClusterView => {
  const events = (reading: Reading<readonly ClusterEvent[]>) =>
    read(reading, all => all.map(each => event(each, names)));
  return {
    node: read(view.node, value => node(value, names)),
    pods: read(view.pods, ({ namespace, total, gpuPods }) => ({
      namespace: namespace === null ? null : names.token('ns', namespace),
      total,
      gpuPods: gpuPods.map(each => redactedPod(each, names)),
    })),
    nodeEvents: events(view.nodeEvents),
    ...optional('pod', view.pod && read(view.pod, value => redactedPod(value, names))),
    ...optional('podEvents', view.podEvents && events(view.podEvents)),
    ...optional(
      'devices',
      view.devices && read(view.devices, all => all.map(each => device(each, names))),
    ),
  };
};

/** The API server's sentence on a missing part names users and namespaces: its reason is enough. */
const read = <A, B>(reading: Reading<A>, change: (value: A) => B): Reading<B> =>
  reading.ok ? mapReading(reading, change) : missing(reading.reason);

const node = (of: ClusterNode, names: Names): ClusterNode => ({
  name: of.name,
  labels: Object.fromEntries(
    Object.entries(of.labels).map(
      ([key, value]) => [keyToken(names, key), valueToken(names, value)] as const,
    ),
  ),
  ...optional('instanceType', of.instanceType && valueToken(names, of.instanceType)),
  cordoned: of.cordoned,
  ...optional('cordonedBy', of.cordonedBy && manager(of.cordonedBy, names)),
  taints: of.taints.map(({ key, value, effect, since }) => ({
    key: keyToken(names, key),
    value: valueToken(names, value),
    effect: camelWord(names, effect),
    ...optional('since', since),
  })),
  ...optional('taintsBy', of.taintsBy && manager(of.taintsBy, names)),
  conditions: of.conditions.map(({ type, status, reason, message, since }) => ({
    type: camelWord(names, type),
    status,
    reason: camelWord(names, reason),
    message: withheld(message),
    since,
  })),
  capacity: of.capacity,
  allocatable: of.allocatable,
  kubeletVersion: of.kubeletVersion,
  containerRuntime: of.containerRuntime,
  bootId: of.bootId,
  createdAt: of.createdAt,
});

const manager = ({ manager: writer, time }: FieldManager, names: Names): FieldManager => ({
  manager: writerToken(names, writer),
  ...optional('time', time),
});

/** Names of drivers and devices are their programmers'; a pool may have anyone's. */
const device = (of: ClusterDevice, names: Names): ClusterDevice => ({
  driver: of.driver,
  pool: names.token('pool', of.pool),
  name: of.name,
  ...optional('uuid', of.uuid),
  ...optional('parentUuid', of.parentUuid),
  ...optional('pci', of.pci),
});

/** One pod of the view. */
const redactedPod = (of: ClusterPod, names: Names): ClusterPod => ({
  namespace: names.token('ns', of.namespace),
  name: names.token('pod', of.name),
  uid: of.uid,
  node: of.node,
  ...optional('owner', of.owner && owner(of.owner, names)),
  phase: of.phase,
  reason: camelWord(names, of.reason),
  message: withheld(of.message),
  createdAt: of.createdAt,
  ...optional('startedAt', of.startedAt),
  deleting: of.deleting,
  gpus: of.gpus,
  claims: of.claims.map(claim => names.token('claim', claim)),
  containers: of.containers.map(each => container(each, names)),
});

/** `Job/train-7`: what kind of thing it is stays. */
function owner(text: string, names: Names): string {
  const [kind = '', ...rest] = text.split('/');
  return `${camelWord(names, kind)}/${names.token('owner', rest.join('/'))}`;
}

const container = (of: ClusterContainer, names: Names): ClusterContainer => ({
  name: names.token('ctr', of.name),
  init: of.init,
  gpus: of.gpus,
  restarts: of.restarts,
  state: of.state,
  reason: camelWord(names, of.reason),
  message: withheld(of.message),
  ...optional('startedAt', of.startedAt),
  ...optional('ended', of.ended && end(of.ended, names)),
  ...optional('endedBefore', of.endedBefore && end(of.endedBefore, names)),
});

const end = (of: ContainerEnd, names: Names): ContainerEnd => ({
  exitCode: of.exitCode,
  ...optional('signal', of.signal),
  reason: camelWord(names, of.reason),
  message: withheld(of.message),
  ...optional('startedAt', of.startedAt),
  ...optional('finishedAt', of.finishedAt),
});

const event = (of: ClusterEvent, names: Names): ClusterEvent => ({
  type: of.type,
  reason: camelWord(names, of.reason),
  message: withheld(of.message),
  count: of.count,
  ...optional('firstAt', of.firstAt),
  ...optional('lastAt', of.lastAt),
  from: writerToken(names, of.from),
});
