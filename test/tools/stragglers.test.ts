import { describe, expect, test } from 'vitest';
import type { Pace, PaceGpu } from '../../src/tools/pace.ts';
import { judgePace } from '../../src/tools/support/stragglers.ts';
import { foundInSlowJobs } from '../scenarios/slow-jobs.ts';
import { foundInTimelines } from '../scenarios/timeline-jobs.ts';
import { foundInUnseenJobs } from '../scenarios/unseen-jobs.ts';

// stragglers.slow.ts plays many more.
test('a few slow jobs: the right one is named, and no machine for nothing', async () => {
  const { f1, falseClaims } = await foundInSlowJobs({ jobs: 40, seed: 17 });
  expect(f1).toBeGreaterThanOrEqual(0.95);
  expect(falseClaims).toBe(0);
});

test('a few jobs of other shapes: the right one is named, and nobody for nothing', () => {
  const { recall, falseClaims } = foundInUnseenJobs({ rounds: 1, seed: 101 });
  expect(recall).toBeGreaterThanOrEqual(0.97);
  expect(falseClaims).toBe(0);
});

test.each([5, 77])(
  'jobs on a clock, by seed %d: the right one, and no machine for nothing',
  seed => {
    const { byCase, precision, f1, falseClaims } = foundInTimelines({ rounds: 24, seed });
    expect(falseClaims).toEqual([]);
    expect(precision).toBeGreaterThanOrEqual(0.98);
    expect(f1).toBeGreaterThanOrEqual(0.96);
    const missed = Object.entries(byCase).filter(([, [right, jobs]]) => right < jobs * 0.8);
    expect(missed).toEqual([]);
  },
);

const WAITS: PaceGpu = {
  ...{ index: 0, name: 'H100', powerW: 150, enforcedLimitW: 700, defaultLimitW: 700 },
  busyPercent: { min: 99, mean: 100, max: 100 },
  ...{ memoryBusyPercent: 3, smClockMhz: 1_965, maxSmClockMhz: 1_980, memoryClockMhz: 2_619 },
  ...{ maxMemoryClockMhz: 2_619, held: {}, grew: {} },
  pcie: { generation: 5, maxGeneration: 5, width: 16, maxWidth: 16 },
};
const HOT: Partial<PaceGpu> = {
  ...{ powerW: 390, memoryBusyPercent: 50, smClockMhz: 1_005, temperatureC: 88 },
  held: { hw_thermal_slowdown: 0.98 },
};
const paceOf = (...gpus: Partial<PaceGpu>[]): Pace => ({
  ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: 5, nics: [] },
  gpus: gpus.map((gpu, index) => ({ ...WAITS, index, ...gpu })),
});
const judged = (...nodes: Pace[]) =>
  judgePace(nodes.map((pace, at) => ({ node: `node-${at}`, pace, gpus: [] })));

describe('the words', () => {
  test('a straggler is told with its reading, and that the others wait', () => {
    expect(judged(paceOf({}, {}), paceOf({}, HOT))).toMatchObject({
      ...{ kind: 'straggler', seconds: 4, nodes: 2, gpus: 4, fault: 'host', confidence: 'high' },
      text: 'GPU 1 on node-1: SM clock 1005 of 1980 MHz, held by hardware thermal slowdown 98 % of the time at 88 °C; the 3 others wait',
      stragglers: [{ node: 'node-1', gpus: [1], cause: 'heat' }],
    });
  });

  test('of two GPUs the one that is held is named', () => {
    expect(judged(paceOf({}, HOT)).stragglers).toMatchObject([
      { gpus: [1], reading: expect.stringMatching(/; the other waits$/) },
    ]);
  });

  test('GPUs of one node with one cause are one line', () => {
    const { stragglers } = judged(paceOf({}, {}), paceOf(HOT, HOT));
    expect(stragglers).toMatchObject([{ node: 'node-1', gpus: [0, 1] }]);
  });

  test('where all wait alike nobody is accused, and the network is one guess of several', () => {
    expect(judged(paceOf({}, {}), paceOf({}, {}))).toMatchObject({
      ...{ kind: 'waits', fault: 'unknown', stragglers: [] },
      text: 'no GPU fault seen: all wait alike (100 % busy, memory 3 %, 150 W)',
      advice: expect.stringMatching(/^Probably storage, the data loader or a collective/),
    });
  });
});

