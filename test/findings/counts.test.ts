import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import {
  countsOfCluster,
  countsOfNode,
  countsText,
  goneGpus,
} from '../../src/findings/support/gpu-counts.ts';
import {
  correctedGrowth,
  earlierGpu,
  perSecond,
  portGrowth,
  shareOf,
} from '../../src/findings/support/rates.ts';
import { countReadings, saysLost } from '../../src/findings/support/readings.ts';
import { aNode } from '../fakes/cluster-view.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';
import { without } from '../fakes/missing.ts';

const eight = await factsOf('dgx-h100');
const lost = await factsOf('lost-gpu');
const [first] = eight.driver.gpus;
if (!first) throw new Error('no GPU');

describe('how many GPUs each layer counts', () => {
  const { host } = eight;

  test('a card once, whatever functions it has; device nodes by their number', () => {
    const devices = host.pciDevices.ok ? host.pciDevices.value : [];
    const audio = devices
      .filter(({ kind }) => kind === 'gpu')
      .map(gpu => ({ ...gpu, function: 1 }));
    const names = ['nvidia0', 'nvidia1', 'nvidia10', 'nvidiactl', 'nvidia-uvm', 'xnvidia2'];
    expect(
      countsOfNode(
        { ...host, pciDevices: present([...devices, ...audio]), deviceNodes: present(names) },
        7,
      ),
    ).toMatchObject({ pciBus: 8, deviceNodes: 3, nvml: 7 });
  });

  const given = (resource: string, deviceIds: readonly string[]) =>
    ({ resource, deviceIds, devices: [], source: 'pod_resources' }) as const;

  test('what the kubelet may give out whole; MIG devices are no GPUs', () => {
    const allocatable = present([
      given('nvidia.com/gpu', ['GPU-1', 'GPU-2']),
      given('nvidia.com/gpu', ['GPU-3']),
      given('nvidia.com/mig-1g.10gb', ['MIG-1', 'MIG-2']),
    ]);
    const counts = countsOfNode({ ...host, pods: { ...host.pods, allocatable } }, undefined);
    expect(counts).toMatchObject({ kubeletAllocatable: 3 });
  });

  test('a layer that was not read is not among them', () => {
    const none = missing('no_permission');
    const unread = { ...host, pciDevices: none, deviceNodes: none, driverGpus: none };
    const pods = { ...host.pods, allocatable: none };
    expect(countsOfNode({ ...unread, pods }, undefined)).toEqual({});
  });

  test.each([
    [{ 'nvidia.com/gpu.count': '8' }, 8],
    [{ 'nvidia.com/gpu.count': '16' }, 16],
    [{ 'nvidia.com/gpu.count': 'x8' }, undefined],
    [{ 'nvidia.com/gpu.count': '80000' }, undefined],
    [{}, undefined],
    [{ 'nvidia.com/gpu.count': '56', 'nvidia.com/gpu.product': 'H100-MIG-1g.10gb' }, undefined],
  ])('the label %j says %j', (labels, nodeLabel) => {
    expect(countsOfCluster(aNode({ labels })).nodeLabel).toBe(nodeLabel);
  });

  test('in one line, from the metal up', () => {
    const node = aNode({ capacity: { 'nvidia.com/gpu': 7 }, allocatable: { 'nvidia.com/gpu': 6 } });
    expect(countsText({ ...countsOfCluster(node), ...countsOfNode(host, 8) })).toBe(
      'PCI bus 8, kernel module 8, /dev 8, NVML 8, kubelet 8, node capacity 7, node allocatable 6, node label 8, instance type 8',
    );
    expect(countsText({ nvml: 0 })).toBe('NVML 0');
  });
});

