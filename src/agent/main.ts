import { fileURLToPath } from 'node:url';
import { startedFirst, startNvmlChild } from '../nvml/child/start-child.ts';

/**
 * The agent's entry: the MCP server on stdin and stdout. It starts nvml-main beside itself, which a
 * wedged driver may block.
 */
const words = process.argv.slice(2);
const command = {
  file: process.execPath,
  args: [...process.execArgv, nvmlMain(), ...words],
  env: agentEnvironment(process.env),
};
const start = () => startNvmlChild(command);
// The first thing of all: it loads as long as we do, and beside us. A replay asks no driver.
const startChild = startedFirst(words.includes('--from') ? undefined : start(), start);
const { agentArguments } = await import('./agent-arguments.ts');
const { serveAgent } = await import('./serve.ts');
const { hostedBy } = await import('../nvml/child/hosted.ts');
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
const own = agentArguments(words, process.env);
await serveAgent({
  arguments: own,
  input: process.stdin,
  output: process.stdout,
  clock: { nowMs: () => Date.now() + own.clockSkewMs, monotonicMs },
  spawnChild: () => hostedBy(startChild()),
});
process.exit(0);

/** The other half's file: a source beside this one, or a bundle beside this bundle. */
function nvmlMain(): string {
  return fileURLToPath(import.meta.url).endsWith('.ts')
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
