import { describe, expect, test } from 'vitest';
import { known, mapReading, missing, present } from '../../src/contract/reading.ts';
import { isExcused } from '../../src/findings/labels.ts';
import { containerView } from '../../src/findings/rules/container-view.ts';
import { containerFaults } from '../../src/findings/support/container-faults.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { machineFrom } from '../../src/simulation/machine.ts';

const { signal } = new AbortController();

/** What is wrong in a pod on GPUs 0 and 1 of a machine with InfiniBand that holds none of them now. */
async function faultsOf(sees: object, host: object = {}) {
  const machine = machineFrom('m', {
    ...{ version: 1, like: 'h100-sxm', title: 'm', cluster: {} },
    host: { nics: [{ name: 'mlx5_0' }], ...host },
    pods: [{ namespace: 'ml', name: 'train-0', gpus: [0, 1], sees }],
  });
  const simulated = simulatedHost(machine);
  const atWork = await simulated.read(signal);
  const state = { ...atWork, deviceHolders: present([]) };
  const [uid = ''] = (known(machine.host.containers) ?? []).map(({ podUid }) => podUid);
  const views = await simulated.containers([uid], signal);
  if (!views.ok) throw new Error(views.reason);
  return { views: views.value, state, atWork, found: containerFaults(views.value, state).faults };
}

