import { parseArgs } from 'node:util';
import { AGENT_ENVIRONMENT, EPHEMERAL } from '../contract/labels.ts';
import { runNvmlChild } from '../nvml/child/child.ts';
import { openHostLibrary } from '../nvml/library/library.ts';
import { containerRoot } from './container-root.ts';
import { startFromHeap } from './snapshot.ts';

/** As in main.ts. */
declare const GPU_MCP_SNAPSHOT: boolean | undefined;
if (typeof GPU_MCP_SNAPSHOT === 'boolean') startFromHeap(main);
else void main();

/**
 * The entry of the process that a wedged driver may block. A file of its own when bundled: it starts
 * beside the agent, and what it does not load is time and memory that every session saves. Its words
 * are the agent's, which checks them (agent-arguments.ts) and ends with this process where they are wrong.
 */
async function main(): Promise<void> {
  const options = { 'host-root': { type: 'string' }, 'driver-root': { type: 'string' } } as const;
  const { values } = parseArgs({ args: process.argv.slice(2), options, strict: false });
  const given = (name: keyof typeof options, variable: string): string | undefined => {
    const value = values[name] ?? process.env[variable];
    return typeof value === 'string' ? value : undefined;
  };
  const search = {
    hostRoot: given('host-root', AGENT_ENVIRONMENT.hostRoot) ?? '/',
    driverRoot: given('driver-root', AGENT_ENVIRONMENT.driverRoot),
    arch: process.arch,
  };
  const isInPod = process.env[AGENT_ENVIRONMENT.profile] === EPHEMERAL;
  const open = async () => {
    const own = await openHostLibrary(search);
    if (own.library || !isInPod) return own;
    // What the runtime gave the container whose PIDs are ours too.
    const hostRoot = await containerRoot(process.env[AGENT_ENVIRONMENT.container]);
    return openHostLibrary({ ...search, hostRoot });
  };
  await runNvmlChild({ requests: process.stdin, open });
  process.exit(0);
}
