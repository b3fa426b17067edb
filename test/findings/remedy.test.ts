import { describe, expect, test } from 'vitest';
import type { Finding } from '../../src/contract/finding.ts';
import { known, missing, present } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { type Ground, groundOf, placed, withRemedy } from '../../src/findings/remedy.ts';
import { resetOf } from '../../src/findings/reset.ts';
import type { PodAllocation } from '../../src/host/port.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';
import { finding } from '../fakes/finding.ts';

const lost = await factsOf('lost-gpu');
const eight = await factsOf('dgx-h100');

const withHost = (facts: NodeFacts, host: Partial<NodeFacts['host']>): NodeFacts => ({
  ...facts,
  host: { ...facts.host, ...host },
});

/** Pods of the kubelet, each with the GPU of an index. */
function withPods(facts: NodeFacts, gpus: readonly number[], resource = 'nvidia.com/gpu') {
  const listed = known(facts.host.driverGpus) ?? [];
  const allocations = gpus.map((gpu, at): PodAllocation => {
    const uuid = known(listed[gpu]?.uuid) ?? `GPU-${gpu}`;
    return {
      ...{ namespace: 'team', pod: `train-${at}`, container: 'main', resource },
      ...{ deviceIds: [uuid], devices: [{ id: uuid, gpuUuid: uuid }], source: 'pod_resources' },
    };
  });
  const pods = { ...facts.host.pods, allocations: present(allocations) };
  return withHost(facts, { pods });
}

const hitsOf = (facts: NodeFacts, of: Partial<Finding>) =>
  withRemedy(facts, 'bare-metal', finding(of)).hits;
const podsHit = (facts: NodeFacts, of: Partial<Finding>) =>
  hitsOf(facts, of)?.pods.map(({ pod }) => pod);

describe('whom an action hits', () => {
  test('the pod that the kubelet gave the GPU that the driver has lost, and no other', () => {
    const facts = withPods(lost, [2, 3, 4]);
    expect(podsHit(facts, { gpu: { pci: '0000:61:00' } })).toEqual(['train-1']);
    expect(podsHit(facts, { gpu: { index: 3, pci: '0000:61:00' } })).toEqual(['train-1']);
  });

  test('the same where the kubelet knows a GPU by its number, which the kernel module still lists', () => {
    const allocations = [3, 4].map(
      (minor): PodAllocation => ({
        ...{ namespace: 'team', pod: `train-${minor}`, container: 'main' },
        ...{ resource: 'nvidia.com/gpu', deviceIds: [`nvidia${minor}`], source: 'pod_resources' },
        devices: [{ id: `nvidia${minor}`, minor }],
      }),
    );
    const facts = withHost(lost, {
      pods: { ...lost.host.pods, allocations: present(allocations) },
    });
    expect(podsHit(facts, { gpu: { pci: '0000:61:00' } })).toEqual(['train-3']);
  });

  test('where the lost GPU has no name at all, the pod of none that answer', () => {
    const bare = withHost(lost, { driverGpus: missing('not_found') });
    const facts = withHost(bare, { pods: withPods(lost, [2, 3]).host.pods });
    expect(podsHit(facts, { gpu: { index: 3 } })).toEqual(['train-1']);
  });

  test('of a node that reboots, every pod with a GPU, eight by name and the others counted', () => {
    const hits = hitsOf(withPods(eight, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]), {
      action: 'reboot_node',
    });
    expect(hits?.pods).toHaveLength(8);
    expect(hits?.processes).toHaveLength(4);
    expect(hits?.more).toBe(2 + 4);
    const others = withPods(eight, [0], 'rdma/hca');
    expect(podsHit(others, { action: 'reboot_node' })).toEqual([]);
  });

  test('what takes no GPU from anybody names nobody', () => {
    for (const action of ['none', 'watch', 'restart_app', 'fix_configuration'] as const) {
      expect(hitsOf(withPods(eight, [3]), { action, gpu: { index: 3 } })).toBeUndefined();
    }
    expect(hitsOf(eight, { severity: 'info', gpu: { index: 3 } })).toBeUndefined();
  });

  test('a process in no pod, by the driver; by its open device where the driver is silent', () => {
    expect(hitsOf(eight, { gpu: { index: 3 } })?.processes).toEqual([
      { pid: 41213, name: 'pt_main_thread' },
    ]);
    const holder = { pid: 7, name: 'python3', state: 'D', devices: ['nvidia3', 'nvidiactl'] };
    const daemon = { pid: 8, name: 'nvidia-persiste', state: 'S', devices: ['nvidia3'] };
    const facts = withHost(lost, {
      deviceHolders: present([holder, daemon]),
      daemons: present([{ ...daemon, kind: 'persistenced' as const, startedAfterBootSeconds: 30 }]),
    });
    expect(hitsOf(facts, { gpu: { index: 3, pci: '0000:61:00' } })?.processes).toEqual([
      { pid: 7, name: 'python3' },
    ]);
  });

  test('what could not be looked through is said: then an empty list means nothing', () => {
    const pods = { ...eight.host.pods, allocations: missing('timeout') };
    expect(hitsOf(withHost(eight, { pods }), { gpu: { index: 3 } })?.notRead).toEqual([
      'pods by the kubelet (timeout)',
    ]);
    expect(hitsOf(withPods(eight, []), { gpu: { index: 3 } })?.notRead).toEqual([]);
  });

  test('every pod, where one GPU cannot be reset alone', () => {
    const volta = eight.driver.gpus.reduce(
      (facts, { index }) => withGpu(facts, index, { architecture: present('volta') }),
      withPods(eight, [0, 3]),
    );
    expect(podsHit(volta, { gpu: { index: 3 } })).toEqual(['train-0', 'train-1']);
  });
});

