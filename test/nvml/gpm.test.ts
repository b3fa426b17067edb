import { expect, test } from 'vitest';
import { realEffects } from '../../src/agent/simulated.ts';
import { present } from '../../src/contract/reading.ts';
import type { Gpm } from '../../src/nvml/port.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { typedLibrary } from '../../src/nvml/table/calls.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { rowCaller } from '../../src/simulation/nvml.ts';
import { gpu } from './gpus.ts';

test('is read only where it is asked for', async () => {
  const { gpm } = await gpu('h100-sxm', {}, { reads: 2 });
  expect(reasonsOf(gpm)).toEqual(['not_read']);
});

test('has nothing to tell of the first sample', async () => {
  const { gpm } = await gpu('h100-sxm', {}, { also: ['gpm'] });
  expect(gpm.smActivePercent).toEqual({
    ok: false,
    reason: 'not_ready',
    detail: 'the first of two samples',
  });
});

test('tells every metric between two samples; one that fails costs itself', async () => {
  const { gpm } = await gpu(
    'h100-sxm',
    {
      answers: { 'gpmMetric smActivePercent': 3.25 },
      faults: { 'gpmMetric fp64ActivePercent': { return: 'no_permission' } },
    },
    { also: ['gpm'], reads: 2 },
  );
  expect(gpm).toEqual({
    smActivePercent: present(3.25),
    smOccupancyPercent: present(38.2),
    tensorActivePercent: present(46.75),
    dramBandwidthPercent: present(57.5),
    fp64ActivePercent: { ok: false, reason: 'no_permission' },
    fp32ActivePercent: present(6.5),
    fp16ActivePercent: present(1.25),
    pcieTxMibPerSecond: present(412.5),
    pcieRxMibPerSecond: present(933.75),
    nvlinkTxMibPerSecond: present(118_342.5),
    nvlinkRxMibPerSecond: present(118_020.25),
  });
});

test.each([
  ['no support', { answers: { gpmQueryDeviceSupport: { isSupportedDevice: 0 } } }, 'not_supported'],
  [
    'no function',
    { faults: { gpmQueryDeviceSupport: { return: 'function_not_found' } } },
    'function_not_found',
  ],
  ['no sample', { faults: { gpmSampleGet: { return: 'gpu_is_lost' } } }, 'gpu_is_lost'],
  ['no metrics', { faults: { gpmMetricsGet: { return: 'unknown' } } }, 'unknown'],
])('%s is the reason of every metric', async (_, over, reason) => {
  const { gpm } = await gpu('h100-sxm', over, { also: ['gpm'], reads: 2 });
  expect(reasonsOf(gpm)).toEqual([reason]);
});

test('takes two samples a GPU, one more each time, and gives them back before the end', async () => {
  const answer = rowCaller(machineFrom('one', { like: 'h100-sxm', gpus: [{}] }), effects);
  const calls: string[] = [];
  const library = typedLibrary((name, row, inputs) => {
    if (/^(?:gpm|shutdown)/.test(name)) calls.push(name);
    return answer(name, row, inputs);
  });
  const session = nvmlSession(async () => ({ path: present('/lib'), library }));
  const request = {
    ...{ id: 1, takenAtMs: 0, had: { driver: [], gpus: {} }, skip: [], last: [] },
    ...{ depth: 'first' as const, also: ['gpm' as const] },
  };
  await session.read(request, () => {});
  await session.read(request, () => {});
  session.shutdown();
  expect(calls).toEqual([
    ...['gpmQueryDeviceSupport', 'gpmSampleAlloc', 'gpmSampleAlloc', 'gpmSampleGet'],
    ...['gpmSampleGet', 'gpmMetricsGet'],
    ...['gpmSampleFree', 'gpmSampleFree', 'shutdown'],
  ]);
});

const reasonsOf = (gpm: Gpm): string[] => [
  ...new Set(Object.values(gpm).map(reading => (reading.ok ? 'present' : reading.reason))),
];

const effects = realEffects({ pid: 0, ppid: 0, uptime: () => 0, kill: () => {} });
