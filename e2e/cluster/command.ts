import { type ExecFileException, execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const LOG_LINES_MAX = 12;
const POLL_MS = 100;

/** What failed, on what, and what to try. */
export class TestClusterError extends Error {
  override name = 'TestClusterError';
}

export interface CommandOptions {
  /** What to try when it fails; ends the error's sentence. */
  hint?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  secondsMax?: number;
}

/** Runs a command to its end and returns its stdout; a failure is one sentence and the last lines it wrote. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { hint, cwd, env, secondsMax = 60 } = options;
  const [file = '', ...args] = argv;
  const settings = { cwd, env, timeout: secondsMax * 1000, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve, reject) => {
    execFile(file, args, settings, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const why = reasonOf(error, secondsMax);
      const advice = hint ? `; ${hint}` : '';
      const said = lastLines(stderr || stdout);
      const message = `\`${argv.join(' ')}\` ${why}${advice}.${said && `\n${said}`}`;
      reject(new TestClusterError(message, { cause: error }));
    });
  });
}

function reasonOf(error: ExecFileException, secondsMax: number): string {
  if (error.code === 'ENOENT') return 'could not be started: there is no such program or folder';
  if (error.killed) return `was stopped after ${secondsMax} seconds`;
  if (error.signal) return `was ended by ${error.signal}`;
  return `failed with exit code ${error.code}`;
}

/** Whether a command succeeds: for asking again and again until it does. */
export async function succeeds(argv: readonly string[]): Promise<boolean> {
  try {
    await run(argv, { secondsMax: 5 });
    return true;
  } catch {
    return false;
  }
}

export interface Wait {
  /** What is waited for, as the subject of a sentence: `the API server`. */
  what: string;
  ready: () => boolean | Promise<boolean>;
  secondsMax: number;
  /** The sentence with which to give up early, such as that a process has ended. */
  failed?: () => string | undefined;
  /** A log file whose last lines belong to the error. */
  log?: string;
}

/** Waits until `ready`; gives up with one sentence and the log's last lines. */
export async function waitUntil({ what, ready, secondsMax, failed, log }: Wait): Promise<void> {
  const untilMs = performance.now() + secondsMax * 1000;
  while (!(await ready())) {
    const reason = failed?.();
    if (reason) throw new TestClusterError(`${what} cannot get ready: ${reason}`);
    if (performance.now() > untilMs) {
      throw new TestClusterError(`${what} was not ready in ${secondsMax} seconds.${logTail(log)}`);
    }
    await sleep(POLL_MS);
  }
}

/** A sentence with the last lines of a log file. */
export function logTail(log: string | undefined): string {
  if (log === undefined) return '';
  try {
    return `\nThe last lines of ${log}:\n${lastLines(readFileSync(log, 'utf8'))}`;
  } catch {
    return ` Its log ${log} cannot be read.`;
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-LOG_LINES_MAX).join('\n');
}
