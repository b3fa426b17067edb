import type { Clock } from '../../src/contract/time.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { simulatedKernelLog, simulatedPodHistory } from '../../src/simulation/kernel-log.ts';
import { loadMachine, type Machine } from '../../src/simulation/machine.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { type InProcessOptions, inProcessNvml } from '../simulation/in-process.ts';

/** All instruments of a simulated machine; time stands still but for what a hung driver takes. */
export const instrumentsOf = (name: string): Instruments => instrumentsFor(loadMachine(name));

/** The same for a machine that has no file; its log begins when so much time has passed. */
export function instrumentsFor(
  machine: Machine,
  passedMs = 0,
  options: InProcessOptions = {},
): Instruments {
  const { nvml, time } = inProcessNvml(machine, options);
  time.pass(passedMs);
  const clock: Clock = time;
  return {
    nvml,
    clock,
    pause: async ms => time.pass(ms),
    progress: () => {},
    host: simulatedHost(machine, clock),
    kernelLog: simulatedKernelLog(machine, clock),
    podHistory: simulatedPodHistory(machine, clock),
    node: undefined,
    simulated: machine.name,
  };
}
