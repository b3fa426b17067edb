import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { DEGRADATIONS } from './degradations.ts';

test('no single degradation goes for health', async () => {
  const verdicts = new Map<string, number>();
  const healthy: string[] = [];
  for (const { name, facts } of DEGRADATIONS) {
    const { verdict } = diagnose(await facts());
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === 'healthy') healthy.push(name);
  }
  const figures = [...verdicts].map(([verdict, count]) => `${count} ${verdict}`);
  process.stdout.write(`${DEGRADATIONS.length} single degradations: ${figures.join(', ')}\n`);
  expect(healthy).toEqual([]);
  expect(DEGRADATIONS.length).toBeGreaterThanOrEqual(120);
});

test('each of them is another one', () => {
  expect(new Set(DEGRADATIONS.map(({ name }) => name)).size).toBe(DEGRADATIONS.length);
});
