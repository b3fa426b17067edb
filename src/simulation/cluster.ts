import type {
  ClusterNode,
  ClusterPod,
  ClusterQuestion,
  ClusterView,
  StackPod,
} from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { known, missing, present } from '../contract/reading.ts';
import type { StackLog } from '../contract/stack-log.ts';
import { type Clock, isoTime } from '../contract/time.ts';
import { readJobLog } from '../job-log/read-job-log.ts';
import { readStackLog } from '../job-log/stack-log.ts';
import type { Machine } from './machine.ts';
import { type ClusterData, isRunning, type PodData, uidOf } from './pods.ts';

const WEEK_SECONDS = 604_800;

/** The cluster of a machine that has one, in the place of an API server. */
export function simulatedCluster(
  machine: Machine,
  clock: Clock,
): ((question: Omit<ClusterQuestion, 'node'>) => ClusterView) | undefined {
  const { cluster, pods, host, name } = machine;
  if (!cluster) return undefined;
  const startMs = clock.nowMs();
  const at = (secondsAgo: number) => isoTime(startMs - secondsAgo * 1_000);
  const node = known(host.hostname) ?? name;
  const eventsOf = (events: typeof cluster.events) =>
    present(
      events
        .toSorted((a, b) => a.secondsAgo - b.secondsAgo)
        .map(({ secondsAgo, ...event }) => ({ ...event, lastAt: at(secondsAgo) })),
    );
  const isDra = cluster.dra !== undefined;
  const podOf = (pod: (typeof pods)[number]): ClusterPod => podView(pod, { node, at, isDra });
  return ({ pod: asked, devices, logs }) => {
    const found =
      asked &&
      pods.find(
        ({ name, namespace }) =>
          name === asked.name && (asked.namespace === undefined || asked.namespace === namespace),
      );
    const noPod = missing('not_found', 'the simulated cluster has no such pod');
    return {
      node: present(nodeOf(machine, cluster, { node, at })),
      pods: present({
        ...{ namespace: null, total: pods.length + 9, gpuPods: pods.map(podOf) },
        stack: [
          ...cluster.stack.map(pod => ({
            ...stackPod(pod, node, at(1_800)),
            ...(logs && pod.log && { log: present(stackLogOf(pod, pod.log, at(60))) }),
          })),
          ...(isDra ? [draPlugin(node, at(WEEK_SECONDS))] : []),
        ],
      }),
      nodeEvents: eventsOf(cluster.events),
      ...(asked && {
        pod: found ? present(podOf(found)) : noPod,
        podEvents: found ? eventsOf(found.events) : noPod,
      }),
      ...(found?.ended && logs && logsOf(found, { pods, node, at })),
      ...(devices && draOf(machine, node, at)),
    };
  };
}

function nodeOf(
  { gpus, host }: Machine,
  cluster: ClusterData,
  { node, at }: { readonly node: string; readonly at: (secondsAgo: number) => string },
): ClusterNode {
  const whole = { 'nvidia.com/gpu': gpus.length };
  const { capacity = whole, allocatable = capacity } = cluster;
  return {
    name: node,
    labels: { 'nvidia.com/gpu.count': String(gpus.length), ...cluster.labels },
    ...optional({ instanceType: cluster.instanceType }),
    cordoned: cluster.cordoned,
    ...(cluster.cordonedBy === undefined ? {} : { cordonedBy: { manager: cluster.cordonedBy } }),
    taints: cluster.taints.map(({ secondsAgo, ...taint }) => ({
      ...taint,
      since: at(secondsAgo),
    })),
    conditions: conditionsOf(cluster.conditions, at),
    ...{ capacity, allocatable, kubeletVersion: 'v1.34.1' },
    containerRuntime: 'containerd://2.1.4',
    bootId: host.bootId,
    createdAt: at(4 * WEEK_SECONDS),
  };
}