describe('where the machine stands', () => {
  test.each<[string | undefined, boolean | undefined, Ground]>([
    ['NVIDIA', false, 'bare-metal'],
    ['Supermicro', undefined, 'bare-metal'],
    ['Supermicro', true, 'virtual'],
    ['QEMU', undefined, 'virtual'],
    ['Amazon EC2', true, 'aws'],
    ['Amazon EC2', false, 'aws'],
    ['Google', true, 'gcp'],
    ['Microsoft Corporation', true, 'azure'],
    [undefined, true, 'virtual'],
    [undefined, undefined, 'unknown'],
  ])('%s, a virtual machine: %s: %s', (vendor, virtual, ground) => {
    const of = <T>(value: T | undefined) =>
      value === undefined ? missing('not_found') : present(value);
    const facts = withHost(eight, { vendor: of(vendor), virtualMachine: of(virtual) });
    expect(groundOf(facts)).toBe(ground);
  });

  const GROUNDS: readonly Ground[] = ['aws', 'gcp', 'azure', 'virtual'];
  test.each(GROUNDS)('on %s nobody is sent to the card', ground => {
    const clue = finding({ gpu: { index: 3 }, action: 'drain', advice: 'Reseat the card.' });
    expect(placed(ground, { ...clue, byHand: true }).advice).not.toMatch(/reseat/i);
    for (const action of ['reset_gpu', 'reboot_node', 'power_cycle', 'contact_support'] as const) {
      const { advice, action: step } = placed(ground, { ...clue, action });
      const { otherwise = '' } = withRemedy(eight, ground, finding({ action: step, advice }));
      expect(`${advice} ${otherwise}`).not.toMatch(/^Drain.*(?:ipmi|RMA|warm reboot)/);
    }
  });

  test('a step that did not help is followed by the next ones of the place', () => {
    const otherwise = (ground: Ground, action: Finding['action']) =>
      withRemedy(eight, ground, finding({ action })).otherwise;
    expect(otherwise('bare-metal', 'drain_and_reset')).toBe(
      'reboot the node; then power-cycle it, for a warm reboot leaves the boards powered; then replace the board (RMA): a case with NVIDIA, nvidia-bug-report and the serial number',
    );
    expect(otherwise('aws', 'reboot_node')).toBe(
      'stop and start the instance, which moves it to another host; then replace it and open a case with AWS',
    );
    expect(otherwise('virtual', 'power_cycle')).toBe(
      'have the host looked at by whoever runs the hypervisor',
    );
    expect(otherwise('bare-metal', 'contact_support')).toBeUndefined();
    expect(otherwise('bare-metal', 'watch')).toBeUndefined();
  });

  test('a configuration is not cured by power or by another board', () => {
    const otherwise = (action: Finding['action']) =>
      withRemedy(eight, 'bare-metal', finding({ action, blame: 'configuration' })).otherwise;
    expect(otherwise('reset_gpu')).toBe('reboot the node');
    expect(otherwise('reboot_node')).toBeUndefined();
  });

  test('a driver of two versions is reloaded everywhere alike', async () => {
    const facts = await factsOf('version-mismatch');
    const onAws = withHost(facts, { vendor: present('Amazon EC2'), virtualMachine: present(true) });
    expect(diagnose(onAws).findings[0]?.advice).toBe(diagnose(facts).findings[0]?.advice);
  });

  test('a lost GPU of an EC2 instance is told with what EC2 can do', () => {
    const onAws = withHost(lost, { vendor: present('Amazon EC2'), virtualMachine: present(true) });
    expect(diagnose(onAws).findings[0]).toMatchObject({
      action: 'reboot_node',
      advice: expect.stringContaining('stop and start it, which moves it to another host'),
    });
  });
});

