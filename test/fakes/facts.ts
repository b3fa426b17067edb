import type { NodeFacts } from '../../src/findings/facts.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { readNode } from '../../src/tools/facts.ts';
import { instrumentsOf } from './instruments.ts';

/** Everything that triage reads of a simulated machine, with its kernel log. */
export async function factsOf(name: string): Promise<Required<NodeFacts>> {
  const facts = await readNode(instrumentsOf(name), {}, new AbortController().signal);
  if (!facts.log) throw new Error(`the kernel log of ${name} was not read`);
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
