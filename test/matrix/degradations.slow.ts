import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { DEGRADATIONS } from './degradations.ts';

/** Told as a remark: what somebody may have set or built so, on all GPUs alike. */
const REMARKS: Readonly<Record<string, string>> = {
  'every GPU of h100-sxm: deviceGetEccMode {"current":0,"pending":0}': 'ecc-off',
  'every GPU of h100-sxm: deviceGetCurrPcieLinkWidth 8': 'pcie-width',
};

test('no single degradation goes for health', async () => {
  const verdicts = new Map<string, number>();
  const healthy: string[] = [];
  for (const { name, facts } of DEGRADATIONS) {
    const { verdict, findings } = diagnose(await facts());
    const remark = findings.map(({ id }) => id).join();
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === 'healthy' && REMARKS[name] !== remark) healthy.push(name);
  }
  const figures = [...verdicts].map(([verdict, count]) => `${count} ${verdict}`);
  process.stdout.write(`${DEGRADATIONS.length} single degradations: ${figures.join(', ')}\n`);
  expect(healthy).toEqual([]);
  expect(DEGRADATIONS.length).toBeGreaterThanOrEqual(120);
});

test('each of them is another one', () => {
  expect(new Set(DEGRADATIONS.map(({ name }) => name)).size).toBe(DEGRADATIONS.length);
});