describe('what accuses nobody', () => {
  const busy = { powerW: 650, memoryBusyPercent: 60 };

  test.each<readonly [string, Pace]>([
    ['one GPU', paceOf(HOT)],
    ['a GPU of another model with other clocks', paceOf({}, {}, { name: 'A10', smClockMhz: 900 })],
    [
      'a clock that the limit of power leaves',
      paceOf(busy, busy, { ...busy, smClockMhz: 1_400, held: { sw_power_cap: 1 } }),
    ],
    [
      'half the lanes where nobody waits',
      paceOf(busy, busy, {
        ...busy,
        pcie: { generation: 5, maxGeneration: 5, width: 8, maxWidth: 16 },
      }),
    ],
    [
      'one look of five that saw heat',
      paceOf({}, {}, { smClockMhz: 1_900, held: { hw_thermal_slowdown: 0.2 } }),
    ],
    [
      'GPUs that tell nothing',
      paceOf(
        {
          busyPercent: undefined,
          powerW: undefined,
          memoryBusyPercent: undefined,
          smClockMhz: undefined,
        },
        {},
      ),
    ],
  ])('%s', (_, pace) => {
    expect(judged(pace).stragglers).toEqual([]);
  });

  test.each<readonly [string, Partial<PaceGpu>]>([
    ['slow clocks', { smClockMhz: 900, held: { gpu_idle: 0.6 } }],
    ['a slow PCIe link', { pcie: { generation: 1, maxGeneration: 5, width: 16, maxWidth: 16 } }],
  ])('%s of a GPU that was idle in some looks', (_, reading) => {
    const bursty = { busyPercent: { min: 0, mean: 45, max: 100 }, ...reading };
    expect(judged(paceOf({}, {}, {}, bursty)).fault).toBe('unknown');
  });

  test('a storage adapter that every node has and uses', () => {
    const nic = { port: 1, state: 'ACTIVE', sentMbps: 100, receivedMbps: 20_000, grew: {} };
    const nics = [
      { ...nic, nic: 'mlx5_0', rateGbps: 400 },
      { ...nic, nic: 'mlx5_1', rateGbps: 400 },
      { ...nic, nic: 'mlx5_8', rateGbps: 200 },
    ];
    const pace = { ...paceOf({}, {}), nics };
    expect(judged(pace, pace).kind).toBe('waits');
  });

  test('a GPU that could not be read is none of them', () => {
    const { gpus } = judged(paceOf({}, {}, { error: 'gpu_is_lost', busyPercent: undefined }));
    expect(gpus).toBe(2);
  });

  test('only the GPUs of the job count', () => {
    const pace = paceOf({}, {}, HOT);
    expect(judgePace([{ node: 'a', pace, gpus: [0, 1] }]).kind).toBe('waits');
    expect(judgePace([{ node: 'a', pace, gpus: [0, 2] }]).kind).toBe('straggler');
  });
});

test('a starved GPU is no fault of hardware, and neither is one with more work', () => {
  const starved = { busyPercent: { min: 10, mean: 40, max: 70 }, powerW: 120 };
  const works = { powerW: 690, memoryBusyPercent: 61 };
  expect(judged(paceOf({}, {}, {}, starved))).toMatchObject({
    ...{ fault: 'unknown', stragglers: [{ gpus: [3], cause: 'idle GPU' }] },
  });
  expect(judged(paceOf({}, {}, {}, works))).toMatchObject({
    ...{ fault: 'application', stragglers: [{ gpus: [3], cause: 'more work' }] },
  });
});

