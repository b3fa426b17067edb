import { expect, test } from 'vitest';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { loadMachine, type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { overProcesses } from '../nvml/children.ts';
import { BEYOND_NVIDIA_SMI_Q, NVIDIA_SMI_Q_CALLS } from '../nvml/nvidia-smi-calls.ts';
import { buildCountingLibrary, buildSimulatedLibrary } from './build.ts';
import { type Call, callsIn, nvidiaSmi, queryAll, questionsOf } from './nvidia-smi.ts';
import { expectedPage } from './nvidia-smi-page.ts';
import { simulatedRoot } from './root.ts';

const never = new AbortController().signal;
const program = await nvidiaSmi();
const library = await buildSimulatedLibrary();
const counting = await buildCountingLibrary();

const named = ['dgx-h100', 'ecc-row-remap', 'healthy-t4', 'mig-a100'].map(loadMachine);
const types = GPU_TYPES.map(name => machineFrom(name, { like: name }));

test.each([...named, ...types])('nvidia-smi -q prints of $name what we read', async machine => {
  const { root, folder } = simulatedRoot(library, machine);
  const { nvml } = overProcesses(['host', root]);
  const { gpus } = await nvml.read(never);
  await nvml.close();
  const pages = await queryAll(program, folder);
  const expected = gpus.map(expectedPage);
  expect(
    pages.map((page, index) =>
      Object.fromEntries(Object.keys(expected[index] ?? {}).map(line => [line, page[line]])),
    ),
  ).toEqual(expected);
});

test('where one GPU is lost nvidia-smi -q ends with 15 and tells of none; we tell of all eight', async () => {
  const { root, folder } = simulatedRoot(library, loadMachine('lost-gpu'));
  await expect(queryAll(program, folder)).rejects.toMatchObject({
    code: 15,
    stdout: expect.stringContaining('GPU3: GPU is lost.'),
  });
  const { nvml } = overProcesses(['host', root]);
  const { gpus } = await nvml.read(never);
  await nvml.close();
  expect(gpus.map(({ temperatureC }) => temperatureC.ok)).toEqual(
    gpus.map(({ index }) => index !== 3),
  );
});

/** The calls of one whole reading, and those of `nvidia-smi -q`, at the edge of the same library. */
async function callsOf(machine: Machine): Promise<{ ours: Call[]; theirs: Call[] }> {
  const { root, folder } = simulatedRoot(counting, machine);
  const { nvml } = overProcesses(['host', root]);
  await nvml.read(never);
  await nvml.close();
  const ours = callsIn(folder);
  await queryAll(program, folder);
  return { ours, theirs: questionsOf(callsIn(folder)) };
}

/** By their symbols: rows of our table that nvidia-smi -q has no use for. */
const beyond = new Set(
  [...BEYOND_NVIDIA_SMI_Q].flatMap((name): readonly string[] => NVML_FUNCTIONS[name].symbols),
);

test('eight H100 cost no more calls than nvidia-smi -q, but for what it does not read', async () => {
  const { ours, theirs } = await callsOf(loadMachine('dgx-h100'));
  expect(theirs.filter(({ name }) => beyond.has(name))).toEqual([]);
  expect(theirs.length).toBeGreaterThanOrEqual(NVIDIA_SMI_Q_CALLS);
  const common = ours.filter(({ name }) => !beyond.has(name));
  expect(common.length).toBeLessThanOrEqual(theirs.length);
});

test.each(['dgx-h100', 'mig-a100', 'healthy-t4'])(
  'no call of %s reaches the library twice',
  async name => {
    const texts = (await callsOf(loadMachine(name))).ours.map(({ text }) => text);
    expect(texts.filter((text, place) => texts.indexOf(text) !== place)).toEqual([]);
  },
);
