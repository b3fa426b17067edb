import { describe, expect, test } from 'vitest';
import { restrictedInstruments } from '../../src/agent/restricted.ts';
import type { ClusterDevice, ClusterView, StackPod } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

/** The triage of a machine, well where none is given, with what its cluster says. */
async function triaged(
  changed: Partial<ClusterView>,
  machine: object = { like: 'dgx-h100' },
): Promise<TriageFacts> {
  const alone = await answered(triageGpuNode, {}, instrumentsFor(machineFrom('given', machine)));
  return TriageFacts.parse(alone.joined(aView(changed)).structured);
}

const ENDED = { key: 'karpenter.sh/disrupted', value: '', effect: 'NoSchedule' };
const DEVICE: ClusterDevice = {
  ...{ driver: 'gpu.nvidia.com', pool: 'node', name: 'gpu-3' },
  taints: [{ key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' }],
};
const MIG_FAILED = { 'nvidia.com/mig.config.state': 'failed' };

test('each rule of the cluster joins its finding and its check to the answer', async () => {
  const { verdict, findings, checks } = await triaged({
    node: present(aNode({ taints: [ENDED], labels: MIG_FAILED })),
    devices: present([DEVICE]),
  });
  expect(verdict).toBe('warning');
  expect(findings.map(({ id }) => id)).toEqual(
    expect.arrayContaining([
      'platform-action:karpenter.sh/disrupted',
      'device-taint:gpu-3:gpu.nvidia.com/xid',
      'mig-configuration',
    ]),
  );
  expect(checks).toMatchObject({
    'platform-actions': 'warning',
    'device-taints': 'warning',
    'gpu-stack': 'warning',
    'node-conditions': 'ok',
  });
});

test('what of the cluster was not read is no check that is well', async () => {
  const none = missing('no_permission');
  const { checks, cluster } = await triaged({ node: none, pods: none, devices: none });
  const names = ['platform-actions', 'device-taints', 'gpu-stack', 'node-conditions'];
  expect(names.map(name => checks?.[name])).toEqual(names.map(() => 'not_read'));
  expect(cluster?.unavailable?.no_permission).toContain('devices of DRA');
});

test('a check that rests in part on what was not read is not called well', async () => {
  const none = missing('no_permission');
  const { checks } = await triaged({
    devices: present([{ ...DEVICE, taints: [] }]),
    ...{ nodeEvents: none, taintRules: none, computeDomains: none },
  });
  const names = ['platform-actions', 'device-taints', 'compute-domains'];
  expect(names.map(name => checks?.[name])).toEqual(names.map(() => 'not_read'));
  expect(checks).toMatchObject({ 'node-conditions': 'ok' });
});

const PODS = { namespace: null, total: 3, gpuPods: [], stack: [] };
const unread = missing('no_permission');

test.each<readonly [string, Partial<ClusterView>, string, readonly string[]]>([
  ['the node claim', { nodeClaim: unread }, 'dgx-h100', ['platform-actions']],
  ['the events of the node', { nodeEvents: unread }, 'dgx-h100', ['platform-actions']],
  [
    'NVSentinel’s annotation',
    { node: present(aNode({ quarantine: missing('unreadable') })) },
    'dgx-h100',
    ['nvsentinel'],
  ],
  ['the node', { node: unread }, 'dgx-h100', ['gpu-stack']],
  [
    'pods of other namespaces',
    { pods: present({ ...PODS, namespace: 'ml' }) },
    'dgx-h100',
    ['gpu-stack', 'stack-images', 'dra-driver'],
  ],
  [
    'the stack, in an older bundle',
    { pods: present({ namespace: null, total: 3, gpuPods: [] }) },
    'dgx-h100',
    ['gpu-stack', 'stack-images', 'dra-driver'],
  ],
  ['the loaded module', {}, 'no-driver', ['stack-images']],
  [
    'the events of a pod of a job that may be idle',
    { pods: present({ ...PODS, gpuPods: [aPod({ events: unread })] }) },
    'dgx-h100',
    ['pods-not-starting'],
  ],
  [
    'the events of a part of the stack that may be idle',
    { pods: present({ ...PODS, stack: [{ ...aPod({ events: unread }), part: 'driver' }] }) },
    'dgx-h100',
    ['gpu-stack'],
  ],
])('%s is part of what a check rests on, each of them', async (_what, changed, like, names) => {
  const whole = { devices: present([{ ...DEVICE, taints: [] }]), pods: present(PODS) };
  const well = await triaged(whole);
  const { checks } = await triaged({ ...whole, ...changed }, { like });
  const results = (of: typeof checks) => names.map(name => of?.[name]);
  expect(results(well.checks)).not.toContain('not_read');
  expect(results(checks)).toEqual(names.map(() => 'not_read'));
});

test('a cluster without DRA lacks nothing', async () => {
  const { cluster } = await triaged({ devices: missing('not_found') });
  expect(cluster?.unavailable).toBeUndefined();
});

describe('what the platform believes of a GPU', () => {
  /** On GPU 3, by its bus address; and on GPU 0, which is well on both machines. */
  const SAYS = (gpu: string) => ({
    ...{ type: 'GpuPcieWatch', status: 'True' as const, reason: 'GpuPcieWatchIsNotHealthy' },
    ...{ message: `${gpu} replays Recommended Action=RESTART_VM;`, since: '2026-03-01T11:40:00Z' },
  });
  const told = async (machine: string | Instruments, gpu: string) => {
    const instruments = typeof machine === 'string' ? instrumentsOf(machine) : machine;
    const alone = await answered(triageGpuNode, {}, instruments);
    const view = aView({ node: present(aNode({ conditions: [SAYS(gpu)] })) });
    const { findings, gpus } = TriageFacts.parse(alone.joined(view).structured);
    const found = findings.find(({ id }) => id === 'node-condition:GpuPcieWatch');
    const evidence = found?.evidence.filter(({ source }) => source === 'the node itself');
    return { found, evidence, findings, gpus };
  };

  test('stands beside the finding of the node itself, where there is one', async () => {
    const { evidence, findings, found } = await told('lost-gpu', 'GPU:3');
    const own = findings.find(({ id }) => id.startsWith('lost-gpu'));
    expect(own?.title).toContain('GPU 3');
    expect(evidence?.[0]?.what).toBe(own?.title);
    expect(found?.counterEvidence).toEqual([]);
  });

  test('and is contradicted where the node itself shows no fault of that GPU', async () => {
    for (const [machine, gpu] of [
      ['dgx-h100', 'GPU:3'],
      ['lost-gpu', 'GPU:0'],
    ] as const) {
      const { evidence, found } = await told(machine, gpu);
      expect(evidence).toEqual([]);
      expect(found?.counterEvidence).toEqual(['the node itself shows no fault of this GPU']);
    }
  });

  test.each<readonly [string, string, Instruments]>([
    ['that GPU was not read', 'GPU:12', instrumentsOf('dgx-h100')],
    ['the whole node is at fault', 'GPU:3', instrumentsOf('disk-read-only')],
    ['too little was read', 'GPU:3', restrictedInstruments(instrumentsOf('dgx-h100'))],
  ])('but not where %s', async (_, gpu, instruments) => {
    const { found, evidence } = await told(instruments, gpu);
    expect(found?.counterEvidence).toEqual([]);
    expect(evidence).toEqual([]);
  });

  test('is of the GPU with that UUID, whatever index it once had', async () => {
    const { gpus } = await told('lost-gpu', 'GPU:3');
    const [lost, well] = [3, 0].map(index => gpus.find(gpu => gpu.index === index)?.uuid);
    const evidenceOf = async (uuid: string | undefined, index: number) =>
      (await told('lost-gpu', `GPU:${index} GPU_UUID:${uuid}`)).evidence?.length;
    expect(await evidenceOf(lost, 0)).toBeGreaterThan(0);
    expect(await evidenceOf(well, 3)).toBe(0);
  });
});

test('an event that Azure has scheduled is told once, and by the platform’s rule', async () => {
  const { findings } = await triaged({
    node: present(
      aNode({
        conditions: [
          {
            ...{ type: 'VMEventScheduled', status: 'True', reason: 'VMEventScheduled' },
            ...{ message: 'Preempt', since: '2026-03-01T11:40:00Z' },
          },
        ],
      }),
    ),
  });
  expect(
    findings.filter(({ component }) => component === 'kubernetes').map(({ id }) => id),
  ).toEqual(['platform-action:VMEventScheduled']);
});

test('DRA is counted beside the device plugin, and a part of it that was not read is a gap', async () => {
  const none = missing('no_permission');
  const { layers, cluster } = await triaged({
    devices: present([DEVICE, { ...DEVICE, name: 'gpu-4', taints: [] }]),
    ...{ taintRules: none, claims: none, computeDomains: none },
  });
  expect(layers).toMatchObject({ nodeAllocatable: 8, draPublished: 2, draOffered: 1 });
  expect(cluster.unavailable).toEqual({
    no_permission: ['device taint rules', 'resource claims', 'compute domains'],
  });
});

describe('where no driver is loaded', () => {
  const NO_DRIVER = { like: 'no-driver' };
  const stuck = (part: StackPod['part'], reason: string): StackPod => {
    const { startedAt: _, ...main } = aContainer({ state: 'waiting', reason });
    return { ...aPod({ phase: 'Pending', containers: [main] }), part };
  };
  const adviceOf = async (machine: object, ...stack: readonly StackPod[]) => {
    const pods = present({ namespace: null, total: 9, gpuPods: [], stack });
    const { findings } = await triaged({ pods }, machine);
    return findings.find(({ id }) => id === 'driver-not-loaded')?.advice;
  };

  test('a stuck pod of the driver is what is to be repaired, whatever else is stuck', async () => {
    const advice = await adviceOf(
      NO_DRIVER,
      stuck('device plugin', 'ImagePullBackOff'),
      stuck('driver', 'CrashLoopBackOff'),
    );
    expect(advice).toContain('Read the log of its driver container');
  });

  test('what it waits for is what is to be repaired', async () => {
    const awaits = {
      ...aContainer({ name: 'mofed-validation', init: true, state: 'running' }),
    };
    const driver = { ...stuck('driver', ''), containers: [awaits] };
    expect(await adviceOf(NO_DRIVER, driver)).toContain(
      'The driver waits for the network operator',
    );
    const broken = stuck('network operator', 'ErrImagePull');
    expect(await adviceOf(NO_DRIVER, driver, broken)).toContain('Check the tag');
  });

  test('a pod that only calls itself the driver is no step for the node, and no warning', async () => {
    const claim = { ...stuck('driver', 'CrashLoopBackOff'), isClaim: true as const };
    const alone = await adviceOf(NO_DRIVER);
    expect(await adviceOf(NO_DRIVER, claim)).toBe(alone);
    const pods = present({ namespace: null, total: 9, gpuPods: [], stack: [claim] });
    const { verdict, findings } = await triaged({ pods });
    expect(verdict).toBe('healthy');
    expect(findings.map(({ id, severity }) => [id, severity])).toEqual([
      ['gpu-stack-stuck', 'info'],
    ]);
  });

  test.each(['container toolkit', 'validator', 'device plugin', 'DRA driver'] as const)(
    'a stuck %s says nothing of why',
    async part => {
      const alone = await adviceOf(NO_DRIVER);
      expect(alone).toContain('Install or start the driver');
      for (const reason of ['ImagePullBackOff', 'CrashLoopBackOff']) {
        expect(await adviceOf(NO_DRIVER, stuck(part, reason))).toBe(alone);
      }
    },
  );

  test('and no GPU is on the bus, no pod of the driver would load one', async () => {
    const bare = { ...NO_DRIVER, host: { pci: [] } };
    expect(await adviceOf(bare, stuck('driver', 'CrashLoopBackOff'))).toContain('power-cycle it');
  });
});

test('what the view of a node took of the API server stands in its triage, in facts and lines', async () => {
  const alone = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
  const asked = { requests: 7, bytes: 1 };
  const joined = alone.joined(aView({ asked }));
  expect(TriageFacts.parse(joined.structured).cluster.asked).toEqual(asked);
  expect(joined.text).toContain('cluster: read by 7 requests, 1 byte\n');
  expect(alone.joined(aView()).text).not.toContain('read by');
});
