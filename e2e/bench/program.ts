import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Scope } from './scope.ts';

export type Environment = Readonly<Record<string, string>>;

/** One run of a program, from exec to its end. */
export interface Finished {
  readonly code: number | null;
  /** From exec to the first byte on stdout; undefined when it wrote none. */
  readonly firstByteMs: number | undefined;
  /** From exec to the end of the process. */
  readonly endMs: number;
  /** The most memory it had resident, where it was asked for. */
  readonly peakBytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

const PEAK_LOOK_MS = 20;

/** Starts a program with exactly this environment; the first word is looked up in its PATH. */
export function start(
  scope: Scope,
  [file = '', ...args]: readonly string[],
  environment: Environment,
): ChildProcessWithoutNullStreams {
  scope.signal.throwIfAborted();
  const child = scope.track(spawn(file, args, { env: { ...environment } }));
  // EPIPE: it ended without reading, which its exit tells.
  child.stdin.on('error', () => undefined);
  return child;
}

/** Runs a program to its end with an empty stdin. Rejects when it cannot be started. */
export function timed(
  scope: Scope,
  argv: readonly string[],
  options: { readonly environment: Environment; readonly peak?: boolean },
): Promise<Finished> {
  const startMs = performance.now();
  const child = start(scope, argv, options.environment);
  child.stdin.end();
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let firstByteMs: number | undefined;
  let endMs = 0;
  let peakBytes = 0;
  const looks = options.peak
    ? setInterval(() => {
        peakBytes = Math.max(peakBytes, memoryOf(child.pid).peakBytes);
      }, PEAK_LOOK_MS)
    : undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    firstByteMs ??= performance.now() - startMs;
    out.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.once('exit', () => {
    endMs = performance.now() - startMs;
  });
  return new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => {
      const stdout = Buffer.concat(out).toString('utf8');
      const stderr = Buffer.concat(err).toString('utf8');
      resolve({ code, firstByteMs, endMs, peakBytes, stdout, stderr });
    });
  }).finally(() => clearInterval(looks));
}

/** Runs a program that must succeed; its failure is one sentence with its last words. */
export async function succeed(
  scope: Scope,
  argv: readonly string[],
  options: { readonly environment: Environment; readonly peak?: boolean },
): Promise<Finished> {
  const finished = await timed(scope, argv, options);
  scope.signal.throwIfAborted();
  if (finished.code === 0) return finished;
  const words = (finished.stderr || finished.stdout).trim().slice(-400);
  throw new Error(`\`${argv.join(' ')}\` ended with ${finished.code}: ${words}`);
}

/**
 * Time until the end, and what the program and all that it waited for took of a CPU, which the shell
 * tells; the mean of so many runs.
 */
export async function wallAndCpu(
  scope: Scope,
  argv: readonly string[],
  { environment, runs = 1 }: { readonly environment: Environment; readonly runs?: number },
): Promise<{ readonly wallMs: number; readonly cpuMs: number }> {
  const again = Array.from({ length: runs }, () => '"$@" >/dev/null 2>&1').join('; ');
  const shell = ['/bin/sh', '-c', `${again}; times`, 'sh', ...argv];
  const { stdout, endMs } = await succeed(scope, shell, { environment });
  const times = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const seconds = times.map(([, minutes, rest]) => Number(minutes) * 60 + Number(rest));
  const cpuMs = seconds.reduce((sum, each) => sum + each, 0) * 1_000;
  return { wallMs: endMs / runs, cpuMs: cpuMs / runs };
}

/**
 * What a process has in memory, in bytes; 0 where it has ended. proc(5): VmRSS, VmHWM, and the
 * proportional size, in which a page that n processes share counts 1/n.
 */
export function memoryOf(pid: number | undefined): {
  residentBytes: number;
  peakBytes: number;
  proportionalBytes: number;
} {
  const status = contentOf(`/proc/${pid}/status`);
  const rollup = contentOf(`/proc/${pid}/smaps_rollup`);
  const bytes = (text: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return {
    residentBytes: bytes(status, 'VmRSS'),
    peakBytes: bytes(status, 'VmHWM'),
    proportionalBytes: bytes(rollup, 'Pss'),
  };
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
