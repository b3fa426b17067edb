import { readFileSync } from 'node:fs';
import { realEffects } from '../../src/agent/simulated.ts';
import { runNvmlChild } from '../../src/nvml/child/child.ts';
import { openHostLibrary } from '../../src/nvml/library/library.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { openSimulatedLibrary } from '../../src/simulation/nvml.ts';

/** The child as the agent's main starts it: `machine FILE` (data) or `host ROOT` (a real library). */
const [kind = '', path = ''] = process.argv.slice(2);
await runNvmlChild({
  open: async () =>
    kind === 'host'
      ? openHostLibrary({ hostRoot: path, arch: process.arch })
      : openSimulatedLibrary(
          machineFrom('test', JSON.parse(readFileSync(path, 'utf8'))),
          realEffects(process),
        ),
  requests: process.stdin,
});
process.exit(0);