type Dra = Pick<ClusterView, 'devices' | 'taintRules' | 'claims' | 'computeDomains'>;

/** What DRA publishes of the machine: its GPUs, and where there are domains what their driver has. */
function draOf(
  { cluster, pods, gpus }: Machine,
  node: string,
  at: (secondsAgo: number) => string,
): Dra {
  const dra = cluster?.dra;
  if (!dra) return { devices: missing('not_found', 'the simulated cluster has no DRA') };
  const place = { driver: 'gpu.nvidia.com', pool: node };
  const taintOf = ({
    key,
    value,
    effect,
    secondsAgo,
  }: Omit<(typeof dra.rules)[number], 'name'>) => ({
    ...{ key, value, effect, since: at(secondsAgo) },
  });
  const published = gpus.map(({ answers }, index) => {
    const uuid = answers['deviceGetUUID'];
    const taints = dra.taints.filter(({ gpu }) => gpu === index).map(taintOf);
    return {
      ...{ ...place, name: `gpu-${index}`, ...(taints.length > 0 && { taints }) },
      ...(typeof uuid === 'string' && { uuid }),
    };
  });
  const domainDriver = { driver: 'compute-domain.nvidia.com', pool: node };
  const channels = dra.domains.length > 0 ? ['daemon-0', 'channel-0'] : [];
  return {
    devices: present([...published, ...channels.map(name => ({ ...domainDriver, name }))]),
    taintRules: present(
      dra.rules.map(rule => ({
        ...{ name: `DeviceTaintRule/${rule.name}`, taint: taintOf(rule) },
        ...(rule.gpu !== undefined && { ...place, device: `gpu-${rule.gpu}` }),
      })),
    ),
    claims: present(
      pods.flatMap(pod => ({
        ...{ namespace: pod.namespace, name: claimOf(pod), since: at(pod.startedSecondsAgo) },
        users: [{ pod: pod.name, containers: [pod.container] }],
        devices: pod.gpus.map(gpu => ({ ...place, name: `gpu-${gpu}` })),
      })),
    ),
    ...(dra.domains.length > 0 && {
      computeDomains: present(
        dra.domains.map(({ name, ...domain }) => ({ ...domain, name: `ComputeDomain/${name}` })),
      ),
    }),
  };
}

/** As the template of a claim is named after its pod. */
const claimOf = ({ name }: PodData): string => `${name}-gpus`;

/** The kubelet plugin of NVIDIA's DRA driver, which runs. */
const draPlugin = (node: string, startedAt: string): StackPod => {
  const own = {
    namespace: 'nvidia-dra-driver-gpu',
    name: 'nvidia-dra-driver-gpu-kubelet-plugin-6wz4c',
  };
  return {
    ...own,
    ...{ part: 'DRA driver', uid: uidOf(own), node, phase: 'Running', reason: '', message: '' },
    ...{ createdAt: startedAt, startedAt, deleting: false, gpus: {}, claims: [] },
    containers: [
      {
        ...{ name: 'gpus', init: false, gpus: {}, restarts: 0, state: 'running' },
        ...{ reason: '', message: '', startedAt },
      },
    ],
  };
};

/** A pod of GPU Operator that does not come up. */
const stackPod = (
  pod: ClusterData['stack'][number],
  node: string,
  createdAt: string,
): StackPod => ({
  part: pod.part,
  ...{ namespace: 'gpu-operator', name: pod.name, uid: uidOf({ namespace: '', name: pod.name }) },
  ...{ node, phase: 'Pending', reason: '', message: '', createdAt, deleting: false },
  ...{ gpus: {}, claims: [] },
  containers: [
    {
      ...{ name: pod.container, init: pod.waits, gpus: {}, restarts: pod.restarts },
      state: pod.waits ? 'running' : 'waiting',
      ...{ reason: pod.reason, message: pod.message },
      ...(pod.exitCode !== undefined && {
        endedBefore: { exitCode: pod.exitCode, reason: 'Error', message: '' },
      }),
    },
  ],
});

