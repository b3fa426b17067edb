import type { Readable } from 'node:stream';
import { runNvmlChild } from '../nvml/child.ts';
import { openHostLibrary } from '../nvml/host-library.ts';
import { realEffects } from '../simulation/effects.ts';
import { loadMachine } from '../simulation/machine.ts';
import { openSimulatedLibrary } from '../simulation/nvml.ts';
import type { AgentArguments } from './arguments.ts';

type Self = Parameters<typeof realEffects>[0] & { readonly arch: string };

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
  const machine = loadMachine(simulate);
  const effects = realEffects(self);
  await runNvmlChild({ requests, open: async () => openSimulatedLibrary(machine, effects) });
}
