import { basename, join } from 'node:path';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachInTurns, eachOf, type NodeFiles } from './files.ts';
import { readPodNames } from './pod-names.ts';
import type { BlockedTask, Daemon, DeviceHolder, PodName } from './port.ts';
import { readCgroupOwner, readIdentity } from './process-owners.ts';
import { readTask, type Task, type TaskTable } from './process-table.ts';
import { DAEMONS } from './readings/processes.ts';

const DAEMONS_MAX = 128;

/** Which of the programs that matter to GPUs run, each process once. */
export async function readDaemons(
  files: NodeFiles,
  root: string,
  table: Reading<TaskTable>,
): Promise<Reading<readonly Daemon[]>> {
  if (!table.ok) return table;
  const named = table.value.tasks.filter(task => DAEMONS.some(({ comm }) => comm.test(task.name)));
  let names: Promise<Reading<readonly PodName[]>> | undefined;
  const namesOnce = () => {
    names ??= readPodNames(files, root);
    return names;
  };
  const daemons = await eachOf(named, task => daemonOf(files, task, namesOnce));
  return present(daemons.filter(daemon => daemon !== undefined).slice(0, DAEMONS_MAX));
}

/** Undefined for a process that only has the name: anyone may call a process as they like. */
async function daemonOf(
  files: NodeFiles,
  task: Task,
  podNames: () => Promise<Reading<readonly PodName[]>>,
): Promise<Daemon | undefined> {
  const { pid, path, name, state, startedAfterBootSeconds } = task;
  const identity = known(await readIdentity(files, path));
  const { podUid } = await readCgroupOwner(files, path);
  if (!identity) return undefined;
  if (podUid === undefined ? identity.uid > SYSTEM_UID_MAX : identity.uid !== 0) return undefined;
  if (podUid !== undefined && !identity.hostPids) {
    const pod = known(await podNames())?.find(({ uid }) => uid === podUid);
    if (!SYSTEM_NAMESPACE.test(pod?.namespace ?? '')) return undefined;
  }
  const exe = known(mapReading(await files.link(join(path, 'exe')), target => basename(target)));
  const row = DAEMONS.find(
    each => each.comm.test(name) && (each.exe === undefined || each.exe.test(exe ?? '')),
  );
  return {
    kind: row?.kind ?? 'mps_control',
    pid,
    name,
    state,
    startedAfterBootSeconds,
    ...optional({ podUid }),
  };
}

/** login.defs(5), SYS_UID_MAX: accounts of services, as chronyd and nvidia-persistenced run under. */
const SYSTEM_UID_MAX = 999;

/**
 * Namespaces of who runs the cluster. Sources: the installation pages of the GPU Operator
 * (`gpu-operator`, `nvidia-gpu-operator` on OpenShift), of the device plugin (`kube-system`,
 * `nvidia-device-plugin`), of its DRA driver (`nvidia-dra-driver-gpu`) and of DCGM exporter.
 */
const SYSTEM_NAMESPACE =
  /^(?:kube-system|[\w-]+-system|nvidia(?:-[\w-]+)?|[\w-]*gpu-operator[\w-]*|dcgm[\w-]*|node-feature-discovery|monitoring|prometheus|observability)$/;

const HOLDERS_MAX = 256;
/** Descriptors looked at of one process: CUDA opens its devices early, a web server thousands later. */
const DESCRIPTORS_MAX = 512;
/** Of all processes together. */
const LINKS_MAX = 262_144;

/**
 * Processes that hold /dev/nvidia* open, by the links in /proc/PID/fd: also those that the driver
 * does not list, because it hangs or because they have no context yet.
 */
export async function readDeviceHolders(
  files: NodeFiles,
  table: Reading<TaskTable>,
  linksMax: number = LINKS_MAX,
): Promise<Reading<{ readonly holders: readonly DeviceHolder[]; readonly leftOut: number }>> {
  if (!table.ok) return table;
  let links = 0;
  let leftOut = 0;
  // The newest processes first: should the bound be met, work loads have been looked at.
  const candidates = table.value.tasks.filter(task => !task.kernel).toReversed();
  const found = await eachInTurns(candidates, task => {
    if (links >= linksMax) {
      leftOut++;
      return undefined;
    }
    const path = pathOfFiles(files, task);
    const targets = known(files.targetsIn(join(path, 'fd'), DESCRIPTORS_MAX)) ?? [];
    links += targets.length;
    const devices = nvidiaDevices(targets);
    return devices.length > 0 ? { task, path, devices } : undefined;
  });
  const holders = found.filter(each => each !== undefined).slice(0, HOLDERS_MAX);
  const listed = await eachOf(holders, each => holderOf(files, each));
  return present({ holders: listed.toSorted((a, b) => a.pid - b.pid), leftOut });
}

/** A process whose main thread has ended has its files in the threads that have not. */
function pathOfFiles(files: NodeFiles, { path, pid, state, threads }: Task): string {
  if (state !== 'Z' || threads < 2) return path;
  const names = known(files.namesOfProcess(join(path, 'task'))) ?? [];
  const other = names.find(name => name !== String(pid));
  return other === undefined ? path : join(path, 'task', other);
}