test('an adapter that the others are twice as fast as is named where the job waits', () => {
  const nic = { port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 90_000, grew: {} };
  const nics = [
    { ...nic, nic: 'mlx5_0' },
    { ...nic, nic: 'mlx5_1' },
  ];
  const slow = [
    { ...nic, nic: 'mlx5_0' },
    { ...nic, nic: 'mlx5_1', rateGbps: 100 },
  ];
  const other = { ...paceOf({}, {}), nics };
  expect(judged(other, { ...paceOf({}, {}), nics: slow })).toMatchObject({
    ...{
      fault: 'fabric',
      text: expect.stringContaining('mlx5_1 port 1: 100 Gb/s, the others 400'),
    },
    stragglers: [{ node: 'node-1', nic: 'mlx5_1', gpus: [] }],
  });
  const storage = [{ ...nic, nic: 'mlx5_9', rateGbps: 25, sentMbps: 200 }];
  expect(judged(other, { ...paceOf({}, {}), nics: storage }).kind).toBe('waits');
  const down = { ...nic, nic: 'mlx5_1', state: 'DOWN', sentMbps: 0 };
  const withDown = { ...paceOf({}, {}), nics: [{ ...nic, nic: 'mlx5_0' }, down] };
  expect(judged(other, withDown).stragglers).toMatchObject([{ nic: 'mlx5_1' }]);
  // A server with fewer adapters is of another make: there the name is of another use. It is told.
  expect(judged(other, { ...paceOf({}, {}), nics: [down] })).toMatchObject({
    ...{ stragglers: [] },
    text: expect.stringMatching(
      /; mlx5_1 port 1 on node-1 is DOWN, ACTIVE on nodes with other adapters$/,
    ),
  });
});

describe('errors of adapters', () => {
  const port = { nic: 'mlx5_0', port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 90_000 };
  const grown = (...nodes: readonly Record<string, number>[]) =>
    judged(...nodes.map(grew => ({ ...paceOf({}, {}), nics: [{ ...port, grew }] })));

  test('those of a link name the adapter, and what its peers send again names nobody', () => {
    const found = grown({}, { symbol_error: 900 }, { packet_seq_err: 4_000 }, {});
    expect(found).toMatchObject({
      ...{ fault: 'fabric', confidence: 'medium', action: 'drain' },
      stragglers: [{ node: 'node-1', nic: 'mlx5_0', cause: 'network' }],
    });
    expect(found.text).not.toContain('node-2');
  });

  test('lost packets name both ends of their way, and neither is to be taken out', () => {
    expect(grown({}, { out_of_sequence: 700 }, { packet_seq_err: 900 }, {})).toMatchObject({
      ...{ fault: 'fabric', confidence: 'low', action: 'watch' },
      stragglers: [
        { node: 'node-1', cause: 'path', reading: expect.stringContaining('out_of_sequence +700') },
        { node: 'node-2', cause: 'path', reading: expect.stringContaining('packet_seq_err +900') },
      ],
    });
  });

  test('a packet whose sum of its sender does not fit was damaged anywhere on its way', () => {
    expect(grown({}, { rx_icrc_encapsulated: 900 }, {})).toMatchObject({
      ...{ fault: 'fabric', confidence: 'low', action: 'watch' },
      stragglers: [{ node: 'node-1', cause: 'path' }],
    });
  });

  test('a link that fell once is enough, for well ones do not', () => {
    expect(grown({}, { link_downed: 1 }, {}).stragglers).toMatchObject([{ cause: 'network' }]);
    expect(grown({}, { symbol_error: 1 }, {}).kind).toBe('waits');
  });

  test('what grows on most of them alike is no difference between them', () => {
    const lost = { out_of_sequence: 5_000 };
    expect(grown(lost, lost, { out_of_sequence: 7_000 }).kind).toBe('waits');
  });

  test('of many only a few are told in words', () => {
    const nodes = Array.from({ length: 13 }, (_, at) => (at < 6 ? { link_downed: 1 } : {}));
    const { stragglers, text } = grown(...nodes);
    expect(stragglers).toHaveLength(6);
    expect(text).toMatch(/; and 2 more like these$/);
  });
});

