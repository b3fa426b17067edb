import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { kill, pid as ownPid } from 'node:process';
import { logTail, TestClusterError, waitUntil } from './command.ts';
import { type ProcessId, type ProcessRecord, readState, updateState } from './state.ts';

// All that we start inherits this variable, so that nothing is lost between its start and its record.
const MARK = 'KUBECTL_GPU_MCP_E2E';
const START_SECONDS_MAX = 10;

/** A long-running program of the cluster, which tests may end, freeze and start again. */
export interface Daemon {
  name: string;
  log: string;
  /** Kills it as a power cut would. */
  stop(): Promise<void>;
  /** Starts it again after `stop`; where it runs, nothing. */
  start(): Promise<void>;
  /** Freezes it (SIGSTOP): it holds its connections and answers nothing. */
  pause(): void;
  /** Lets it go on (SIGCONT). */
  resume(): void;
}

/**
 * Starts a program detached, with its output in a log file, and records it.
 *
 * `forked`: the program is the one child of what is started: `unshare` and `nsenter` fork to enter a pid namespace.
 */
export async function startRecorded({
  id,
  name,
  argv,
  log,
  forked = false,
}: {
  id: string;
  name: string;
  argv: readonly string[];
  log: string;
  forked?: boolean;
}): Promise<ProcessRecord> {
  const child = spawnMarked({ mark: id, argv, log });
  let pid = child.pid;
  if (forked) {
    await waitUntil({
      what: name,
      ready: () => {
        pid = childrenOf(child.pid)[0];
        return pid !== undefined;
      },
      failed: () => (child.exitCode === null ? undefined : `it has ended.${logTail(log)}`),
      secondsMax: START_SECONDS_MAX,
      log,
    });
  }
  const record = { ...identify(pid ?? 0), argv, log };
  updateState(id, ({ processes }) => ({ processes: { ...processes, [name]: record } }));
  return record;
}

/** Spawns a program that outlives this process. */
export function spawnMarked({
  mark,
  argv,
  log,
  stdin = 'ignore',
}: {
  mark: string;
  argv: readonly string[];
  log: string;
  stdin?: 'ignore' | 'pipe';
}): ChildProcess {
  const [file = '', ...args] = argv;
  const output = openSync(log, 'a');
  // A small environment: no proxy, no KUBECONFIG and no NODE_OPTIONS of the user's reaches the cluster.
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    [MARK]: mark,
  };
  const child = spawn(file, args, { detached: true, env, stdio: [stdin, output, output] });
  closeSync(output);
  // Whoever waits for it finds that it never was there.
  child.on('error', () => undefined);
  child.unref();
  return child;
}

/** The handle on a recorded program; the state file is the truth, so it works from another process too. */
export function daemonOf(
  id: string,
  name: string,
  whenStarted: () => Promise<void> = async () => undefined,
): Daemon {
  const record = (): ProcessRecord => {
    const found = readState()?.processes[name];
    if (!found) throw new TestClusterError(`The cluster has no ${name}, or was taken down.`);
    return found;
  };
  return {
    name,
    log: record().log,
    stop: async () => {
      const found = record();
      signalTo(found, 'SIGKILL');
      await waitUntil({ what: `The end of ${name}`, ready: () => !isAlive(found), secondsMax: 20 });
    },
    start: async () => {
      // A second kubelet takes the first one's sockets away before it finds its port taken.
      if (isAlive(record())) return;
      const { argv, log } = record();
      await startRecorded({ id, name, argv, log, forked: argv[0] === 'nsenter' });
      await whenStarted();
    },
    pause: () => signalTo(record(), 'SIGSTOP'),
    resume: () => signalTo(record(), 'SIGCONT'),
  };
}

/** The process with its start time; start time '' when it is gone already. */
export function identify(pid: number): ProcessId {
  return { pid, startTicks: startTicksOf(pid) ?? '' };
}

/** Whether this very process still runs; a zombie does not. */
export function isAlive({ pid, startTicks }: ProcessId): boolean {
  return startTicks !== '' && startTicksOf(pid) === startTicks;
}

/** Sends a signal, if this very process still runs. */
export function signalTo(process: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(process)) return;
  try {
    kill(process.pid, signal);
  } catch {
    // It has ended in between.
  }
}

/** The children of a process. */
export function childrenOf(pid: number | undefined): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** All processes that carry a mark that `wanted` accepts, except this one. */
export function markedProcesses(wanted: (mark: string) => boolean): ProcessId[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry) && Number(entry) !== ownPid)
    .filter(entry => {
      const mark = markOf(entry);
      return mark !== undefined && wanted(mark);
    })
    .map(entry => identify(Number(entry)))
    .filter(isAlive);
}

function markOf(pid: string): string | undefined {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return variables.find(text => text.startsWith(`${MARK}=`))?.slice(MARK.length + 1);
  } catch {
    return undefined;
  }
}

function startTicksOf(pid: number): string | undefined {
  try {
    // The program's name stands in brackets and may hold blanks: count from its end.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
