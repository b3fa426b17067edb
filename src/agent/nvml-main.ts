import { agentArguments } from './agent-arguments.ts';
import { hostNvml } from './nvml-process.ts';

/**
 * The entry of the process that a wedged driver may block. A file of its own when bundled: it starts
 * beside the agent, and what it does not load is time and memory that every session saves.
 */
await hostNvml(agentArguments(process.argv.slice(2), process.env), process.stdin, process);
process.exit(0);
