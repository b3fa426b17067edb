import * as z from 'zod';
import { Action, Blame, Confidence } from '../../contract/finding.ts';
import { needIn } from '../../contract/needs.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { ContainerView, HostState } from '../../host/port.ts';
import { THRESHOLDS } from './thresholds.ts';

const KINDS = [
  ...(['libraries', 'device-nodes', 'device-cgroup', 'visible-devices', 'shared-memory'] as const),
  ...(['locked-memory', 'memory-kills', 'cpu-throttled'] as const),
] as const;

/** How ids of findings about containers begin. */
export const CONTAINER_FINDING = 'container-view-';

export const ContainerFault = z.strictObject({
  podUid: z.string(),
  /** The first process of the container. */
  pid: z.int(),
  kind: z.enum(KINDS),
  /** Whether a program in it cannot use its GPUs; else it is a limit that can end one. */
  isSevere: z.boolean(),
  what: z.string(),
  fault: Blame,
  confidence: Confidence,
  action: Action,
  advice: z.string(),
});
export type ContainerFault = z.infer<typeof ContainerFault>;

export const ContainerFaults = z.strictObject({
  /** Pods whose containers were looked into, by their UIDs. */
  pods: z.array(z.string()),
  /** Why none was. */
  unread: z.string().optional(),
  faults: z.array(ContainerFault),
});
export type ContainerFaults = z.infer<typeof ContainerFaults>;

type Fault = Omit<ContainerFault, 'podUid' | 'pid'>;
type Node = Pick<HostState, 'moduleVersion' | 'driverGpus' | 'nics' | 'pods'>;

/** What is wrong with what these containers see, by the node that they are on. Pure. */
export function containerFaults(views: readonly ContainerView[], node: Node): ContainerFaults {
  const pods = Map.groupBy(views, ({ podUid }) => podUid);
  return {
    pods: [...pods.keys()],
    faults: [...pods].flatMap(([podUid, containers]) => {
      // Beside the one that computes there may be others, which have no GPU and need none.
      const onGpus = containers.filter(seesGpus);
      const of = (views: readonly ContainerView[], judge: (view: ContainerView) => Fault[]) =>
        views.flatMap(view => judge(view).map(fault => ({ podUid, pid: view.pid, ...fault })));
      const [first] = onGpus.length > 0 ? onGpus : containers;
      return [
        ...of(onGpus.filter(hasDevices), view => libraries(view, node)),
        ...of(first ? [first] : [], () => devices(podUid, { onGpus, all: containers }, node)),
        ...of(onGpus.length === 1 ? onGpus : [], view => hidden(view, node)),
        ...of(containers, sharedMemory).slice(0, 1),
        ...of(onGpus, view => lockedMemory(view, node)),
        ...of(containers, kills),
        ...of(containers, throttling),
      ];
    }),
  };
}

/** The same for a node's own reading of its containers, or why there is none. */
export const containersOf = ({ host }: { readonly host: HostState }): ContainerFaults =>
  host.containers.ok
    ? containerFaults(host.containers.value, host)
    : {
        pods: [],
        faults: [],
        unread: needIn(host.containers.detail) ?? host.containers.reason,
      };

const seesGpus = ({ deviceNodes, libraries: found }: ContainerView): boolean =>
  (known(deviceNodes) ?? []).length > 0 || (known(found) ?? []).length > 0;

const hasDevices = ({ deviceNodes }: ContainerView): boolean =>
  (known(deviceNodes) ?? []).length > 0;

const CONFIGURATION = { fault: 'configuration', confidence: 'high' } as const;

/** The runtime mounts the libraries of the driver that runs: others cannot speak to its module. */
function libraries({ libraries: found }: ContainerView, { moduleVersion }: Node): Fault[] {
  const loaded = known(moduleVersion);
  const versions = [...new Set((known(found) ?? []).map(name => name.replace(/^.*?\.so\./, '')))];
  if (loaded === undefined || versions.length === 0 || versions.includes(loaded)) return [];
  return [
    {
      ...CONFIGURATION,
      kind: 'libraries',
      isSevere: true,
      what: `its libraries are those of driver ${plainText(versions.join(', '), 64)}, the loaded module is ${plainText(loaded, 32)}: CUDA and NVML fail in it with a version mismatch`,
      action: 'restart_app',
      advice:
        'Delete the pod so that it is created anew: the driver was changed under it. Where it stays so, its image brings libraries of its own.',
    },
  ];
}

