import * as z from 'zod';
import { Action, Blame, Confidence } from '../../contract/finding.ts';
import { needIn } from '../../contract/needs.ts';
import { optional } from '../../contract/optional.ts';
import { known, type MissingReason, reasonWords } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { ContainerView, HostState } from '../../host/port.ts';
import type { NodeFacts } from '../facts.ts';
import { THRESHOLDS } from './thresholds.ts';

const KINDS = [
  ...(['libraries', 'device-nodes', 'device-cgroup', 'visible-devices', 'shared-memory'] as const),
  ...(['locked-memory', 'memory-kills', 'cpu-throttled', 'not-read'] as const),
] as const;

/** How ids of findings about containers begin. */
export const CONTAINER_FINDING = 'container-view-';

export const ContainerFault = z.strictObject({
  podUid: z.string(),
  /** Its name, where the kubelet's logs tell it. */
  container: z.string().optional(),
  /** The oldest process of the container. */
  pid: z.int(),
  kind: z.enum(KINDS),
  /** Whether a program in it cannot use its GPUs; else it is a limit that can end one. */
  isSevere: z.boolean(),
  what: z.string(),
  /** What was read that shows it. */
  seen: z.string(),
  fault: Blame,
  confidence: Confidence,
  action: Action,
  advice: z.string(),
});
export type ContainerFault = z.infer<typeof ContainerFault>;

export const ContainerFaults = z.strictObject({
  /** Pods whose containers were looked into, by their UIDs. */
  pods: z.array(z.string()),
  /** Containers that run there and were not looked into. */
  leftOut: z.int().min(0).default(0),
  /** Why none was. */
  unread: z.string().optional(),
  faults: z.array(ContainerFault),
});
export type ContainerFaults = z.infer<typeof ContainerFaults>;

type Fault = Omit<ContainerFault, 'podUid' | 'container' | 'pid'>;
interface Node extends Pick<HostState, 'moduleVersion' | 'driverGpus' | 'nics' | 'pods'> {
  readonly deviceHolders: HostState['deviceHolders'];
  /** Whether the node's own library is of another version than its module too. */
  readonly isMismatched?: boolean;
}

/** What is wrong with what these containers see, by the node that they are on. Pure. */
export function containerFaults(views: readonly ContainerView[], node: Node): ContainerFaults {
  const seen = views.filter(view => !isUnseen(view));
  const pods = Map.groupBy(views, ({ podUid }) => podUid);
  return {
    pods: [...new Set(seen.map(({ podUid }) => podUid))],
    leftOut: views.length - seen.length,
    faults: [...pods].flatMap(([podUid, containers]) => {
      // Beside the one that computes there may be others, which have no GPU and need none.
      const onGpus = containers.filter(hasDevices);
      const of = (views: readonly ContainerView[], judge: (view: ContainerView) => Fault[]) =>
        views.flatMap(view => judge(view).map(fault => faultOf(view, fault)));
      return [
        ...of(onGpus, view => libraries(view, node)),
        ...devices(podUid, containers, node),
        ...of(onGpus.length === 1 ? onGpus : [], view => hidden(view, node)),
        ...of(containers, sharedMemory).slice(0, 1),
        ...of(onGpus, view => lockedMemory(view, node)),
        ...of(containers, kills),
        ...of(onGpus, throttling),
        ...of(containers, notRead).slice(0, 1),
      ];
    }),
  };
}

const faultOf = ({ podUid, container, pid }: ContainerView, fault: Fault): ContainerFault => ({
  ...{ podUid, pid, ...fault },
  ...optional({ container: container === undefined ? undefined : plainText(container, 63) }),
});

/** The same for a node's own reading of its containers, or why there is none. */
export const containersOf = ({
  host,
  driver,
}: Pick<NodeFacts, 'host'> & Partial<Pick<NodeFacts, 'driver'>>): ContainerFaults =>
  host.containers.ok
    ? containerFaults(host.containers.value, {
        ...nodeOf(host),
        isMismatched: isMismatched(driver),
      })
    : {
        ...{ pods: [], leftOut: 0, faults: [] },
        unread: needIn(host.containers.detail) ?? host.containers.reason,
      };

const nodeOf = ({ moduleVersion, driverGpus, nics, pods, deviceHolders }: HostState) => ({
  ...{ moduleVersion, driverGpus, nics, pods, deviceHolders },
});

const isMismatched = (driver?: NodeFacts['driver']): boolean =>
  driver?.initialized.ok === false && driver.initialized.reason === 'lib_rm_version_mismatch';

const nodesOf = ({ deviceNodes }: ContainerView): readonly string[] =>
  (known(deviceNodes) ?? []).filter(name => name.startsWith('nvidia'));

const hasDevices = (view: ContainerView): boolean => nodesOf(view).length > 0;

/**
 * A process of it holds a GPU: what it has is enough, whatever the next one will find. Undefined where
 * nobody tells who holds one.
 */
