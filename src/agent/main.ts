import { writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AGENT_ENVIRONMENT, AGENT_EXIT, AGENT_HELLO, EPHEMERAL } from '../contract/labels.ts';
import { startedFirst, startNvmlChild } from '../nvml/child/start-child.ts';
import { NVML_FLAGS } from './nvml-flags.ts';
import { startFromHeap } from './snapshot.ts';

/** The first word of an agent that only hosts a simulated NVML, for the agent that started it. */
const HOSTS_SIMULATED_NVML = 'hosts-simulated-nvml';

/** Set where plugin and agent are one executable, which takes no flags of Node. */
declare const GPU_MCP_EXECUTABLE: boolean | undefined;
const isExecutable = typeof GPU_MCP_EXECUTABLE === 'boolean';
/** Set where Node starts from a snapshot that the image holds (images/agent/snapshots.ts). */
declare const GPU_MCP_SNAPSHOT: boolean | undefined;

if (typeof GPU_MCP_SNAPSHOT === 'boolean') {
  startFromHeap(main);
  // What every session needs; the rest is in the heap as text, and becomes code when it is asked for.
  void Promise.all([
    import('./agent-arguments.ts'),
    import('../nvml/child/hosted.ts'),
    import('./serve.ts'),
  ]);
} else {
  void main();
}

/**
 * The agent's entry: the MCP server on stdin and stdout. It starts nvml-main beside itself, which a
 * wedged driver may block; for a simulated machine it starts itself once more.
 */
async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (process.env[AGENT_ENVIRONMENT.session] !== undefined) writeSync(2, `${AGENT_HELLO}\n`);
  if (words[0] === HOSTS_SIMULATED_NVML) {
    const { hostSimulatedNvml } = await import('./simulated.ts');
    const { agentArguments } = await import('./agent-arguments.ts');
    await hostSimulatedNvml(agentArguments(words.slice(1), {}), process.stdin, process);
    process.exit(0);
  }
  if (process.env[AGENT_ENVIRONMENT.profile] === EPHEMERAL) yieldMemory();
  const command = {
    file: process.execPath,
    args: [...loading(process.env), ...hosting(words.includes('--simulate')), ...words],
    env: agentEnvironment(process.env),
  };
  const start = () => startNvmlChild(command);
  // The first thing of all: it loads as long as we do, and beside us. A replay asks no driver.
  const startChild = startedFirst(words.includes('--from') ? undefined : start(), start);
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const { agentArguments } = await import('./agent-arguments.ts');
  const { hostedBy } = await import('../nvml/child/hosted.ts');
  const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
  const own = agentArguments(words, process.env);
  const agent = {
    arguments: own,
    clock: { nowMs: () => Date.now() + own.clockSkewMs, monotonicMs },
    spawnChild: () => hostedBy(startChild()),
    stop: stop.signal,
  };
  const areAllEnded =
    own.rowTo === undefined
      ? await (await import('./serve.ts')).serveAgent({
          ...agent,
          input: process.stdin,
          output: process.stdout,
        })
      : await (await import('./write-row.ts')).writeRow(agent, own.rowTo);
  process.exit(areAllEnded ? AGENT_EXIT.allEnded : AGENT_EXIT.driverHangs);
}

/**
 * In another's pod the kernel ends us and our child before any process of the job, where memory runs out
 * for our sake: proc(5), oom_score_adj; to raise one's own takes no right.
 */
function yieldMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // A proc that cannot be written: the kernel chooses by size, and we are small.
  }
}

/** Before Node's own words, where --no-image sent it: then what runs is a loader with libraries of its own. */
function loading(environment: NodeJS.ProcessEnv): readonly string[] {
  const libraries = environment[AGENT_ENVIRONMENT.libraries];
  if (libraries === undefined) return [];
  return ['--inhibit-cache', '--library-path', libraries, process.argv0];
}

/** What Node, or the executable, is given to be the process that hosts NVML. */
function hosting(simulated: boolean): readonly string[] {
  if (isExecutable) return simulated ? ['__agent', HOSTS_SIMULATED_NVML] : ['__nvml-agent'];
  if (typeof GPU_MCP_SNAPSHOT === 'boolean') {
    const [, self = ''] = process.argv;
    if (simulated) return [...process.execArgv, self, HOSTS_SIMULATED_NVML];
    const nvml = join(dirname(self), 'nvml-agent');
    // Of two snapshots Node takes the last one.
    return [...process.execArgv, ...NVML_FLAGS, '--snapshot-blob', `${nvml}.blob`, `${nvml}.mjs`];
  }
  const self = fileURLToPath(import.meta.url);
  if (simulated) return [...process.execArgv, self, HOSTS_SIMULATED_NVML];
  // A source beside this one, or a bundle beside this bundle.
  const nvml = self.endsWith('.ts') ? './nvml-main.ts' : './nvml-agent.mjs';
  return [...process.execArgv, ...NVML_FLAGS, fileURLToPath(new URL(nvml, import.meta.url))];
}

/** The agent's own variables and nothing else: least of all a library path. */
function agentEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const own = Object.entries(environment).flatMap(([name, value]) =>
    name.startsWith('GPU_MCP_') && value !== undefined ? [[name, value]] : [],
  );
  return Object.fromEntries(own);
}
