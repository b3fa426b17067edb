import { type ChildProcess, spawn } from 'node:child_process';

/** How the agent starts the process that hosts NVML: `node nvml-agent.mjs ...`. */
export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited, least of all LD_LIBRARY_PATH. */
  readonly env: Readonly<Record<string, string>>;
}

/** A child of which nobody may know yet what to do with it: its end is remembered. */
export interface StartedChild {
  readonly child: ChildProcess;
  /** Why it ended, in a few words; never rejects. */
  readonly ended: Promise<string>;
}

/** Requests on stdin, messages on descriptor 3, last words on stderr. */
const STDIO = ['pipe', 'ignore', 'pipe', 'pipe'] as const;

/**
 * Starts the process that hosts NVML. It stands apart from all that speaks to it, so that the agent
 * can start it before it has loaded anything else: the two load side by side.
 */
export function startNvmlChild({ file, args, env }: ChildCommand): StartedChild {
  const child = spawn(file, args, { env: { ...env }, stdio: [...STDIO] });
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(`could not be started: ${error.message}`));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { child, ended };
}

/** Gives what was started before, once, and starts anew after that. */
export function startedFirst(
  first: StartedChild | undefined,
  start: () => StartedChild,
): () => StartedChild {
  let waiting = first;
  return () => {
    const child = waiting ?? start();
    waiting = undefined;
    return child;
  };
}
