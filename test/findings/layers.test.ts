import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { isGpuResource, layeredGpus } from '../../src/findings/support/layers.ts';
import { noGpuButInLog } from '../../src/findings/support/places.ts';
import { wrongDriver } from '../../src/findings/support/wrong-driver.ts';
import type { DeviceRef, PciDevice } from '../../src/host/port.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';

const eight = await factsOf('dgx-h100');
const bus = eight.host.pciDevices.ok ? eight.host.pciDevices.value : [];
const gpus = bus.filter(({ kind }) => kind === 'gpu');
const [gpu, second] = gpus;
if (!gpu || !second) throw new Error('no GPUs');

const onBus = (pciDevices: readonly PciDevice[], facts = eight): NodeFacts => ({
  ...facts,
  host: { ...facts.host, pciDevices: present(pciDevices) },
});
const at = (facts: NodeFacts, pci = gpu.pci) => layeredGpus(facts).find(each => each.pci === pci);

describe('where a GPU is seen', () => {
  test('at every layer, each of eight', () => {
    expect(layeredGpus(eight).map(({ missingFrom }) => missingFrom)).toEqual(gpus.map(() => []));
    expect(at(eight)?.seenBy).toEqual([
      'the PCI bus',
      '/proc/driver/nvidia',
      '/dev',
      'NVML',
      "the kubelet's allocatable devices",
    ]);
  });

  test('a function of a card that is not its first is no GPU', () => {
    const audio = { ...gpu, pci: '0000:ff:00', function: 1 };
    expect(layeredGpus(onBus([...bus, audio]))).toHaveLength(8);
  });

  const without = { ...eight.host, driverGpus: present([]) };
  const unseen = { ...eight, host: without, driver: { ...eight.driver, gpus: [] } };

  test.each([
    ["NVIDIA's", { driver: 'nvidia' }, true],
    ['that of virtual machines', { driver: 'vfio-pci' }, false],
  ])('that only the bus shows, with the driver %s', (_, driver, isThere) => {
    expect(at(onBus([{ ...gpu, ...driver }], unseen)) !== undefined).toBe(isThere);
  });

  test('that only the bus shows, without a driver', () => {
    const { driver: _, ...unbound } = gpu;
    expect(at(onBus([unbound], unseen))).toMatchObject({ seenBy: ['the PCI bus'] });
  });

  test('one that gives no handle is missing from NVML, with its slot and no other’s', () => {
    const slots = bus.map(each => ({ ...each, slot: present(`slot of ${each.pci}`) }));
    const lost = withGpu(onBus(slots), 0, { handle: missing('gpu_is_lost') });
    const { pci } = lost.driver.gpus[0] ?? {};
    const place = pci?.ok ? pci.value : '';
    expect(at(lost, place)).toMatchObject({ slot: `slot of ${place}`, missingFrom: ['NVML'] });
    expect(at(lost, second.pci === place ? gpu.pci : second.pci)?.missingFrom).toEqual([]);
  });
});

const { uuid = '', minor = -1 } = at(eight) ?? {};

test.each<[what: string, devices: readonly DeviceRef[], offered: boolean | undefined]>([
  ['it by its UUID', [{ id: 'a', gpuUuid: uuid }], true],
  ['it by its number', [{ id: 'a', minor }], true],
  ['another by its UUID', [{ id: 'a', gpuUuid: 'GPU-0' }], false],
  ['another by its number', [{ id: 'a', minor: 99 }], false],
  ['nothing', [], undefined],
  ['a device that tells no GPU', [{ id: 'a' }, { id: 'b', gpuUuid: uuid }], undefined],
])('the kubelet offers %s', (_, devices, offered) => {
  const rest = { resource: 'nvidia.com/gpu', source: 'pod_resources', deviceIds: [] } as const;
  const allocatable = present([{ ...rest, devices }]);
  const pods = { ...eight.host.pods, allocatable };
  const seen = at({ ...eight, host: { ...eight.host, pods } });
  const layer = "the kubelet's allocatable devices";
  expect(seen?.seenBy.includes(layer)).toBe(offered === true);
  expect(seen?.missingFrom.includes(layer)).toBe(offered === false);
});

test.each([
  ['nvidia.com/gpu', true],
  ['nvidia.com/mig-1g.10gb', true],
  ['gpu.nvidia.com', true],
  ['mig.nvidia.com', true],
  ['rdma.nvidia.com/ib0', false],
  ['network.nvidia.com/gpu.nvidia.com', false],
  ['amd.com/gpu', false],
])('%s is a resource of GPUs: %j', (resource, isSo) => {
  expect(isGpuResource(resource)).toBe(isSo);
});

describe('a driver that is not NVIDIA’s holds all GPUs', () => {
  const boundTo = (drivers: readonly string[]) =>
    onBus(gpus.map((each, index) => ({ ...each, driver: drivers[index % drivers.length] ?? '' })));
  test.each([
    [['nouveau'], 'wrong-driver', /^Blacklist nouveau /],
    [['pci-stub'], 'wrong-driver', /^Unbind the GPUs from pci-stub, /],
    [['vfio-pci'], 'gpus-for-virtual-machines', /^Nothing to do where /],
    [['nvidia'], undefined, undefined],
    [['nouveau', 'nvidia'], undefined, undefined],
  ])('%j', (drivers, id, advice) => {
    const clue = wrongDriver(boundTo(drivers));
    expect(clue?.id).toBe(id);
    if (advice) expect(clue?.advice).toMatch(advice);
  });

  test('without a driver at all it is another fault', () => {
    const unbound = gpus.map(({ driver: _, ...each }) => each);
    expect(wrongDriver(onBus(unbound))).toBeUndefined();
    expect(wrongDriver(onBus([]))).toBeUndefined();
  });
});

describe('no layer but the log knows of any GPU', () => {
  const none = { pciDevices: present([]), moduleVersion: missing('driver_not_loaded') };
  const bare = {
    ...eight,
    host: { ...eight.host, ...none },
    driver: { ...eight.driver, gpus: [] },
  };
  test.each<[what: string, facts: NodeFacts, isSo: boolean]>([
    ['none does', bare, true],
    [
      'a bus that was not read',
      { ...bare, host: { ...bare.host, pciDevices: missing('unreadable') } },
      false,
    ],
    ['the bus shows one', onBus([gpu], bare), false],
    [
      'a driver is loaded',
      { ...bare, host: { ...bare.host, moduleVersion: present('570') } },
      false,
    ],
    ['NVML counts one', { ...bare, driver: eight.driver }, false],
  ])('%s', (_, facts, isSo) => {
    expect(noGpuButInLog(facts)).toBe(isSo);
  });
});