const isAtWork = ({ containerId }: ContainerView, { deviceHolders }: Node): boolean | undefined =>
  known(deviceHolders)?.some(
    holder =>
      holder.containerId === containerId && holder.devices.some(name => /^nvidia\d/.test(name)),
  );

/** What keeps programs from their GPUs, by the readings that would tell. */
const decidingOf = (view: ContainerView) =>
  [view.libraries, view.deviceNodes, view.mayOpenGpus, view.visibleDevices] as const;

const isUnseen = (view: ContainerView): boolean =>
  decidingOf(view).every(reading => !reading.ok && reading.reason === 'not_read');

/** A remark, and no gap of the node: what its folders hold and how they answer is up to a container. */
function notRead(view: ContainerView): Fault[] {
  const lost = decidingOf(view).find(reading => !reading.ok && !isAbsent(reading.reason));
  if (!lost || lost.ok) return [];
  const why = lost.detail === undefined ? reasonWords(lost.reason) : plainText(lost.detail, 80);
  return [
    {
      ...{ kind: 'not-read', isSevere: false, fault: 'unknown', confidence: 'high' },
      what: `it was not ${isUnseen(view) ? '' : 'wholly '}looked into (${why})`,
      seen: `its root folder answers ${why}`,
      action: 'none',
      advice: 'Look into it yourself: kubectl exec into the container, and run nvidia-smi -L.',
    },
  ];
}

const isAbsent = (reason: MissingReason): boolean =>
  reason === 'not_found' || reason === 'not_supported';

const CONFIGURATION = { fault: 'configuration', confidence: 'high' } as const;

/**
 * The runtime mounts the libraries of the driver that runs; others cannot speak to its module. Where it
 * mounted none they are the image's own, which a program may never load. Where that was not read they may be
 * either; the runtime mounts both of one version.
 */
function libraries(view: ContainerView, node: Node): Fault[] {
  const loaded = known(node.moduleVersion);
  const mounted = known(view.mountedLibraries);
  const names = known(view.libraries) ?? [];
  const versions = versionsOf(mounted && mounted.length > 0 ? mounted : names);
  if (loaded === undefined || versions.length === 0 || versions.includes(loaded)) return [];
  const theirs = `its libraries are those of driver ${plainText(versions.join(', '), 64)}, the loaded module is ${plainText(loaded, 32)}`;
  const isWorking = isAtWork(view, node);
  const of = mounted === undefined ? 'either' : mounted.length === 0 ? 'image' : 'runtime';
  const areBoth = BOTH.every(library => names.some(name => name.startsWith(library)));
  const isSevere = isWorking === false && (of === 'runtime' || (of === 'either' && areBoth));
  return [
    {
      ...CONFIGURATION,
      ...{ kind: 'libraries', isSevere },
      confidence: isSevere && of === 'runtime' ? 'high' : 'medium',
      what: `${theirs}: ${isWorking ? 'a process of it holds a GPU all the same, its next start may fail' : WHOSE[of]}`,
      seen: `${of === 'runtime' ? 'mounted into' : 'in'} its library folders: ${plainText(versions.join(', '), 64)}; kernel module ${plainText(loaded, 32)}`,
      ...(of === 'image'
        ? { action: 'fix_configuration', advice: OF_THE_IMAGE }
        : node.isMismatched
          ? { action: 'reboot_node', advice: OF_THE_NODE }
          : isWorking
            ? { action: 'watch', advice: AT_WORK }
            : { action: 'restart_app', advice: of === 'either' ? OF_EITHER : OF_THE_POD }),
    },
  ];
}

const BOTH = ['libcuda.', 'libnvidia-ml.'];

const WHOSE = {
  runtime: 'CUDA and NVML fail in it with a version mismatch',
  image: 'none was mounted, they are its image’s own, and what loads them fails',
  either: 'what loads them fails; whether its image brings them was not read',
} as const;

const versionsOf = (names: readonly string[] = []): readonly string[] => [
  ...new Set(names.map(name => name.replace(/^.*?\.so\./, ''))),
];

const OF_THE_IMAGE =
  'Leave the driver’s libraries out of the image, and let the NVIDIA runtime mount the node’s: runtimeClassName, and NVIDIA_DRIVER_CAPABILITIES with compute and utility.';
const OF_THE_NODE =
  'The node’s own library is not that of its loaded module either, and a new pod would get the same: drain the node, then reload the module or reboot.';
const AT_WORK =
  'What runs goes on. Should its next start fail, delete the pod so that it is created anew.';
const OF_THE_POD = 'Delete the pod so that it is created anew: the driver was changed under it.';
const OF_EITHER = `${OF_THE_POD} Where it stays so, its image brings libraries of its own.`;