/** Its GPUs by the kubelet's allocation, each once, and the number of its device node where that is known. */
function gpusOf(podUid: string, { pods, driverGpus }: Node): readonly (number | undefined)[] {
  const allocated = (known(pods.allocations) ?? []).filter(each => each.podUid === podUid);
  const held = allocated.flatMap(({ devices: refs }) =>
    refs.flatMap(({ gpuUuid, minor }) => {
      const gpu = (known(driverGpus) ?? []).find(({ uuid }) => known(uuid) === gpuUuid);
      const number = minor ?? (gpu && known(gpu.minor));
      return gpuUuid === undefined && number === undefined ? [] : { gpuUuid, number };
    }),
  );
  const once = new Map(held.map(({ gpuUuid, number }) => [number ?? gpuUuid, number]));
  return [...once.values()];
}

const RELOAD =
  'Delete the pod so that it is created anew. A systemctl daemon-reload does this (NVIDIA/nvidia-container-toolkit#48): use CDI, or create the links in /dev/char.';

interface OfPod {
  readonly onGpus: readonly ContainerView[];
  readonly all: readonly ContainerView[];
}

/** Whether as many containers run as the kubelet keeps logs of; those of `initContainers` are among them. */
const isWhole = (podUid: string, all: readonly ContainerView[], { pods }: Node): boolean =>
  all.length >=
  (known(pods.names)?.find(({ uid }) => uid === podUid)?.containers.length ?? all.length + 1);

function devices(podUid: string, { onGpus, all }: OfPod, node: Node): Fault[] {
  const wanted = gpusOf(podUid, node);
  if (wanted.length === 0) return [];
  if (onGpus.some(({ mayOpenGpus }) => known(mayOpenGpus) === false)) {
    return [
      {
        ...CONFIGURATION,
        kind: 'device-cgroup',
        isSevere: true,
        what: 'its cgroup does not let it open NVIDIA devices any more: NVML fails in it with "Unknown Error"',
        action: 'restart_app',
        advice: RELOAD,
      },
    ];
  }
  const looked = onGpus.length > 0 ? onGpus : all;
  const nodes = looked.flatMap(({ deviceNodes }) => known(deviceNodes) ?? []);
  // Between two runs of the container that has them, only those beside it are seen.
  if (nodes.length === 0 && !isWhole(podUid, all, node)) return [];
  // What could not be looked at may have them.
  if (looked.some(({ deviceNodes }) => !deviceNodes.ok)) return [];
  const numbered = wanted.flatMap(minor => (minor === undefined ? [] : `nvidia${minor}`));
  const lacking = [...numbered, 'nvidiactl'].filter(name => !nodes.includes(name));
  // Where a number is not known, how many there are still tells.
  const seen = nodes.filter(name => /^nvidia\d/.test(name)).length;
  if (lacking.length === 0 && seen >= wanted.length) return [];
  const what =
    lacking.length > 0
      ? `its /dev lacks ${lacking.join(', ')}, which the kubelet gave it`
      : `its /dev has ${seen} of the ${wanted.length} GPUs that the kubelet gave it`;
  return [
    {
      ...CONFIGURATION,
      kind: 'device-nodes',
      isSevere: true,
      what,
      action: 'restart_app',
      advice:
        'Delete the pod so that it is created anew; where it stays so, look at the container toolkit and the runtime class of the pod.',
    },
  ];
}

