import type { Clue } from './clue.ts';
import type { NodeFacts } from './facts.ts';
import type { DecidingPath, Part, Path } from './labels.ts';

interface PartReads<P extends Part> {
  /** A missing one hides a fault, so that nobody may be called healthy without it. */
  readonly decides?: readonly DecidingPath<P>[];
  /** Evidence, names, excuses: without it no fault is hidden. */
  readonly tells?: readonly Path<P>[];
}

/** Every reading that a rule looks at, and the parts of the facts beside the readings. */
export type Reads = { readonly [P in Part]?: PartReads<P> } & {
  /** Rules whose findings it looks at, and with them all that they read. */
  readonly findings?: readonly Rule[];
} & {
  readonly [Other in 'log' | 'history' | 'cluster' | 'earlier' | 'secondLook']?: true;
};

/** Facts in, findings out. Pure. */
export interface Rule<Facts = NodeFacts, Declared extends Reads = Reads> {
  (facts: Facts): readonly Clue[];
  readonly id: string;
  readonly reads: Declared;
}

/** A rule with what it reads: gaps come from that, and tests hold that it reads nothing else. */
export const rule = <const Declared extends Reads, Facts = NodeFacts>(
  id: string,
  reads: Declared,
  find: (facts: Facts) => readonly Clue[],
): Rule<Facts, Declared> => Object.assign((facts: Facts) => find(facts), { id, reads });
