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

test('adapters: what a late program and a full network leave is no error', () => {
  const grown = { rnr_nak_retry_err: 900, roce_slow_restart: 900, req_cqe_error: 9 };
  const zeros = { rnr_nak_retry_err: 0, roce_slow_restart: 0, req_cqe_error: 0, packet_seq_err: 1 };
  const { nics } = paced({}, {}, [
    { counters: zeros },
    { counters: { ...grown, packet_seq_err: 7 } },
  ]);
  expect(nics).toMatchObject([{ grew: { packet_seq_err: 6 } }]);
  expect(nics[0]?.grew).not.toHaveProperty('rnr_nak_retry_err');
  expect(nics[0]?.grew).not.toHaveProperty('req_cqe_error');
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

const HERE = 'nvlinkMibPerSecond';

/** One GPU at looks a second apart, of which each tells what its links have sent and received so far. */
function countedAt(kib: readonly (readonly [sent: number, received: number] | undefined)[]) {
  const [own] = driver.gpus;
  if (!own) throw new Error('no GPU');
  const count = (value: number | undefined) =>
    value === undefined ? missing('timeout') : present(value);
  const states = kib.map((look, second) => ({
    ...{ ...driver, takenAtMs: second * 1_000 },
    gpus: [
      {
        ...own,
        nvlinkTraffic: { sentKib: count(look?.[0]), receivedKib: count(look?.[1]) },
      },
    ],
  }));
  return paceOf({ states, host }).gpus[0];
}

const MIB = 1_024;

test('without GPM the counters of its NVLinks tell the rate, and by what it is known is said', () => {
  const gpu = countedAt([
    [5_000 * MIB, 9 * MIB],
    [5_100 * MIB, 9 * MIB],
    [5_200 * MIB, 9 * MIB],
  ]);
  expect(gpu).toMatchObject({ nvlinkMibPerSecond: 100, nvlinkBy: 'counters' });
});

test('of many looks those in the middle tell the rate: the first and the last take longer to read', () => {
  const [first, last] = [
    [1, 1],
    [99_000_000 * MIB, 1],
  ] as const;
  const gpu = countedAt([first, [100 * MIB, 1], [150 * MIB, 1], [300 * MIB, 1], last]);
  expect(gpu).toMatchObject({ nvlinkMibPerSecond: 100, nvlinkBy: 'counters' });
});

test.each([
  {
    why: 'fell back',
    looks: [
      [900, 9],
      [5, 10],
    ],
  },
  {
    why: 'fell back and passed where it was',
    looks: [
      [900, 9],
      [5, 9],
      [999, 10],
    ],
  },
  { why: 'was not told once', looks: [[900, 9], undefined, [999, 10]] },
  {
    why: 'has never counted',
    looks: [
      [0, 0],
      [0, 0],
    ],
  },
] satisfies { why: string; looks: ([number, number] | undefined)[] }[])(
  'a counter that $why tells no rate, and not 0',
  ({ looks }) => {
    const gpu = countedAt(looks);
    expect(gpu).not.toHaveProperty(HERE);
    expect(gpu).not.toHaveProperty('nvlinkBy');
  },
);

test('a counter that jumps by more than its links can carry tells no rate', () => {
  // 18 links of 26,562 MB/s each way.
  const most = Math.floor((18 * 26_562 * 1e6) / 1_024 ** 2);
  const moved = (mib: number) =>
    countedAt([
      [MIB, MIB],
      [(mib + 1) * MIB, MIB],
    ])?.nvlinkMibPerSecond;
  expect(moved(most - 1)).toBe(most - 1);
  expect(moved(most + 2)).toBeUndefined();
});

test('a counter of all links may be larger than 32 bits, and a GPU that is asked at one time tells none', () => {
  const far = 2 ** 43;
  expect(
    countedAt([
      [far, 1],
      [far + 7 * MIB, 1],
    ])?.nvlinkMibPerSecond,
  ).toBe(7);
  const at = { ...driver, takenAtMs: 9 };
  expect(paceOf({ states: [at, at], host }).gpus[0]).not.toHaveProperty(HERE);
});

test('a counter that stands still has moved nothing: that is a rate', () => {
  expect(
    countedAt([
      [MIB, MIB],
      [MIB, MIB],
    ])?.nvlinkMibPerSecond,
  ).toBe(0);
});

test('GPM goes before the counters, and a GPU that was lost tells neither', () => {
  const [gpu] = driver.gpus;
  if (!gpu) throw new Error('no GPU');
  const gpm = {
    ...gpu.gpm,
    ...{ nvlinkTxMibPerSecond: present(90_000), nvlinkRxMibPerSecond: present(80_000) },
  };
  const counted = (mib: number) => ({
    nvlinkTraffic: { sentKib: present(mib * MIB), receivedKib: present(mib * MIB) },
  });
  expect(paced(counted(1), { ...counted(9), gpm }).gpu).toMatchObject({
    ...{ nvlinkMibPerSecond: 90_000, nvlinkBy: 'GPM' },
  });
  const lost = { ...counted(9), handle: missing('gpu_is_lost') };
  expect(paced(counted(1), lost).gpu).not.toHaveProperty(HERE);
});