function stackLogOf(
  { part, container, waits }: ClusterData['stack'][number],
  lines: readonly string[],
  at: string,
): StackLog {
  const text = lines.map(line => `${at} ${line}\n`).join('');
  const read = { requests: 1, bytes: Buffer.byteLength(text) };
  return readStackLog({ part, container, init: waits, previous: !waits, text, ...read });
}

/** What the logs of a pod that failed, and of the failed pods of its owner on this node, say. */
function logsOf(
  own: PodData,
  of: {
    readonly pods: readonly PodData[];
    readonly node: string;
    readonly at: (secondsAgo: number) => string;
  },
): Pick<ClusterView, 'log' | 'job'> {
  const logOf = (pod: PodData) => {
    const text = pod.log.map(line => `${of.at(line.secondsAgo)} ${line.text}\n`).join('');
    const { container } = pod;
    return present(
      readJobLog({
        ...{ container, previous: isRunning(pod), text, requests: 1, bytes: text.length },
        cut: false,
      }),
    );
  };
  const pods = of.pods.filter(({ owner }) => owner !== undefined && owner === own.owner);
  const failed = pods.flatMap(pod => (pod.ended ? { pod, ended: pod.ended } : []));
  return {
    log: logOf(own),
    ...(own.owner !== undefined && {
      job: present({
        name: own.owner,
        pods: pods.length,
        failed: failed.length,
        peers: failed
          .filter(({ pod }) => pod !== own)
          .toSorted((a, b) => b.ended.secondsAgo - a.ended.secondsAgo)
          .map(({ pod, ended: { exitCode, reason, secondsAgo } }) => ({
            ...{ pod: pod.name, node: of.node, exitCode, reason, finishedAt: of.at(secondsAgo) },
            log: logOf(pod),
          })),
      }),
    }),
  };
}

function conditionsOf(own: ClusterData['conditions'], at: (secondsAgo: number) => string) {
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' } as const;
  const isOwn = own.some(({ type }) => type === ready.type);
  return [...(isOwn ? [] : [{ ...ready, secondsAgo: WEEK_SECONDS }]), ...own].map(
    ({ secondsAgo, ...condition }) => ({ ...condition, since: at(secondsAgo) }),
  );
}

function podView(
  pod: Machine['pods'][number],
  of: {
    readonly node: string;
    readonly at: (secondsAgo: number) => string;
    readonly isDra: boolean;
  },
): ClusterPod {
  const { node, at, isDra } = of;
  const { ended, startedSecondsAgo, phase } = pod;
  const isPending = phase === 'Pending';
  const startedAt = at(startedSecondsAgo);
  const gpus: Record<string, number> = isDra
    ? {}
    : { 'nvidia.com/gpu': pod.requests ?? pod.gpus.length };
  const end = ended && {
    ...{ exitCode: ended.exitCode, reason: ended.reason, message: ended.message },
    ...(isRunning(pod) ? {} : { startedAt }),
    ...optional({ signal: ended.signal }),
    finishedAt: at(ended.secondsAgo),
  };
  return {
    ...{ namespace: pod.namespace, name: pod.name, uid: uidOf(pod), node, phase },
    ...optional({ owner: pod.owner }),
    ...{ reason: pod.reason, message: pod.message, createdAt: at(startedSecondsAgo + 5) },
    ...(isPending ? {} : { startedAt }),
    ...{ deleting: false, gpus, claims: isDra ? [claimOf(pod)] : [] },
    containers: [
      {
        ...{ name: pod.container, init: false, gpus, restarts: pod.restarts },
        ...{ reason: '', message: '' },
        state: isPending ? 'waiting' : isRunning(pod) ? 'running' : 'terminated',
        ...(isRunning(pod) ? { startedAt } : {}),
        ...(end && (isRunning(pod) ? { endedBefore: end } : { ended: end })),
      },
    ],
  };
}
