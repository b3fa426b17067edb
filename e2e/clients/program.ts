import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LAUNCHER } from '../prepare.ts';

/** Handed on by every client, so a process that outlives its client is found whoever started it. */
const MARK = 'KUBECTL_GPU_MCP_CLIENT';

const GONE_MS_MAX = 3_000;

export interface Server {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The built plugin as a stdio server of a simulated machine, with a mark of its own. */
export const simulated = (machine: string): Server => ({
  command: execPath,
  args: [LAUNCHER, 'serve', `--simulate=${machine}`],
  env: { [MARK]: randomUUID() },
});

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Command lines of processes with its mark that were there 3 s after its end. */
  readonly left: readonly string[];
}

/** Runs a client to its end and looks for what it left behind. */
export async function runClient(
  [file = '', ...args]: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly mark?: string;
  },
): Promise<Ended> {
  const { cwd, env, mark = randomUUID() } = options;
  const child = spawn(file, args, {
    cwd,
    env: { ...env, [MARK]: mark },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', chunk => {
    stdout += String(chunk);
  });
  child.stderr.on('data', chunk => {
    stderr += String(chunk);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout, stderr, left: await leftOf(mark) };
}

async function leftOf(mark: string): Promise<readonly string[]> {
  const deadline = performance.now() + GONE_MS_MAX;
  for (;;) {
    const left = marked(mark);
    if (left.length === 0 || performance.now() > deadline) return left;
    await sleep(100);
  }
}

const marked = (mark: string): readonly string[] =>
  readdirSync('/proc')
    .filter(
      name => /^\d+$/.test(name) && textOf(`/proc/${name}/environ`).includes(`${MARK}=${mark}`),
    )
    .map(name => textOf(`/proc/${name}/cmdline`).replaceAll('\0', ' '))
    // A process that has ended and waits for its parent has no command line.
    .filter(line => line !== '');

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The mark that a server of `simulated` carries. */
export const markOf = (server: Server): string => server.env[MARK] ?? '';
