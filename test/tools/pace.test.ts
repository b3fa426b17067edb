import { expect, test } from 'vitest';
import { mapReading, missing, present } from '../../src/contract/reading.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { paceOf } from '../../src/tools/pace.ts';
import { factsFor } from '../fakes/facts.ts';

const { driver, host } = await factsFor(
  machineFrom('m', { like: 'h100-sxm', host: { nics: [{ name: 'mlx5_0' }] } }),
);

/** Two looks, four seconds apart, at the first two GPUs; what is said of the first is so in each look. */
function paced(
  first: Partial<GpuState>,
  last: Partial<GpuState>,
  ports?: readonly [object, object],
) {
  const gpus = driver.gpus.slice(0, 2);
  const [own] = gpus;
  if (!own) throw new Error('no GPU');
  const state = (takenAtMs: number, over: Partial<GpuState>) => ({
    ...driver,
    ...{ takenAtMs, gpus: [{ ...own, ...over }, ...gpus.slice(1)] },
  });
  const counters = (over: object) => ({
    aer: [],
    ports: [{ nic: 'mlx5_0', port: 1, counters: {}, ...over }],
  });
  const pace = paceOf({
    ...{ states: [state(0, first), state(4_000, last)], host },
    ports: ports && { before: counters(ports[0]), after: counters(ports[1]) },
  });
  const [gpu] = pace.gpus;
  if (!gpu) throw new Error('no GPU');
  return { ...pace, gpu };
}

test('a counter tells for how much of the time a reason held, where no look saw it', () => {
  const none = { clocksEventReasons: present([]) };
  const { gpu } = paced({ ...none, ...violated(5e9) }, { ...none, ...violated(8e9) });
  expect(gpu.held).toEqual({ hw_thermal_slowdown: 0.75 });
});

function violated(ns: number): Partial<GpuState> {
  const [gpu] = driver.gpus;
  if (!gpu) throw new Error('no GPU');
  return { violations: { ...gpu.violations, hwThermalNs: present(ns) } };
}

test('means are those of the looks that could be read, and none of them is 0', () => {
  const { gpu } = paced(
    { powerUsageMw: present(300_000), gpuUtilizationPercent: present(90) },
    { powerUsageMw: missing('timeout'), gpuUtilizationPercent: present(100) },
  );
  expect(gpu).toMatchObject({ powerW: 300, busyPercent: { min: 90, mean: 95, max: 100 } });
  const mig = { gpuUtilizationPercent: missing('not_supported') };
  expect(paced(mig, mig).gpu).not.toHaveProperty('busyPercent');
});

test('a GPU that was lost between the looks tells nothing but that', () => {
  const { gpu } = paced({}, { handle: missing('gpu_is_lost') });
  expect(gpu).toMatchObject({ index: 0, error: 'gpu_is_lost', held: {} });
  expect(gpu).not.toHaveProperty('powerW');
});

test('links that sleep are up, and the slowest that is up is told', () => {
  const [gpu] = driver.gpus;
  if (!gpu) throw new Error('no GPU');
  const nvlinks = mapReading(gpu.nvlinks, all => ({
    ...all,
    links: all.links.map((link, at) => ({
      ...link,
      ...(at === 0 && { state: present('sleep' as const) }),
      ...(at === 1 && { state: present('inactive' as const), speedMbps: present(1) }),
      ...(at === 2 && { speedMbps: present(13_281) }),
    })),
  }));
  expect(paced({}, { nvlinks }).gpu.nvlink).toEqual({ up: 17, all: 18, slowestMbps: 13_281 });
});

test('where the state of one link was not read, no number of links that are up is given', () => {
  const [gpu] = driver.gpus;
  if (!gpu) throw new Error('no GPU');
  const nvlinks = mapReading(gpu.nvlinks, all => ({
    ...all,
    links: all.links.map((link, at) =>
      at === 3 ? { ...link, state: missing('unreadable') } : link,
    ),
  }));
  expect(paced({}, { nvlinks }).gpu).not.toHaveProperty('nvlink');
});

test('adapters: rates of what they sent and received, errors that grew, and no rate of a counter that fell', () => {
  const { nics } = paced({}, {}, [
    { sentBytes: 1e9, receivedBytes: 9e9, counters: { symbol_error: 4, port_xmit_wait: 1 } },
    { sentBytes: 51e9, receivedBytes: 1e9, counters: { symbol_error: 9, port_xmit_wait: 900 } },
  ]);
  expect(nics).toEqual([
    {
      ...{ nic: 'mlx5_0', port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 100_000 },
      totalBytes: 52e9,
      grew: { symbol_error: 5 },
    },
  ]);
});

test('what its links moved is the busier way of the two, and no rate where one of them is not told', () => {
  const [gpu] = driver.gpus;
  if (!gpu) throw new Error('no GPU');
  const moved = {
    ...{ pcieTxMibPerSecond: present(900), pcieRxMibPerSecond: present(4_000) },
    ...{ nvlinkTxMibPerSecond: present(90_000), nvlinkRxMibPerSecond: missing('not_supported') },
  };
  const { gpu: seen } = paced({}, { gpm: { ...gpu.gpm, ...moved } });
  expect(seen.pcieMibPerSecond).toBe(4_000);
  expect(seen).not.toHaveProperty('nvlinkMibPerSecond');
});
