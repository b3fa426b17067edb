import { expect, test } from 'vitest';
import * as z from 'zod';
import { machineFrom } from '../../src/simulation/machine.ts';
import { getGpuHealth } from '../../src/tools/catalog/get-gpu-health.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const Answer = z.looseObject({ gpus: z.array(z.looseObject({ status: z.string() })) });

const statusWith = async (returned: string) => {
  const faults = { deviceGetRemappedRows: { return: returned } };
  const instruments = instrumentsFor(
    machineFrom('old', { like: 'dgx-h100', everyGpu: { faults } }),
  );
  const { structured } = await answered(getGpuHealth, {}, instruments);
  return [...new Set(Answer.parse(structured).gpus.map(({ status }) => status))];
};

test('a reading that a driver is too old to tell leaves a GPU judged', async () => {
  expect(await statusWith('function_not_found')).toEqual(['ok']);
});

test('a reading that could have been had and was not leaves it unjudged', async () => {
  expect(await statusWith('no_permission')).toEqual(['unknown']);
});
