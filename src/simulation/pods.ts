import * as z from 'zod';
import { STACK_PARTS } from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { missing, present } from '../contract/reading.ts';
import { hexOf } from './hex.ts';
import type { HostData } from './host-data.ts';
import { isRecord } from './merged.ts';
import type { Part } from './part.ts';

const PODS_MAX = 512;
const seconds = z.number().min(0).max(4e9);

/** An event of a pod or of the node, as `kubectl describe` shows it. */
const clusterEvent = z.strictObject({
  type: z.enum(['Warning', 'Normal']).default('Warning'),
  reason: z.string(),
  message: z.string().default(''),
  count: z.int().min(1).default(1),
  secondsAgo: seconds.default(60),
  from: z.string().default('kubelet'),
});

/**
 * A pod that has, had or wants GPUs, told once: what the kubelet, the runtime, /proc and the cluster
 * know of it follows.
 */
const pod = z.strictObject({
  namespace: z.string().min(1),
  name: z.string().min(1),
  /** The controller, `Job/train`. */
  owner: z.string().exactOptional(),
  container: z.string().min(1).default('main'),
  phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed']).default('Running'),
  reason: z.string().default(''),
  message: z.string().default(''),
  /** GPUs of the machine by index: held while it runs, else those that it had. */
  gpus: z.array(z.int().min(0).max(1_023)).max(64).default([]),
  /** How many it asks for, where that is not what it has. */
  requests: z.int().min(0).max(1_024).exactOptional(),
  startedSecondsAgo: seconds.default(7_200),
  restarts: z.int().min(0).default(0),
  /** How its container ended, or ended before the run of now. */
  ended: z
    .strictObject({
      secondsAgo: seconds,
      exitCode: z.int().min(0).max(255),
      signal: z.int().min(1).max(64).exactOptional(),
      reason: z.string().default('Error'),
      message: z.string().default(''),
    })
    .exactOptional(),
  /** Its process on the node. Those on its GPUs are found by themselves while it runs. */
  pid: z.int().min(1).exactOptional(),
  /** What its container sees where that is not what a healthy one does. */
  sees: z
    .strictObject({
      /** The driver whose libraries it has. */
      driver: z.string().max(32),
      /** Whether those are its image's, and none was mounted. */
      ownLibraries: z.boolean(),
      /** GPUs whose device nodes are gone. */
      withoutGpus: z.array(z.int().min(0).max(1_023)),
      /** False where its cgroup has lost NVIDIA's devices. */
      mayOpenGpus: z.boolean(),
      sharedMemoryMib: z.strictObject({ size: z.number().min(1), used: z.number().min(0) }),
      lockedMemoryBytes: z.number().min(0),
      /** Whether it has RDMA adapters. */
      rdma: z.boolean(),
      memoryLimitBytes: z.number().min(0),
      oomKills: z.int().min(0),
      throttledPercent: z.number().min(0).max(100),
      visibleDevices: z.record(z.string(), z.string()),
    })
    .partial()
    .prefault({}),
  events: z.array(clusterEvent).max(64).default([]),
  /** What its container wrote before it ended, oldest first. */
  log: z
    .array(z.strictObject({ secondsAgo: seconds, text: z.string() }))
    .max(2_000)
    .default([]),
});
export type PodData = z.infer<typeof pod>;
export const PodsData = z.array(pod).max(PODS_MAX).default([]);

/** A taint of one device of DRA. */
const deviceTaint = {
  gpu: z.int().min(0).max(1_023),
  key: z.string().min(1),
  value: z.string().default(''),
  effect: z.enum(['NoSchedule', 'NoExecute', 'None']),
  secondsAgo: seconds.default(3_600),
};

