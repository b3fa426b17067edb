import type { Readable } from 'node:stream';
import { runNvmlChild } from '../nvml/child/child.ts';
import { openHostLibrary } from '../nvml/library/library.ts';
import type { AgentArguments } from './agent-arguments.ts';

interface Self {
  readonly arch: string;
  readonly pid: number;
  readonly ppid: number;
  uptime(): number;
  kill(pid: number, signal: string): unknown;
}

/** The child process that hosts NVML: the node's own library, or a machine made of data. */
export async function hostNvml(
  { simulate, hostRoot, driverRoot }: AgentArguments,
  requests: Readable,
  self: Self,
): Promise<void> {
  if (simulate === undefined) {
    const search = { hostRoot, driverRoot, arch: self.arch };
    await runNvmlChild({ requests, open: () => openHostLibrary(search) });
    return;
  }
  const { simulatedNvml } = await import('./simulated.ts');
  const library = simulatedNvml(simulate, self);
  await runNvmlChild({ requests, open: async () => library });
}
