import { join } from 'node:path';
import { agentArguments } from '../../src/agent/agent-arguments.ts';
import { serveAgent } from '../../src/agent/serve.ts';
import { hostSimulatedNvml } from '../../src/agent/simulated.ts';
import { hostedBy } from '../../src/nvml/child/hosted.ts';
import { startNvmlChild } from '../../src/nvml/child/start-child.ts';
import { HeldTimers, withoutPatience } from '../nvml/held-timers.ts';

/**
 * The agent's entry as src/agent/main.ts has it, but for the driver's deadlines: none passes while
 * the machine is busy, and the one of a driver that hangs has passed at once.
 */
const [role, ...rest] = process.argv.slice(2);
if (role === 'hosts-simulated-nvml') {
  await hostSimulatedNvml(agentArguments(rest, {}), process.stdin, process);
  process.exit(0);
}
const words = process.argv.slice(2);
const own = agentArguments(words, process.env);
const timers = new HeldTimers();
const command = {
  file: process.execPath,
  args: words.includes('--simulate')
    ? [join(import.meta.dirname, 'agent.mjs'), 'hosts-simulated-nvml', ...words]
    : [join(import.meta.dirname, 'nvml-agent.mjs'), ...words],
  env: {},
};
await serveAgent({
  arguments: own,
  input: process.stdin,
  output: process.stdout,
  clock: {
    nowMs: () => Date.now() + own.clockSkewMs,
    monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  },
  spawnChild() {
    const child = hostedBy(startNvmlChild(command));
    return own.simulate === 'hung-driver' ? withoutPatience(child, timers) : child;
  },
  timers,
});
process.exit(0);