const amounts = z.record(z.string(), z.int().min(0));
/** What a cluster says of the machine as its node; `{}` is a node with nothing to say against it. */
export const ClusterData = z.strictObject({
  labels: z.record(z.string(), z.string()).default({}),
  instanceType: z.string().exactOptional(),
  cordoned: z.boolean().default(false),
  /** The program that cordoned it. */
  cordonedBy: z.string().exactOptional(),
  taints: z
    .array(
      z.strictObject({
        key: z.string(),
        value: z.string().default(''),
        effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
        secondsAgo: seconds.default(3_600),
      }),
    )
    .max(64)
    .default([]),
  /** Beside `Ready`, which is True unless it stands here. */
  conditions: z
    .array(
      z.strictObject({
        type: z.string(),
        status: z.enum(['True', 'False', 'Unknown']),
        reason: z.string().default(''),
        message: z.string().default(''),
        secondsAgo: seconds.default(3_600),
      }),
    )
    .max(64)
    .default([]),
  /** GPUs by resource; absent: as many as the machine has. */
  capacity: amounts.exactOptional(),
  allocatable: amounts.exactOptional(),
  events: z.array(clusterEvent).max(256).default([]),
  /** Pods of NVIDIA's own software that do not run as they should. */
  stack: z
    .array(
      z.strictObject({
        part: z.enum(STACK_PARTS),
        name: z.string().min(1),
        container: z.string().min(1),
        /** An init container that still runs, and so waits for something. */
        waits: z.boolean().default(false),
        /** Why the container does not run: `CrashLoopBackOff`. */
        reason: z.string().default(''),
        message: z.string().default(''),
        exitCode: z.int().min(0).max(255).exactOptional(),
        restarts: z.int().min(0).default(0),
        /** The last lines of its log. */
        log: z.array(z.string()).max(64).exactOptional(),
      }),
    )
    .max(32)
    .default([]),
  /** Where GPUs are given out by DRA, which publishes them as gpu-<index>: what it says of them. */
  dra: z
    .strictObject({
      taints: z.array(z.strictObject(deviceTaint)).max(64).default([]),
      /** DeviceTaintRules of an admin; without a GPU it is of every device. */
      rules: z
        .array(z.strictObject({ name: z.string().min(1), ...deviceTaint }).partial({ gpu: true }))
        .max(64)
        .default([]),
      /** ComputeDomains; each names its nodes, this one by its host name. */
      domains: z
        .array(
          z.strictObject({
            ...{ namespace: z.string().min(1), name: z.string().min(1) },
            status: z.enum(['Ready', 'NotReady']),
            nodesWanted: z.int().min(1).exactOptional(),
            nodes: z
              .array(
                z.strictObject({
                  node: z.string().min(1),
                  clique: z.string().default(''),
                  status: z.enum(['Ready', 'NotReady']),
                }),
              )
              .max(64),
          }),
        )
        .max(16)
        .default([]),
    })
    .exactOptional(),
});

export type ClusterData = z.infer<typeof ClusterData>;

