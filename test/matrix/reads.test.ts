import { describe, expect, test } from 'vitest';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { recording } from '../fakes/recording.ts';
import { playAll } from '../scenarios/index.ts';
import { PARTS } from './readings.ts';

const nodes = (await playAll()).map(({ facts }) => facts);

/** What a rule says that it reads, with what the rules read that it asks. */
function declaredBy({ reads }: Rule): readonly string[] {
  const { findings = [], gpu: _, driver: __, host: ___, owner: ____, ...others } = reads;
  return [
    ...PARTS.flatMap(part =>
      [...(reads[part]?.decides ?? []), ...(reads[part]?.tells ?? [])].map(
        path => `${part} ${path}`,
      ),
    ),
    ...Object.keys(others),
    ...findings.flatMap(declaredBy),
  ];
}

describe('a rule reads what it says, all of it and nothing else', () => {
  test.each(RULES.map(rule => [rule.id, rule] as const))('%s', (_, rule: Rule) => {
    const read = new Set<string>();
    for (const facts of nodes) {
      const recorded = recording(facts);
      expect(rule(recorded.facts)).toEqual(rule(facts));
      for (const each of recorded.seen) read.add(each);
    }
    expect([...read].sort()).toEqual([...new Set(declaredBy(rule))].sort());
  });
});

test('no two rules have one name', () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
});