describe('cards of which bridges join some', () => {
  const bridged = { nvlink: { up: 12, all: 12 } };
  const none = { nvlink: { up: 0, all: 12 } };
  const card = { name: 'NVIDIA A100 80GB PCIe' };
  const broken = { nvlink: { up: 11, all: 12 } };

  test('those without are built so where they are in the same place of most nodes', () => {
    const node = paceOf(bridged, bridged, none);
    expect(judged(node, node).kind).toBe('waits');
    const other = paceOf(bridged, bridged, bridged);
    expect(judged(node, other, other).stragglers).toMatchObject([{ node: 'node-0', gpus: [2] }]);
  });

  test('a card in a slot may be the only one without', () => {
    expect(judged(paceOf(...[bridged, bridged, none].map(of => ({ ...card, ...of })))).kind).toBe(
      'waits',
    );
    expect(judged(paceOf(bridged, bridged, none)).kind).toBe('straggler');
  });

  test('one of several links that is down is no missing bridge', () => {
    const cards = [bridged, bridged, broken].map(of => ({ ...card, ...of }));
    expect(judged(paceOf(...cards)).stragglers).toMatchObject([{ gpus: [2], cause: 'NVLink' }]);
  });
});

describe('a slow GPU and a slow link that are equally well shown', () => {
  const port = { port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 90_000, grew: {} };
  const nics = ['mlx5_0', 'mlx5_1'].map(nic => ({ ...port, nic }));
  const slow = nics.map((nic, at) => (at === 1 ? { ...nic, rateGbps: 100 } : nic));
  const well = { ...paceOf({}, {}, {}), nics };
  const locked = { smClockMhz: 1_200, powerW: 350, memoryBusyPercent: 40 };

  test('the link goes first, and the study that decides is named', () => {
    const found = judged(
      { ...paceOf({}, {}, locked), nics },
      { ...paceOf({}, {}, {}), nics: slow },
    );
    expect(found).toMatchObject({
      ...{ fault: 'fabric', stragglers: [{ nic: 'mlx5_1' }, { node: 'node-0', gpus: [2] }] },
      text: expect.stringMatching(
        /; slow communication is more often the cause than slow computation \(40 % against 2 %: GREYHOUND/,
      ),
    });
  });

  test('alone, or better shown, each is named without it', () => {
    for (const looks of [
      [{ ...paceOf({}, {}, locked), nics }, well],
      [
        { ...paceOf({}, {}, HOT), nics },
        { ...well, nics: slow },
      ],
    ]) {
      const { text, stragglers } = judged(...looks);
      expect(stragglers[0]).toMatchObject({ node: 'node-0', gpus: [2] });
      expect(text).not.toContain('GREYHOUND');
    }
  });
});

describe('a node of which one adapter fell off the bus', () => {
  const port = { port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 90_000, grew: {} };
  const eight = Array.from({ length: 8 }, (_, at) => ({ ...port, nic: `mlx5_${at}` }));
  const withNics = (nics: Pace['nics']): Pace => ({ ...paceOf({}, {}), nics });
  const well = withNics(eight);

  test('has twins still: another one that is down there is accused', () => {
    const seven = eight.slice(0, 7).map((nic, at) => (at === 0 ? { ...nic, state: 'DOWN' } : nic));
    expect(judged(well, well, withNics(seven))).toMatchObject({
      ...{ fault: 'fabric', stragglers: [{ node: 'node-2', nic: 'mlx5_0' }] },
    });
  });

  test('is told where the others have it and use it', () => {
    const told = (nics: Pace['nics']) => judged(well, well, withNics(nics));
    expect(told(eight.slice(0, 7))).toMatchObject({
      ...{ kind: 'waits', stragglers: [] },
      text: expect.stringMatching(
        /; mlx5_7 port 1 is not there on node-2, and ACTIVE on node-0, node-1$/,
      ),
    });
    // With half of them it is of another make.
    for (const nics of [eight, eight.slice(0, 4)]) {
      expect(told(nics).text).not.toContain('is not there');
    }
    const idle = eight.map(nic => (nic.nic === 'mlx5_7' ? { ...nic, sentMbps: 0 } : nic));
    expect(judged(withNics(idle), withNics(idle), withNics(eight.slice(0, 7))).text).not.toContain(
      'is not there',
    );
  });
});

describe('nodes of which some adapters fell off the bus', () => {
  const port = { port: 1, state: 'ACTIVE', rateGbps: 400, sentMbps: 90_000 };
  const grew: Record<string, number> = {};
  const some = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ ...port, grew, nic: `mlx5_${at}` }));
  const withNics = (nics: Pace['nics']): Pace => ({ ...paceOf({}, {}), nics });
  const told = (all: number, ...left: readonly number[]) => {
    const well = Array.from({ length: 6 }, () => withNics(some(all)));
    return judged(...left.map(count => withNics(some(count))), ...well).text;
  };

  test.each([
    ['one of four', 4, [3], ['mlx5_3 port 1 is not there on node-0, and ACTIVE on 6 others']],
    [
      'two of eight',
      8,
      [6],
      ['mlx5_6 port 1, mlx5_7 port 1 are not there on node-0, and ACTIVE on 6 others'],
    ],
    [
      'most of what a line holds',
      16,
      [10],
      [
        'mlx5_10 port 1, mlx5_11 port 1, mlx5_12 port 1, mlx5_13 port 1 and 2 more are not there on node-0',
      ],
    ],
    [
      'the same one on two nodes',
      8,
      [7, 7],
      ['mlx5_7 port 1 is not there on node-0', 'mlx5_7 port 1 is not there on node-1'],
    ],
  ])('are told: %s', (_, all, left, words) => {
    for (const each of words) expect(told(all, ...left)).toContain(each);
  });

  test('are of another make where they are many', () => {
    expect(told(8, 7, 7, 7, 7)).not.toContain('not there');
    expect(told(8, 4, 4, 4, 4)).not.toContain('of adapters that');
  });

  test.each([4, 2])(
    'or may be, where %i of eight are left on one: told, and nobody is accused',
    left => {
      const well = Array.from({ length: 6 }, () => withNics(some(8)));
      expect(judged(withNics(some(left)), ...well)).toMatchObject({
        ...{ fault: 'unknown', stragglers: [] },
        text: expect.stringContaining(
          `node-0 has ${left} of the 8 ports of adapters that 6 others have: it is of another make, or the rest are gone from its bus`,
        ),
      });
      const idle = some(8).map((nic, at) => ({ ...nic, sentMbps: at < left ? 90_000 : 0 }));
      const others = Array.from({ length: 6 }, () => withNics(idle));
      expect(judged(withNics(some(left)), ...others).text).not.toContain('of adapters that');
    },
  );

  test('keep their twins: another one that is down there is accused', () => {
    const six = some(6).map((nic, at) => (at === 0 ? { ...nic, state: 'DOWN' } : nic));
    const well = withNics(some(8));
    expect(judged(well, well, withNics(six))).toMatchObject({
      ...{ fault: 'fabric', stragglers: [{ node: 'node-2', nic: 'mlx5_0' }] },
    });
  });

  test('of a large job no adapter is compared with each other one', () => {
    let looked = 0;
    const counted = new Proxy(grew, {
      ownKeys: target => {
        looked += 1;
        return Reflect.ownKeys(target);
      },
    });
    const nics = some(16).map(nic => ({ ...nic, grew: counted }));
    expect(judged(...Array.from({ length: 16 }, () => withNics(nics))).kind).toBe('waits');
    expect(looked).toBeLessThan(16 * 16 * 10);
  });
});

