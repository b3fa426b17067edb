import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROCESS_ROOT } from '../contract/labels.ts';

/**
 * The root of the container whose PIDs are ours too, by the oldest of its processes: process 1 is its first
 * only where the pod's containers do not share theirs (shareProcessNamespace), else it is the pause container's.
 */
export async function containerRoot(id: string | undefined, proc = '/proc'): Promise<string> {
  if (id === undefined) return PROCESS_ROOT;
  const names = await readdir(proc).catch(() => []);
  const pids = names.filter(name => /^\d+$/.test(name)).toSorted((a, b) => Number(a) - Number(b));
  for (const pid of pids) {
    // It may have ended meanwhile.
    const cgroup = await readFile(join(proc, pid, 'cgroup'), 'utf8').catch(() => '');
    if (cgroup.includes(id)) return join(proc, pid, 'root');
  }
  return PROCESS_ROOT;
}
