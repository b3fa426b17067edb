import { join } from 'node:path';
import { lacking } from '../contract/needs.ts';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { CONTAINER_FILES, CONTAINER_LIBRARIES } from '../node-root/allowed.ts';
import { eachInTurns, eachOf, type NodeFiles, pathInRoot } from './files.ts';
import { readContainerNames } from './pod-names.ts';
import type { ContainerView, HostState } from './port.ts';
import { cgroupOwner } from './process-owners.ts';
import { lostOf, type Task, type TaskTable } from './process-table.ts';

const CONTAINERS_MAX = 16;
const CGROUP_BYTES_MAX = 16 * 1024;
const NAMES_MAX = 128;

/**
 * The init process of runc before it becomes the container's own, and gVisor's, whose root is none
 * (google/gvisor#12476: `/proc/self/exe [runsc-gofer ...`).
 */
const NOT_OWN = /^(?:pause$|runc:|exe$)/;

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
  const candidates = oldestFirst(table.value).filter(
    ({ kernel, name }) => !kernel && !NOT_OWN.test(name),
  );
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
  const views = await viewsOf(
    files,
    podUids.map(uid => pods.get(uid) ?? []),
  );
  const names = await readContainerNames(files, root);
  return present(
    views.map(view => ({ ...view, ...optional({ container: names.get(view.containerId) }) })),
  );
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
    ...{ podUid, containerId, pid, libraries: unread, deviceNodes: unread, mayOpenGpus: unread },
    ...{ visibleDevices: unread, sharedMemory: unread, lockedMemoryBytes: unread },
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
  if (!root.ok) return root.reason === 'no_permission' ? lacking('sameUser') : root;
  return present([await readContainer(files, { task, podUid, containerId })]);
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
  { task: { pid, path }, podUid, containerId }: Container,
): Promise<ContainerView> {
  const root = join(path, 'root');
  const at = (wanted: string) => pathInRoot(files, root, wanted, true);
  const libraries = await readLibraries(files, at);
  const limits = await files.text(join(path, 'limits'), 8_192);
  return {
    ...{ podUid, containerId, pid, libraries },
    deviceNodes: await named(files, await at('/dev'), /^(?:nvidia[\w-]{0,40}|infiniband)$/),
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

/** A folder that hangs is the last that is looked at: each would keep a thread. */
async function readLibraries(files: NodeFiles, at: At): Promise<Reading<readonly string[]>> {
  const found: string[] = [];
  for (const folder of CONTAINER_LIBRARIES) {
    const names = await named(files, await at(folder), LIBRARY);
    if (!names.ok && names.reason !== 'not_found') return names;
    found.push(...(known(names) ?? []));
  }
  return present([...new Set(found)].slice(0, NAMES_MAX));
}

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
