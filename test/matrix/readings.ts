import type { NodeFacts } from '../../src/findings/facts.ts';
import type { Part } from '../../src/findings/labels.ts';
import { partsOf } from '../fakes/missing.ts';
import { pathsIn } from '../fakes/recording.ts';

export const PARTS = ['gpu', 'driver', 'host', 'owner'] as const;

/** One reading by its place. */
export interface Place {
  readonly part: Part;
  readonly path: string;
}

/** Every reading that any of these nodes has, once. */
export function placesIn(nodes: readonly NodeFacts[]): readonly Place[] {
  const paths = (part: Part) => new Set(nodes.flatMap(facts => pathsIn(partsOf(facts)[part])));
  return PARTS.flatMap(part => [...paths(part)].map(path => ({ part, path })));
}
