import { startedFirst, startNvmlChild } from '../nvml/start-child.ts';

/**
 * The agent's entry. Started twice: as the MCP server on stdin and stdout, and by that server with
 * `nvml-child` as the process that a wedged driver may block. Each loads only what it needs.
 */
const NVML_CHILD = 'nvml-child';

const [, entry = '', ...words] = process.argv;
const [first, ...rest] = words;
if (first === NVML_CHILD) {
  const { agentArguments } = await import('./arguments.ts');
  const { hostNvml } = await import('./nvml-process.ts');
  await hostNvml(agentArguments(rest, process.env), process.stdin, process);
} else {
  const command = {
    file: process.execPath,
    args: [...process.execArgv, entry, NVML_CHILD, ...words],
    env: agentEnvironment(process.env),
  };
  const start = () => startNvmlChild(command);
  // The first thing of all: it loads as long as we do, and beside us. A replay asks no driver.
  const startChild = startedFirst(words.includes('--from') ? undefined : start(), start);
  const { agentArguments } = await import('./arguments.ts');
  const { serveAgent } = await import('./serve.ts');
  const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
  const own = agentArguments(words, process.env);
  await serveAgent({
    arguments: own,
    input: process.stdin,
    output: process.stdout,
    clock: { nowMs: () => Date.now() + own.clockSkewMs, monotonicMs },
    startChild,
  });
}
process.exit(0);

/** The agent's own variables and nothing else: least of all a library path. */
function agentEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const own = Object.entries(environment).flatMap(([name, value]) =>
    name.startsWith('GPU_MCP_') && value !== undefined ? [[name, value]] : [],
  );
  return Object.fromEntries(own);
}
