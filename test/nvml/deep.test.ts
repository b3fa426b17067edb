import { describe, expect, test } from 'vitest';
import { known, present } from '../../src/contract/reading.ts';
import type { Gpm, GpuState, OnDemand } from '../../src/nvml/port.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { typedLibrary } from '../../src/nvml/table/calls.ts';
import { realEffects } from '../../src/simulation/effects.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { rowCaller } from '../../src/simulation/nvml.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;

/** GPU 1 of an H100 machine with its own answers and faults, after so many readings. */
async function gpu(
  over: { answers?: object; faults?: object },
  { like = 'h100-sxm', also = [], reads = 1 }: Partial<Asked> = {},
): Promise<GpuState> {
  const { nvml } = inProcessNvml(machineFrom('test', { like, gpus: { 1: over } }));
  for (let read = 1; read < reads; read++) await nvml.read(never, 'all', also);
  const [, found] = (await nvml.read(never, 'all', also)).gpus;
  if (!found) throw new Error('no GPU 1');
  return found;
}
interface Asked {
  readonly like: string;
  readonly also: readonly OnDemand[];
  readonly reads: number;
}

describe('GPM', () => {
  test('is read only where it is asked for', async () => {
    const { gpm } = await gpu({}, { reads: 2 });
    expect(reasonsOf(gpm)).toEqual(['not_read']);
  });

  test('has nothing to tell of the first sample', async () => {
    const { gpm } = await gpu({}, { also: ['gpm'] });
    expect(gpm.smActivePercent).toEqual({
      ok: false,
      reason: 'not_ready',
      detail: 'the first of two samples',
    });
  });

  test('tells every metric between two samples; one that fails costs itself', async () => {
    const { gpm } = await gpu(
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
    [
      'no support',
      { answers: { gpmQueryDeviceSupport: { isSupportedDevice: 0 } } },
      'not_supported',
    ],
    [
      'no function',
      { faults: { gpmQueryDeviceSupport: { return: 'function_not_found' } } },
      'function_not_found',
    ],
    ['no sample', { faults: { gpmSampleGet: { return: 'gpu_is_lost' } } }, 'gpu_is_lost'],
    ['no metrics', { faults: { gpmMetricsGet: { return: 'unknown' } } }, 'unknown'],
  ])('%s is the reason of every metric', async (_, over, reason) => {
    const { gpm } = await gpu(over, { also: ['gpm'], reads: 2 });
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
      ...{ id: 1, had: { driver: [], gpus: {} }, skip: [], last: [] },
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
});

const reasonsOf = (gpm: Gpm): string[] => [
  ...new Set(Object.values(gpm).map(reading => (reading.ok ? 'present' : reading.reason))),
];

const effects = realEffects({ pid: 0, ppid: 0, kill: () => {} });

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
    expect((await gpu({}, { also: ['migProfiles'] })).migProfiles).toEqual(present([]));
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
});

describe('SRAM addresses', () => {
  const status = { volatileUncSecDed: 1, aggregateUncSecDed: 9 };
  const entry = { unit: 3, location: 1, sublocation: 0, extlocation: 0, address: 64 };

  test('are told worst first where there are uncorrected errors', async () => {
    const entries = [1, 8].map((count, isParity) => ({ ...entry, isParity, count }));
    const { sramUniqueErrors } = await gpu({
      answers: {
        deviceGetSramEccErrorStatus: status,
        deviceGetSramUniqueUncorrectedEccErrorCounts: entries,
      },
    });
    expect(sramUniqueErrors).toEqual(
      present({
        addresses: 2,
        worst: [
          { ...entry, parity: true, count: 8 },
          { ...entry, parity: false, count: 1 },
        ],
      }),
    );
  });

  test('are not asked for where no error is counted', async () => {
    const faults = { deviceGetSramUniqueUncorrectedEccErrorCounts: { return: 'unknown' } };
    expect((await gpu({ faults })).sramUniqueErrors).toEqual(present({ addresses: 0, worst: [] }));
  });
});

test.each([
  [0, 'non_sriov'],
  [1, 'sriov'],
  [7, 'unknown'],
])('host vGPU mode %i is %s, on a host of virtual GPUs', async (number, word) => {
  const answers = { deviceGetVirtualizationMode: 3, deviceGetHostVgpuMode: number };
  expect((await gpu({ answers })).hostVgpuMode).toEqual(present(word));
});

test('elsewhere there is no host vGPU mode to ask for', async () => {
  const { nvml, children } = inProcessNvml(machineFrom('test', { like: 'h100-sxm' }));
  const { gpus } = await nvml.read(never);
  expect(gpus[0]?.hostVgpuMode).toEqual({ ok: false, reason: 'not_supported' });
  expect(children.calls).not.toContain('0 nvmlDeviceGetHostVgpuMode');
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
  expect((await gpu({ answers })).allProcesses).toEqual(
    present([{ pid: 70, usedBytes: 4_096, protectedBytes: 1_024 }, { pid: 71 }]),
  );
});

test('a driver that cannot list all kinds at once has no such list', async () => {
  const faults = { deviceGetRunningProcessDetailList: { return: 'invalid_argument' } };
  expect((await gpu({ faults })).allProcesses).toEqual({ ok: false, reason: 'not_supported' });
});

test('a driver that counts no fans tells one speed', async () => {
  const state = await gpu({
    answers: { deviceGetFanSpeedV1: 42 },
    faults: { deviceGetNumFans: { return: 'function_not_found' } },
  });
  expect(state.fanPercents).toEqual(present([42]));
});
