import type { Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { lacking, lackingUser } from '../contract/needs.ts';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { CONTAINER_FILES, CONTAINER_LIBRARIES } from '../node-root/allowed.ts';
import { eachInTurns, eachOf, type NodeFiles, pathInRoot } from './files.ts';
import { readContainerNames } from './pod-names.ts';
import type { ContainerView, HostState } from './port.ts';
import { cgroupOwner, readIdentity } from './process-owners.ts';
import { lostOf, type Task, type TaskTable } from './process-table.ts';

const CONTAINERS_MAX = 16;
const CGROUP_BYTES_MAX = 16 * 1024;
const NAMES_MAX = 128;

/**
 * What the containers of these pods see, each through the root of its first process: names of the
 * driver's libraries and devices, sizes, limits and counts. No other file of a container is opened.
 */
export async function readContainerViews(
  files: NodeFiles,
  table: Reading<TaskTable>,
  podUids: readonly string[],
  root: string,
): Promise<Reading<readonly ContainerView[]>> {
  if (podUids.length === 0) return present([]);
  if (!table.ok) return table;
  if (table.value.unread) return table.value.unread;
  const candidates = oldestFirst(table.value).filter(({ kernel }) => !kernel);
  const found = await eachInTurns(candidates, task => {
    const cgroup = files.textOfProcess(join(task.path, 'cgroup'), CGROUP_BYTES_MAX);
    return { task, unread: lostOf(cgroup), ...cgroupOwner(known(cgroup) ?? '') };
  });
  // Whose such a process is nobody can say: it may be the only one of a container.
  const unread = found.find(each => each.unread)?.unread;
  if (unread) return unread;
  const own = found.flatMap(({ task, podUid, containerId }) =>
    podUid !== undefined && containerId !== undefined ? { task, podUid, containerId } : [],
  );
  const pods = Map.groupBy(
    [...Map.groupBy(own, ({ containerId }) => containerId).values()].flatMap(
      ([each]) => each ?? [],
    ),
    each => each.podUid,
  );
  const names = await readContainerNames(files, root);
  const nodeRoot = await readNodeRoot(files, table.value);
  const programs = await eachOf(podUids, async uid => {
    const containers = withoutSandbox(files, pods.get(uid) ?? [], names);
    const begun = await eachOf(containers, each => hasBegun(files, each, nodeRoot));
    return containers.filter((_, at) => begun[at]);
  });
  const views = await viewsOf(files, programs);
  return present(
    views.map(view => ({ ...view, ...optional({ container: names.get(view.containerId) }) })),
  );
}

/**
 * Pods begin with a sandbox that only holds their namespaces. Which container that is its runtime says,
 * and no program may: the kubelet keeps logs of all but the sandbox, and the runtime sets its
 * `oom_score_adj`, which nobody lowers without CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5)). No
 * container of a pod is older.
 */
function withoutSandbox(
  files: NodeFiles,
  containers: readonly Container[],
  names: ReadonlyMap<string, string>,
): readonly Container[] {
  const isNamed = ({ containerId }: Container) => names.has(containerId);
  const areNamed = containers.some(isNamed);
  return containers.filter(
    (each, at) =>
      isNamed(each) ||
      !((areNamed && at === 0) || oomScoreOf(files, each.task) === SANDBOX_OOM_SCORE),
  );
}

/**
 * containerd (internal/cri/server/podsandbox), CRI-O and cri-dockerd all take the kubelet's old
 * PodInfraOOMAdj; the kubelet gives its containers -997 and more (pkg/kubelet/qos/policy.go).
 */
const SANDBOX_OOM_SCORE = -998;

function oomScoreOf(files: NodeFiles, { path }: Task): number | undefined {
  const text = known(files.textOfProcess(join(path, 'oom_score_adj'), 32));
  return text === undefined ? undefined : Number(text);
}

/** Where the node's own root lies, by its first process; undefined where that cannot be read. */
async function readNodeRoot(files: NodeFiles, { tasks }: TaskTable) {
  const first = tasks.find(({ pid }) => pid === 1);
  return first && known(await files.stat(join(first.path, 'root/')));
}

/** The runtime's own process, before it becomes the container's, still has the root of the node. */
async function hasBegun(
  files: NodeFiles,
  { task }: Container,
  nodeRoot: Stats | undefined,
): Promise<boolean> {
  const root = nodeRoot && known(await files.stat(join(task.path, 'root/')));
  return !root || root.dev !== nodeRoot.dev || root.ino !== nodeRoot.ino;
}

/** A pod whole or not at all: a sidecar alone would look like a pod that has lost its GPUs. */
async function viewsOf(
  files: NodeFiles,
  pods: readonly (readonly Container[])[],
): Promise<readonly ContainerView[]> {
  const views: ContainerView[] = [];
  let looked = 0;
  let hangs = false;
  for (const pod of pods) {
    if (hangs || looked + pod.length > CONTAINERS_MAX) {
      const why = hangs ? 'a file system of a container before it hangs' : 'too many containers';
      views.push(...pod.map(each => unseen(each, why)));
      continue;
    }
    looked += pod.length;
    const read = await eachOf(pod, each => readContainer(files, each));
    views.push(...read);
    // A file system that hangs may be that of other pods too, and each read of it keeps a thread.
    hangs = read.some(isHung);
  }
  return views;
}

/** The process that a container began with is its oldest: numbers of processes begin anew some day. */
const oldestFirst = ({ tasks }: TaskTable): readonly Task[] =>
  tasks.toSorted((a, b) => a.startedAfterBootSeconds - b.startedAfterBootSeconds);

/** A container that runs and was not looked into. */
function unseen({ task: { pid }, podUid, containerId }: Container, why: string): ContainerView {
  const unread = missing('not_read', why);
  return {
    ...{ podUid, containerId, pid, libraries: unread, mountedLibraries: unread },
    ...{ deviceNodes: unread, mayOpenGpus: unread, visibleDevices: unread },
    ...{ sharedMemory: unread, lockedMemoryBytes: unread },
    ...{ openFiles: unread, memoryLimitBytes: unread, oomKills: unread, throttledPercent: unread },
  };
}

const isHung = (view: ContainerView): boolean =>
  [view.libraries, view.deviceNodes, view.mayOpenGpus, view.visibleDevices, view.sharedMemory].some(
    reading => !reading.ok && reading.reason === 'timeout',
  );

/** The container whose PIDs are ours too: its pod's UID, and its id by its runtime. */
export interface SharedContainer {
  readonly podUid: string;
  readonly containerId: string;
}

/**
 * The same of the one container in whose PIDs we run: its first process is known by its cgroup, which the
 * kernel writes. Where its root is closed to us nothing is told of it.
 */
export async function readSharedContainer(
  files: NodeFiles,
  table: Reading<TaskTable>,
  { podUids, podUid, containerId }: SharedContainer & { readonly podUids: readonly string[] },
): Promise<Reading<readonly ContainerView[]>> {
  if (podUids.some(uid => uid !== podUid)) return lacking('node');
  if (podUids.length === 0) return present([]);
  if (!table.ok) return table;
  const task = oldestFirst(table.value).find(({ path }) =>
    known(files.textOfProcess(join(path, 'cgroup'), CGROUP_BYTES_MAX))?.includes(containerId),
  );
  if (!task) return lacking('sharedPids');
  const root = await files.stat(join(task.path, 'root/'));
  if (root.ok) return present([await readContainer(files, { task, podUid, containerId })]);
  if (root.reason !== 'no_permission') return root;
  // Anybody may read whose a process is: proc(5).
  return lackingUser(known(await readIdentity(files, task.path))?.uid);
}

/** Pods that the kubelet gave GPUs, then those whose processes hold them open; NVIDIA's own serve others. */
export function podsOnGpus({
  pods,
  deviceHolders,
  daemons,
}: Pick<HostState, 'pods' | 'deviceHolders' | 'daemons'>): Reading<readonly string[]> {
  const served = new Set((known(daemons) ?? []).map(({ podUid }) => podUid));
  const records = [pods.allocations, pods.checkpoint];
  const held = records.find(({ ok }) => ok) ?? records.find(lostOf) ?? pods.checkpoint;
  // Where one of them does not tell, no pod is not what was found.
  if (!held.ok) return held;
  if (!deviceHolders.ok) return deviceHolders;
  const isNameless = held.value.some(({ podUid }) => podUid === undefined);
  if (isNameless && !pods.names.ok) return pods.names;
  const uids = [...held.value, ...deviceHolders.value].flatMap(({ podUid }) => podUid ?? []);
  return present([...new Set(uids)].filter(uid => !served.has(uid)));
}

interface Container {
  readonly task: Task;
  readonly podUid: string;
  readonly containerId: string;
}

async function readContainer(
  files: NodeFiles,
  { task, podUid, containerId }: Container,
): Promise<ContainerView> {
  const { pid, path } = task;
  const root = join(path, 'root');
  const at = (wanted: string) => pathInRoot(files, root, wanted, true);
  const deviceNodes = await named(files, await at('/dev'), /^(?:nvidia[\w-]{0,40}|infiniband)$/);
  // Runtimes give every container a /dev; what holds one for a kernel of its own has none.
  if (!deviceNodes.ok && deviceNodes.reason === 'not_found') {
    return unseen({ task, podUid, containerId }, 'it runs in a sandbox of its own, as gVisor is');
  }
  const places = await readLibraries(files, at);
  const limits = await files.text(join(path, 'limits'), 8_192);
  return {
    ...{ podUid, containerId, pid },
    libraries: mapReading(places, found => namesOf(found)),
    mountedLibraries: await readMounted(files, { path, root, places }),
    deviceNodes,
    mayOpenGpus: mapReading(await textAt(files, at, CONTAINER_FILES.devices), mayOpen),
    visibleDevices: await readVisibleDevices(files, path),
    sharedMemory: await readSharedMemory(files, at),
    lockedMemoryBytes: (await mayLockAll(files, path))
      ? present('unlimited')
      : limitIn(limits, 'Max locked memory'),
    openFiles: limitIn(limits, 'Max open files'),
    memoryLimitBytes: await readMemoryLimit(files, at),
    oomKills: numberIn(await textAt(files, at, CONTAINER_FILES.memoryEvents), 'oom_kill'),
    throttledPercent: throttled(await textAt(files, at, CONTAINER_FILES.cpu)),
  };
}

/** capabilities(7): the limit is not for who has CAP_IPC_LOCK, bit 14. */
async function mayLockAll(files: NodeFiles, path: string): Promise<boolean> {
  const status = known(await files.text(join(path, 'status'), 8_192)) ?? '';
  const held = /^CapEff:\t([0-9a-f]{16})$/m.exec(status)?.[1];
  return held !== undefined && ((BigInt(`0x${held}`) >> 14n) & 1n) === 1n;
}

type At = (path: string) => Promise<Reading<string>>;

/** Where libraries lie for us. A folder that hangs is the last that is looked at: each would keep a thread. */
async function readLibraries(files: NodeFiles, at: At): Promise<Reading<readonly string[]>> {
  const found: string[] = [];
  for (const folder of CONTAINER_LIBRARIES) {
    const place = await at(folder);
    const names = await named(files, place, LIBRARY);
    if (!names.ok && names.reason !== 'not_found') return names;
    if (place.ok) found.push(...(known(names) ?? []).map(name => join(place.value, name)));
  }
  return present(found.slice(0, NAMES_MAX));
}

const namesOf = (places: readonly string[]): readonly string[] => [
  ...new Set(places.map(place => basename(place))),
];

/**
 * Which of them are mounted. proc_pid_mountinfo(5): the fifth field is the mount point below the root
 * of the process. NVIDIA's toolkit and CDI mount each library, GKE's device plugin the folder.
 */
async function readMounted(
  files: NodeFiles,
  found: {
    readonly path: string;
    readonly root: string;
    readonly places: Reading<readonly string[]>;
  },
): Promise<Reading<readonly string[]>> {
  const { path, root, places } = found;
  if (!places.ok || places.value.length === 0) return places;
  const text = await files.text(join(path, 'mountinfo'), MOUNTS_BYTES_MAX);
  return mapReading(text, lines => {
    const points = new Set(lines.split('\n').map(line => line.split(' ')[4] ?? ''));
    return namesOf(
      places.value.filter(place => {
        const below = place.slice(root.length).split('/');
        return below.some((_, at) => at > 0 && points.has(below.slice(0, at + 1).join('/')));
      }),
    );
  });
}

const MOUNTS_BYTES_MAX = 256 * 1024;

/** With the driver's version behind it; links end in `.so.1`. */
const LIBRARY = /^lib(?:cuda|nvidia-ml)\.so\.\d{2,4}(?:\.\d{1,4}){1,3}$/;

async function named(
  files: NodeFiles,
  place: Reading<string>,
  wanted: RegExp,
): Promise<Reading<readonly string[]>> {
  if (!place.ok) return place;
  return mapReading(await files.namesLike(place.value, wanted), names => names.slice(0, NAMES_MAX));
}

/** Of the paths of both versions of cgroups the first that is there. */
async function textAt(
  files: NodeFiles,
  at: At,
  paths: readonly string[],
): Promise<Reading<string>> {
  let text: Reading<string> = missing('not_found');
  for (const path of paths) {
    const place = await at(path);
    text = place.ok ? await files.regularText(place.value) : place;
    if (text.ok) return text;
  }
  return text;
}

/** devices.list: `a *:* rwm`, `c 195:* rw`, `c 195:0 rw`. Documentation/admin-guide/cgroup-v1/devices.rst */
const mayOpen = (list: string): boolean => /^(?:a|c) (?:\*|195):\S+ r?w/m.test(list);

const VISIBLE = ['NVIDIA_VISIBLE_DEVICES', 'CUDA_VISIBLE_DEVICES'];

/** Everything else in the environment, where secrets live, is dropped here. */
async function readVisibleDevices(
  files: NodeFiles,
  path: string,
): Promise<ContainerView['visibleDevices']> {
  const text = await files.text(join(path, 'environ'), 128 * 1024);
  return mapReading(text, environment =>
    Object.fromEntries(
      environment.split('\0').flatMap(each => {
        const at = each.indexOf('=');
        const name = each.slice(0, at);
        return VISIBLE.includes(name) ? [[name, plainText(each.slice(at + 1), 256)] as const] : [];
      }),
    ),
  );
}

async function readSharedMemory(files: NodeFiles, at: At): Promise<ContainerView['sharedMemory']> {
  const place = await at('/dev/shm');
  if (!place.ok) return place;
  return mapReading(await files.statfs(place.value), ({ blocks, bavail, bsize }) => ({
    totalBytes: blocks * bsize,
    availableBytes: bavail * bsize,
  }));
}

type Limit = ContainerView['openFiles'];

/** proc_pid_limits(5): `Max locked memory  8388608  8388608  bytes`, the soft limit first. */
function limitIn(limits: Reading<string>, name: string): Limit {
  if (!limits.ok) return limits;
  const line = limits.value.split('\n').find(each => each.startsWith(name)) ?? '';
  const [soft = ''] = line.slice(name.length).trim().split(/\s+/);
  return limitOf(soft);
}

const limitOf = (text: string): Limit => {
  if (text === 'unlimited' || text === 'max') return present('unlimited');
  return /^\d{1,19}$/.test(text) ? present(Number(text)) : missing('unreadable');
};

/** Version 1 writes a number near 2^63 where there is no limit. */
const NO_LIMIT_BYTES = 2 ** 60;

async function readMemoryLimit(files: NodeFiles, at: At): Promise<Limit> {
  const text = await textAt(files, at, CONTAINER_FILES.memoryLimit);
  if (!text.ok) return text;
  const found = limitOf(text.value);
  return found.ok && typeof found.value === 'number' && found.value >= NO_LIMIT_BYTES
    ? present('unlimited')
    : found;
}

/** `oom_kill 3` in memory.events, and in memory.oom_control of version 1. */
function numberIn(text: Reading<string>, key: string): Reading<number> {
  if (!text.ok) return text;
  const found = new RegExp(`^${key} (\\d{1,15})$`, 'm').exec(text.value)?.[1];
  return found === undefined ? missing('not_supported') : present(Number(found));
}

/** cpu.stat of either version: nr_periods and nr_throttled; without a limit there are no periods. */
function throttled(text: Reading<string>): Reading<number> {
  const periods = numberIn(text, 'nr_periods');
  const held = numberIn(text, 'nr_throttled');
  if (!periods.ok || !held.ok) return periods.ok ? held : periods;
  return present(periods.value === 0 ? 0 : Math.round((100 * held.value) / periods.value));
}
