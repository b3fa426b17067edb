import { expect, test } from 'vitest';
import * as z from 'zod';
import { isoTime } from '../../src/contract/time.ts';
import { rendered } from '../../src/report/render.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { getGpuHealth } from '../../src/tools/catalog/get-gpu-health.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';
import { formOf } from '../fakes/pages.ts';

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

test('a reading that every GPU of its kind has leaves it unjudged, whatever the driver says', async () => {
  expect(await statusWith('not_supported')).toEqual(['unknown']);
});

test('eight well GPUs rest on figures, and fewer on none', async () => {
  const { text, structured } = await answered(getGpuHealth, {}, instrumentsOf('dgx-h100'));
  const figures =
    '8 of 8 GPUs answer, 144 of 144 NVLinks up, ECC on, 0 uncorrected, 1 row remapped, 64 °C at most, no slowdown, no XID in 24 h of kernel log';
  expect(structured).toMatchObject({ restsOn: figures });
  expect(text).toContain(`\nrests on  ${figures}\n`);
  for (const [machine, input] of [
    ['dgx-h100', { gpu: '3' }],
    ['lost-gpu', {}],
    ['no-driver', {}],
  ] as const) {
    const other = await answered(getGpuHealth, input, instrumentsOf(machine));
    expect(other.structured, machine).not.toHaveProperty('restsOn');
    expect(other.text, machine).not.toContain('rests on');
  }
});

test('a reading that could have been had and was not leaves it unjudged', async () => {
  expect(await statusWith('no_permission')).toEqual(['unknown']);
});

test('a GPU that stands out is named above the figures that "healthy" rests on', async () => {
  const machine = machineFrom('vbios', {
    like: 'dgx-h100',
    gpus: { 2: { answers: { deviceGetVbiosVersion: '96.00.30.00.01' } } },
  });
  const { text, structured } = await answered(triageGpuNode, {}, instrumentsFor(machine));
  const remark = 'GPU 2 (0000:52:00) has the VBIOS 96.00.30.00.01';
  expect(structured).toMatchObject({ verdict: 'healthy' });
  expect(text.split('\n')[0]).toContain(`Worth a look: ${remark}`);
  const page = await rendered(
    {
      ...{ tool: 'triage_gpu_node', title: 'vbios', lines: [], structured },
    },
    formOf(),
  );
  expect(page.indexOf(remark)).toBeLessThan(page.indexOf('8 of 8 GPUs answer'));
  expect(page).toContain(`No GPU fault found.\nWorth a look: ${remark}`);
});

test('an answer names what it has from an earlier reading, and when that was', async () => {
  const { pause, ...instruments } = instrumentsOf('dgx-h100');
  const ask = () => answered(triageGpuNode, {}, { pause, ...instruments });
  expect((await ask()).text).not.toContain('kept from');
  const takenAt = isoTime(instruments.clock.nowMs());
  await pause(240_000, new AbortController().signal);
  const { text, structured } = await ask();
  expect(text).toContain(
    `\nkept from ${takenAt} (4 min 00 s before): the checksums of the InfoROM\n`,
  );
  expect(structured).toMatchObject({
    readings: {
      kept: expect.arrayContaining([{ what: 'the checksums of the InfoROM', readAt: takenAt }]),
    },
  });
});
