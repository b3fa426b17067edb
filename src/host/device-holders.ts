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
    const targets = known(await files.targetsIn(join(task.path, 'fd'), DESCRIPTORS_MAX)) ?? [];
    links += targets.length;
    const devices = nvidiaDevices(targets);
    return devices.length > 0 ? { task, devices } : undefined;
  });
  const holders = found.filter(each => each !== undefined).slice(0, LISTED_MAX);
  const listed = await eachOf(holders, each => holderOf(files, each));
  return present(listed.toSorted((a, b) => a.pid - b.pid));
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
  { task, devices }: { readonly task: Task; readonly devices: readonly string[] },
): Promise<DeviceHolder> {
  const { pid, name, state, path } = task;
  const { podUid, containerId } = await readCgroupOwner(files, path);
  return {
    ...{ pid, name, state, devices },
    ...(podUid === undefined ? {} : { podUid }),
    ...(containerId === undefined ? {} : { containerId }),
    ...(state === 'D' ? { waitsIn: await readWaitsIn(files, path) } : {}),
  };
}
