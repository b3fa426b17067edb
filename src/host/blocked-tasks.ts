import { join } from 'node:path';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { NodeFiles } from './files.ts';
import type { BlockedTask } from './port.ts';

/** So that a node with very many processes still answers at once. */
const TASKS_MAX = 4_096;
const LISTED_MAX = 32;
const AT_ONCE = 16;
/** What NVIDIA's modules and daemons are called in stacks and names. */
const NVIDIA = /nvidia|\bnv_|_nv\d|NVRM|\bos_acquire_|\brm_|dcgm|nv-hostengine/i;

interface Task {
  readonly pid: number;
  readonly path: string;
}

/**
 * Tasks in uninterruptible sleep (state D) inside the NVIDIA driver, or named after it. A process
 * counts by its main thread first; its other threads are looked at as far as the bound allows.
 */
export async function readBlockedTasks(
  files: NodeFiles,
  procRoot: string,
): Promise<Reading<readonly BlockedTask[]>> {
  const names = await files.names(procRoot);
  if (!names.ok) return names;
  const pids = names.value.filter(name => /^\d{1,7}$/.test(name)).map(Number);
  if (pids.length === 0) return missing('not_found', 'no process is visible');
  pids.sort((a, b) => a - b);
  const leaders = pids.slice(0, TASKS_MAX).map(pid => ({ pid, path: join(procRoot, String(pid)) }));
  const blocked: BlockedTask[] = [];
  const threaded = await lookAt(files, leaders, blocked);
  const threads = await otherThreads(files, threaded, TASKS_MAX - leaders.length);
  await lookAt(files, threads, blocked);
  return present(blocked.slice(0, LISTED_MAX));
}

/** Adds the blocked ones to `blocked` and returns those with more than one thread. */
async function lookAt(
  files: NodeFiles,
  tasks: readonly Task[],
  blocked: BlockedTask[],
): Promise<readonly Task[]> {
  const threaded: Task[] = [];
  for (let at = 0; at < tasks.length && blocked.length < LISTED_MAX; at += AT_ONCE) {
    const group = tasks.slice(at, at + AT_ONCE);
    const stats = await Promise.all(group.map(task => readStat(files, task)));
    for (const [index, stat] of stats.entries()) {
      const task = group[index];
      if (!task || !stat) continue;
      if (stat.threads > 1) threaded.push(task);
      const found = stat.state === 'D' ? await blockedTask(files, task, stat.name) : undefined;
      if (found) blocked.push(found);
    }
  }
  return threaded;
}

async function otherThreads(
  files: NodeFiles,
  processes: readonly Task[],
  tasksMax: number,
): Promise<readonly Task[]> {
  const threads: Task[] = [];
  // The newest processes first: work loads start after the system's own services.
  for (const { pid, path } of processes.toReversed()) {
    if (threads.length >= tasksMax) break;
    for (const name of known(await files.names(join(path, 'task'))) ?? []) {
      if (Number(name) !== pid) threads.push({ pid: Number(name), path: join(path, 'task', name) });
    }
  }
  return threads.slice(0, tasksMax);
}

/** proc(5): `pid (comm) state ...`; comm may hold anything, so the last `)` ends it. */
async function readStat(
  files: NodeFiles,
  task: Task,
): Promise<{ name: string; state: string; threads: number } | undefined> {
  const stat = known(await files.text(join(task.path, 'stat')));
  const end = stat?.lastIndexOf(')') ?? -1;
  if (stat === undefined || end < 0) return undefined;
  const fields = stat.slice(end + 2).split(' ');
  return {
    name: plainText(stat.slice(stat.indexOf('(') + 1, end), 64),
    state: fields[0] ?? '',
    // Field 20 of the file; the state is field 3.
    threads: Number(fields[17] ?? 1),
  };
}

async function blockedTask(
  files: NodeFiles,
  task: Task,
  name: string,
): Promise<BlockedTask | undefined> {
  const wchan = await files.text(join(task.path, 'wchan'));
  const stack = await files.text(join(task.path, 'stack'));
  const told = `${name}\n${known(wchan) ?? ''}\n${known(stack) ?? ''}`;
  if (!NVIDIA.test(told)) return undefined;
  return { pid: task.pid, name, waitsIn: waitsIn(wchan, stack) };
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