/** Its GPUs by the kubelet's allocation, each once, and the number of its device node where that is known. */
function gpusOf(
  podUid: string,
  { pods, driverGpus }: Node,
  container?: string,
): readonly (number | undefined)[] {
  const allocated = (known(pods.allocations) ?? []).filter(
    each => each.podUid === podUid && (container === undefined || each.container === container),
  );
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

/** The device cgroup is asked when a device is opened: Linux, Documentation/admin-guide/cgroup-v1/devices.rst. */
const RELOAD =
  'Programs that have opened their GPUs go on, and new ones fail: delete the pod as soon as its work may end, so that it is created anew. A systemctl daemon-reload does this (NVIDIA/nvidia-container-toolkit#48): use CDI, or create the links in /dev/char.';

/** Whether as many containers run as the kubelet keeps logs of; those of `initContainers` are among them. */
const isWhole = (podUid: string, all: readonly ContainerView[], { pods }: Node): boolean =>
  all.length >=
  (known(pods.names)?.find(({ uid }) => uid === podUid)?.containers.length ?? all.length + 1);

/** What its containers lack of what the kubelet gave them: each by its name, else the pod as a whole. */
function devices(podUid: string, all: readonly ContainerView[], node: Node): ContainerFault[] {
  if (gpusOf(podUid, node).length === 0) return [];
  const onGpus = all.filter(hasDevices);
  const barred = onGpus.find(({ mayOpenGpus }) => known(mayOpenGpus) === false);
  if (barred) return [faultOf(barred, BARRED)];
  if (all.every(({ container }) => container !== undefined)) {
    return all.flatMap(view =>
      lack([view], gpusOf(podUid, node, view.container)).map(fault => faultOf(view, fault)),
    );
  }
  const looked = onGpus.length > 0 ? onGpus : all;
  const [first] = looked;
  // One that has ended, or is between two runs, may be the one that has them.
  if (!first || !isWhole(podUid, all, node)) return [];
  return lack(looked, gpusOf(podUid, node)).map(fault => faultOf(first, fault));
}

const BARRED: Fault = {
  ...CONFIGURATION,
  kind: 'device-cgroup',
  isSevere: true,
  what: 'its cgroup does not let it open NVIDIA devices any more: NVML fails in it with "Unknown Error"',
  seen: 'its devices.list has no line for character devices 195:*',
  action: 'restart_app',
  advice: RELOAD,
};

function lack(looked: readonly ContainerView[], wanted: readonly (number | undefined)[]): Fault[] {
  // What could not be looked at may have them.
  if (wanted.length === 0 || looked.some(({ deviceNodes }) => !deviceNodes.ok)) return [];
  const nodes = looked.flatMap(nodesOf);
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
      seen: `in its /dev: ${plainText(nodes.join(', '), 200) || 'no device of NVIDIA'}`,
      action: 'restart_app',
      advice:
        'Delete the pod so that it is created anew; where it stays so, look at the container toolkit and the runtime class of the pod.',
    },
  ];
}

/** CUDA's documentation: of the list only what stands before the first index that there is not is seen. */
function hidden(view: ContainerView, node: Node): Fault[] {
  const { podUid, visibleDevices, deviceNodes } = view;
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
  if (wrong < 0 || wrong >= count) return [];
  return [
    {
      ...CONFIGURATION,
      kind: 'visible-devices',
      // A launcher may set it anew for each of its children.
      isSevere: wrong === 0 && isAtWork(view, node) === false,
      what: `its CUDA_VISIBLE_DEVICES is "${plainText(list, 64)}", and it has ${count === 1 ? '1 GPU' : `${count} GPUs`}: CUDA sees ${wrong} of them`,
      seen: `CUDA_VISIBLE_DEVICES=${plainText(list, 64)} in its environment`,
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
      seen: `/dev/shm has ${space.availableBytes} of ${space.totalBytes} bytes available`,
      action: 'fix_configuration',
      advice: 'Mount an emptyDir with medium Memory at /dev/shm, of 1 GiB or more.',
    },
  ];
}

function lockedMemory({ lockedMemoryBytes, deviceNodes }: ContainerView, { nics }: Node): Fault[] {
  const limit = known(lockedMemoryBytes);
  const isRdma =
    (known(deviceNodes) ?? []).includes('infiniband') &&
    (known(nics) ?? []).some(({ kind }) => kind !== 'other');
  if (!isRdma || typeof limit !== 'number' || limit >= THRESHOLDS.lockedBytesLeast.value) return [];
  return [
    {
      ...CONFIGURATION,
      ...{ confidence: 'medium', isSevere: false, action: 'fix_configuration' },
      kind: 'locked-memory',
      what: `it may lock ${Math.round(limit / 1024)} KiB of memory, and it has RDMA adapters: NCCL cannot register its buffers (ibv_reg_mr)`,
      seen: `Max locked memory ${limit} bytes in its limits`,
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
      what: `${count} of its processes ${count === 1 ? 'was' : 'were'} killed ${words}: a data loader that is killed leaves the others waiting`,
      seen: `oom_kill ${count} of its cgroup`,
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
      seen: `nr_throttled is ${percent} % of nr_periods in its cpu.stat`,
      advice: 'Raise or remove the CPU limit of the container.',
    },
  ];
}