describe('a GPU that does nothing, on a node whose GPUs of the job are not known', () => {
  const busy = Array.from({ length: 8 }, () => ({ busyPercent: { min: 99, mean: 100, max: 100 } }));
  const one = busy.map((gpu, at) =>
    at === 3 ? { busyPercent: { min: 0, mean: 0, max: 0 } } : gpu,
  );
  const looks = (own: readonly number[]) =>
    [paceOf(...busy), paceOf(...one)].map((pace, at) => ({ node: `node-${at}`, pace, gpus: own }));

  test('is not accused, and is told and counted', () => {
    expect(judgePace(looks([]))).toMatchObject({
      ...{ stragglers: [], gpus: 15, unused: 1 },
      text: expect.stringMatching(
        /; GPU 3 on node-1 did nothing; whether the job has it is not known$/,
      ),
    });
  });

  test('is accused where it is the job’s', () => {
    const found = judgePace(looks([0, 1, 2, 3, 4, 5, 6, 7]));
    expect(found).toMatchObject({ gpus: 16, stragglers: [{ node: 'node-1', gpus: [3] }] });
    expect(found).not.toHaveProperty('unused');
  });
});

test('a node all of whose adapters are slower is of another make: a remark', () => {
  const nic = { port: 1, state: 'ACTIVE', sentMbps: 90_000, grew: {} };
  const node = (rateGbps: number) => ({
    ...paceOf({}, {}),
    nics: ['mlx5_0', 'mlx5_1'].map(name => ({ ...nic, nic: name, rateGbps })),
  });
  expect(judged(node(400), node(400), node(100))).toMatchObject({
    ...{ kind: 'waits', fault: 'unknown' },
    text: expect.stringContaining('mlx5_0 port 1 on node-2: 100 Gb/s, the others 400 Gb/s'),
  });
});

