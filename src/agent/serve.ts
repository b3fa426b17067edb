import type { Readable, Writable } from 'node:stream';
import { AGENT_IDLE_MS_MAX, CLIENT_LINE_BYTES_MAX } from '../contract/limits.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { StreamTransport } from '../mcp/stream-transport.ts';
import type { NvmlProcess } from '../nvml/child/hosted.ts';
import type { Timers } from '../nvml/child/waiting.ts';
import type { AgentArguments } from './agent-arguments.ts';
import { instrumentsOf } from './open-instruments.ts';
import { createAgentServer } from './server.ts';

export interface ServeOptions {
  readonly arguments: AgentArguments;
  readonly input: Readable;
  readonly output: Writable;
  readonly clock: KernelClock;
  /** Starts a process that hosts NVML, or gives the one that loads already. */
  readonly spawnChild: () => NvmlProcess;
  /** What the driver's deadlines run on; absent: the machine's own. */
  readonly timers?: Timers;
  /** Without a byte from the bridge for this long the agent ends itself. */
  readonly idleMsMax?: number;
}

/**
 * Serves MCP until the stream ends or falls silent: nobody attached in time, a laptop that sleeps,
 * a network that drops packets. The bridge pings far more often than that.
 */
export async function serveAgent(options: ServeOptions): Promise<void> {
  const { input, output, idleMsMax = AGENT_IDLE_MS_MAX } = options;
  const instruments = await instrumentsOf(options);
  // Nobody starts an agent without a question: its child loads beside it.
  instruments.nvml.warm();
  const server = createAgentServer(instruments);
  const over = new Promise<void>(resolve => {
    server.onclose = resolve;
    const idle = setTimeout(resolve, idleMsMax);
    input.on('data', () => idle.refresh());
  });
  await server.connect(new StreamTransport(input, output, { lineBytesMax: CLIENT_LINE_BYTES_MAX }));
  await over;
  await instruments.nvml.close();
}
