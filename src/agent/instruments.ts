import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeHost } from '../host/node-host.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { createNodeKernelLog } from '../kernel-log/node-log.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { createNvml } from '../nvml/driver.ts';
import { type ChildCommand, spawnNvmlChild } from '../nvml/hosted.ts';
import { redactedHost } from '../redaction/host.ts';
import { redactedKernelLog } from '../redaction/kernel-log.ts';
import { createNames } from '../redaction/names.ts';
import { simulatedHost } from '../simulation/host.ts';
import { simulatedKernelLog } from '../simulation/kernel-log.ts';
import { loadMachine } from '../simulation/machine.ts';
import type { Instruments } from '../tools/tool.ts';
import type { AgentArguments } from './arguments.ts';

interface InstrumentOptions {
  readonly arguments: AgentArguments;
  readonly clock: KernelClock;
  readonly nvmlChild: ChildCommand;
}

/**
 * The instruments of this node, or of a machine made of data; NVML in a child either way. Where
 * names may not leave, no tool gets to see one.
 */
export function instrumentsOf(options: InstrumentOptions): Instruments {
  const instruments = openInstruments(options);
  const { redactNames } = options.arguments;
  return redactNames === undefined ? instruments : redactedInstruments(instruments, redactNames);
}

/** The same instruments with tokens for the names of processes, pods and what belongs to them. */
export function redactedInstruments(instruments: Instruments, key: string): Instruments {
  const names = createNames(key);
  const { host, kernelLog } = instruments;
  return {
    ...instruments,
    host: redactedHost(host, names),
    kernelLog: redactedKernelLog(kernelLog, names),
  };
}

function openInstruments(options: InstrumentOptions): Instruments {
  const { clock } = options;
  const { simulate, node, hostRoot: root } = options.arguments;
  const nvml = createNvml({ spawnChild: () => spawnNvmlChild(options.nvmlChild), clock });
  const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal });
  const common = { nvml, clock, pause, node, simulated: simulate };
  if (simulate === undefined) {
    const host = createNodeHost({ root });
    return { ...common, host, kernelLog: createNodeKernelLog({ root, clock, loadXz }) };
  }
  const machine = loadMachine(simulate);
  const host = simulatedHost(machine);
  return { ...common, host, kernelLog: simulatedKernelLog(machine, clock) };
}
