import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { OnDemand } from '../../src/nvml/port.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { typedLibrary } from '../../src/nvml/table/calls.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { type Effects, rowCaller } from '../../src/simulation/nvml.ts';
import { BEYOND_NVIDIA_SMI_Q, NVIDIA_SMI_Q_CALLS } from './nvidia-smi-calls.ts';

const effects: Effects = {
  delay: () => {},
  hang: () => {
    throw new Error('hangs');
  },
  elapsedSeconds: () => 0,
  crash: () => {
    throw new Error('crashes');
  },
};

/** Every call that one read of the machine makes, with its inputs. */
const callsOf = (
  machine: ReturnType<typeof loadMachine>,
  also: OnDemand[] = [],
): Promise<string[]> => childOf(machine).read(also);

/** A process that has NVML open: the calls of each read, and one function that fails until it is cured. */
function childOf(machine: ReturnType<typeof loadMachine>, failing = new Set<string>()) {
  let calls: string[] = [];
  const answer = rowCaller(machine, effects);
  const library = typedLibrary((name, row, inputs) => {
    calls.push([name, ...inputs.map(input => JSON.stringify(input, bigints))].join(' '));
    return failing.has(name) ? missing('unknown') : answer(name, row, inputs);
  });
  const session = nvmlSession(async () => ({ path: present('/lib'), library }));
  return {
    async read(also: OnDemand[] = []): Promise<string[]> {
      calls = [];
      const all = { had: { driver: [], gpus: {} }, skip: [], last: [], depth: 'all' as const };
      await session.read({ id: 1, takenAtMs: 0, ...all, also }, () => {});
      return calls;
    },
  };
}

const bigints = (_key: string, value: unknown) =>
  typeof value === 'bigint' ? String(value) : value;

test.each(['dgx-h100', 'mig-a100', 'gb200', 'healthy-t4'])(
  '%s: no call is made twice',
  async name => {
    const calls = await callsOf(loadMachine(name), ['gpm', 'migProfiles']);
    // A GPU needs two samples of GPM, each a piece of memory.
    const twice = calls
      .filter(call => call !== 'gpmSampleAlloc')
      .filter((call, place, all) => all.indexOf(call) !== place);
    expect(twice).toEqual([]);
  },
);

test('eight GPUs cost no more calls than nvidia-smi -q, but for what it does not read', async () => {
  const calls = await callsOf(loadMachine('dgx-h100'));
  const beyond: ReadonlySet<string> = BEYOND_NVIDIA_SMI_Q;
  const common = calls.filter(call => !beyond.has(call.split(' ')[0] ?? ''));
  expect(common.length).toBeLessThan(calls.length);
  expect(common.length).toBeLessThanOrEqual(NVIDIA_SMI_Q_CALLS);
});

test('what lasts is asked for once: ends of links, paths between GPUs, the InfoROM', async () => {
  const child = childOf(loadMachine('dgx-h100'));
  const [first, second] = [await child.read(), await child.read()];
  const lasting = [
    ...['deviceGetInforomConfigurationChecksum', 'deviceGetNvLinkRemoteDeviceType'],
    ...['deviceGetNvLinkRemotePciInfo', 'deviceGetTopologyCommonAncestor', 'deviceValidateInforom'],
  ];
  const isLasting = (call: string) => lasting.includes(call.split(' ')[0] ?? '');
  expect(new Set(first.filter(isLasting).map(call => call.split(' ')[0]))).toEqual(
    new Set(lasting),
  );
  expect(second).toEqual(first.filter(call => call !== 'init' && !isLasting(call)));
});

test('what failed is asked for again, until it is answered', async () => {
  const failing = new Set(['deviceValidateInforom']);
  const child = childOf(loadMachine('dgx-h100'), failing);
  const asked = async () =>
    (await child.read()).filter(call => failing.has(call.split(' ')[0] ?? '')).length;
  expect([await asked(), await asked()]).toEqual([8, 8]);
});

test('what goes deeper costs one call a GPU, the list of all processes, unless it is asked for', async () => {
  const calls = await callsOf(loadMachine('dgx-h100'));
  const deep = calls.filter(call =>
    /^(?:gpm|gpuInstance|deviceGet(?:GpuInstance|HostVgpu|SramUnique|RunningProcess))/.test(call),
  );
  expect(deep).toEqual(
    Array.from({ length: 8 }, (_, gpu) => `deviceGetRunningProcessDetailList "${gpu + 1}"`),
  );
});

test('a GPU without NVLink costs no calls for links', async () => {
  const calls = await callsOf(machineFrom('l4', { like: 'l4' }));
  expect(calls.filter(call => /NvLink|"nvlinkState"/.test(call))).toEqual([]);
});