describe('what a container sees', () => {
  test('one that is as it should be has no fault', async () => {
    expect((await faultsOf({})).found).toEqual([]);
  });

  test.each<readonly [string, object, RegExp, boolean]>([
    [
      'libraries of another driver',
      { driver: '535.183.06' },
      /^its libraries are those of driver 535.183.06, the loaded module is 570/,
      true,
    ],
    ['a device node that is gone', { withoutGpus: [1] }, /^its \/dev lacks nvidia1, which/, true],
    [
      'a cgroup after daemon-reload',
      { mayOpenGpus: false },
      /does not let it open NVIDIA devices/,
      true,
    ],
    [
      'a full /dev/shm',
      { sharedMemoryMib: { size: 64, used: 63 } },
      /^its \/dev\/shm of 64 MiB is full, and has the default/,
      false,
    ],
    [
      'little memory that it may lock',
      { lockedMemoryBytes: 65_536, rdma: true },
      /^it may lock 64 KiB of memory/,
      false,
    ],
    [
      'one kill at its limit',
      { oomKills: 1, memoryLimitBytes: 2 ** 35 },
      /^1 of its processes was killed at/,
      false,
    ],
    [
      'kills at its limit',
      { oomKills: 2, memoryLimitBytes: 2 ** 35 },
      /^2 of its processes were killed at its memory limit of 32768 MiB/,
      false,
    ],
    [
      'a list of GPUs that begins with one that it has not',
      { visibleDevices: { CUDA_VISIBLE_DEVICES: '2,3' } },
      /^its CUDA_VISIBLE_DEVICES is "2,3", and it has 2 GPUs: CUDA sees 0 of them/,
      true,
    ],
    [
      'a list whose second GPU it has not',
      { visibleDevices: { CUDA_VISIBLE_DEVICES: '0,5' } },
      /sees 1 of them/,
      false,
    ],
    ['a CPU limit', { throttledPercent: 64 }, /throttled it in 64 % of all periods/, false],
  ])('%s', async (_, sees, words, isSevere) => {
    const { found } = await faultsOf(sees);
    expect(found).toMatchObject([{ what: expect.stringMatching(words), isSevere }]);
    expect(found.map(({ fault }) => fault)).toEqual(['configuration']);
  });

  test.each<readonly [string, object]>([
    ['a larger /dev/shm that is half full', { sharedMemoryMib: { size: 1_024, used: 512 } }],
    ['a CPU limit that seldom holds', { throttledPercent: 12 }],
    ['a list of its GPUs', { visibleDevices: { CUDA_VISIBLE_DEVICES: '1,0' } }],
    ['64 MiB that it may lock', { lockedMemoryBytes: 64 * 2 ** 20, rdma: true }],
    ['little memory that it may lock without an adapter', { lockedMemoryBytes: 65_536 }],
    ['a list of all its GPUs and one more', { visibleDevices: { CUDA_VISIBLE_DEVICES: '0,1,2' } }],
  ])('%s is no fault', async (_, sees) => {
    expect((await faultsOf(sees)).found).toEqual([]);
  });

  test('a privileged container sees all GPUs of its node, and may choose among them', async () => {
    const { views, state } = await faultsOf({ visibleDevices: { CUDA_VISIBLE_DEVICES: '3' } });
    const all = present(['nvidia0', 'nvidia1', 'nvidia2', 'nvidia3', 'nvidiactl']);
    const privileged = views.map(view => ({ ...view, deviceNodes: all }));
    expect(containerFaults(privileged, state).faults).toEqual([]);
  });

  test('a container without a GPU needs no libraries of the driver, may open no device and may wait for its CPU', async () => {
    const { views, state } = await faultsOf({});
    const beside = views.map(view => ({
      ...{ ...view, container: 'sidecar', containerId: 'b', deviceNodes: present([]) },
      ...{ throttledPercent: present(90), mayOpenGpus: present(false) },
      libraries: present(['libcuda.so.535.183.06']),
    }));
    expect(containerFaults([...views, ...beside], state).faults).toEqual([]);
  });

  test('kills in a container without a limit are not called kills at its limit', async () => {
    const { views, state } = await faultsOf({ oomKills: 2 });
    const unlimited = views.map(view => ({
      ...view,
      memoryLimitBytes: present('unlimited' as const),
    }));
    expect(containerFaults(unlimited, state).faults).toMatchObject([
      { what: expect.stringMatching(/killed for want of memory, and not at a limit of its own/) },
    ]);
  });

  test('without RDMA nothing needs to be locked', async () => {
    expect((await faultsOf({ lockedMemoryBytes: 65_536, rdma: true }, { nics: [] })).found).toEqual(
      [],
    );
  });

  test('a container beside it needs no GPU, and what could not be read is not missing', async () => {
    const { views, state } = await faultsOf({});
    const [view] = views;
    if (!view) throw new Error('no view');
    const beside = { ...view, containerId: 'b', libraries: present([]), deviceNodes: present([]) };
    expect(containerFaults([view, { ...beside, container: 'b' }], state).faults).toEqual([]);
    expect(containerFaults([beside], state).faults).toMatchObject([{ isSevere: true }]);
    const unread = {
      ...view,
      deviceNodes: missing('no_permission'),
      libraries: missing('timeout'),
    };
    expect(containerFaults([unread], state).faults).toMatchObject([
      { kind: 'not-read', isSevere: false, what: 'it was not wholly looked into (timeout)' },
    ]);
  });

  test('beside a container that is between two runs the others are not taken for a pod without GPUs', async () => {
    const { views, state } = await faultsOf({});
    const beside = views.map(({ container: _, ...view }) => ({
      ...view,
      libraries: present([]),
      deviceNodes: present([]),
    }));
    const names = mapReading(state.pods.names, pods =>
      pods.map(pod => ({ ...pod, containers: ['main', 'sidecar'] })),
    );
    const node = { ...state, pods: { ...state.pods, names } };
    expect(containerFaults(beside, node).faults).toEqual([]);
    const both = [...beside, ...beside.map(view => ({ ...view, containerId: 'b' }))];
    expect(containerFaults(both, node).faults).toMatchObject([{ kind: 'device-nodes' }]);
    const onOne = views.map(({ container: _, ...view }) => ({
      ...view,
      deviceNodes: present(['nvidia0', 'nvidiactl']),
    }));
    expect(containerFaults(onOne, node).faults).toEqual([]);
    expect(containerFaults([...onOne, ...beside], node).faults).toMatchObject([
      { what: expect.stringContaining('lacks nvidia1') },
    ]);
    const unnamed = { ...state, pods: { ...state.pods, names: missing('timeout') } };
    expect(containerFaults(beside, unnamed).faults).toEqual([]);
  });

  test('where no number of a GPU is known, how many a container sees still tells', async () => {
    const { views, state } = await faultsOf({ withoutGpus: [1] });
    const blind = { ...state, driverGpus: missing('timeout') };
    expect(containerFaults(views, blind).faults).toMatchObject([
      { what: 'its /dev has 1 of the 2 GPUs that the kubelet gave it', isSevere: true },
    ]);
    const { views: whole } = await faultsOf({});
    expect(containerFaults(whole, blind).faults).toEqual([]);
  });

  test('of two containers with a GPU each, of which one has ended, the other lacks nothing', async () => {
    const { views, state } = await faultsOf({});
    const allocations = mapReading(state.pods.allocations, all =>
      all.flatMap(each =>
        each.devices.map((device, at) => ({
          ...each,
          ...{ container: `rank-${at}`, devices: [device], deviceIds: [device.id] },
        })),
      ),
    );
    const node = { ...state, pods: { ...state.pods, allocations } };
    const rank = (at: number, nodes: readonly string[]) =>
      views.map(view => ({ ...view, container: `rank-${at}`, deviceNodes: present(nodes) }));
    const left = rank(0, ['nvidia0', 'nvidiactl']);
    expect(containerFaults(left, node).faults).toEqual([]);
    const swapped = [...left, ...rank(1, ['nvidiactl'])];
    expect(containerFaults(swapped, node).faults).toMatchObject([
      { container: 'rank-1', what: expect.stringContaining('lacks nvidia1') },
    ]);
  });

  test('the container that may not open its devices is named, not the one before it', async () => {
    const { views, state } = await faultsOf({ mayOpenGpus: false });
    const first = views.map(view => ({ ...view, container: 'first', mayOpenGpus: present(true) }));
    const { faults } = containerFaults([...first, ...views], state);
    expect(faults).toMatchObject([{ kind: 'device-cgroup', container: 'main' }]);
  });

  test.each([
    ['libraries of another driver', { driver: '535.183.06' }, /holds a GPU all the same/],
    [
      'an empty CUDA_VISIBLE_DEVICES',
      { visibleDevices: { CUDA_VISIBLE_DEVICES: '' } },
      /CUDA sees 0/,
    ],
  ])('%s keep nobody from a GPU that a process holds', async (_, sees, words) => {
    const { views, state, atWork } = await faultsOf(sees);
    expect(containerFaults(views, state).faults).toMatchObject([{ isSevere: true }]);
    expect(containerFaults(views, atWork).faults).toMatchObject([
      { isSevere: false, what: expect.stringMatching(words) },
    ]);
  });

  test.each([
    ['libcuda alone', ['libcuda.so.535.183.06']],
    ['both', ['libcuda.so.535.183.06', 'libnvidia-ml.so.535.183.06']],
  ])('an image that brings %s is mended, and nobody deletes a pod for it', async (_, libraries) => {
    const { views, state } = await faultsOf({});
    const own = views.map(view => ({
      ...{ ...view, libraries: present(libraries) },
      mountedLibraries: present<readonly string[]>([]),
    }));
    const remark = { isSevere: false, confidence: 'medium', action: 'fix_configuration' };
    // Also where the node's library is another than its module: that is told by itself.
    for (const node of [state, { ...state, isMismatched: true }]) {
      expect(containerFaults(own, node).faults).toMatchObject([
        { ...remark, what: expect.stringContaining('none was mounted, they are its image’s own') },
      ]);
    }
  });

  test('where it was not read which of them were mounted, they are not taken for its image’s own', async () => {
    const { views, state, atWork } = await faultsOf({ driver: '535.183.06' });
    const unread = views.map(view => ({ ...view, mountedLibraries: missing('timeout') }));
    const seen = (node: Parameters<typeof containerFaults>[1], of = unread) =>
      containerFaults(of, node).faults;
    const what = expect.stringContaining('whether its image brings them was not read');
    const severe = { kind: 'libraries', isSevere: true, confidence: 'medium', what };
    expect(seen(state)).toMatchObject([{ ...severe, action: 'restart_app' }]);
    expect(seen({ ...state, isMismatched: true })).toMatchObject([
      { ...severe, action: 'reboot_node' },
    ]);
    expect(seen(atWork)).toMatchObject([{ isSevere: false, action: 'watch' }]);
    const libraries = present<readonly string[]>(['libcuda.so.535.183.06']);
    const one = unread.map(view => ({ ...view, libraries }));
    expect(seen(state, one)).toMatchObject([{ isSevere: false, action: 'restart_app', what }]);
  });

  test('of what was mounted one alone is enough, and what the image brings beside it is not judged', async () => {
    const { views, state } = await faultsOf({});
    const [fit, other] = ['libnvidia-ml.so.570.124.06', 'libcuda.so.535.183.06'] as const;
    const seen = (mounted: readonly string[]) =>
      containerFaults(
        views.map(view => ({
          ...{ ...view, libraries: present([fit, other]) },
          mountedLibraries: present(mounted),
        })),
        { ...state, moduleVersion: present('570.124.06') },
      ).faults;
    expect(seen([fit])).toEqual([]);
    expect(seen([other])).toMatchObject([{ kind: 'libraries', isSevere: true }]);
  });

  test('where the node’s own library is another too, a new pod would not help', async () => {
    const { views, state } = await faultsOf({ driver: '535.183.06' });
    expect(containerFaults(views, { ...state, isMismatched: true }).faults).toMatchObject([
      { action: 'reboot_node', advice: expect.stringMatching(/reload the module or reboot/) },
    ]);
  });

  test('what is in a container makes no node unknown; that none could be read does', () => {
    expect(isExcused('host', 'containers.libraries', 'timeout')).toBe(true);
    expect(isExcused('host', 'containers', 'timeout')).toBe(false);
    expect(containerView.reads.host.decides).not.toContain('containers.libraries');
  });

  test('a container that was not looked into is a remark, counted and with its reason', async () => {
    const { views, state } = await faultsOf({});
    const unread = missing('not_read', 'too many containers');
    const left = views.map(view => ({
      ...view,
      ...{ podUid: 'b', libraries: unread, deviceNodes: unread },
      ...{ mayOpenGpus: unread, visibleDevices: unread },
    }));
    const { faults, leftOut, pods } = containerFaults([...views, ...left], state);
    expect({ leftOut, pods }).toEqual({ leftOut: 1, pods: views.map(({ podUid }) => podUid) });
    expect(faults).toMatchObject([
      { kind: 'not-read', what: 'it was not looked into (too many containers)', isSevere: false },
    ]);
  });
});
