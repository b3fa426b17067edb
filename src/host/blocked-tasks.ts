import { join } from 'node:path';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { BlockedTask } from './port.ts';
import { readTask, TASKS_MAX, type Task } from './process-table.ts';

const LISTED_MAX = 32;
/** What NVIDIA's modules and daemons are called in stacks and names. */
const NVIDIA = /nvidia|\bnv_|_nv\d|NVRM|\bos_acquire_|\brm_|dcgm|nv-hostengine/i;

/**
 * Tasks in uninterruptible sleep (state D) inside the NVIDIA driver, or named after it. A process
 * counts by its main thread first; its other threads are looked at as far as the bound allows.
 */
export async function readBlockedTasks(
  files: NodeFiles,
  tasks: Reading<readonly Task[]>,
): Promise<Reading<readonly BlockedTask[]>> {
  if (!tasks.ok) return tasks;
  const leaders = await blockedAmong(files, tasks.value);
  const processes = tasks.value.filter(task => task.threads > 1 && !task.kernel);
  const threads = await otherThreads(files, processes, TASKS_MAX - tasks.value.length);
  const blocked = [...leaders, ...(await blockedAmong(files, threads))];
  return present(blocked.slice(0, LISTED_MAX));
}

async function blockedAmong(
  files: NodeFiles,
  tasks: readonly Task[],
): Promise<readonly BlockedTask[]> {
  const asleep = tasks.filter(task => task.state === 'D').slice(0, 4 * LISTED_MAX);
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
    for (const name of known(await files.names(join(path, 'task'))) ?? []) {
      if (Number(name) !== pid) threads.push({ pid: Number(name), path: join(path, 'task', name) });
    }
  }
  const read = await eachOf(threads.slice(0, tasksMax), thread => readTask(files, thread));
  return read.filter(thread => thread !== undefined);
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
export async function readWaitsIn(files: NodeFiles, path: string): Promise<Reading<string>> {
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
