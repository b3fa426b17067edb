import type { Clock } from '../../src/contract/time.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { simulatedKernelLog, simulatedPodHistory } from '../../src/simulation/kernel-log.ts';
import { loadMachine, type Machine } from '../../src/simulation/machine.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { type InProcessOptions, inProcessNvml } from '../simulation/in-process.ts';

const machines = new Map<string, Machine>();

/** A machine of the files, loaded once. */
export function machineOf(name: string): Machine {
  const machine = machines.get(name) ?? loadMachine(name);
  machines.set(name, machine);
  return machine;
}

/** All instruments of a simulated machine; time stands still but for what a hung driver takes. */
export const instrumentsOf = (name: string): Instruments => instrumentsFor(machineOf(name));

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
