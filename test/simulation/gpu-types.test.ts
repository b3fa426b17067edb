import { describe, expect, test } from 'vitest';
import { known } from '../../src/contract/reading.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from './in-process.ts';

const never = new AbortController().signal;
const read = (name: string) => inProcessNvml(machineFrom(name, { like: name })).nvml.read(never);

/** GPUs of a machine, GiB, watts, links that are up, and the fabric's state. */
// biome-ignore format: a table
const PRODUCTS = [
  ['t4',              4,  15,   70,  0, 'not told'],
  ['a10',             2,  22,  150,  0, 'not told'],
  ['l4',              4,  22,   72,  0, 'not_supported'],
  ['l40s',            8,  45,  350,  0, 'not_supported'],
  ['a100-sxm4-40gb',  8,  40,  400, 12, 'not_supported'],
  ['a100-sxm4-80gb',  8,  80,  400, 12, 'not_supported'],
  ['h100-sxm',        8,  80,  700, 18, 'completed'],
  ['h100-pcie',       4,  80,  350,  0, 'not_supported'],
  ['h200',            8, 140,  700, 18, 'completed'],
  ['b200',            8, 179, 1000, 18, 'completed'],
  ['gb200',           4, 185, 1200, 18, 'completed'],
  ['gb300',           4, 278, 1400, 18, 'completed'],
] as const;

test('every type is in the table above', () => {
  expect(PRODUCTS.map(([name]) => name)).toEqual(GPU_TYPES);
});

describe.each(PRODUCTS)('%s', (name, count, gib, watts, links, fabric) => {
  test('is the product: GPUs, memory, power limit, links, fabric', async () => {
    const { gpus } = await read(name);
    expect(gpus).toHaveLength(count);
    for (const gpu of gpus) {
      expect(Math.round((known(gpu.memory)?.totalBytes ?? 0) / 2 ** 30)).toBe(gib);
      expect(known(gpu.power.maxLimitMw)).toBe(watts * 1000);
      const up = known(gpu.nvlinks)?.links.filter(({ state }) => known(state) === 'active');
      expect(up).toHaveLength(links);
      expect(known(gpu.fabric)?.state ?? 'not told').toBe(fabric);
    }
  });

  test('is under full load, within its limits, without an error', async () => {
    const { gpus } = await read(name);
    for (const gpu of gpus) {
      expect(known(gpu.gpuUtilizationPercent)).toBe(100);
      expect(known(gpu.powerUsageMw)).toBeLessThan(known(gpu.enforcedPowerLimitMw) ?? 0);
      expect(known(gpu.power.instantMw)).toBe(known(gpu.powerUsageMw));
      expect(known(gpu.temperatureC)).toBeLessThan(known(gpu.slowdownTemperatureC) ?? 0);
      expect(known(gpu.clocksEventReasons)).toEqual(['sw_power_cap']);
      expect(known(gpu.eccUncorrectedVolatile)).toBe(0);
      expect(known(gpu.recoveryAction)).toBe(0);
      expect(known(gpu.pcieWidthCurrent)).toBe(known(gpu.pcieWidthMax));
    }
  });

  test('has GPUs that differ in what tells them apart, and in nothing that should be equal', async () => {
    const { gpus } = await read(name);
    const of = (field: 'uuid' | 'serial' | 'pci' | 'vbios' | 'name') =>
      new Set(gpus.map(gpu => known(gpu[field]))).size;
    expect([of('uuid'), of('serial'), of('pci')]).toEqual([count, count, count]);
    expect([of('vbios'), of('name')]).toEqual([1, 1]);
  });
});

test('an old driver lacks functions and not the GPU', async () => {
  const { gpus } = await read('a10');
  const older = { ok: false, reason: 'function_not_found' };
  expect(gpus[0]).toMatchObject({ sramErrors: older, platform: older, repairPending: older });
  expect(gpus[0]?.name.ok).toBe(true);
});

test('links of GPUs without a switch lead to the other GPUs', async () => {
  const machine = machineFrom('hgx-4', { like: 'ecc-row-remap' });
  const { gpus } = await inProcessNvml(machine).nvml.read(never);
  const ends = known(gpus[0]?.nvlinks)?.links.map(({ remotePci }) => known(remotePci));
  expect(new Set(ends)).toEqual(new Set(gpus.slice(1).map(({ pci }) => known(pci))));
});
