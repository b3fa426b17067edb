import { describe, expect, test } from 'vitest';
import { known, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { gapsOf } from '../../src/findings/gaps.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor, factsOf } from '../fakes/facts.ts';
import { type Missing, without } from '../fakes/missing.ts';
import { H100, h100 } from '../scenarios/machines.ts';

const eight = await factsOf('dgx-h100');
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
    [{ part: 'gpu', path: 'handle', reason: 'in_use', gpu: 3 }, 'GPU 3: nothing was read (in_use)'],
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

describe('what excuses a reading that is missing', () => {
  test.each<[Missing, string[]]>([
    [{ part: 'gpu', path: 'remappedRows', reason: 'not_supported' }, []],
    [{ part: 'gpu', path: 'remappedRows', reason: 'function_not_found' }, []],
    [{ part: 'gpu', path: 'remappedRows', reason: 'not_found' }, ['row remap']],
    // Every driver of every GPU gives these: an old driver is no excuse.
    ...['memory', 'temperatureC', 'clocksEventReasons', 'eccUncorrectedVolatile'].flatMap(
      (path): [Missing, string[]][] => [
        [{ part: 'gpu', path, reason: 'not_supported' }, []],
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
