import { spawn } from 'node:child_process';

/** What came of one command. */
export interface Step {
  readonly name: string;
  readonly argv: readonly string[];
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly isTimedOut: boolean;
  readonly wallMs: number;
  /** Of the command and all that it waited for. */
  readonly cpuMs: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StepOptions {
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
}

const TIMED = 'TIMEFORMAT="%U %S"; { time "$@" 2>&4; } 4>&2 2>&3';
const OUTPUT_CHARACTERS_MAX = 4_000_000;

/** Runs a command to its end or to its limit. Never rejects: what failed is in the step. */
export function runStep(
  name: string,
  argv: readonly string[],
  options: StepOptions,
): Promise<Step> {
  const startMs = performance.now();
  const child = spawn('bash', ['-c', TIMED, 'bash', ...argv], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    detached: true,
  });
  const texts = ['', '', '', ''];
  for (const place of [1, 2, 3]) {
    child.stdio[place]?.on('data', (chunk: Buffer) => {
      if ((texts[place]?.length ?? 0) < OUTPUT_CHARACTERS_MAX) texts[place] += String(chunk);
    });
  }
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    if (child.pid !== undefined) killGroup(child.pid);
  }, options.timeoutMs);
  return new Promise(resolve => {
    let ended = false;
    const end = (code: number | null, said = '') => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      const [user, system] = (texts[3] ?? '').trim().split(' ').map(Number);
      const cpu =
        user === undefined || system === undefined ? undefined : Math.round((user + system) * 1000);
      resolve({
        ...{ name, argv, code, isTimedOut },
        wallMs: Math.round(performance.now() - startMs),
        cpuMs: Number.isFinite(cpu) ? cpu : undefined,
        stdout: texts[1] ?? '',
        stderr: `${texts[2] ?? ''}${said}`,
      });
    };
    child.once('error', error => end(null, error.message));
    child.once('close', code => end(code));
    // A grandchild may keep the streams open.
    child.once('exit', code => setTimeout(end, 1_000, code).unref());
  });
}

export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
