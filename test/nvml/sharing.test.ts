import { describe, expect, test } from 'vitest';
import { known, present } from '../../src/contract/reading.ts';
import type { OnDemand } from '../../src/nvml/port.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';
import { gpu } from './gpus.ts';

const never = new AbortController().signal;

describe('MIG', () => {
  const read = async (also: readonly OnDemand[]) =>
    (await inProcessNvml(loadMachine('mig-a100')).nvml.read(never, 'all', also)).gpus;

  test('instances have the profile and the slices of their GPU instance', async () => {
    const [first] = await read([]);
    const told = known(first?.migInstances)?.map(({ profileId, placement }) => ({
      profileId: known(profileId),
      placement: known(placement),
    }));
    expect(told).toEqual([
      { profileId: 9, placement: { start: 4, size: 4 } },
      { profileId: 9, placement: { start: 0, size: 4 } },
    ]);
  });

  test('two compute instances of one GPU instance ask for it once', async () => {
    const machine = machineFrom('shared', {
      like: 'mig-a100',
      gpus: { 0: { mig: { 1: { answers: { deviceGetGpuInstanceId: 1 } } } } },
    });
    const { nvml, children } = inProcessNvml(machine);
    await nvml.read(never);
    expect(children.calls.filter(call => call === '0 nvmlGpuInstanceGetInfo')).toHaveLength(1);
  });

  test('profiles tell what is left, where they are asked for and MIG is on', async () => {
    const [, empty] = await read(['migProfiles']);
    const left = known(empty?.migProfiles)?.map(
      ({ name, id, instancesMax, remaining }) =>
        `${name} (${id}) ${known(remaining)}/${instancesMax}`,
    );
    expect(left).toEqual([
      '1g.10gb (19) 7/7',
      '2g.20gb (14) 3/3',
      '3g.40gb (9) 2/2',
      '4g.40gb (5) 1/1',
      '7g.80gb (0) 1/1',
    ]);
    expect((await read([]))[1]?.migProfiles).toEqual({ ok: false, reason: 'not_read' });
    expect((await gpu('h100-sxm', {}, { also: ['migProfiles'] })).migProfiles).toEqual(present([]));
  });

  test('without the right to ask, an instance keeps the rest', async () => {
    const machine = machineFrom('no-right', {
      like: 'mig-a100',
      everyGpu: { faults: { deviceGetGpuInstanceById: { return: 'no_permission' } } },
    });
    const [first] = (await inProcessNvml(machine).nvml.read(never)).gpus;
    expect(known(first?.migInstances)?.[0]).toMatchObject({
      profile: present('3g.40gb'),
      placement: { ok: false, reason: 'no_permission' },
    });
  });

  test('MIG devices with their profile, memory and ids', async () => {
    const { gpus } = await inProcessNvml(loadMachine('mig-a100')).nvml.read(never);
    expect(
      known(gpus[0]?.migInstances)?.map(({ profile, gpuInstance }) => [profile, gpuInstance]),
    ).toEqual(
      [1, 2].map(id => [
        { ok: true, value: '3g.40gb' },
        { ok: true, value: id },
      ]),
    );
    expect(gpus[1]?.migInstances).toEqual({ ok: true, value: [] });
  });
});

describe('processes', () => {
  test('a client of MPS is listed once, as such', async () => {
    const { processes } = await gpu('h100-sxm', {
      answers: {
        deviceGetComputeRunningProcesses: [{ pid: 70, usedGpuMemory: 1 }],
        deviceGetMPSComputeRunningProcesses: [
          { pid: 70, usedGpuMemory: 1 },
          { pid: 71, usedGpuMemory: 2, gpuInstanceId: 0xffff_ffff, computeInstanceId: 0xffff_ffff },
        ],
      },
    });
    expect(known(processes)?.map(({ pid, mps }) => [pid, mps])).toEqual([
      [70, undefined],
      [71, true],
    ]);
  });

  test('the list of all processes has sizes, and what is protected of them', async () => {
    const answers = {
      deviceGetRunningProcessDetailList: [
        { pid: 70, usedGpuMemory: 4_096, usedGpuCcProtectedMemory: 1_024 },
        {
          pid: 71,
          usedGpuMemory: '18446744073709551615',
          usedGpuCcProtectedMemory: '18446744073709551615',
        },
      ],
    };
    expect((await gpu('h100-sxm', { answers })).allProcesses).toEqual(
      present([{ pid: 70, usedBytes: 4_096, protectedBytes: 1_024 }, { pid: 71 }]),
    );
  });

  test('a driver that cannot list all kinds at once has no such list', async () => {
    const faults = { deviceGetRunningProcessDetailList: { return: 'invalid_argument' } };
    expect((await gpu('h100-sxm', { faults })).allProcesses).toEqual({
      ok: false,
      reason: 'not_supported',
    });
  });
});

describe('virtual GPUs', () => {
  test.each([
    [0, 'non_sriov'],
    [1, 'sriov'],
    [7, 'unknown'],
  ])('host vGPU mode %i is %s, on a host of virtual GPUs', async (number, word) => {
    const answers = { deviceGetVirtualizationMode: 3, deviceGetHostVgpuMode: number };
    expect((await gpu('h100-sxm', { answers })).hostVgpuMode).toEqual(present(word));
  });

  test('elsewhere there is no host vGPU mode to ask for', async () => {
    const { nvml, children } = inProcessNvml(machineFrom('test', { like: 'h100-sxm' }));
    const { gpus } = await nvml.read(never);
    expect(gpus[0]?.hostVgpuMode).toEqual({ ok: false, reason: 'not_supported' });
    expect(children.calls).not.toContain('0 nvmlDeviceGetHostVgpuMode');
  });
});
