import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { loadMachine, MACHINE_NAMES, machineFrom } from '../../src/simulation/machine.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const hostOf = (over: object) => simulatedHost(machineFrom('x', { like: 'dgx-h100', ...over }));
const signal = new AbortController().signal;

test.each(MACHINE_NAMES)('%s has every reading of a host', async name => {
  const state = await simulatedHost(loadMachine(name)).read(signal);
  expect(state.resources.memory).toMatchObject({ ok: true });
  expect(state.pods.names).toMatchObject({ ok: true });
  expect(state.pods.checkpoint).toEqual(missing('not_read', 'not mounted'));
});

/** Where in the data a reading is missing, indexes aside. */
function missingIn(data: unknown, path = ''): string[] {
  if (typeof data !== 'object' || data === null) return [];
  if ('ok' in data && data.ok === false) return [path];
  const places = Object.entries(data).flatMap(([key, part]) =>
    missingIn(part, /^(?:value|\d+)$/.test(key) ? path : `${path} ${key}`.trim()),
  );
  return [...new Set(places)];
}

test('a healthy server tells every reading but those that most servers lack', async () => {
  const nic = { name: 'mlx5_0', pci: '0000:1a:00', interfaces: [{ name: 'ib0' }] };
  const state = await hostOf({ host: { nics: [nic] } }).read(signal);
  expect(missingIn(state).toSorted()).toEqual([
    'containerToolkit cdiSpecs',
    'containerToolkit runtimes',
    'pciDevices slot',
    'pods checkpoint',
  ]);
});

test.each([
  [{ hostnam: 'x' }, 'hostnam'],
  [{ resources: { memory: { totalBytes: 1, availableBytes: 1, freeBytes: 1 } } }, 'freeBytes'],
  [{ nics: [{ name: 'x', pci: '0000:1a:00', ports: [{ stat: 'DOWN' }] }] }, 'stat'],
  [{ pods: { names: 5 } }, 'expected array'],
])('a word that no reading has, and a value of another form, are refused: %j', (host, word) => {
  expect(() => hostOf({ host })).toThrow(word);
});

describe('what data can say of a host', () => {
  test('that there is nothing to read, with null', async () => {
    const state = await hostOf({ host: { pci: { 0: { numaNode: null, driver: null } } } }).read(
      signal,
    );
    const [first] = known(state.pciDevices) ?? [];
    expect(first?.numaNode).toEqual(missing('not_supported'));
    expect(first).not.toHaveProperty('driver');
  });

  test('a reading that is missing, for its reason', async () => {
    const { resources, nics, pods } = await hostOf({
      host: {
        nics: { missing: 'no_permission' },
        resources: { memory: { missing: 'unreadable' }, edac: { corrected: 4, uncorrected: 1 } },
        pods: { allocations: { missing: 'timeout', detail: 'the kubelet hangs' } },
      },
    }).read(signal);
    expect(nics).toEqual(missing('no_permission'));
    expect(resources.memory).toEqual(missing('unreadable'));
    expect(resources.edac).toEqual(present({ corrected: 4, uncorrected: 1 }));
    expect(pods.allocations).toEqual(missing('timeout', 'the kubelet hangs'));
  });

  test('a pod that holds a GPU, and whose process it is', async () => {
    const host = hostOf({
      host: {
        processes: { 41212: 'pt_main_thread' },
        processDetails: { 41212: { podUid: UID, devices: ['nvidia0', 'nvidiactl'] } },
        pods: {
          names: [{ uid: UID, namespace: 'ml', pod: 'train-0' }],
          allocations: [
            { namespace: 'ml', pod: 'train-0', podUid: UID, devices: [{ id: 'GPU-x' }] },
          ],
        },
      },
    });
    const state = await host.read(signal);
    expect(known(state.pods.allocations)).toEqual([
      {
        namespace: 'ml',
        pod: 'train-0',
        podUid: UID,
        container: 'main',
        resource: 'nvidia.com/gpu',
        deviceIds: ['GPU-x'],
        devices: [{ id: 'GPU-x' }],
        source: 'pod_resources',
      },
    ]);
    expect(known(state.deviceHolders)).toEqual([
      {
        pid: 41212,
        name: 'pt_main_thread',
        state: 'S',
        devices: ['nvidia0', 'nvidiactl'],
        podUid: UID,
      },
    ]);
    const [owner, gone] = await host.processOwners([41212, 7], signal);
    expect(owner).toMatchObject({
      podUid: UID,
      namespace: 'ml',
      pod: 'train-0',
      container: 'main',
    });
    expect(gone).toMatchObject({ pid: 7, name: { ok: false, reason: 'not_found' } });
  });

  test('a device plugin offers the GPUs that are well', async () => {
    const count = async (name: string) => {
      const { pods } = await simulatedHost(loadMachine(name)).read(signal);
      return known(pods.allocatable)?.map(({ deviceIds }) => deviceIds.length);
    };
    expect(await count('dgx-h100')).toEqual([8]);
    expect(await count('lost-gpu')).toEqual([7]);
    expect(await count('no-driver')).toEqual([]);
  });
});
