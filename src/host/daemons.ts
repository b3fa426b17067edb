import { basename, join } from 'node:path';
import { known, mapReading, present, type Reading } from '../contract/reading.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { Daemon } from './port.ts';
import { readCgroupOwner } from './process-owners.ts';
import type { Task } from './process-table.ts';
import { DAEMONS } from './readings/processes.ts';

const LISTED_MAX = 128;

/** Which of the programs that matter to GPUs run, each process once. */
export async function readDaemons(
  files: NodeFiles,
  tasks: Reading<readonly Task[]>,
): Promise<Reading<readonly Daemon[]>> {
  if (!tasks.ok) return tasks;
  const named = tasks.value.filter(task => DAEMONS.some(({ comm }) => comm.test(task.name)));
  return present(await eachOf(named.slice(0, LISTED_MAX), task => daemonOf(files, task)));
}

async function daemonOf(files: NodeFiles, task: Task): Promise<Daemon> {
  const { pid, path, name, state, startedAfterBootSeconds } = task;
  const exe = known(mapReading(await files.link(join(path, 'exe')), target => basename(target)));
  const row = DAEMONS.find(
    each => each.comm.test(name) && (each.exe === undefined || each.exe.test(exe ?? '')),
  );
  const { podUid } = await readCgroupOwner(files, path);
  return {
    kind: row?.kind ?? 'mps_control',
    pid,
    name,
    state,
    startedAfterBootSeconds,
    ...(podUid === undefined ? {} : { podUid }),
  };
}
