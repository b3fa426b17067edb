import { expect, test } from 'vitest';
import type { ContainerLife } from '../../src/contract/container-life.ts';
import { known } from '../../src/contract/reading.ts';
import { isSameRun, lifeAt, onGpu } from '../../src/findings/support/container-lives.ts';
import type { DeviceRef } from '../../src/host/port.ts';
import { factsOf } from '../fakes/facts.ts';

const life = (pod: string, more: Partial<ContainerLife> = {}): ContainerLife => ({
  ...{ pod, source: 'service_log' },
  ...more,
});
const AT = 1_000_000;

test.each<[what: string, times: Partial<ContainerLife>, isAlive: boolean]>([
  ['it began before and ended after', { startedMs: AT - 1, endedMs: AT + 1 }, true],
  ['it ended, as late as clocks differ', { startedMs: 0, endedMs: AT - 5_000 }, true],
  ['it had ended', { startedMs: 0, endedMs: AT - 5_001 }, false],
  ['it began, as early as clocks differ', { startedMs: AT + 5_000 }, true],
  ['it began later', { startedMs: AT + 5_001 }, false],
  ['it began and has no end', { startedMs: AT - 1 }, true],
  ['only its end is known', { endedMs: AT + 1 }, true],
  ['it was seen later', { seenMs: AT }, true],
  ['it was last seen before', { startedMs: 0, seenMs: AT - 5_001 }, false],
  ['it ended, and was seen before', { endedMs: AT - 5_001, seenMs: AT }, false],
  ['nothing is known', {}, false],
])('alive: %s', (_, times, isAlive) => {
  expect(lifeAt([life('a', times)], AT) !== undefined).toBe(isAlive);
});

test('a container with a known end is told before an end, and an end before the rest', () => {
  const began = life('began', { startedMs: 0, container: 'main' });
  const ended = life('ended', { endedMs: AT });
  const whole = life('whole', { endedMs: AT, container: 'main' });
  expect(lifeAt([began, ended, whole], AT)).toBe(whole);
  expect(lifeAt([began, ended], AT)).toBe(ended);
  expect(lifeAt([began], AT)).toBe(began);
});

test.each([
  [{ podUid: '1', pod: 'a' }, { podUid: '1', pod: 'b' }, true],
  [{ podUid: '1', pod: 'a' }, { podUid: '2', pod: 'a' }, false],
  [{ podUid: '1', container: 'x' }, { podUid: '1', container: 'y' }, false],
  [{ podUid: '1', container: 'x' }, { podUid: '1' }, true],
  [{ pod: 'a', namespace: 'n' }, { podUid: '1', pod: 'a', namespace: 'n' }, true],
  [{ podUid: '1', pod: 'a', namespace: 'n' }, { pod: 'a', namespace: 'n' }, true],
  [{ pod: 'a', namespace: 'n' }, { pod: 'a', namespace: 'm' }, false],
  [{ namespace: 'n' }, { namespace: 'n' }, false],
])('%j and %j are one run: %j', (a, b, isSame) => {
  expect(isSameRun(a, b)).toBe(isSame);
});

const mig = await factsOf('mig-a100');
const gpu = mig.driver.gpus.find(each => known(each.migInstances)?.length);
const [instance] = (gpu && known(gpu.migInstances)) ?? [];
const {
  uuid = '',
  pci = '',
  minor = -1,
} = {
  uuid: gpu && known(gpu.uuid),
  pci: gpu && known(gpu.pci),
  minor: gpu && known(gpu.minorNumber),
};
const migUuid = (instance && known(instance.uuid)) ?? '';
const part = (instance && known(instance.gpuInstance)) ?? -1;

test.each<[what: string, device: Partial<DeviceRef>, instance: number | undefined, has: boolean]>([
  ['by its UUID', { gpuUuid: uuid }, undefined, true],
  ['by its number', { minor }, undefined, true],
  ['of another', { gpuUuid: 'GPU-0', minor: 99 }, undefined, false],
  ['by one of its instances', { migUuid }, undefined, true],
  ['by an instance of another', { migUuid: 'MIG-0' }, undefined, false],
  ['the instance that is meant', { migUuid }, part, true],
  ['another instance than is meant', { migUuid }, part + 1, false],
  ['the part that is meant', { minor, gpuInstance: 3 }, 3, true],
  ['another part', { minor, gpuInstance: 3 }, 4, false],
  ['whole, of which a part is meant', { minor }, 4, true],
])('an allocation has a device of a GPU: %s', (_, device, meant, has) => {
  const allocation = {
    ...({ resource: 'nvidia.com/gpu', source: 'pod_resources', container: 'main' } as const),
    ...{ deviceIds: [], devices: [{ id: 'a', ...device }] },
  };
  expect(onGpu(mig, allocation, { pci, uuid, mig: meant })).toBe(has);
});

test('of a GPU that the driver has lost the kernel module knows the number', () => {
  const lost = { ...mig, driver: { ...mig.driver, gpus: [] } };
  const allocation = {
    ...({ resource: 'nvidia.com/gpu', source: 'checkpoint', container: 'main' } as const),
    ...{ deviceIds: [], devices: [{ id: 'a', minor }] },
  };
  expect(onGpu(lost, allocation, { pci, uuid: undefined, mig: undefined })).toBe(true);
  expect(onGpu(lost, allocation, { pci: null, uuid: undefined, mig: undefined })).toBe(false);
});
