import { join } from 'node:path';
import { known, present, type Reading } from '../contract/reading.ts';
import { readWaitsIn } from './blocked-tasks.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { DeviceHolder } from './port.ts';
import { readCgroupOwner } from './process-owners.ts';
import type { Task } from './process-table.ts';

const LISTED_MAX = 256;
/** Descriptors looked at of one process: CUDA opens its devices early, a web server thousands later. */
const DESCRIPTORS_MAX = 512;
/** Of all processes together. */
const LINKS_MAX = 32_768;

/**
 * Processes that hold /dev/nvidia* open, by the links in /proc/PID/fd: also those that the driver
 * does not list, because it hangs or because they have no context yet.
 */
export async function readDeviceHolders(
  files: NodeFiles,
  tasks: Reading<readonly Task[]>,
): Promise<Reading<readonly DeviceHolder[]>> {
  if (!tasks.ok) return tasks;
  let links = 0;
  // The newest processes first: should the bound be met, work loads have been looked at.
  const candidates = tasks.value.filter(task => !task.kernel).toReversed();
  const found = await eachOf(candidates, async task => {
    if (links >= LINKS_MAX) return undefined;
    const path = await pathOfFiles(files, task);
    const targets = known(await files.targetsIn(join(path, 'fd'), DESCRIPTORS_MAX)) ?? [];
    links += targets.length;
    const devices = nvidiaDevices(targets);
    return devices.length > 0 ? { task, path, devices } : undefined;
  });
  const holders = found.filter(each => each !== undefined).slice(0, LISTED_MAX);
  const listed = await eachOf(holders, each => holderOf(files, each));
  return present(listed.toSorted((a, b) => a.pid - b.pid));
}

/** A process whose main thread has ended has its files in the threads that have not. */
async function pathOfFiles(files: NodeFiles, { path, pid, state, threads }: Task): Promise<string> {
  if (state !== 'Z' || threads < 2) return path;
  const names = known(await files.names(join(path, 'task'))) ?? [];
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
  const shared = podUid === undefined ? undefined : await readSharedMemory(files, task.path);
  return {
    ...{ pid, name, state, devices },
    ...(podUid === undefined ? {} : { podUid }),
    ...(containerId === undefined ? {} : { containerId }),
    ...('DZ'.includes(state) ? { waitsIn: await readWaitsIn(files, path) } : {}),
    ...(shared === undefined ? {} : { sharedMemoryBytes: shared }),
  };
}

/** proc_pid_mountinfo(5): `... /dev/shm rw,nosuid - tmpfs shm rw,size=65536k`. */
async function readSharedMemory(files: NodeFiles, path: string): Promise<number | undefined> {
  const mounts = known(await files.text(join(path, 'mountinfo'))) ?? '';
  const last = mounts.split('\n').findLast(line => line.split(' ')[4] === '/dev/shm');
  const kib = /[ ,]size=(\d{1,15})k(?:,|$)/.exec(last?.split(' - ')[1] ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1_024;
}
