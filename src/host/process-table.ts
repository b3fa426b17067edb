import { join } from 'node:path';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachInTurns, type NodeFiles } from './files.ts';

/** pid_max of a small machine: a node with more processes still answers, and says how many are left out. */
const TASKS_MAX = 32_768;
/** USER_HZ: ticks a second of proc(5), 100 on every architecture that has GPUs. */
const TICKS_PER_SECOND = 100;

/** A process or thread as /proc/PID/stat tells of it. */
export interface Task {
  readonly pid: number;
  /** Its directory in proc. */
  readonly path: string;
  /** comm, made plain: hostile text. */
  readonly name: string;
  /** One letter: R, S, D, Z, T, I, ... */
  readonly state: string;
  readonly threads: number;
  readonly startedAfterBootSeconds: number;
  /** Kernel threads have neither files nor an owner. */
  readonly kernel: boolean;
}

/** The processes of the node, lowest pid first. */
export interface TaskTable {
  readonly tasks: readonly Task[];
  /** Processes that were listed and not looked at. */
  readonly leftOut: number;
  /** Why one could not be looked at that has not ended; absent where there is none. */
  readonly unread?: Reading<never>;
}

/** All processes, read once for whoever looks through them. */
export async function readTasks(
  files: NodeFiles,
  procRoot: string,
  tasksMax: number = TASKS_MAX,
): Promise<Reading<TaskTable>> {
  const names = await files.names(procRoot);
  if (!names.ok) return names;
  const pids = names.value.filter(name => /^\d{1,7}$/.test(name)).map(Number);
  if (pids.length === 0) return missing('not_found', 'no process is visible');
  pids.sort((a, b) => a - b);
  const paths = pids.slice(0, tasksMax).map(pid => ({ pid, path: join(procRoot, String(pid)) }));
  const read = await eachInTurns(paths, place => readTask(files, place));
  const tasks = read.flatMap(task => known(task) ?? []);
  const unread = read.flatMap(task => lostOf(task) ?? [])[0];
  return present({ tasks, leftOut: pids.length - paths.length, ...optional({ unread }) });
}

/** The reading of a process that may run still; of one that has ended there is nothing to read. */
export const lostOf = (reading: Reading<unknown>): Reading<never> | undefined =>
  reading.ok || reading.reason === 'not_found' ? undefined : reading;

/** One that ended meanwhile is `not_found`. */
export function readTask(files: NodeFiles, place: Pick<Task, 'pid' | 'path'>): Reading<Task> {
  const stat = files.textOfProcess(join(place.path, 'stat'), 1_024);
  if (!stat.ok) return stat;
  return stat.value.lastIndexOf(')') < 0
    ? missing('unreadable')
    : mapReading(stat, text => taskOf(place, text));
}

/** proc(5): `pid (comm) state ...`; comm may hold anything, so the last `)` ends it. */
function taskOf({ pid, path }: Pick<Task, 'pid' | 'path'>, stat: string): Task {
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  // The state is field 3 of the file; threads are field 20, the start field 22, flags field 9.
  const field = (number: number) => Number(fields[number - 3] ?? 0);
  return {
    pid,
    path,
    name: plainText(stat.slice(stat.indexOf('(') + 1, end), 64),
    state: (fields[0] ?? '').slice(0, 1),
    threads: fields.length > 17 ? field(20) : 1,
    startedAfterBootSeconds: field(22) / TICKS_PER_SECOND,
    kernel: (field(9) & PF_KTHREAD) !== 0,
  };
}

/** linux/sched.h */
const PF_KTHREAD = 0x0020_0000;
