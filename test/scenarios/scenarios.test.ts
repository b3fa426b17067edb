import { afterAll, describe, expect, test } from 'vitest';
import { RULES } from '../../src/findings/rules.ts';
import { asWritten } from './as-written.ts';
import { forgetOutcomes, outcomeOf, SCENARIOS } from './index.ts';
import type { Scenario } from './scenario.ts';

/** A few machines that show each kind of finding, verdict and blame once: scenarios.slow.ts plays them all. */
const FEW: readonly Scenario[] = (() => {
  const seen = new Set<string>();
  return SCENARIOS.filter(({ verdict, truth, findings }) => {
    const kinds = [`${verdict} ${truth}`, ...findings.map(id => id.replace(/:.*/, ''))];
    const isNew = kinds.some(kind => !seen.has(kind));
    for (const kind of kinds) seen.add(kind);
    return isNew;
  });
})();

afterAll(forgetOutcomes);

describe('a machine gets its verdict and exactly its findings, each of them whole', () => {
  test.each(FEW.map(scenario => [scenario.name, scenario] as const))('%s', async (_, scenario) => {
    await asWritten(scenario);
  });
});

test('every rule is needed: some machine of these has a finding of it', async () => {
  const machines = await Promise.all(FEW.map(outcomeOf));
  const silent = RULES.filter(rule => machines.every(({ facts }) => rule(facts).length === 0));
  expect(silent.map(({ id }) => id)).toEqual([]);
});
