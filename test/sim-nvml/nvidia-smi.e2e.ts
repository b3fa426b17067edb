import { expect, test } from 'vitest';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { loadMachine, type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { overProcesses } from '../nvml/children.ts';
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

/** What we read and nvidia-smi -q does not, by the functions that give it. */
const BEYOND = new Set([
  'nvmlDeviceGetNvLinkRemoteDeviceType',
  'nvmlDeviceGetNvLinkRemotePciInfo_v2',
  'nvmlDeviceGetTopologyCommonAncestor',
  'nvmlDeviceGetP2PStatus',
  'nvmlDeviceGetCpuAffinity',
  'nvmlDeviceGetMemoryAffinity',
  'nvmlDeviceGetNumaNodeId',
  'nvmlDeviceGetCudaComputeCapability',
  'nvmlDeviceGetInforomConfigurationChecksum',
  'nvmlDeviceGetGspFirmwareMode',
  'nvmlDeviceGetPlatformInfo',
  'nvmlDeviceGetRepairStatus',
  'nvmlDeviceGetUnrepairableMemoryFlag_v1',
  'nvmlSystemGetConfComputeState',
]);

test('eight H100 cost no more calls than nvidia-smi -q, but for what it does not read; none is made twice', async () => {
  const { ours, theirs } = await callsOf(loadMachine('dgx-h100'));
  expect(theirs.filter(({ name }) => BEYOND.has(name))).toEqual([]);
  const common = ours.filter(({ name }) => !BEYOND.has(name));
  expect(common.length).toBeLessThanOrEqual(theirs.length);
  const texts = ours.map(({ text }) => text);
  expect(texts.filter((text, place) => texts.indexOf(text) !== place)).toEqual([]);
});