describe('an adapter that is down on one node and up on the others', () => {
  const nic = { nic: 'mlx5_0', port: 1, state: 'ACTIVE', rateGbps: 400, grew: {} };
  const storage = { ...nic, nic: 'mlx5_8', rateGbps: 100, sentMbps: 0, receivedMbps: 0 };
  const rail = { ...nic, sentMbps: 30, receivedMbps: 30, totalBytes: 9e15 };
  const at = (over: object): Pace => ({ ...paceOf({}, {}), nics: [rail, { ...storage, ...over }] });

  test.each<readonly [string, object, object]>([
    ['no counter of it tells', { state: 'DOWN' }, {}],
    ['nobody has ever used it', { state: 'DOWN', totalBytes: 1e9 }, { totalBytes: 2e9 }],
  ])('is a remark and no accusation where %s', (_, down, up) => {
    expect(judged(at(up), at(down))).toMatchObject({
      ...{ kind: 'waits', fault: 'unknown', stragglers: [] },
      text: expect.stringMatching(/; mlx5_8 port 1 on node-1 is DOWN, and no node uses it$/),
    });
  });

  test.each<readonly [string, object, object]>([
    ['its twin carries traffic now', { state: 'DOWN' }, { receivedMbps: 5_000 }],
    ['its twin has carried its part', { state: 'DOWN', totalBytes: 0 }, { totalBytes: 3e14 }],
    ['it had before it went down', { state: 'DOWN', totalBytes: 3e14 }, { totalBytes: 0 }],
  ])('is accused where %s', (_, down, up) => {
    const found = judged(at(up), at(down));
    expect(found).toMatchObject({ fault: 'fabric', stragglers: [{ nic: 'mlx5_8' }] });
    expect(found.text).not.toContain('no node uses it');
  });
});

