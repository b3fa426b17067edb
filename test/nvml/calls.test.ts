import { expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import { typedLibrary } from '../../src/nvml/caller.ts';
import type { OnDemand } from '../../src/nvml/port.ts';
import { nvmlSession } from '../../src/nvml/read.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { type Effects, rowCaller } from '../../src/simulation/nvml.ts';

const effects: Effects = {
  delay: () => {},
  hang: () => {
    throw new Error('hangs');
  },
  crash: () => {
    throw new Error('crashes');
  },
};

/** Every call that one read of the machine makes, with its inputs. */
async function callsOf(
  machine: ReturnType<typeof loadMachine>,
  also: OnDemand[] = [],
): Promise<string[]> {
  const calls: string[] = [];
  const answer = rowCaller(machine, effects);
  const library = typedLibrary((name, row, inputs) => {
    calls.push([name, ...inputs.map(input => JSON.stringify(input, bigints))].join(' '));
    return answer(name, row, inputs);
  });
  const request = {
    id: 1,
    had: { driver: [], gpus: {} },
    skip: [],
    last: [],
    depth: 'all' as const,
    also,
  };
  await nvmlSession(async () => ({ path: present('/lib'), library })).read(request, () => {});
  return calls;
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

/**
 * What `nvidia-smi -q` prints of one GPU (R570), by the getters that its lines need: an estimate of
 * its calls from below, since it asks for lists twice and for each process's name.
 */
// biome-ignore format: a table
const NVIDIA_SMI_Q: Readonly<Record<string, number>> = {
  'name, brand, architecture, display, persistence, addressing, MIG, accounting': 10,
  'serial, UUID, minor, VBIOS, multi-GPU, board id, part numbers, platform': 11,
  'InfoROM: image, OEM, ECC, power, black box flush': 5,
  'operation mode, C2C mode, virtualization, vGPU mode, GSP': 6,
  'reset status, drain and reset status, recovery action': 3,
  'PCI: address, generations (current, max, device, host), widths, bridge chip': 8,
  'PCI: replays, rollovers, throughput (TX, RX), atomics': 6,
  'fan, performance state, event reasons and supported ones, five counters': 9,
  'memory: FB, BAR1, protected; compute mode': 4,
  'utilization: GPU and memory, encoder, decoder, JPEG, OFA; encoder and FBC stats': 7,
  'ECC: mode, DRAM encryption, SRAM status, SRAM and DRAM, volatile and aggregate': 9,
  'retired pages by cause, pending; remapped rows, histogram': 5,
  'temperatures: GPU, T.Limit, four thresholds, memory, target': 8,
  'power: GPU (2 readings, 5 limits), memory (2), module (2 and 5)': 16,
  'clocks: current (4), application (2), default (2), max (4), boost, policy, voltage': 15,
  'fabric, capabilities, processes: compute, graphics, MPS': 5,
};

/** What we read and it does not: where links end, how GPUs reach each other, affinity. */
const BEYOND =
  /^deviceGet(?:NvLink|TopologyCommonAncestor|P2PStatus|CpuAffinity|MemoryAffinity|NumaNodeId|FieldValues \S+ \[\{"field":"(?:nvlink|c2c))/;

test('eight GPUs cost no more calls than nvidia-smi -q, but for what it does not read', async () => {
  const calls = await callsOf(loadMachine('dgx-h100'));
  const common = calls.filter(call => !BEYOND.test(call));
  const estimate = 8 * Object.values(NVIDIA_SMI_Q).reduce((sum, count) => sum + count, 0);
  expect(common.length).toBeLessThanOrEqual(estimate);
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