export const uidOf = ({ namespace, name }: Pick<PodData, 'namespace' | 'name'>): string => {
  const hex = hexOf(`${namespace}/${name}`, 32);
  const part = (from: number, to: number) => hex.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-4${part(13, 16)}-a${part(17, 20)}-${part(20, 32)}`;
};

export const isRunning = ({ phase }: PodData): boolean => phase === 'Running';

/** The host with what the kubelet, the runtime and /proc know of these pods. */
export function withPods(
  host: HostData,
  pods: readonly PodData[],
  { gpus, isDra }: { readonly gpus: readonly Part[]; readonly isDra: boolean },
): HostData {
  if (pods.length === 0) return host;
  const uuidOf = (gpu: number) => String(gpus[gpu]?.answers['deviceGetUUID'] ?? `nvidia${gpu}`);
  const held = pods.filter(each => isRunning(each) && each.gpus.length > 0);
  const allocations = held.map(each => ({
    ...{ namespace: each.namespace, pod: each.name, podUid: uidOf(each) },
    ...{ container: each.container, resource: isDra ? 'gpu.nvidia.com' : 'nvidia.com/gpu' },
    devices: each.gpus.map(gpu => ({
      id: isDra ? `gpu-${gpu}` : uuidOf(gpu),
      gpuUuid: uuidOf(gpu),
    })),
  }));
  const names = pods.map(each => ({
    ...{ uid: uidOf(each), namespace: each.namespace, pod: each.name },
    containers: [each.container],
  }));
  const lives = pods.flatMap(each => {
    if (each.phase === 'Pending') return [];
    const { ended, pid, startedSecondsAgo } = each;
    return {
      ...{ podUid: uidOf(each), namespace: each.namespace, pod: each.name },
      ...{ container: each.container, startedSecondsAgo, source: 'service_log' as const },
      ...optional({ pid }),
      ...(ended && !isRunning(each)
        ? { endedSecondsAgo: ended.secondsAgo, exitCode: ended.exitCode }
        : {}),
    };
  });
  const processes = held.flatMap(each =>
    each.gpus.flatMap(gpu =>
      pidsOn(gpus[gpu]).map(pid => {
        const own = {
          ...{ podUid: uidOf(each), container: each.container },
          containerId: hexOf(uidOf(each), 64),
          ...{ state: 'S', startedAfterBootSeconds: startOf(host, each), uid: 0 },
          ...{ devices: [`nvidia${gpu}`, 'nvidiactl', 'nvidia-uvm'], gpuEnvironment: {} },
        };
        return [String(pid), { ...own, ...host.processDetails[String(pid)] }] as const;
      }),
    ),
  );
  const { pods: before } = host;
  return {
    ...host,
    containers: host.containers.ok
      ? present([...host.containers.value, ...held.map(each => viewOf(host, each))])
      : host.containers,
    processDetails: { ...host.processDetails, ...Object.fromEntries(processes) },
    pods: {
      ...before,
      allocations: before.allocations.ok
        ? present([...before.allocations.value, ...allocations])
        : before.allocations,
      names: before.names.ok ? present([...before.names.value, ...names]) : before.names,
      lives: [...before.lives, ...lives],
    },
  };
}

type View = Extract<HostData['containers'], { ok: true }>['value'][number];

/** What the container of a pod sees; what its `sees` does not say is as it should be. */
function viewOf({ module }: HostData, each: PodData): View {
  const { sees, gpus } = each;
  const driver = sees.driver ?? module?.version;
  const libraries =
    driver === undefined ? [] : [`libcuda.so.${driver}`, `libnvidia-ml.so.${driver}`];
  const { size, used } = sees.sharedMemoryMib ?? { size: 65_536, used: 512 };
  const nodes = gpus.filter(gpu => !sees.withoutGpus?.includes(gpu)).map(gpu => `nvidia${gpu}`);
  const orNone = (limit: number | undefined) => present<number | 'unlimited'>(limit ?? 'unlimited');
  return {
    ...{ podUid: uidOf(each), containerId: hexOf(uidOf(each), 64), pid: each.pid ?? 1 },
    container: each.container,
    libraries: present(libraries),
    mountedLibraries: present(sees.ownLibraries ? [] : libraries),
    deviceNodes: present([
      ...(sees.rdma ? ['infiniband'] : []),
      ...nodes,
      ...['nvidia-uvm', 'nvidiactl'],
    ]),
    mayOpenGpus: sees.mayOpenGpus === undefined ? missing('not_found') : present(sees.mayOpenGpus),
    visibleDevices: present(sees.visibleDevices ?? { NVIDIA_VISIBLE_DEVICES: gpus.join(',') }),
    sharedMemory: present({
      totalBytes: size * 2 ** 20,
      availableBytes: Math.max(0, size - used) * 2 ** 20,
    }),
    lockedMemoryBytes: orNone(sees.lockedMemoryBytes),
    openFiles: present(1_048_576),
    memoryLimitBytes: orNone(sees.memoryLimitBytes),
    oomKills: present(sees.oomKills ?? 0),
    throttledPercent: present(sees.throttledPercent ?? 0),
  };
}

const startOf = ({ uptimeSeconds }: HostData, { startedSecondsAgo }: PodData) =>
  Math.max(0, uptimeSeconds - startedSecondsAgo);

function pidsOn(gpu: Part | undefined): number[] {
  const list = gpu?.answers['deviceGetComputeRunningProcesses'];
  return (Array.isArray(list) ? list : []).flatMap(item =>
    isRecord(item) && typeof item['pid'] === 'number' ? [item['pid']] : [],
  );
}
