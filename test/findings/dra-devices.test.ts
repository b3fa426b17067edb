import { describe, expect, test } from 'vitest';
import type { ClusterDevice, ClusterView, StackPod } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { domainFindings } from '../../src/findings/rules/compute-domains.ts';
import { draDeviceClues } from '../../src/findings/rules/dra-devices.ts';
import { aNode } from '../fakes/cluster-view.ts';
import { part, stackOf } from '../fakes/stack.ts';

const GPUS = [0, 1].map(index => ({ index, uuid: `GPU-${index}` }));
const device = (index: number, changed: Partial<ClusterDevice> = {}): ClusterDevice => ({
  ...{ driver: 'gpu.nvidia.com', pool: 'gpu-3', name: `gpu-${index}`, uuid: `GPU-${index}` },
  ...changed,
});
const PLUGIN = part('DRA driver', [{ name: 'gpus', state: 'running', ready: true }], {
  phase: 'Running',
});
const podsOf = (...stack: readonly StackPod[]) =>
  present({ namespace: null, total: 9, gpuPods: [], stack });
const told = (view: Partial<ClusterView>, gpus: Parameters<typeof draDeviceClues>[1] = GPUS) =>
  draDeviceClues({ pods: podsOf(PLUGIN), ...view }, gpus);
const idsOf = (...args: Parameters<typeof told>) => told(...args).map(({ id }) => id);

test('GPUs that DRA all publishes, whole or in parts, are no finding', () => {
  expect(told({ devices: present([device(0), device(1)]) })).toEqual([]);
  const mig = device(1, { name: 'mig-1', uuid: 'MIG-1', parentUuid: 'GPU-1' });
  expect(told({ devices: present([device(0), mig]) })).toEqual([]);
});

describe('a GPU that works and that DRA does not publish', () => {
  test('is named, beside one that it does', () => {
    expect(told({ devices: present([device(0)]) })).toMatchObject([
      {
        id: 'dra-not-published',
        title: 'DRA publishes 1 device of this node, and of 1 working GPU none',
        severity: 'warning',
        gpus: [{ index: 1, uuid: 'GPU-1' }],
        evidence: [{ what: 'not in it: GPU 1 (GPU-1)' }],
      },
    ]);
  });

  test('is none where it does not work, has no name, or where no name fits', () => {
    const devices = present([device(0)]);
    expect(told({ devices }, [{ ...GPUS[1], error: 'gpu_is_lost' }])).toEqual([]);
    expect(told({ devices }, [{ index: 1 }])).toEqual([]);
    expect(told({ devices }, [{ index: 0, uuid: 'GPU-of-another-kind' }])).toEqual([]);
  });
});

describe('a DRA driver that publishes nothing', () => {
  test('is told where its container for GPUs runs', () => {
    expect(told({ devices: present([]) })).toMatchObject([
      {
        id: 'dra-none-published',
        title: 'The DRA driver runs and publishes none of the 2 GPUs of this node',
        evidence: [{ command: expect.stringMatching(/^kubectl logs .* -c gpus$/) }],
      },
    ]);
  });

  test.each<readonly [string, Partial<ClusterView>]>([
    ['was not read', { devices: missing('no_permission') }],
    [
      'has no container for GPUs',
      {
        pods: podsOf(
          part('DRA driver', [{ name: 'compute-domains', state: 'running', ready: true }]),
        ),
      },
    ],
    [
      'comes up',
      { pods: podsOf(part('DRA driver', [{ name: 'gpus', state: 'running', ready: false }])) },
    ],
    ['is nobody’s that is known', { pods: podsOf({ ...PLUGIN, isClaim: true }) }],
    ['goes', { pods: podsOf({ ...PLUGIN, deleting: true }) }],
  ])('is none where it %s', (_, changed) => {
    expect(idsOf({ devices: present([]), ...changed })).toEqual([]);
  });

  test('is none where no GPU works', () => {
    expect(idsOf({ devices: present([]) }, [{ index: 0, error: 'gpu_is_lost' }])).toEqual([]);
  });
});

test('a pool that lacks slices is told once', () => {
  const short = { poolIncomplete: true as const };
  const devices = present([device(0, short), device(1, short)]);
  expect(idsOf({ devices })).toEqual(['dra-pool-incomplete:gpu.nvidia.com/gpu-3']);
});

test('of a pool that lacks slices no GPU and no device is missing', () => {
  const devices = present([device(0, { poolIncomplete: true })]);
  const claims = present([
    {
      ...{ namespace: 'team-a', name: 'gpu', users: [{ pod: 'train-0', containers: [] }] },
      devices: [{ driver: 'gpu.nvidia.com', pool: 'gpu-3', name: 'gpu-1' }],
    },
  ]);
  expect(idsOf({ devices, claims })).toEqual(['dra-pool-incomplete:gpu.nvidia.com/gpu-3']);
});

test('a pool of another driver may have slices of all nodes, which nobody has asked for', () => {
  const of = { driver: 'nic.example.com', poolIncomplete: true } as const;
  expect(idsOf({ devices: present([device(0), device(1), device(2, of)]) })).toEqual([]);
});

describe('a device that a claim holds', () => {
  const claim = (name: string, changed: object = {}) =>
    present([
      {
        ...{ namespace: 'team-a', name: 'gpu', users: [{ pod: 'train-0', containers: [] }] },
        devices: [{ driver: 'gpu.nvidia.com', pool: 'gpu-3', name, ...changed }],
      },
    ]);
  const devices = present([device(0), device(1)]);

  test('and that is published no more names its pod', () => {
    expect(told({ devices, claims: claim('gpu-7') })).toMatchObject([
      {
        id: 'dra-device-gone',
        title: 'A device that DRA has given to pods is published no more',
        evidence: [{ what: 'gpu-7, held by team-a/train-0' }],
      },
    ]);
  });

  test('and that is there, of another pool or of another driver is no finding', () => {
    expect(idsOf({ devices, claims: claim('gpu-1') })).toEqual([]);
    expect(idsOf({ devices, claims: claim('x', { pool: 'other' }) })).toEqual([]);
    expect(idsOf({ devices, claims: claim('x', { driver: 'nic.example.com' }) })).toEqual([]);
  });
});

describe('a ComputeDomain', () => {
  const told = (...cliques: readonly string[]) =>
    domainFindings(
      {
        node: present(aNode()),
        computeDomains: present([
          {
            ...{ namespace: 'team-a', name: 'ComputeDomain/train', status: 'Ready' },
            nodes: cliques.map((clique, at) => ({
              node: `gpu-${at + 3}`,
              clique,
              status: 'Ready',
            })),
          },
        ]),
      },
      [],
    );

  test('whose nodes are in several cliques says that there is no NVLink between those', () => {
    expect(told('a.1', 'a.2', 'a.1')).toMatchObject([
      { severity: 'info', title: expect.stringContaining('spreads over 2 NVLink cliques') },
    ]);
  });

  test('whose nodes are in one, or outside of any fabric, is well', () => {
    expect(told('A-0.1', 'a0.1', '')).toEqual([]);
  });

  test('whose daemon does not come up here keeps pods waiting, as no other IMEX does', () => {
    const broken = [{ name: 'main', reason: 'CrashLoopBackOff' }];
    const of = (name: string) => stackOf([part('IMEX', broken, { name })])[0]?.severity;
    expect(of('computedomain-daemon-3f0c-x7k2p')).toBe('warning');
    expect(of('nvidia-imex-x7k2p')).toBe('info');
  });
});
