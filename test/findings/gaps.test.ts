import { describe, expect, test } from 'vitest';
import { known, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { gapsOf } from '../../src/findings/gaps.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor, factsOf } from '../fakes/facts.ts';
import { type Missing, without } from '../fakes/missing.ts';
import { H100, h100 } from '../scenarios/machines.ts';

const eight = await factsOf('dgx-h100');
const withLostGpu = await factsOf('lost-gpu');
const lone = await factsFor(machineFrom('lone', { like: 't4', gpus: [{}] }));

const gapsWithout = (facts: NodeFacts, ...missing: readonly Missing[]) =>
  gapsOf(missing.reduce(without, facts));

describe('a reading that decides and is missing is named with its reason', () => {
  test.each<[Missing, string]>([
    [{ part: 'driver', path: 'initialized', reason: 'timeout' }, 'NVML: timeout'],
    [
      { part: 'driver', path: 'count', reason: 'timeout' },
      'NVML: count of GPUs not read (timeout)',
    ],
    [{ part: 'gpu', path: 'handle', reason: 'in_use', gpu: 3 }, 'GPU 3: nothing was read (in use)'],
    [
      { part: 'gpu', path: 'nvlinks.links.errors.crcFlit', reason: 'unknown', gpu: 3 },
      'GPU 3: NVLink errors not read (unknown)',
    ],
    [{ part: 'host', path: 'pciDevices', reason: 'not_found' }, 'PCI bus: not_found'],
    [
      { part: 'host', path: 'resources.filesystems.space', reason: 'unreadable' },
      'host: space of file systems not read (unreadable)',
    ],
    [
      { part: 'owner', path: 'cgroup', reason: 'no_permission' },
      'host: owners of processes not read (no_permission)',
    ],
  ])('%o', (missing, gap) => {
    expect(gapsWithout(eight, missing)).toEqual([gap]);
  });

  test('once for all GPUs and all readings that have one reason', () => {
    expect(
      gapsWithout(
        eight,
        { part: 'gpu', path: 'remappedRows', reason: 'timeout' },
        { part: 'gpu', path: 'memory', reason: 'timeout' },
        { part: 'gpu', path: 'eccMode', reason: 'unknown', gpu: 7 },
      ),
    ).toEqual([
      'GPU 0, 1, 2, 3, 4, 5, 6: memory, row remap not read (timeout)',
      'GPU 7: memory, row remap not read (timeout); ECC mode not read (unknown)',
    ]);
  });
});

test.each([
  ['the root', [999], ['XID 999']],
  ['a member', [79, 999], ['XID 999']],
  ['an SXid', [74, 99_999], ['SXid 99999']],
  ['none', [74, 20_034], []],
])('a number that no catalogue has is a gap: %s', (_, codes, unknown) => {
  const incidents = withLostGpu.log.incidents.map(incident => ({ ...incident, codes }));
  expect(gapsOf({ ...eight, log: { ...eight.log, incidents } })).toEqual(
    unknown.map(name => `${name} is not in the catalogue: what it means is not known`),
  );
});

test('processes that nobody looked at are counted', () => {
  const host = { ...eight.host, processesLeftOut: present(7_232) };
  expect(gapsOf({ ...eight, host })).toEqual([
    'host: 7232 processes were not looked at: there are too many',
  ]);
  const pids = new Set(
    eight.driver.gpus.flatMap(({ processes }) => (known(processes) ?? []).map(({ pid }) => pid)),
  );
  expect(gapsOf({ ...eight, owners: [] })).toEqual([
    `host: ${pids.size} processes on the GPUs were not looked up: there are too many`,
  ]);
});

describe('what no rule judges hides nothing', () => {
  const speed: Missing = {
    part: 'host',
    path: 'pciDevices.currentLinkSpeed',
    reason: 'unreadable',
  };

  test('links of the bus, where GPUs are compared with each other', () => {
    expect(gapsWithout(eight, speed)).toEqual([]);
    expect(gapsWithout(lone, speed)).toEqual(['host: PCI links not read (unreadable)']);
  });

  test('adapters that are not beside a GPU', async () => {
    const state: Missing = { part: 'host', path: 'nics.ports.state', reason: 'unreadable' };
    const withAdapter = async (path: string) => {
      const nics = [{ name: 'mlx5_0', pci: '0000:14:00', gpuPaths: [{ gpuPci: H100[0], path }] }];
      return factsFor(machineFrom('with an adapter', h100({ host: { nics } })));
    };
    expect(gapsWithout(await withAdapter('PXB'), state)).toEqual([
      'host: ports of network adapters not read (unreadable)',
    ]);
    expect(gapsWithout(await withAdapter('SYS'), state)).toEqual([]);
  });
});

const named = (like: string, over: object = {}) =>
  factsFor(machineFrom('named', { like, ...over }));
const refusing = (keys: readonly string[], reason = 'not_supported') => ({
  faults: Object.fromEntries(keys.map(key => [key, { return: reason }])),
});

describe('what this GPU has is no excuse, whatever its driver says', () => {
  const NAMES_ONLY = ['deviceGetName', 'deviceGetUUID', 'deviceGetPciInfo', 'deviceGetMinorNumber'];
  const silent = Object.fromEntries(
    Object.keys(NVML_FUNCTIONS)
      .filter(name => name.startsWith('deviceGet') && !name.startsWith('deviceGetHandle'))
      .filter(name => !NAMES_ONLY.includes(name))
      .map(name => [name, { return: 'not_supported' }]),
  );

  test.each([
    ['eight H100 that tell their names only', 'h100-sxm', {}],
    ['eight of a name that nobody knows', 'h100-sxm', { deviceGetName: 'NVIDIA X900' }],
    ['four T4 that tell their names only', 't4', {}],
    ['four GB200 that tell their names only', 'gb200', {}],
  ])('%s', async (_, like, answers) => {
    const gaps = gapsOf(await named(like, { everyGpu: { answers, faults: silent } }));
    expect(gaps).toEqual([expect.stringMatching(/^GPU 0, 1, 2, 3.*: memory, temperature, clocks/)]);
  });

  test.each([
    [
      'what its neighbours give',
      'h100-sxm',
      [3],
      ['deviceGetFieldValue gpuRecoveryAction'],
      'GPU 3: recovery action not read (not_supported, which others beside it give)',
    ],
    [
      'row remaps, where ECC is on',
      'l40s',
      undefined,
      ['deviceGetRemappedRows'],
      'GPU 0, 1, 2, 3, 4, 5, 6, 7: row remap not read (not_supported, which a GPU of its kind gives)',
    ],
    [
      'retired pages, before there were row remaps',
      't4',
      [1],
      ['deviceGetRetiredPagesPendingStatus'],
      'GPU 1: page retirement not read (not_supported, which a GPU of its kind gives)',
    ],
    [
      'the links of a board with switches',
      'b200',
      undefined,
      ['deviceGetFieldValue nvlinkState'],
      'GPU 0, 1, 2, 3, 4, 5, 6, 7: NVLink not read (not_supported, which a GPU of its kind gives)',
    ],
    [
      'counters of one link',
      'h100-sxm',
      [2],
      ['deviceGetFieldValue nvlinkReplay 4', 'deviceGetFieldValue nvlinkReplayOfLink 4'],
      'GPU 2: NVLink errors not read (not_supported, which others beside it give)',
    ],
  ])('%s', async (_, like, gpus, keys, gap) => {
    const change = gpus
      ? { gpus: Object.fromEntries(gpus.map(index => [index, refusing(keys)])) }
      : { everyGpu: refusing(keys) };
    expect(gapsOf(await named(like, change))).toEqual([gap]);
  });

  test.each([
    [
      'ECC counters, where ECC is off',
      'l40s',
      { deviceGetEccMode: { current: 0, pending: 0 } },
      ['deviceGetTotalEccErrors', 'deviceGetRemappedRows'],
    ],
    [
      'utilization of a GPU in MIG mode',
      'h100-pcie',
      { deviceGetMigMode: { current: 1, pending: 1 } },
      ['deviceGetUtilizationRates'],
    ],
    ['retired pages of a GPU that remaps rows', 'h100-sxm', {}, ['deviceGetRetiredPages']],
    [
      'links of the only module of a virtual machine',
      'h200',
      { deviceGetVirtualizationMode: 1, deviceGetGpuFabricInfoV3: { state: 0 } },
      ['deviceGetFieldValue nvlinkState'],
    ],
  ])('but nothing is missed of %s', async (what, like, answers, keys) => {
    const one = what.includes('only module')
      ? { gpus: [{}], host: { pci: [{ pci: '0000:00:06' }] } }
      : {};
    expect(gapsOf(await named(like, { everyGpu: { answers, ...refusing(keys) }, ...one }))).toEqual(
      [],
    );
  });
});

test.each([
  [2, false],
  [8, true],
])('links of %i modules of a virtual machine that know of no fabric', async (count, isMissed) => {
  const pci = Array.from({ length: count }, (_, index) => ({ pci: `0000:0${index}:00` }));
  const machine = {
    everyGpu: {
      answers: { deviceGetVirtualizationMode: 1, deviceGetGpuFabricInfoV3: { state: 0 } },
      ...refusing(['deviceGetFieldValue nvlinkCount']),
    },
    gpus: pci.map(() => ({})),
    host: { pci },
  };
  expect((await named('h100-sxm', machine).then(facts => gapsOf(facts))).length > 0).toBe(isMissed);
});

describe('an error in place of what a GPU tells of itself', () => {
  test.each([
    ['deviceGetPowerUsage', 'power draw'],
    ['deviceGetEnforcedPowerLimit', 'enforced power limit'],
    ['deviceGetClockInfo memory', 'memory clock'],
    ['deviceGetTemperature', 'temperature'],
    ['deviceGetFanSpeed', 'fan speed'],
  ])('%s', async (key, label) => {
    const facts = await named('t4', {
      everyGpu: { answers: { deviceGetNumFans: 1, deviceGetFanSpeed: 40 } },
      gpus: { 2: refusing([key], 'unknown') },
    });
    expect(gapsOf(facts)).toEqual([`GPU 2: ${label} not read (unknown)`]);
  });
});

describe('what excuses a reading that is missing', () => {
  test.each<[Missing, string[]]>([
    [{ part: 'gpu', path: 'retiredPagesPending', reason: 'not_supported' }, []],
    [{ part: 'gpu', path: 'remappedRows', reason: 'function_not_found' }, []],
    [{ part: 'gpu', path: 'remappedRows', reason: 'not_found' }, ['row remap']],
    // Every driver of every GPU gives these: an old driver is no excuse.
    ...['memory', 'temperatureC', 'clocksEventReasons', 'eccUncorrectedVolatile'].flatMap(
      (path): [Missing, string[]][] => [
        [{ part: 'gpu', path, reason: 'not_supported' }, ['which a GPU of its kind gives']],
        [{ part: 'gpu', path, reason: 'function_not_found' }, ['not read (function_not_found)']],
      ],
    ),
    [{ part: 'host', path: 'moduleVersion', reason: 'driver_not_loaded' }, []],
    [{ part: 'host', path: 'daemons', reason: 'not_found' }, []],
    [{ part: 'host', path: 'daemons', reason: 'no_permission' }, ['programs of NVIDIA']],
    [{ part: 'owner', path: 'name', reason: 'not_found' }, []],
    [{ part: 'gpu', path: 'serial', reason: 'timeout' }, []],
    [{ part: 'gpu', path: 'serial', reason: 'gpu_is_lost' }, ['something else']],
  ])('%o', (missing, words) => {
    expect(gapsWithout(eight, missing)).toEqual(words.map(word => expect.stringContaining(word)));
  });
});
