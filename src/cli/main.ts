import { fileURLToPath } from 'node:url';
import { runCommandLine } from './command-line.ts';
import type { Program, Terminal } from './io.ts';

/**
 * The plugin's entry: takes the world from `process`, runs one command line, and exits.
 *
 * The first SIGINT, SIGTERM or SIGHUP ends the command in order; the second one at once, and then
 * the cluster itself or the reaper removes the pod.
 */
const abort = new AbortController();
// The reaper outlives what ends us: it goes when its pod is gone.
const isReaper = process.argv[2] === 'reap';
const interrupt = (name: string) => {
  if (isReaper) return;
  if (abort.signal.aborted) process.exit(130);
  abort.abort(new Error(`interrupted by ${name}`));
};
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interrupt(name));
}
// A reader that went away (EPIPE) must not end us before the pod is removed.
process.stdout.on('error', () => abort.abort(new Error('nobody reads the output any more')));
process.stderr.on('error', () => undefined);

/** Set by kubectl-plugin/build.ts. */
declare const GPU_MCP_COMMIT: string | undefined;
/** Set where all of it is one executable, which is its agent too by the word `__agent`. */
declare const GPU_MCP_EXECUTABLE: boolean | undefined;

const code = await runCommandLine(process.argv.slice(2), {
  // To open it loads a part of Node that most commands do not need; on a terminal it is opened all the same.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  stdoutIsTerminal: process.stdout.isTTY === true,
  stderrIsTerminal: process.stderr.isTTY === true,
  get stdinIsTerminal() {
    return process.stdin.isTTY === true;
  },
  columns: process.stdout.columns,
  rows: process.stdout.rows,
  ...(process.stdout.isTTY && process.stdin.isTTY && { terminal: terminal() }),
  signal: abort.signal,
  clock: { nowMs: () => Date.now() },
  program: program(),
});
process.exit(code);

function terminal(): Terminal {
  return {
    input: process.stdin,
    output: process.stdout,
    atExit(run) {
      const events = ['exit', 'uncaughtExceptionMonitor'] as const;
      for (const event of events) process.on(event, run);
      return () => {
        for (const event of events) process.off(event, run);
      };
    },
    interrupt: () => interrupt('Ctrl-C'),
  };
}

function program(): Program {
  const here = fileURLToPath(import.meta.url);
  const agent = here.endsWith('.ts')
    ? fileURLToPath(new URL('../agent/main.ts', import.meta.url))
    : fileURLToPath(new URL('./agent.mjs', import.meta.url));
  const commit = typeof GPU_MCP_COMMIT === 'string' ? GPU_MCP_COMMIT : undefined;
  const { platform, execPath: executable, version: node } = process;
  if (typeof GPU_MCP_EXECUTABLE === 'boolean') {
    const own = { plugin: executable, agent: '__agent' };
    return { ...own, commit, node, executable, platform, folder: process.cwd() };
  }
  const plugin = process.argv[1] ?? here;
  return { plugin, agent, commit, node, executable, platform, folder: process.cwd() };
}
