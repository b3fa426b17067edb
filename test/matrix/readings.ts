import type { NodeFacts } from '../../src/findings/facts.ts';
import type { Part } from '../../src/findings/labels.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { partsOf } from '../fakes/missing.ts';
import { pathsIn } from '../fakes/recording.ts';

export const PARTS = ['gpu', 'driver', 'host', 'owner'] as const;

/** One reading by its place. */
export interface Place {
  readonly part: Part;
  readonly path: string;
}

const of = ({ reads }: Rule, way: 'decides' | 'tells'): readonly string[] =>
  PARTS.flatMap(part => (reads[part]?.[way] ?? []).map(path => `${part} ${path}`));

/** What a rule says that it reads: what decides, what tells, and what it reads by the rules that it asks. */
export function declarationsOf(rule: Rule) {
  const { findings = [], gpu: _, driver: __, host: ___, owner: ____, ...others } = rule.reads;
  return {
    decides: of(rule, 'decides'),
    tells: [...of(rule, 'tells'), ...Object.keys(others)],
    ofRules: findings.flatMap(declaredBy),
  };
}

export const declaredBy = (rule: Rule): readonly string[] =>
  Object.values(declarationsOf(rule)).flat();

/** Every reading that any of these nodes has, once. */
export function placesIn(nodes: readonly NodeFacts[]): readonly Place[] {
  const paths = (part: Part) => new Set(nodes.flatMap(facts => pathsIn(partsOf(facts)[part])));
  return PARTS.flatMap(part => [...paths(part)].map(path => ({ part, path })));
}
