import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AGENT_ENVIRONMENT, AGENT_EXIT, AGENT_HELLO } from '../contract/labels.ts';
import { startedFirst, startNvmlChild } from '../nvml/child/start-child.ts';

/** The first word of an agent that only hosts a simulated NVML, for the agent that started it. */
const HOSTS_SIMULATED_NVML = 'hosts-simulated-nvml';

/**
 * The agent's entry: the MCP server on stdin and stdout. It starts nvml-main beside itself, which a
 * wedged driver may block; for a simulated machine it starts itself once more.
 */
const words = process.argv.slice(2);
if (process.env[AGENT_ENVIRONMENT.session] !== undefined) writeSync(2, `${AGENT_HELLO}\n`);
if (words[0] === HOSTS_SIMULATED_NVML) {
  const { hostSimulatedNvml } = await import('./simulated.ts');
  const { agentArguments } = await import('./agent-arguments.ts');
  await hostSimulatedNvml(agentArguments(words.slice(1), {}), process.stdin, process);
  process.exit(0);
}

/**
 * How Node runs the NVML process, which only calls NVML: 13 MB less and no slower. The agent needs the
 * compiler that lite mode leaves out: a large log took it six times as long, and xz is WebAssembly.
 */
const NVML_FLAGS = ['--lite-mode', '--max-semi-space-size=1', '--initial-old-space-size=8'];
const self = fileURLToPath(import.meta.url);
/** Set where plugin and agent are one executable, which takes no flags of Node. */
declare const GPU_MCP_EXECUTABLE: boolean | undefined;
const isExecutable = typeof GPU_MCP_EXECUTABLE === 'boolean';
const hosting = words.includes('--simulate')
  ? [isExecutable ? '__agent' : self, HOSTS_SIMULATED_NVML]
  : isExecutable
    ? ['__nvml-agent']
    : [...NVML_FLAGS, nvmlMain()];
const command = {
  file: process.execPath,
  args: [...(isExecutable ? [] : process.execArgv), ...hosting, ...words],
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

/** The other half's file: a source beside this one, or a bundle beside this bundle. */
function nvmlMain(): string {
  return self.endsWith('.ts')
    ? fileURLToPath(new URL('./nvml-main.ts', import.meta.url))
    : fileURLToPath(new URL('./nvml-agent.mjs', import.meta.url));
}

/** The agent's own variables and nothing else: least of all a library path. */
function agentEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const own = Object.entries(environment).flatMap(([name, value]) =>
    name.startsWith('GPU_MCP_') && value !== undefined ? [[name, value]] : [],
  );
  return Object.fromEntries(own);
}
