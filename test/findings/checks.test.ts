import { expect, test } from 'vitest';
import * as z from 'zod';
import { present } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { factsOf } from '../fakes/facts.ts';
import { without } from '../fakes/missing.ts';
import { triageOf } from '../fakes/pages.ts';

/** What each check of a triage came to. */
async function checksOf(name: string) {
  const { structured } = await triageOf(name);
  return z.looseObject({ checks: z.record(z.string(), z.string()) }).parse(structured).checks;
}

const namesOf = (checks: Readonly<Record<string, string>>, ...results: readonly string[]) =>
  Object.keys(checks)
    .filter(name => results.includes(checks[name] ?? ''))
    .sort();

test('every rule is a check, each once; of a well machine only what the cluster knows was not read', async () => {
  const checks = await checksOf('dgx-h100');
  expect(Object.keys(checks).sort()).toEqual(RULES.map(({ id }) => id).sort());
  expect(namesOf(checks, 'critical', 'warning', 'info')).toEqual([]);
  expect(namesOf(checks, 'not_read')).toEqual([
    'compute-domains',
    'device-taints',
    'dra-devices',
    'dra-driver',
    'expected-gpus',
    'gpu-registration',
    'gpu-stack',
    'node-conditions',
    'nvsentinel',
    'platform-actions',
    'pods-not-starting',
    'stack-images',
  ]);
});

test('a fault is told by its own check, and what hides behind it is not called well', async () => {
  const checks = await checksOf('lost-gpu');
  expect(namesOf(checks, 'critical', 'warning')).toEqual([
    'count-mismatch',
    'lost-gpu',
    'pcie-errors',
  ]);
  // Nobody could look at the memory and the links of the GPU that is gone.
  expect(namesOf(checks, 'not_read')).toEqual(
    expect.arrayContaining(['memory-errors', 'nvlink-down', 'thermal']),
  );
  expect(namesOf(checks, 'ok')).toEqual(expect.arrayContaining(['nics', 'host-resources']));
});

test('without a driver nothing that asks it is called well', async () => {
  const checks = await checksOf('no-driver');
  const asking = RULES.filter(({ reads }) => 'gpu' in reads && 'decides' in reads.gpu);
  expect(asking.length).toBeGreaterThan(10);
  for (const { id } of asking) expect(checks[id], id).not.toBe('ok');
});

test('what only the cluster knows is checked where it was asked', async () => {
  const checks = await checksOf('job-pending');
  expect(checks['node-conditions']).toBe('warning');
  expect(checks['expected-gpus']).toBe('ok');
});

test('what no virtual GPU gave is not called well, although nobody can judge one anyway', async () => {
  const facts = await factsOf('dgx-h100');
  const gpus = facts.driver.gpus.map(gpu => ({
    ...gpu,
    virtualizationMode: present<'vgpu'>('vgpu'),
  }));
  const guests = { ...facts, driver: { ...facts.driver, gpus } };
  const lacking = without(guests, { part: 'gpu', path: 'memory', reason: 'timeout' });
  const asking = RULES.filter(({ reads }: Rule) => reads.gpu?.decides?.includes('memory'));
  expect(asking.map(({ id }) => diagnose(guests).checks[id])).toContain('ok');
  for (const { id } of asking) expect(diagnose(lacking).checks[id], id).not.toBe('ok');
});
