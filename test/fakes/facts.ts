import type { NodeFacts } from '../../src/findings/facts.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import type { Machine } from '../../src/simulation/machine.ts';
import { readNodeTwice } from '../../src/tools/support/read-node.ts';
import { instrumentsFor, machineOf } from './instruments.ts';

const readFacts = new Map<string, ReturnType<typeof factsFor>>();

/** Everything that triage reads of a simulated machine, with its kernel log; it is read once. */
export function factsOf(name: string): ReturnType<typeof factsFor> {
  const facts = readFacts.get(name) ?? factsFor(machineOf(name));
  readFacts.set(name, facts);
  return facts;
}

/** The same for a machine that has no file. */
export async function factsFor(
  machine: Machine,
): Promise<NodeFacts & Required<Pick<NodeFacts, 'log'>>> {
  const facts = await readNodeTwice(instrumentsFor(machine), {}, new AbortController().signal);
  if (!facts.log) throw new Error(`the kernel log of ${machine.name} was not read`);
  return { ...facts, log: facts.log };
}

/** The same facts with some readings of one GPU changed. */
export function withGpu<Facts extends NodeFacts>(
  facts: Facts,
  index: number,
  changed: Partial<GpuState>,
): Facts {
  const gpus = facts.driver.gpus.map(gpu => (gpu.index === index ? { ...gpu, ...changed } : gpu));
  return { ...facts, driver: { ...facts.driver, gpus } };
}