describe('a reset', () => {
  const gpu = [{ index: 3 }];
  const kind = (facts: NodeFacts, architecture: string) =>
    facts.driver.gpus.reduce(
      (all, { index }) => withGpu(all, index, { architecture: present(architecture) }),
      facts,
    );
  const inState = (
    facts: NodeFacts,
    state: string,
    ...kinds: readonly ('fabric_manager' | 'kubelet')[]
  ) =>
    withHost(facts, {
      daemons: present(
        kinds.map(of => ({ kind: of, pid: 9, name: of, state, startedAfterBootSeconds: 30 })),
      ),
    });
  const running = (facts: NodeFacts, ...kinds: readonly ('fabric_manager' | 'kubelet')[]) =>
    inState(facts, 'S', ...kinds);

  test.each<[string, NodeFacts, string | undefined]>([
    ['Hopper with switches, alone', eight, undefined],
    ['Hopper without Fabric Manager, alone', running(eight, 'kubelet'), undefined],
    ['Ampere with it, alone', running(kind(eight, 'ampere'), 'fabric_manager'), undefined],
    ['Ampere without', running(kind(eight, 'ampere'), 'kubelet'), 'Fabric Manager does not run'],
    [
      'Ampere where it has ended',
      inState(kind(eight, 'ampere'), 'Z', 'fabric_manager'),
      'Fabric Manager does not run',
    ],
    ['Ampere where no process is seen, alone', running(kind(eight, 'ampere')), undefined],
    ['Volta', kind(eight, 'volta'), 'before Ampere, NVLink has its GPUs reset together'],
    ['a lost GPU, as its neighbours', lost, undefined],
  ])('of %s', (_, facts, all) => {
    expect(resetOf(facts, gpu).all).toBe(all);
  });

  test('of Turing without NVLink touches one GPU', async () => {
    expect(resetOf(await factsOf('healthy-t4'), [{ index: 0 }]).all).toBeUndefined();
  });

  test('names what holds the GPU besides jobs', () => {
    const daemon = (of: 'dcgm_exporter' | 'dcgm_hostengine' | 'mps_control', podUid?: string) => ({
      ...{ kind: of, pid: 9, name: of, state: 'S', startedAfterBootSeconds: 30 },
      ...(podUid === undefined ? {} : { podUid }),
    });
    const bare = withGpu(eight, 3, { persistenceMode: present(false) });
    const blockers = (...daemons: ReturnType<typeof daemon>[]) =>
      resetOf(withHost(bare, { daemons: present(daemons) }), gpu).blockers;
    expect(blockers()).toEqual([]);
    expect(blockers(daemon('dcgm_exporter', 'u'))).toEqual(['operands']);
    expect(blockers(daemon('dcgm_hostengine', 'u'))).toEqual(['operands']);
    expect(blockers(daemon('dcgm_hostengine'), daemon('mps_control'))).toEqual([
      'hostengine',
      'mps',
    ]);
    expect(resetOf(eight, gpu).blockers).toContain('persistence');
    const display = { pid: 7, name: 'Xorg', state: 'S', devices: ['nvidia3'] };
    expect(resetOf(withHost(eight, { deviceHolders: present([display]) }), gpu).blockers).toContain(
      'display',
    );
  });

  test('of a GPU in MIG mode says that its instances are gone', async () => {
    expect(resetOf(await factsOf('mig-a100'), [{ index: 0 }]).mig).toBe(true);
    expect(resetOf(eight, gpu).mig).toBe(false);
  });
});
