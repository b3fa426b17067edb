import { array, asyncProperty, assert as check, constantFrom, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import { gpusOf } from '../../src/contract/finding.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import { H100, h100 } from './machines.ts';
import {
  FAULTS,
  type Mutation,
  mutated,
  NOISE,
  type Placed,
  PROGRAM_FAULTS,
  REFUSALS,
} from './mutations.ts';
import { isSerious } from './scenario.ts';

const some = (from: readonly Mutation[], maxLength: number) =>
  array(record({ gpu: integer({ min: 0, max: 7 }), mutation: constantFrom(...from) }), {
    maxLength,
  });

async function diagnosisOf(placed: readonly Placed[]) {
  const { gpus, log } = mutated(placed);
  const machine = { ...h100(log.length > 0 ? { log } : {}), gpus };
  return diagnose(await factsFor(machineFrom('mutated', machine)));
}

/** What is told in earnest, and of which GPUs; of a lost one only its address may be known. */
const told = ({ findings }: Awaited<ReturnType<typeof diagnosisOf>>) =>
  findings.filter(isSerious).map(finding => ({
    blame: finding.blame,
    gpus: gpusOf(finding).map(({ index, pci }) => index ?? H100.indexOf(pci ?? '')),
  }));

/**
 * The truth is known by how the machine was made: every fault is told of its GPU and blamed on who
 * is at fault, nobody else is accused, and without a fault nothing is.
 */
test('faults, programs’ faults, refusals and noise in any mixture are told for what they are', async () => {
  const mixture = record({
    noise: some(NOISE, 4),
    refusals: some(REFUSALS, 1),
    programs: some(PROGRAM_FAULTS, 2),
    faults: some(FAULTS, 2),
  });
  await check(
    asyncProperty(mixture, async ({ noise, refusals, programs, faults }) => {
      const diagnosis = await diagnosisOf([...noise, ...refusals, ...programs, ...faults]);
      const culprits = [...programs, ...faults];
      for (const { gpus, blame } of told(diagnosis)) {
        for (const gpu of gpus) {
          const truths = culprits
            .filter(one => one.gpu === gpu)
            .map(({ mutation }) => mutation.truth);
          expect(truths).toContain(blame);
        }
        expect(gpus).not.toEqual([]);
      }
      const hidden = refusals.map(({ gpu }) => gpu);
      for (const { gpu, mutation } of culprits) {
        if (hidden.includes(gpu)) continue;
        expect(
          told(diagnosis).some(({ gpus }) => gpus.includes(gpu)),
          mutation.name,
        ).toBe(true);
      }
      if (culprits.length > 0 || refusals.length > 0) expect(diagnosis.verdict).not.toBe('healthy');
      if (culprits.length === 0 && refusals.length === 0) expect(diagnosis.verdict).toBe('healthy');
    }),
    // One seed: whether a change lands is no matter of luck. Take it away to search for more.
    { numRuns: 40, seed: 5 },
  );
}, 120_000);