describe('GPUs that the log knows and the bus does not', () => {
  const pci = '0000:61:00';
  const bus = lost.host.pciDevices.ok ? lost.host.pciDevices.value : [];
  const absent = {
    ...lost,
    host: { ...lost.host, pciDevices: present(bus.filter(device => device.pci !== pci)) },
  };

  test('one that is on the bus is not gone, lost or not', () => expect(goneGpus(lost)).toEqual([]));

  test('with what names it, and since when', () => {
    const since = absent.log.incidents.find(({ gpu }) => gpu === pci)?.firstTime;
    expect(since).toMatch(/^2026/);
    expect(goneGpus(absent)).toEqual([
      { pci, serial: '1654023033874', since, uuid: 'GPU-873843d9-53f7-cbcc-11d3-59a45307046d' },
    ]);
  });

  test('none is known to be gone where bus or log was not read', () => {
    const { log, ...unsearched } = absent;
    expect(goneGpus(unsearched)).toEqual([]);
    const unread = { ...absent.host, pciDevices: missing('unreadable') };
    expect(goneGpus({ ...absent, host: unread })).toEqual([]);
  });

  test('a line that names a GPU is no loss, and a serial number is that of its own GPU', () => {
    const [identity] = absent.log.gpus.filter(gpu => gpu.pci === pci);
    const [incident] = absent.log.incidents;
    if (!identity || !incident) throw new Error('the log names no GPU');
    const gpus = [{ ...identity, pci: '0000:1b:00', serial: '1' }, identity];
    const root = { ...incident.root, kind: 'xid', xid: 31 };
    const other = { ...incident, root, codes: [31], gpu: '0000:f1:00' };
    const log = { ...absent.log, gpus, incidents: [other, ...absent.log.incidents] };
    expect(goneGpus({ ...absent, log })).toEqual(goneGpus(absent));
  });
});

describe('rates between two readings', () => {
  const { takenAtMs } = eight.driver;
  const twoSecondsBefore = (changed: Partial<typeof first> = {}) => ({
    ...eight,
    earlier: {
      ...withGpu(eight, 0, changed).driver,
      takenAtMs: takenAtMs - 2_000,
    },
  });

  test('a GPU is the same by its UUID, and by its index where it has none', () => {
    const before = twoSecondsBefore();
    const moved = { ...before.earlier, gpus: before.earlier.gpus.toReversed() };
    expect(earlierGpu({ ...eight, earlier: moved }, first)?.index).toBe(0);
    const nameless = { ...first, uuid: missing('unknown'), index: 5 };
    expect(earlierGpu(before, nameless)?.index).toBe(5);
    expect(earlierGpu(eight, first)).toBeUndefined();
  });

  test.each([
    [10, 4, 3],
    [4, 4, 0],
    // The driver was loaded anew.
    [3, 4, undefined],
    [3, undefined, undefined],
  ])('a counter at %d that was at %j two seconds before', (now, before, rate) => {
    expect(perSecond(twoSecondsBefore(), now, before)).toBe(rate);
  });

  test('of one reading, and where time stood still, there is no rate', () => {
    expect(perSecond(eight, 10, 4)).toBeUndefined();
    const { driver } = eight;
    expect(perSecond({ ...eight, earlier: driver }, 10, 4)).toBeUndefined();
    const slowed = withGpu(eight, 0, { violations: { ...first.violations, powerNs: present(1) } });
    const still = { ...slowed, earlier: slowed.driver };
    const [gpu = first] = slowed.driver.gpus;
    expect(shareOf(still, gpu, ({ powerNs }) => powerNs)).toBeUndefined();
  });

  test.each([
    ['half of the time', 1e9, { share: 0.5, seconds: 2 }],
    ['a little more than all of it, by two clocks', 2.2e9, { share: 1, seconds: 2 }],
    ['at its bound', 3e9, { share: 1, seconds: 2 }],
    ['more than can be', 3.2e9, undefined],
    ['never', 0, { share: 0, seconds: 2 }],
    ['a counter that fell', -1, undefined],
  ])('a GPU was slowed down %s', (_, ns, share) => {
    const at = (value: number) => ({
      violations: { ...first.violations, powerNs: present(value) },
    });
    const facts = { ...withGpu(twoSecondsBefore(at(5e9)), 0, at(5e9 + ns)) };
    const [gpu] = facts.driver.gpus;
    expect(gpu && shareOf(facts, gpu, ({ powerNs }) => powerNs)).toEqual(share);
  });
});