function nvidiaDevices(targets: readonly string[]): readonly string[] {
  const devices = targets.flatMap(target => {
    const name = /^\/dev\/(nvidia[\w/-]{0,60})$/.exec(target)?.[1];
    return name === undefined ? [] : [name];
  });
  return [...new Set(devices)].toSorted();
}

async function holderOf(
  files: NodeFiles,
  { task, path, devices }: { readonly task: Task; path: string; devices: readonly string[] },
): Promise<DeviceHolder> {
  const { pid, name, state } = task;
  const { podUid, containerId } = await readCgroupOwner(files, task.path);
  const sharedMemoryBytes =
    podUid === undefined ? undefined : await readSharedMemory(files, task.path);
  return {
    ...optional({ pid, name, state, devices, podUid, containerId, sharedMemoryBytes }),
    ...('DZ'.includes(state) ? { waitsIn: await readWaitsIn(files, path) } : {}),
  };
}

/** proc_pid_mountinfo(5): `... /dev/shm rw,nosuid - tmpfs shm rw,size=65536k`. */
async function readSharedMemory(files: NodeFiles, path: string): Promise<number | undefined> {
  const mounts = known(await files.text(join(path, 'mountinfo'))) ?? '';
  const last = mounts.split('\n').findLast(line => line.split(' ')[4] === '/dev/shm');
  const kib = /[ ,]size=(\d{1,15})k(?:,|$)/.exec(last?.split(' - ')[1] ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1_024;
}

const BLOCKED_MAX = 32;
/** Threads beside the main ones: a server has tens of thousands. */
const THREADS_MAX = 4_096;
/** What NVIDIA's modules and daemons are called in stacks and names. */
const NVIDIA = /nvidia|\bnv_|_nv\d|NVRM|\bos_acquire_|\brm_|dcgm|nv-hostengine/i;

/**
 * Tasks in uninterruptible sleep (state D) inside the NVIDIA driver, or named after it. A process
 * counts by its main thread first; its other threads are looked at as far as the bound allows.
 */
export async function readBlockedTasks(
  files: NodeFiles,
  table: Reading<TaskTable>,
): Promise<Reading<readonly BlockedTask[]>> {
  if (!table.ok) return table;
  const { tasks } = table.value;
  const leaders = await blockedAmong(files, tasks);
  const processes = tasks.filter(task => task.threads > 1 && !task.kernel);
  const threads = await otherThreads(files, processes, THREADS_MAX);
  const blocked = [...leaders, ...(await blockedAmong(files, threads))];
  return present(blocked.slice(0, BLOCKED_MAX));
}

async function blockedAmong(
  files: NodeFiles,
  tasks: readonly Task[],
): Promise<readonly BlockedTask[]> {
  const asleep = tasks.filter(task => task.state === 'D').slice(0, 4 * BLOCKED_MAX);
  const found = await eachOf(asleep, task => blockedTask(files, task));
  return found.filter(task => task !== undefined);
}

async function otherThreads(
  files: NodeFiles,
  processes: readonly Task[],
  tasksMax: number,
): Promise<readonly Task[]> {
  const threads: Pick<Task, 'pid' | 'path'>[] = [];
  // The newest processes first: work loads start after the system's own services.
  for (const { pid, path } of processes.toReversed()) {
    if (threads.length >= tasksMax) break;
    for (const name of known(files.namesOfProcess(join(path, 'task'))) ?? []) {
      if (Number(name) !== pid) threads.push({ pid: Number(name), path: join(path, 'task', name) });
    }
  }
  const read = await eachInTurns(threads.slice(0, tasksMax), thread => readTask(files, thread));
  return read.flatMap(thread => known(thread) ?? []);
}

async function blockedTask(
  files: NodeFiles,
  { pid, path, name }: Task,
): Promise<BlockedTask | undefined> {
  const { wchan, stack } = await readSleep(files, path);
  const told = `${name}\n${known(wchan) ?? ''}\n${known(stack) ?? ''}`;
  if (!NVIDIA.test(told)) return undefined;
  return { pid, name, waitsIn: waitsIn(wchan, stack) };
}

/** The kernel function that a task sleeps in. */
async function readWaitsIn(files: NodeFiles, path: string): Promise<Reading<string>> {
  const { wchan, stack } = await readSleep(files, path);
  return waitsIn(wchan, stack);
}

async function readSleep(files: NodeFiles, path: string) {
  const wchan = await files.text(join(path, 'wchan'));
  return { wchan, stack: await files.text(join(path, 'stack')) };
}

/** The innermost frame of the driver, else where the task sleeps. A wchan of `0` says nothing. */
function waitsIn(wchan: Reading<string>, stack: Reading<string>): Reading<string> {
  const frames = (known(stack) ?? '')
    .split('\n')
    .map(line => (/^(?:\[<[^>]*>\] )?([\w.]{1,128})\+0x/.exec(line.trim()) ? line.trim() : ''));
  const frame = frames.find(line => NVIDIA.test(line)) ?? frames[0];
  const name = /(?:\] )?([\w.]{1,128})\+0x/.exec(frame ?? '')?.[1];
  if (name !== undefined) return present(name);
  if (wchan.ok && wchan.value !== '0' && wchan.value !== '') {
    return present(plainText(wchan.value, 128));
  }
  return stack.ok ? missing('no_data', 'the kernel names no function') : stack;
}
