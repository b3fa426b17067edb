import { describe, expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import { without } from '../fakes/missing.ts';

/** A machine whose readings of one GPU are replaced one by one; a reading may lie in a group. */
const healthy = await factsFor(machineFrom('healthy', { like: 'h100-sxm' }));
const [first] = healthy.driver.gpus;
const fields = Object.keys(first ?? {}).filter(field => !['index', 'handle'].includes(field));

/** One that excuses, one that does not, and a sign of its own; test/matrix takes more of them. */
const REASONS = ['not_supported', 'timeout', 'gpu_is_lost'] as const;

describe('a missing reading accuses nobody', () => {
  test.each(fields)('%s', field => {
    for (const reason of REASONS) {
      const { findings, verdict } = diagnose(
        without(healthy, { part: 'gpu', path: field, reason, gpu: 2 }),
      );
      expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
      expect(['healthy', 'unknown']).toContain(verdict);
    }
  });
});

test('all types are judged with every reading that their driver gives', async () => {
  for (const type of GPU_TYPES) {
    const { readings, gaps } = diagnose(await factsFor(machineFrom(type, { like: type })));
    expect(gaps, type).toEqual([]);
    expect(readings.got / readings.tried, type).toBeGreaterThan(0.5);
  }
});

test('few readings of many make no "healthy", although those that decide were got', () => {
  const deciding = [
    'memory',
    'temperatureC',
    'clocksEventReasons',
    'eccUncorrectedVolatile',
    'pci',
  ];
  const lacking = fields
    .filter(field => !deciding.includes(field))
    .reduce<NodeFacts>(
      (facts, path) => without(facts, { part: 'gpu', path, reason: 'function_not_found' }),
      healthy,
    );
  const { verdict, gaps, findings } = diagnose(lacking);
  expect({ verdict, findings }).toEqual({ verdict: 'unknown', findings: [] });
  expect(gaps).toEqual([expect.stringMatching(/^only \d+ of \d+ driver readings were got$/)]);
});
