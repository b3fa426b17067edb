import type { Evidence, Finding, GpuRef } from '../contract/finding.ts';
import { isoTime } from '../contract/time.ts';
import type { GpuState } from '../nvml/port.ts';
import { type NodeFacts, refOf } from './facts.ts';

/** What a finding can be a sign of. Signs of one cause on one GPU are told as one finding. */
export type Cause =
  | 'lost'
  | 'memory'
  | 'firmware'
  | 'nvlink'
  | 'pcie'
  | 'thermal'
  /** What the driver asks for belongs to the cause that made it ask. */
  | 'asked'
  /** The same for a GPU that the device plugin takes away. */
  | 'withheld'
  /** Causes that lie in the node and in no GPU. */
  | 'node-versions'
  | 'node-memory'
  | 'node-hardware';

/** A finding as its rule tells it, before those of one cause are made one. */
export interface Clue extends Finding {
  /** Absent where the finding stands for itself. */
  readonly cause?: Cause;
  /** The finding in a few words, for the title of the one that leads: `a row remap is pending`. */
  readonly sign?: string;
  /** Its advice wants a hand on the card, which a virtual machine has none for. */
  readonly byHand?: true;
}

/** What a rule says of its finding. */
export interface ClueParts extends Omit<Clue, 'id' | 'gpu' | 'counterEvidence'> {
  readonly counterEvidence?: string[];
  /** Which of several such things of the node it is about: stands in the finding's id. */
  readonly of?: string | number;
}

/** A finding on one GPU: its id and its name come from the rule's name and the GPU. */
export function gpuClue(gpu: GpuState | GpuRef, rule: string, clue: ClueParts): Clue {
  const ref = refOf(gpu);
  return { ...nodeClue(rule, clue), id: findingId(rule, ref), gpu: ref };
}

/** A finding on the node as a whole, or on one of its things. */
export const nodeClue = (rule: string, { of, counterEvidence = [], ...clue }: ClueParts): Clue => ({
  id: of === undefined ? rule : `${rule}:${of}`,
  ...clue,
  counterEvidence,
});

/** Evidence from the driver at the time of the reading. */
export const nvmlEvidence = (facts: NodeFacts, what: string, command: string): Evidence => ({
  what,
  source: 'NVML',
  readAt: isoTime(facts.driver.takenAtMs),
  command,
});

/** Stable over answers: the rule's name and the best name of the GPU. */
export const findingId = (rule: string, gpu: GpuRef): string =>
  `${rule}:${gpu.pci ?? gpu.uuid ?? gpu.index ?? 'gpu'}`;
