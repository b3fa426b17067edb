import { asyncProperty, constantFrom, assert as holds } from 'fast-check';
import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { withoutGpuFields, withoutHostFields } from '../fakes/missing.ts';
import { playAll } from './index.ts';
import { isSerious, type Outcome } from './scenario.ts';

const outcomes = await playAll();
const faulty = outcomes.filter(({ scenario }) => scenario.truth !== 'healthy');
const healthy = outcomes.filter(({ scenario }) => scenario.truth === 'healthy');

const fieldsOf = (part: (outcome: Outcome) => object | undefined): readonly string[] => [
  ...new Set(outcomes.flatMap(outcome => Object.keys(part(outcome) ?? {}))),
];
const gpuField = constantFrom(
  ...fieldsOf(({ facts }) => facts.driver.gpus[0]).filter(
    field => !['index', 'handle'].includes(field),
  ),
);
const hostField = constantFrom(...fieldsOf(({ facts }) => facts.host));
const reason = constantFrom('timeout', 'no_permission', 'unknown', 'gpu_is_lost' as const);
/** One seed: whether a change lands is no matter of luck. Take it away to search for more. */
const RUNS = { numRuns: 100, seed: 5 };

test('a reading of the GPUs that is missing beside a fault never makes the node healthy', async () => {
  await holds(
    asyncProperty(constantFrom(...faulty), gpuField, async ({ scenario, facts }, field) => {
      const { verdict } = diagnose(withoutGpuFields(facts, [field], { reason: 'timeout' }));
      expect([scenario.name, verdict]).not.toEqual([scenario.name, 'healthy']);
    }),
    RUNS,
  );
});

test('nor does a reading of the host', async () => {
  await holds(
    asyncProperty(constantFrom(...faulty), hostField, async ({ scenario, facts }, field) => {
      const { verdict } = diagnose(withoutHostFields(facts, [field], 'timeout'));
      expect([scenario.name, verdict]).not.toEqual([scenario.name, 'healthy']);
    }),
    RUNS,
  );
});

test('a reading that is missing on a well node accuses nobody', async () => {
  await holds(
    asyncProperty(
      constantFrom(...healthy),
      gpuField,
      hostField,
      reason,
      async (outcome, field, other, why) => {
        const lacking = withoutGpuFields(outcome.facts, [field], { reason: why, gpu: 0 });
        expect(diagnose(lacking).findings.filter(isSerious)).toEqual([]);
        const { findings } = diagnose(withoutHostFields(outcome.facts, [other], 'unreadable'));
        expect(findings.filter(isSerious)).toEqual([]);
      },
    ),
    RUNS,
  );
});