describe('counters of the host while they were watched', () => {
  const aer = (pci: string, fn: number, amount: number) => ({
    ...{ pci, function: fn, aerCorrectable: present(amount) },
    ...{ aerFatal: present(0), aerNonFatal: present(0) },
  });
  const watched = (before: number, after: number, seconds = 10) => {
    const at = (value: number) => ({
      ports: [
        { nic: 'mlx5_1', port: 1, counters: { symbol_error: 99 } },
        { nic: 'mlx5_0', port: 2, counters: { symbol_error: 98 } },
        { nic: 'mlx5_0', port: 1, counters: { symbol_error: value } },
      ],
      aer: [aer('0000:1b:00', 1, 97), aer('0000:43:00', 0, 96), aer('0000:1b:00', 0, value)],
    });
    const host = { seconds, before: at(before), after: at(after) };
    return { ...eight, secondLook: { because: [], seconds, notReadAgain: [], host } };
  };
  const PORT = { nic: 'mlx5_0', port: 1 };

  test.each([
    ['grew', watched(3, 7), 4],
    ['stood still', watched(3, 3), 0],
    ['fell', watched(7, 3), undefined],
    ['were read once', eight, undefined],
  ])('that %s', (_, facts, grown) => {
    expect(portGrowth(facts, PORT, 'symbol_error')?.grown).toBe(grown);
    expect(correctedGrowth(facts, '0000:1b:00')).toBe(grown);
  });

  test('over how long; in no time nothing grows', () => {
    expect(portGrowth(watched(3, 7), PORT, 'symbol_error')).toEqual({ grown: 4, seconds: 10 });
    expect(portGrowth(watched(3, 7, 0), PORT, 'symbol_error')).toBeUndefined();
    expect(portGrowth(watched(3, 7), PORT, 'no_such')).toBeUndefined();
    expect(correctedGrowth(watched(3, 7), '0000:52:00')).toBeUndefined();
    const { secondLook, ...facts } = watched(3, 7);
    const { host } = secondLook;
    const gone = { ...host, after: { ...host.after, aer: [], ports: [] } };
    const half = { ...facts, secondLook: { ...secondLook, host: gone } };
    expect(correctedGrowth(half, '0000:1b:00')).toBeUndefined();
    expect(portGrowth(half, PORT, 'symbol_error')).toBeUndefined();
  });
});

describe('how much was read', () => {
  const { tried, got } = countReadings(eight);
  const lacking = (reason: 'timeout' | 'not_supported' | 'not_read') =>
    countReadings(without(eight, { part: 'gpu', path: 'serial', reason, gpu: 2 }));

  test('a refusal was tried and not got, what the GPU does not have is an answer', () => {
    expect(lacking('timeout')).toEqual({ tried, got: got - 1 });
    expect(lacking('not_supported')).toEqual({ tried, got });
    expect(lacking('not_read')).toEqual({ tried: tried - 1, got: got - 1 });
  });

  test('readings in groups, and in what other readings give, count too', () => {
    for (const path of ['thermal.marginC', 'nvlinks.links.state']) {
      const { got: left } = countReadings(
        without(eight, { part: 'gpu', path, reason: 'timeout', gpu: 2 }),
      );
      expect(left, path).toBeLessThan(got);
    }
  });
});

test.each([
  ['itself', { ok: false, reason: 'gpu_is_lost' }, true],
  ['one in a list of what another gives', present([{ state: missing('gpu_is_lost') }]), true],
  ['one in a group', { a: { b: missing('gpu_is_lost') } }, true],
  ['none', { a: missing('timeout'), b: present([null, 'gpu_is_lost']) }, false],
])('a reading says that the GPU is lost: %s', (_, value, says) => {
  expect(saysLost(value)).toBe(says);
});