/** CUDA's documentation: of the list only what stands before the first index that there is not is seen. */
function hidden({ podUid, visibleDevices, deviceNodes }: ContainerView, node: Node): Fault[] {
  const list = known(visibleDevices)?.['CUDA_VISIBLE_DEVICES'];
  const own = gpusOf(podUid, node).length;
  if (list === undefined || own === 0 || !deviceNodes.ok) return [];
  // A privileged container sees all GPUs of its node, and may choose among them.
  const count = Math.max(own, deviceNodes.value.filter(name => /^nvidia\d/.test(name)).length);
  const entries = list.split(',').map(entry => entry.trim());
  // GPUs may be named by their UUIDs too: those are taken to be its own.
  const isSeen = (entry: string) =>
    /^(?:GPU|MIG)-/.test(entry) || (/^\d{1,4}$/.test(entry) && Number(entry) < count);
  const wrong = entries.findIndex(entry => !isSeen(entry));
  if (wrong < 0) return [];
  return [
    {
      ...CONFIGURATION,
      kind: 'visible-devices',
      isSevere: wrong === 0,
      what: `its CUDA_VISIBLE_DEVICES is "${plainText(list, 64)}", and it has ${count === 1 ? '1 GPU' : `${count} GPUs`}: CUDA sees ${wrong} of them`,
      action: 'fix_configuration',
      advice:
        'Leave CUDA_VISIBLE_DEVICES out of the pod: in a container its GPUs are numbered from 0.',
    },
  ];
}

const MIB = 1024 ** 2;

function sharedMemory({ sharedMemory: reading }: ContainerView): Fault[] {
  const space = known(reading);
  if (!space || space.totalBytes === 0) return [];
  if (space.availableBytes >= space.totalBytes * THRESHOLDS.containerShmFree.value) return [];
  const size = Math.round(space.totalBytes / MIB);
  return [
    {
      ...CONFIGURATION,
      kind: 'shared-memory',
      isSevere: false,
      what: `its /dev/shm of ${size} MiB is full${space.totalBytes <= THRESHOLDS.sharedMemoryBytes.value ? ', and has the default size' : ''}: NCCL and data loaders end with a bus error`,
      action: 'fix_configuration',
      advice: 'Mount an emptyDir with medium Memory at /dev/shm, of 1 GiB or more.',
    },
  ];
}

function lockedMemory({ lockedMemoryBytes }: ContainerView, { nics }: Node): Fault[] {
  const limit = known(lockedMemoryBytes);
  const isRdma = (known(nics) ?? []).some(({ kind }) => kind !== 'other');
  if (!isRdma || typeof limit !== 'number' || limit >= THRESHOLDS.lockedBytesLeast.value) return [];
  return [
    {
      ...CONFIGURATION,
      ...{ confidence: 'medium', isSevere: false, action: 'fix_configuration' },
      kind: 'locked-memory',
      what: `it may lock ${Math.round(limit / 1024)} KiB of memory, and the node has RDMA adapters: NCCL cannot register its buffers (ibv_reg_mr)`,
      advice:
        'Raise LimitMEMLOCK of the container runtime to infinity, or give the container IPC_LOCK.',
    },
  ];
}

function kills({ oomKills, memoryLimitBytes }: ContainerView): Fault[] {
  const count = known(oomKills) ?? 0;
  if (count === 0) return [];
  const limit = known(memoryLimitBytes);
  // Kills for want of memory of its pod or node are counted too (cgroup-v2.rst, oom_kill).
  const words =
    typeof limit === 'number'
      ? `at its memory limit of ${Math.round(limit / MIB)} MiB`
      : 'for want of memory, and not at a limit of its own';
  return [
    {
      ...CONFIGURATION,
      ...{ confidence: 'medium', isSevere: false, action: 'fix_configuration' },
      kind: 'memory-kills',
      what: `${count} of its processes were killed ${words}: a data loader that is killed leaves the others waiting`,
      advice: 'Raise the memory limit of the container, or start fewer loaders.',
    },
  ];
}

function throttling({ throttledPercent }: ContainerView): Fault[] {
  const percent = known(throttledPercent) ?? 0;
  if (percent < THRESHOLDS.throttledPercent.value) return [];
  return [
    {
      ...CONFIGURATION,
      ...{ confidence: 'medium', isSevere: false, action: 'fix_configuration' },
      kind: 'cpu-throttled',
      what: `its CPU limit throttled it in ${percent} % of all periods: its GPUs wait for it`,
      advice: 'Raise or remove the CPU limit of the container.',
    },
  ];
}
