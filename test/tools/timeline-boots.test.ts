import { expect, test } from 'vitest';
import * as z from 'zod';
import { machineFrom } from '../../src/simulation/machine.ts';
import { getGpuTimeline } from '../../src/tools/catalog/get-gpu-timeline.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const Answer = z.looseObject({
  entries: z.array(z.looseObject({ kind: z.string(), time: z.string() })),
});

test.each([
  ['within the window is told at the moment when it began', 600, ['2026-03-01T11:50:00.000Z']],
  ['before the window is not: the log’s first line is no boot', 864_000, []],
])('a boot %s', async (_what, uptimeSeconds, boots) => {
  const machine = machineFrom('booted', {
    like: 'dgx-h100',
    host: { uptimeSeconds },
    kernelLog: {
      lines: [{ secondsAgo: 60, text: 'NVRM: loading NVIDIA UNIX Open Kernel Module' }],
    },
  });
  const answer = await answered(getGpuTimeline, {}, instrumentsFor(machine));
  const { entries } = Answer.parse(answer.structured);
  expect(entries.filter(({ kind }) => kind === 'boot').map(({ time }) => time)).toEqual(boots);
});
