import { describe, expect, test } from 'vitest';
import { missing } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';

/** A machine whose readings of one GPU are replaced one by one; a reading may lie in a group. */
const healthy = await factsFor(machineFrom('healthy', { like: 'h100-sxm' }));
const [first] = healthy.driver.gpus;
const fields = Object.keys(first ?? {}).filter(
  field => !['index', 'handle', 'pci', 'uuid', 'temperatureC'].includes(field),
);

type Reason = 'unknown' | 'not_supported' | 'timeout' | 'function_not_found';

function gone(value: unknown, reason: Reason): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('ok' in value) return missing(reason);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, gone(part, reason)]));
}

/** The machine without these readings of the GPUs that are meant. */
function without(
  lacking: readonly string[],
  { reason, gpu }: { reason: Reason; gpu?: number },
): NodeFacts {
  const gpus = healthy.driver.gpus.map(state => ({
    ...state,
    ...Object.fromEntries(
      Object.entries(state)
        .filter(([key]) => lacking.includes(key) && (gpu ?? state.index) === state.index)
        .map(([key, value]) => [key, gone(value, reason)]),
    ),
  }));
  return { ...healthy, driver: { ...healthy.driver, gpus } };
}

describe('a missing reading accuses nobody', () => {
  test.each(fields)('%s', field => {
    for (const reason of ['unknown', 'not_supported', 'timeout'] as const) {
      const { findings, verdict } = diagnose(without([field], { reason, gpu: 2 }));
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
  const deciding = ['memory', 'clocksEventReasons', 'eccUncorrectedVolatile'];
  const lacking = fields.filter(field => !deciding.includes(field));
  const { verdict, gaps, findings } = diagnose(without(lacking, { reason: 'function_not_found' }));
  expect({ verdict, findings }).toEqual({ verdict: 'unknown', findings: [] });
  expect(gaps).toEqual([expect.stringMatching(/^only \d+ of \d+ driver readings were got$/)]);
});
