import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GpuState } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { overProcesses } from '../nvml/children.ts';
import { buildSimulatedLibrary, nvmlHeaderFolder } from './build.ts';
import { simulatedRoot } from './root.ts';

const never = new AbortController().signal;

/** NVIDIA's bindings of a time, whose nvml.h declares the symbols that its driver had. */
const GENERATIONS = {
  R455: 'github.com/NVIDIA/go-nvml@v0.11.1-0',
  R525: 'github.com/NVIDIA/go-nvml@v0.12.0-1',
  R550: 'github.com/NVIDIA/go-nvml@v0.12.4-0',
};

/** Reads a healthy B200 through a library that has the symbols of an older nvml.h only. */
async function readWith(module: string): Promise<GpuState> {
  const header = readFileSync(join(await nvmlHeaderFolder(module), 'nvml.h'), 'utf8');
  const symbols = [...header.matchAll(/DECLDIR (nvml\w+)/g)].map(([, symbol = '']) => symbol);
  const library = await buildSimulatedLibrary([...new Set(symbols)]);
  const { root } = simulatedRoot(library, machineFrom('older', { like: 'b200' }));
  const { nvml } = overProcesses(['host', root]);
  const { gpus } = await nvml.read(never);
  await nvml.close();
  const [gpu] = gpus;
  if (!gpu) throw new Error('no GPU');
  return gpu;
}

/** Names of readings that the driver has no function for; members of groups as `group.member`. */
function lacking(state: object, group = ''): string[] {
  return Object.entries(state).flatMap(([name, reading]) => {
    if (typeof reading !== 'object' || reading === null) return [];
    if (!('ok' in reading)) return lacking(reading, `${name}.`);
    return reading.reason === 'function_not_found' ? [group + name] : [];
  });
}

test('R550 lacks what came after it', async () => {
  expect(lacking(await readWith(GENERATIONS.R550)).toSorted()).toMatchInlineSnapshot(`
    [
      "addressingMode",
      "bankRemapper",
      "platform",
      "repairPending",
      "thermal.marginC",
      "unrepairableMemory",
    ]
  `);
});

test('R525 lacks more', async () => {
  expect(lacking(await readWith(GENERATIONS.R525)).toSorted()).toMatchInlineSnapshot(`
    [
      "addressingMode",
      "allProcesses",
      "bankRemapper",
      "engines.jpegPercent",
      "engines.ofaPercent",
      "lastBlackBoxFlushMs",
      "moduleId",
      "numaNode",
      "platform",
      "repairPending",
      "sramErrors",
      "sramUniqueErrors",
      "thermal.marginC",
      "unrepairableMemory",
    ]
  `);
});

test('R455 still tells what the GPU is, its memory, heat, errors, links and processes', async () => {
  const state = await readWith(GENERATIONS.R455);
  expect(lacking(state).toSorted()).toMatchInlineSnapshot(`
    [
      "addressingMode",
      "allProcesses",
      "bankRemapper",
      "engines.jpegPercent",
      "engines.ofaPercent",
      "fabric",
      "gsp.firmwareMode",
      "gsp.firmwareVersion",
      "lastBlackBoxFlushMs",
      "moduleId",
      "numaNode",
      "platform",
      "repairPending",
      "sramErrors",
      "sramUniqueErrors",
      "thermal.marginC",
      "unrepairableMemory",
    ]
  `);
  for (const field of [
    'name',
    'pci',
    'memory',
    'temperatureC',
    'remappedRows',
    'nvlinks',
  ] as const) {
    expect(state[field].ok).toBe(true);
  }
});