describe('what a slower link carries, where GPM tells it', () => {
  const lanes = { pcie: { generation: 5, maxGeneration: 5, width: 8, maxWidth: 16 } };
  const speed = { nvlink: { up: 18, all: 18, slowestMbps: 13_281 } };
  const links = { nvlink: { up: 18, all: 18, slowestMbps: 26_562 } };

  test.each<readonly [string, Partial<PaceGpu>, string]>([
    ['a PCIe link that moves much', { ...lanes, pcieMibPerSecond: 9_000 }, 'straggler'],
    ['a PCIe link of which no counter tells', lanes, 'straggler'],
    ['a PCIe link that moves little', { ...lanes, pcieMibPerSecond: 900 }, 'waits'],
    ['an NVLink that moves much', { ...speed, nvlinkMibPerSecond: 90_000 }, 'straggler'],
    ['an NVLink that moves little', { ...speed, nvlinkMibPerSecond: 2_000 }, 'waits'],
    [
      'an NVLink that is down and for which all wait',
      { nvlink: { ...links.nvlink, up: 17 }, nvlinkMibPerSecond: 0 },
      'straggler',
    ],
  ])('%s', (_, reading, kind) => {
    expect(judged(paceOf(links, links), paceOf(links, { ...links, ...reading })).kind).toBe(kind);
  });

  test('one that moves much is hardware', () => {
    const found = judged(paceOf({}, {}), paceOf({}, { ...lanes, pcieMibPerSecond: 9_000 }));
    expect(found).toMatchObject({ fault: 'hardware', confidence: 'medium', action: 'drain' });
  });

  test.each<readonly [string, Partial<PaceGpu>, string]>([
    ['PCIe link', lanes, 'GPU 1 on node-1: PCIe generation 5 x8 of 5 x16'],
    [
      'NVLink',
      speed,
      'GPU 1 on node-1: an NVLink at 13281 MB/s, those of the others at 26562 MB/s',
    ],
  ])(
    'on uniform waiting a slower %s of which no counter tells accuses nobody',
    (_, reading, words) => {
      const { fault, confidence, action, text } = judged(
        paceOf(links, links),
        paceOf(links, { ...links, ...reading }),
      );
      expect({ fault, confidence, action, text }).toEqual({
        ...{ fault: 'unknown', confidence: 'low', action: 'watch' },
        text: `${words}; the job waits, and no counter tells what this link moves: that it waits for it is only possible`,
      });
    },
  );

  test.each<readonly [string, Partial<PaceGpu>]>([
    ['idles', { busyPercent: { min: 0, mean: 35, max: 80 } }],
    ['works', { memoryBusyPercent: 60, powerW: 500 }],
  ])('without a counter it is hardware where its own GPU %s and the others wait', (_, reading) => {
    expect(judged(paceOf({}, {}), paceOf({}, { ...lanes, ...reading }))).toMatchObject({
      ...{ fault: 'hardware', confidence: 'medium', action: 'drain' },
      stragglers: [{ cause: 'PCIe', gpus: [1] }],
    });
  });

  test('without a counter it goes behind another GPU that is unlike the others', () => {
    const idles = { busyPercent: { min: 0, mean: 35, max: 80 } };
    expect(judged(paceOf({}, idles), paceOf({}, lanes)).stragglers).toMatchObject([
      { cause: 'idle GPU', node: 'node-0', gpus: [1] },
    ]);
  });

  test('it stands among the words of what all do', () => {
    const quiet = { nvlinkMibPerSecond: 12, nvlinkBy: 'counters' as const };
    expect(judged(paceOf(quiet, quiet)).text).toBe(
      'no GPU fault seen: all wait alike (100 % busy, memory 3 %, 150 W, NVLink 12 MiB/s by counters)',
    );
  });
});

test('GPUs that do not tell how busy they are are counted beside what the others do', () => {
  const silent = { busyPercent: undefined };
  expect(judged(paceOf({}, {}, silent), paceOf({}, silent)).text).toBe(
    'no GPU fault seen: all wait alike (100 % busy, memory 3 %, 150 W); 2 of its 5 GPUs told nothing',
  );
  expect(judged(paceOf({}, {})).text).not.toContain('told nothing');
});

test('one that has more work is compared with its own model, and not where all work by turns', () => {
  const works = { powerW: 690, memoryBusyPercent: 61 };
  expect(judged(paceOf({}, {}, {}, { ...works, name: 'H200' })).stragglers).toEqual([]);
  const turns = { busyPercent: { min: 70, mean: 94, max: 100 } };
  expect(judged(paceOf(turns, turns, turns, { ...works, ...turns })).stragglers).toEqual([]);
});
