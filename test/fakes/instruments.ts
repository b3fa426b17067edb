import type { Clock } from '../../src/contract/time.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { simulatedKernelLog } from '../../src/simulation/kernel-log.ts';
import { loadMachine } from '../../src/simulation/machine.ts';
import type { Instruments } from '../../src/tools/tool.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

/** All instruments of a simulated machine; time stands still but for what a hung driver takes. */
export function instrumentsOf(name: string): Instruments {
  const machine = loadMachine(name);
  const { nvml, time } = inProcessNvml(machine);
  const clock: Clock = time;
  return {
    nvml,
    clock,
    host: simulatedHost(machine),
    kernelLog: simulatedKernelLog(machine, clock),
    node: undefined,
    simulated: name,
  };
}
