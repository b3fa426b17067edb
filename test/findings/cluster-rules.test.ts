import { describe, expect, test } from 'vitest';
import {
  type ClusterContainer,
  type ClusterDevice,
  type ClusterEvent,
  type ClusterNode,
  type ComputeDomain,
  type DeviceTaintRule,
  type NodeClaim,
  STACK_PARTS,
  type StackPod,
} from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import type { StackLog } from '../../src/contract/stack-log.ts';
import { domainFindings } from '../../src/findings/rules/compute-domains.ts';
import { draDriver, taintedDevices } from '../../src/findings/rules/device-taints.ts';
import { nodeConditions } from '../../src/findings/rules/node-conditions.ts';
import { nvsentinel, platformActions } from '../../src/findings/rules/platform-actions.ts';
import { countsOfDra } from '../../src/findings/support/gpu-counts.ts';
import { nextAction } from '../../src/tools/support/next-action.ts';
import { aNode, aPod } from '../fakes/cluster-view.ts';
import { ago, part, runs, stackOf, waitsFor } from '../fakes/stack.ts';

describe('the GPU stack of a node', () => {
  test('that runs is no finding, and neither is one that comes up', () => {
    expect(stackOf([runs('driver'), runs('device plugin')])).toEqual([]);
    const fresh = { startedAt: ago(60) };
    expect(stackOf([part('DCGM', [{ reason: 'ContainerCreating' }], fresh)])).toEqual([]);
    const sidecar = { name: 'istio-proxy', init: true, sidecar: true as const };
    const begins = { name: 'main', reason: 'ContainerCreating' };
    const meshed = part('DCGM', [{ ...sidecar, state: 'running' }, begins], fresh);
    expect(stackOf([meshed])).toEqual([]);
    expect(stackOf([part('validator', [{ state: 'terminated' }], { phase: 'Succeeded' })])).toEqual(
      [],
    );
  });

  test.each([
    [
      'a driver image that is not there for this kernel',
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'ImagePullBackOff' }]),
      'The driver of the node is stuck: container nvidia-driver-ctr ImagePullBackOff',
      'The tag of a driver image names',
    ],
    [
      'one whose signature the runtime refuses',
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'SignatureValidationFailed' }]),
      'The driver of the node is stuck: the signature of its image is not accepted',
      'Check the image’s signature',
    ],
    [
      'an image that is missing beside a sidecar that a mesh put before it',
      part('device plugin', [
        { name: 'istio-proxy', init: true, sidecar: true, state: 'running' },
        { name: 'nvidia-device-plugin', reason: 'ErrImagePull' },
      ]),
      'The device plugin of the node is stuck: container nvidia-device-plugin ErrImagePull',
      'Check the tag',
    ],
    [
      'an init container of a newer operator that waits',
      waitsFor('container toolkit', 'other-validation'),
      'The container toolkit of the node is stuck: init container other-validation waits',
      'The container toolkit waits for what its init container checks',
    ],
    [
      'a driver that waits for the network’s, which nobody deploys',
      waitsFor('driver', 'mofed-validation'),
      'The driver of the node is stuck: init container mofed-validation waits',
      'The driver waits for the network operator: look whether that runs on this node, and whether a NicClusterPolicy is to deploy it',
    ],
    [
      'a driver that waits until the one before is unloaded',
      waitsFor('driver', 'k8s-driver-manager'),
      'The driver of the node is stuck: init container k8s-driver-manager waits',
      'The driver manager evicts the pods that use GPUs',
    ],
    [
      'a toolkit that waits beside a sidecar that a mesh put before it',
      part('container toolkit', [
        { name: 'istio-proxy', init: true, sidecar: true, state: 'running' },
        { name: 'driver-validation', init: true, state: 'running' },
      ]),
      'The container toolkit of the node is stuck: init container driver-validation waits',
      'The container toolkit waits for the driver',
    ],
    [
      'a vGPU’s device plugin that waits',
      waitsFor('device plugin', 'vfio-pci-validation'),
      'The device plugin of the node is stuck: init container vfio-pci-validation waits',
      'The device plugin waits for the driver',
    ],
    [
      'a driver that does not build',
      part('driver', [
        {
          name: 'nvidia-driver-ctr',
          reason: 'CrashLoopBackOff',
          restarts: 7,
          message: 'back-off 5m0s restarting failed container=nvidia-driver-ctr pod=x',
          endedBefore: { exitCode: 1, reason: 'Error', message: '' },
        },
      ]),
      'The driver of the node is stuck: container nvidia-driver-ctr CrashLoopBackOff, exit code 1',
      'kernel without headers',
    ],
    [
      'a toolkit that waits for a driver that nobody deploys',
      waitsFor('container toolkit', 'driver-validation'),
      'The container toolkit of the node is stuck: init container driver-validation waits',
      'The container toolkit waits for the driver',
    ],
    [
      'a device plugin that the runtime cannot start',
      part('device plugin', [
        {
          name: 'nvidia-device-plugin',
          reason: 'CreateContainerError',
          message: 'no runtime for "nvidia" is configured',
        },
      ]),
      'The device plugin of the node is stuck: container nvidia-device-plugin CreateContainerError, no runtime for "nvidia" is configured',
      'runtime class nvidia',
    ],
    [
      'a validator whose CUDA program fails',
      part('validator', [
        {
          name: 'cuda-validation',
          init: true,
          reason: 'CrashLoopBackOff',
          endedBefore: { exitCode: 1, reason: 'Error', message: '' },
        },
      ]),
      'The validator of the node is stuck: init container cuda-validation CrashLoopBackOff, exit code 1',
      'Read the log of that container',
    ],
    [
      'a DRA driver',
      part('DRA driver', [{ name: 'gpus', reason: 'CrashLoopBackOff' }]),
      'The DRA driver of the node is stuck: container gpus CrashLoopBackOff',
      'Read the log of that container',
    ],
    [
      'a pod that the kubelet refused',
      part('MIG manager', [], { phase: 'Failed', reason: 'Evicted' }),
      'The MIG manager of the node is stuck: Evicted',
      'Look at the events of the pod',
    ],
  ])('%s', (_what, pod, title, advice) => {
    const [clue, ...others] = stackOf([runs('feature discovery'), pod]);
    expect(others).toEqual([]);
    expect(clue).toMatchObject({ title, severity: 'warning', action: 'fix_configuration' });
    expect(clue?.advice).toContain(advice);
    expect(clue?.evidence[0]?.command).toContain(`-n gpu-operator ${pod.name}`);
  });

  describe('a container that ends and is started again', () => {
    /** A run of this length that ended so many seconds ago. */
    const run = (seconds: number, endedAgo: number, exitCode = 1, reason = 'Error') => ({
      ...{ exitCode, reason, message: '' },
      ...{ startedAt: ago(endedAgo + seconds), finishedAt: ago(endedAgo) },
    });
    const once = (own: Partial<ClusterContainer>, phase: StackPod['phase'] = 'Running') =>
      stackOf([
        part('device plugin', [{ name: 'main', init: !!own.sidecar, restarts: 4, ...own }], {
          phase,
        }),
      ]);
    const again = (seconds: number, last: ClusterContainer['endedBefore'], ready = true) => ({
      ...{ state: 'running' as const, startedAt: ago(seconds), ready },
      ...(last && { endedBefore: last }),
    });
    const { endedBefore: _, ...first } = again(5, undefined, false);

    test.each<readonly [string, Partial<ClusterContainer>, string]>([
      [
        'waits for its next run',
        { reason: 'CrashLoopBackOff', endedBefore: run(1, 5) },
        'CrashLoopBackOff, exit code 1',
      ],
      [
        'has ended just now',
        { state: 'terminated', reason: 'Error', ended: run(1, 0) },
        'Error, exit code 1',
      ],
      ['runs again', again(1, run(1, 11)), 'runs again after its end, exit code 1'],
      [
        'runs again, though for longer than it did',
        again(31, run(1, 41)),
        'runs again after its end, exit code 1',
      ],
      [
        'runs for minutes and is not ready',
        again(900, run(1_270, 940, 143), false),
        'runs again after its end, exit code 143',
      ],
      [
        'is a daemon that ends well, again and again',
        again(2, run(1, 11, 0, 'Completed')),
        'runs again after its end',
      ],
      [
        'is a sidecar that ends well, again and again',
        { ...again(2, run(1, 11, 0, 'Completed')), sidecar: true },
        'runs again after its end',
      ],
      [
        'began by a clock of its own and is not ready',
        again(-7_200, run(1, -7_190), false),
        'runs again after its end, exit code 1',
      ],
      [
        'has been running for a month after one failure, and is not ready',
        again(2_592_000, run(10, 2_592_010), false),
        'runs and is not ready',
      ],
      [
        'is not ready within any time that a start takes',
        again(1_801, undefined, false),
        'runs and is not ready',
      ],
      [
        'is a sidecar that is not ready',
        { ...again(1_801, undefined, false), sidecar: true },
        'runs and is not ready',
      ],
      [
        'ran before for a time that nobody knows',
        again(400, { exitCode: 1, reason: 'Error', message: '' }),
        'runs again after its end, exit code 1',
      ],
    ])('is stuck while it %s', (_what, own, state) => {
      const [clue, ...others] = once(own);
      const init = own.sidecar ? 'init ' : '';
      expect(others).toEqual([]);
      expect(clue).toMatchObject({
        title: `The device plugin of the node is stuck: ${init}container main ${state}`,
        ...{ severity: 'warning', action: 'fix_configuration' },
        advice: expect.stringMatching(/^Read the log of that container/),
        evidence: [
          {
            what: `pod gpu-operator/nvidia-device-plugin-x7k2p: ${init}container main ${state}, 4 restarts`,
            command: expect.stringMatching(/^kubectl logs /),
          },
        ],
      });
    });

    test.each<readonly [string, Partial<ClusterContainer>]>([
      ['runs for the first time', first],
      ['still comes up', again(1_799, undefined, false)],
      ['failed an hour ago', again(3_500, run(1, 3_600))],
      ['waited for its driver at boot and now goes on', again(40, run(2, 45))],
      ['goes on until the kubelet forgets', again(601, run(500, 602))],
      ['ended after days', again(20, run(86_400, 21))],
      ['was gone with its machine', again(20, run(60, 30, 255, 'Unknown'), false)],
      ['began by a clock of its own', again(-7_200, run(1, -7_190))],
    ])('is well where it %s', (_, own) => {
      expect(once(own)).toEqual([]);
    });

    test('is no more started where its pod has ended', () => {
      const ended = { state: 'terminated' as const, reason: 'Error', ended: run(1, 0) };
      expect(once(ended, 'Failed')).toEqual([]);
      expect(once({ ...ended, ended: run(1, 0, 0) }, 'Succeeded')).toEqual([]);
    });

    test('of init containers one that fails goes before one that waits, in each state', () => {
      // A name of one that waits for another part.
      const init = { name: 'driver-validation', init: true, ready: false };
      const states = [
        { reason: 'CrashLoopBackOff', endedBefore: run(3, 9) },
        { state: 'terminated' as const, reason: 'Error', ended: run(3, 0) },
        again(2, run(3, 9), false),
      ];
      for (const state of states) {
        const [clue] = stackOf([
          waitsFor('validator', 'toolkit-validation'),
          part('validator', [{ ...state, ...init }]),
        ]);
        expect(clue?.title).toContain('stuck: init container driver-validation ');
        expect(clue?.advice).toMatch(/^Read the log of that container/);
      }
      const done = { state: 'terminated' as const, reason: 'Completed', ended: run(3, 0, 0) };
      const main = { name: 'main', reason: 'PodInitializing' };
      expect(stackOf([part('validator', [{ ...init, ...done }, main])])).toEqual([]);
    });

    test('says in each state that it is the runtime that cannot start it', () => {
      const end = run(0, 0, 128, 'StartError');
      for (const own of [
        { reason: 'CrashLoopBackOff', endedBefore: end },
        { state: 'terminated' as const, reason: 'StartError', ended: end },
      ]) {
        const [clue] = once(own);
        expect(clue?.advice).toMatch(/^The runtime could not start it/);
        expect(clue?.evidence[0]?.command).toMatch(/^kubectl describe pod /);
      }
    });
  });

  const said = (cause: StackLog['cause'], text: string): Partial<StackPod> => ({
    log: present({
      ...{ container: 'nvidia-driver-ctr', previous: false, lines: 9, bytes: 99, requests: 1 },
      ...{ ...(cause && { cause }), at: '2026-03-01T11:59:00Z', text },
    }),
  });
  const crashed = (more: Partial<StackPod>) =>
    stackOf([
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'CrashLoopBackOff' }], {
        phase: 'Running',
        ...more,
      }),
    ])[0];

  test('a pod that only calls itself the driver stands behind what is stuck, and names no step for the node', () => {
    const innocent = part('driver', [{ name: 'main', reason: 'CrashLoopBackOff' }], {
      ...{ namespace: 'tenant-evil', name: 'innocent', isClaim: true },
      ...said('in-use', 'Could not unload NVIDIA driver kernel modules, driver is in use'),
    });
    const [clue, ...others] = stackOf([innocent, waitsFor('container toolkit', 'other')]);
    expect(others).toEqual([]);
    expect(clue?.title).toMatch(/^The container toolkit of the node is stuck/);
    expect(JSON.stringify(clue)).not.toMatch(/innocent|wait behind it/);
    const [alone] = stackOf([innocent, runs('feature discovery')]);
    expect(alone).toMatchObject({
      title: 'A pod that calls itself the driver of the node is stuck',
      ...{ action: 'watch', confidence: 'low', severity: 'info' },
      advice: expect.stringContaining('See whose pod it is'),
    });
    expect(JSON.stringify(alone)).not.toContain('reboot');
  });

  test('what its own log gives as the cause is its title and its step', () => {
    const line = 'Could not resolve Linux kernel version';
    expect(crashed(said('headers', line))).toMatchObject({
      title: 'The driver of the node is stuck: no headers of the node’s kernel are found',
      advice: expect.stringMatching(/^Offer the headers of the running kernel/),
      confidence: 'high',
      evidence: [
        { command: expect.stringMatching(/^kubectl logs .* -c nvidia-driver-ctr$/) },
        {
          what: `its log says: "${line}"`,
          source: 'log of container nvidia-driver-ctr, 9 lines',
          time: '2026-03-01T11:59:00Z',
        },
      ],
    });
  });

  test('a log that tells none is told by its last word, and one that was not read by why', () => {
    const silent = crashed(said(undefined, 'Caught signal'));
    expect(silent?.title).toContain('container nvidia-driver-ctr CrashLoopBackOff');
    expect(silent?.evidence[1]?.what).toBe('its log ends: "Caught signal"');
    expect(crashed({ log: missing('no_permission') })?.counterEvidence).toEqual([
      'its log was not read: no permission',
    ]);
  });

  test('that the last lines of its log are too long to be read is told beside it', () => {
    const { log } = said('network', 'Could not resolve host');
    const cut = log?.ok ? present({ ...log.value, newestUnread: true as const }) : undefined;
    expect(crashed(cut ? { log: cut } : {})?.counterEvidence).toEqual([
      'the last lines of its log are too long to be read',
    ]);
    expect(crashed(log ? { log } : {})?.counterEvidence).toEqual([]);
  });

  describe.each([
    ['crashes', [{ name: 'main', reason: 'CrashLoopBackOff' }], 'logs'],
    ['waits', [{ name: 'toolkit-validation', init: true, state: 'running' }], 'logs'],
    ['has no image', [{ name: 'main', reason: 'ImagePullBackOff' }], 'describe'],
    ['was refused', [], 'describe'],
  ] as const)('a part that %s', (_, containers, by) => {
    test.each(STACK_PARTS)('%s: headline, step and command are about one object', of => {
      const isRefused = containers.length === 0;
      const pod = part(of, containers, isRefused ? { phase: 'Failed', reason: 'Evicted' } : {});
      const [clue] = stackOf([pod]);
      const command = clue?.evidence[0]?.command ?? '';
      const [container] = containers;
      expect(clue?.title).toContain(`The ${of} of the node is stuck`);
      expect(clue?.evidence[0]?.what).toContain(pod.name);
      expect(command).toBe(
        by === 'logs'
          ? `kubectl logs -n gpu-operator ${pod.name} -c ${container?.name}`
          : `kubectl describe pod -n gpu-operator ${pod.name}`,
      );
      if (container) expect(clue?.title).toContain(`container ${container.name} `);
      // Who is sent to a log has the command that prints it, and nobody is sent to one that is not there.
      if (/\blog\b/.test(clue?.advice ?? '')) expect(by).toBe('logs');
      expect(clue?.advice).not.toMatch(/^It\b|\bits log\b/);
      if (clue?.severity !== 'warning') return;
      const next = nextAction({ ...clue, counterEvidence: [] }, { verdict: 'warning', node: 'a' });
      expect(next.commands).toEqual([command]);
    });
  });

  test.each([
    ['nvidia.com/mig.config.state', 'failed', 'MIG manager'],
    ['nvidia.com/gpu-driver-upgrade-state', 'upgrade-failed', 'driver'],
    ['nvidia.com/ofed-driver-upgrade-state', 'upgrade-failed', 'network operator'],
  ] as const)('%s=%s sends to the log of the %s that is there', (label, state, of) => {
    const pod = runs(of);
    const [clue] = stackOf([pod], { labels: { [label]: state } });
    if (!clue) throw new Error('nothing found');
    expect(clue.advice).toMatch(/^Read the log of the /);
    const next = nextAction(clue, { verdict: 'warning', node: 'a' });
    expect(next.commands).toEqual([
      expect.stringMatching(new RegExp(`^kubectl logs -n gpu-operator ${pod.name} -c `)),
    ]);
    const [alone] = stackOf([], { labels: { [label]: state } });
    expect(alone && nextAction(alone, { verdict: 'warning', node: 'a' }).commands).toEqual([]);
  });

  test('what the MIG manager could not do is told by its own log', () => {
    const text = 'Please first kill all processes using this device';
    const log = present({
      ...{ container: 'nvidia-mig-manager', previous: false, lines: 9, bytes: 90, requests: 1 },
      ...{ cause: 'mig-in-use' as const, at: '2026-03-01T11:00:00Z', text },
    });
    const labels = { 'nvidia.com/mig.config.state': 'failed', 'nvidia.com/mig.config': 'all-1g' };
    const [clue] = stackOf([{ ...runs('MIG manager'), log }], { labels });
    expect(clue).toMatchObject({
      title: 'MIG could not be set to all-1g: a process still holds a GPU that is to be changed',
      advice: expect.stringMatching(/^End what holds GPUs on this node/),
    });
    expect(clue?.evidence.map(({ what }) => what)).toContain(`its log says: "${text}"`);
  });

  test('the first part is told, those that wait for it stand behind it', () => {
    const [clue] = stackOf([
      waitsFor('DCGM', 'toolkit-validation'),
      waitsFor('device plugin', 'toolkit-validation'),
      waitsFor('container toolkit', 'driver-validation'),
      part('driver', [{ name: 'nvidia-driver-ctr', reason: 'CrashLoopBackOff' }]),
      runs('MIG manager'),
    ]);
    expect(clue?.title).toContain('The driver of the node is stuck');
    expect(clue?.evidence[1]?.what).toBe('wait behind it: container toolkit, device plugin, DCGM');
  });

  test('whatever comes first by rule, the root is who is waited for and waits for none', () => {
    const broken = part('network operator', [
      { name: 'network-operator-init-container', init: true, reason: 'CrashLoopBackOff' },
    ]);
    const chain = [
      waitsFor('container toolkit', 'driver-validation'),
      waitsFor('driver', 'mofed-validation'),
    ];
    const [clue] = stackOf([...chain, broken]);
    expect(clue).toMatchObject({
      title: expect.stringContaining('The network operator of the node is stuck'),
      // Without a driver pods get no GPU, whatever it is that it waits for.
      severity: 'warning',
      evidence: [{}, { what: 'wait behind it: driver, container toolkit' }],
    });
    expect(stackOf([broken])[0]?.severity).toBe('info');
    // Nobody is waited for who only calls itself so.
    const [other] = stackOf([...chain, { ...broken, isClaim: true }]);
    expect(other?.title).toContain('The driver of the node is stuck');
  });

  test('two that wait for each other are no riddle without an end', () => {
    const [clue] = stackOf([
      waitsFor('network operator', 'driver-validation'),
      waitsFor('driver', 'mofed-validation'),
    ]);
    expect(clue?.title).toContain(' of the node is stuck: init container ');
  });

  test('the network’s driver that is not loaded before the node is drained', () => {
    const [clue] = stackOf([waitsFor('network operator', 'network-operator-init-container')]);
    expect(clue?.advice).toContain('driver-wait-for-safe-load');
  });

  test('of two of a kind the one that breaks is told, not the one that waits', () => {
    const [clue] = stackOf([
      waitsFor('validator', 'toolkit-validation'),
      part('validator', [{ name: 'cuda-validation', init: true, reason: 'CrashLoopBackOff' }]),
    ]);
    expect(clue?.title).toContain('cuda-validation CrashLoopBackOff');
  });

  test('what is being deleted is nobody’s trouble any more', () => {
    const crashed = part('driver', [{ reason: 'CrashLoopBackOff' }], { deleting: true });
    expect(stackOf([crashed])).toEqual([]);
  });

  test('what only watches is no warning', () => {
    const [clue] = stackOf([part('DCGM', [{ reason: 'CrashLoopBackOff' }])]);
    expect(clue?.severity).toBe('info');
  });

  test.each([
    ['nvidia.com/mig.config.state', 'failed', 'warning', 'MIG could not be set to all-1g.10gb'],
    [
      'nvidia.com/mig.config.state',
      'rebooting',
      'info',
      'MIG is being set to all-1g.10gb: rebooting',
    ],
    ['nvidia.com/mig.config.state', 'success', undefined, undefined],
    [
      'nvidia.com/gpu-driver-upgrade-state',
      'upgrade-failed',
      'warning',
      'The operator could not upgrade the driver of this node',
    ],
    [
      'nvidia.com/gpu-driver-upgrade-state',
      'drain-required',
      'info',
      'The operator is upgrading the driver of this node: it drains the node',
    ],
    ['nvidia.com/gpu-driver-upgrade-state', 'upgrade-done', undefined, undefined],
    [
      'nvidia.com/ofed-driver-upgrade-state',
      'upgrade-failed',
      'warning',
      'The operator could not upgrade the network’s driver (DOCA-OFED) of this node',
    ],
    [
      'nvidia.com/ofed-driver-upgrade-state',
      'pod-restart-required',
      'info',
      'The operator is upgrading the network’s driver (DOCA-OFED) of this node: it starts the driver pod anew',
    ],
    ['nvidia.com/ofed-driver-upgrade-state', 'upgrade-done', undefined, undefined],
  ])('label %s=%s', (key, value, severity, title) => {
    const [clue] = stackOf([runs('MIG manager')], {
      labels: { [key]: value, 'nvidia.com/mig.config': 'all-1g.10gb' },
    });
    expect([clue?.severity, clue?.title]).toEqual([severity, title]);
  });
});

describe('a device of DRA', () => {
  const device = (taints: ClusterDevice['taints']): ClusterDevice => ({
    ...{ driver: 'gpu.nvidia.com', pool: 'node-a', name: 'gpu-3', uuid: 'GPU-3' },
    ...(taints && { taints }),
  });
  const clueOf = (taint: { key: string; value: string; effect: string }, error?: string) =>
    taintedDevices({ devices: present([device([{ ...taint, since: '2026-03-01T10:00:00Z' }])]) }, [
      { index: 3, uuid: 'GPU-3', error },
    ])[0];

  test('without a taint is no finding', () => {
    expect(taintedDevices({ devices: present([device(undefined)]) }, [])).toEqual([]);
  });

  test('that a fatal XID keeps from pods is told with its GPU, and whether that answers now', () => {
    const taint = { key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' };
    expect(clueOf(taint)).toMatchObject({
      severity: 'warning',
      title: 'DRA keeps GPU 3 (gpu-3) from pods: gpu.nvidia.com/xid=79',
      evidence: [{ time: '2026-03-01T10:00:00Z' }, { what: 'the driver reads this GPU now' }],
    });
    expect(clueOf(taint)?.advice).toContain('restart the DRA kubelet plugin');
    expect(clueOf(taint, 'gpu_is_lost')?.advice).toContain('Act by the finding on this GPU');
    expect(clueOf({ ...taint, value: '94' })?.advice).toMatch(
      /^XID 94, Contained memory error: Restart the application that died; .* restart the DRA/,
    );
    for (const value of ['', '99999', 'all']) {
      expect(clueOf({ ...taint, value })?.advice).toMatch(/^The driver reads this GPU now/);
    }
  });

  test('that is a part of a GPU is told with that GPU', () => {
    const part = { ...device([{ key: 'k', value: '', effect: 'NoSchedule' }]), uuid: 'MIG-1' };
    const gpus = [{ index: 3, uuid: 'GPU-3' }];
    const devices = present([{ ...part, name: 'mig-1', parentUuid: 'GPU-3' }]);
    expect(taintedDevices({ devices }, gpus)[0]?.title).toBe(
      'DRA keeps GPU 3 (mig-1) from pods: k',
    );
  });

  test('of which DRA only notes something keeps nobody away', () => {
    expect(clueOf({ key: 'gpu.nvidia.com/xid', value: '31', effect: 'None' })).toMatchObject({
      severity: 'info',
      title: 'DRA notes gpu.nvidia.com/xid=31 on GPU 3 (gpu-3)',
    });
    const unwatched = clueOf({ key: 'gpu.nvidia.com/unmonitored', value: '', effect: 'None' });
    expect(unwatched?.advice).toContain('cannot watch this device');
  });

  test('that an admin keeps from pods is no matter of the driver', () => {
    const clue = clueOf({ key: 'example.com/maintenance', value: 'x', effect: 'NoExecute' });
    expect(clue?.advice).toContain('DeviceTaintRule');
  });

  const rule = (changed: Partial<DeviceTaintRule>): DeviceTaintRule => ({
    name: 'DeviceTaintRule/broken',
    taint: { key: 'example.com/broken', value: '', effect: 'NoExecute' },
    ...changed,
  });
  const ruled = (changed: Partial<DeviceTaintRule>) =>
    taintedDevices(
      { devices: present([device(undefined)]), taintRules: present([rule(changed)]) },
      [],
    ).map(({ title }) => title);

  test.each([
    ['an empty selector', {}, true],
    [
      'its driver, pool and name',
      { driver: 'gpu.nvidia.com', pool: 'node-a', device: 'gpu-3' },
      true,
    ],
    ['another driver', { driver: 'compute-domain.nvidia.com' }, false],
    ['another pool', { pool: 'node-b' }, false],
    ['another device', { driver: 'gpu.nvidia.com', device: 'gpu-4' }, false],
  ])('is kept by a rule that selects %s: %s', (_what, selector, isKept) => {
    expect(ruled(selector)).toEqual(
      isKept ? ['DeviceTaintRule/broken keeps gpu-3 from pods: example.com/broken'] : [],
    );
  });

  test('that is evicted from names the pods that hold it', () => {
    const held = { driver: 'gpu.nvidia.com', pool: 'node-a', name: 'gpu-3' };
    const claim = (devices: readonly (typeof held)[]) => ({
      ...{ namespace: 'team-a', name: 'one', devices },
      users: [{ pod: 'train-0', containers: ['main'] }],
    });
    const of = (devices: readonly (typeof held)[]) =>
      taintedDevices(
        {
          devices: present([device(undefined)]),
          taintRules: present([rule({})]),
          claims: present([claim(devices)]),
        },
        [],
      )[0];
    expect(of([held])?.evidence).toContainEqual({
      what: 'held by pod team-a/train-0',
      source: 'ResourceClaims of the node',
    });
    expect(of([held])?.advice).toContain('takes the device from the pods');
    expect(of([{ ...held, name: 'gpu-4' }])?.evidence).toHaveLength(1);
    expect(of([{ ...held, pool: 'node-b' }])?.evidence).toHaveLength(1);
  });

  test('is one of many with the same taint, which are one finding, but for the one that is lost', () => {
    const lost = { key: 'gpu.nvidia.com/gpu-lost', value: '', effect: 'NoSchedule' };
    const devices = [0, 1, 2].map(index => ({
      ...device([lost]),
      ...{ name: `gpu-${index}`, uuid: `GPU-${index}` },
    }));
    const gpus = [0, 1, 2].map(index => ({
      ...{ index, uuid: `GPU-${index}` },
      error: index === 2 ? 'gpu_is_lost' : undefined,
    }));
    const clues = taintedDevices({ devices: present(devices) }, gpus);
    expect(clues.map(({ id, title }) => [id, title])).toEqual([
      [
        'device-taint:gpu.nvidia.com/gpu-lost',
        'DRA keeps 2 devices from pods: gpu.nvidia.com/gpu-lost',
      ],
      [
        'device-taint:gpu-2:gpu.nvidia.com/gpu-lost',
        'DRA keeps GPU 2 (gpu-2) from pods: gpu.nvidia.com/gpu-lost',
      ],
    ]);
    expect(clues[0]?.gpus?.map(({ index }) => index)).toEqual([0, 1]);
    expect(clues[0]?.advice).toContain('on every device of the node when one GPU is lost');
    expect(clues[1]?.advice).not.toContain('reads this one');
  });

  test('is counted beside those of the device plugin, parts of a GPU not', () => {
    const none = { key: 'k', value: '', effect: 'None' };
    const devices = [
      { ...device(undefined), name: 'gpu-0' },
      { ...device([none]), name: 'gpu-1' },
      { ...device([{ ...none, effect: 'NoSchedule' }]), name: 'gpu-2' },
      { ...device(undefined), name: 'gpu-0-mig', parentUuid: 'GPU-3' },
      { ...device(undefined), driver: 'compute-domain.nvidia.com', name: 'channel-0' },
    ];
    expect(countsOfDra({ devices: present(devices) })).toEqual({ draPublished: 3, draOffered: 2 });
    const taintRules = present([rule({ device: 'gpu-0' })]);
    expect(countsOfDra({ devices: present(devices), taintRules })).toEqual({
      ...{ draPublished: 3, draOffered: 1 },
    });
    expect(countsOfDra({ devices: present([]) })).toEqual({});
  });
});

describe('the driver of DRA', () => {
  const published: ClusterDevice = { driver: 'gpu.nvidia.com', pool: 'node-a', name: 'gpu-3' };
  const view = (
    stack: readonly StackPod[],
    changed: {
      namespace?: string | null;
      devices?: readonly ClusterDevice[];
      pending?: boolean;
    } = {},
  ) => {
    const { namespace = null, devices = [published], pending = false } = changed;
    const waits = aPod({ phase: 'Pending', gpus: {}, claims: ['gpu'] });
    return draDriver({
      cluster: {
        devices: present(devices),
        pods: present({ namespace, total: 9, gpuPods: pending ? [waits] : [], stack }),
      },
    });
  };

  test('that runs, that nobody needs, or that cannot be seen is no finding', () => {
    expect(view([runs('DRA driver')])).toEqual([]);
    expect(view([], { devices: [] })).toEqual([]);
    expect(view([], { devices: [{ ...published, driver: 'compute-domain.nvidia.com' }] })).toEqual(
      [],
    );
    expect(view([], { namespace: 'team-a' })).toEqual([]);
  });

  test('that is gone is a warning where a pod waits for it', () => {
    expect(view([])).toMatchObject([{ id: 'dra-driver-gone', severity: 'info' }]);
    expect(view([{ ...runs('DRA driver'), deleting: true }], { pending: true })).toMatchObject([
      {
        severity: 'warning',
        title:
          'DRA offers devices of this node, 1 in all, but its driver does not run here, and pods wait: 1',
      },
    ]);
  });
});

describe('a ComputeDomain', () => {
  const UUID = '0a1b2c3d-0000-4000-8000-000000000001';
  const own = [{ clusterUuid: UUID, cliqueId: 7 }];
  const member = (changed: Partial<ComputeDomain['nodes'][number]> = {}) => ({
    ...{ node: 'gpu-3', clique: `${UUID}.7`, status: 'Ready' },
    ...changed,
  });
  const of = (
    changed: Partial<ComputeDomain>,
    cliques: Parameters<typeof domainFindings>[1] = own,
    labels: Readonly<Record<string, string>> = {},
  ) =>
    domainFindings(
      {
        node: present(aNode({ labels })),
        computeDomains: present([
          {
            ...{ namespace: 'team-a', name: 'ComputeDomain/train', status: 'Ready' },
            nodes: [member()],
            ...changed,
          },
        ]),
      },
      cliques,
    ).map(({ severity, title }) => [severity, title]);

  test('that is ready, and one of other nodes, is no finding', () => {
    expect(of({})).toEqual([]);
    expect(
      of({ status: 'NotReady', nodes: [member({ node: 'gpu-4', status: 'NotReady' })] }),
    ).toEqual([]);
  });

  test.each([
    [
      'its daemon here is not ready',
      { status: 'NotReady', nodes: [member({ status: 'NotReady' })] },
      [
        'warning',
        'ComputeDomain/train of team-a is not ready on this node: its IMEX daemon is NotReady',
      ],
    ],
    [
      'it has this node in another clique',
      { nodes: [member({ clique: `${UUID}.8` })] },
      [
        'warning',
        'ComputeDomain/train of team-a knows this node in another NVLink clique than its GPUs are in',
      ],
    ],
    [
      'its driver found no fabric when it started',
      { nodes: [member({ clique: '' })] },
      [
        'warning',
        'ComputeDomain/train of team-a knows this node in another NVLink clique than its GPUs are in',
      ],
    ],
    [
      'another node is not ready',
      { status: 'NotReady', nodes: [member(), member({ node: 'gpu-4', status: 'NotReady' })] },
      ['info', 'ComputeDomain/train of team-a waits for other nodes: gpu-4'],
    ],
    [
      'a node is missing',
      { status: 'NotReady', nodesWanted: 2 },
      ['info', 'ComputeDomain/train of team-a has 1 of 2 nodes'],
    ],
    [
      'its status is behind',
      { status: 'NotReady', nodesWanted: 1 },
      [
        'info',
        'ComputeDomain/train of team-a is called NotReady, though all of its 1 nodes are Ready',
      ],
    ],
  ])('%s', (_what, changed, finding) => {
    expect(of(changed)).toEqual([finding]);
  });

  test('is compared with the fabric only where that was read, and is one', () => {
    const elsewhere = { nodes: [member({ clique: `${UUID}.8` })] };
    expect(of(elsewhere, [])).toEqual([]);
    expect(of(elsewhere, [...own, { clusterUuid: UUID, cliqueId: 9 }])).toEqual([]);
    expect(
      of({ nodes: [member({ clique: `${UUID.toUpperCase().replaceAll('-', '')}.7` })] }),
    ).toEqual([]);
  });

  test('and the label of the node tell the clique that the fabric has', () => {
    const label = (value: string) => of({}, own, { 'nvidia.com/gpu.clique': value });
    expect(label(`${UUID}.7`)).toEqual([]);
    expect(label(`${UUID}.8`)).toEqual([
      ['warning', 'The node is labelled with another NVLink clique than its GPUs are in'],
    ]);
    expect(of({}, [], { 'nvidia.com/gpu.clique': `${UUID}.8` })).toEqual([]);
  });
});

describe('what the platform does', () => {
  const actionsOf = (node: Partial<ClusterNode>) =>
    platformActions({ cluster: { node: present(aNode(node)), nodeEvents: present([]) } }).map(
      ({ title }) => title,
    );

  test('nothing on a plain node', () => expect(actionsOf({})).toEqual([]));

  test('maintenance that GKE has planned, by its Unix time', () => {
    const labels = { 'cloud.google.com/scheduled-maintenance-time': '1772366400' };
    expect(actionsOf({ labels })).toEqual([
      'The platform maintains this node from 2026-03-01T12:00:00Z on',
    ]);
    const odd = { 'cloud.google.com/scheduled-maintenance-time': 'soon' };
    expect(actionsOf({ labels: odd })).toEqual([]);
  });

  test('an event that AKS has scheduled, where it is true', () => {
    const event = { type: 'RebootScheduled', reason: 'VMEvent', message: 'at 12:00', since: '' };
    expect(actionsOf({ conditions: [{ ...event, status: 'True' }] })).toEqual([
      'Azure will reboot the VM of this node',
    ]);
    expect(actionsOf({ conditions: [{ ...event, status: 'False' }] })).toEqual([]);
  });

  test.each([
    ['cloud.google.com/impending-node-termination', 'GKE ends this node'],
    ['aws-node-termination-handler/spot-itn', 'AWS takes back this spot instance'],
    ['karpenter.sh/disrupted', 'Karpenter replaces or removes this node'],
    ['ToBeDeletedByClusterAutoscaler', 'The cluster autoscaler removes this node'],
    ['node.kubernetes.io/out-of-service', 'Somebody has declared this node out of service'],
  ])('a node that is taken by the taint %s', (key, title) => {
    expect(actionsOf({ taints: [{ key, value: '', effect: 'NoSchedule' }] })).toEqual([title]);
    expect(actionsOf({ taints: [{ key: `x-${key}`, value: '', effect: 'NoSchedule' }] })).toEqual(
      [],
    );
  });

  const said = (node: Partial<ClusterNode>, events: readonly Partial<ClusterEvent>[] = []) =>
    platformActions({
      cluster: {
        node: present(aNode(node)),
        nodeEvents: present(
          events.map(event => ({
            ...{ type: 'Warning', reason: '', message: '', count: 1, from: '' },
            ...event,
          })),
        ),
      },
    });

  test('by an event, of the one that writes it alone, and one matter once', () => {
    const spot = { reason: 'SpotInterrupted', message: 'm', lastAt: '2026-03-01T11:50:00Z' };
    expect(
      said({}, [
        { ...spot, from: 'karpenter' },
        { ...spot, from: 'karpenter' },
      ]),
    ).toMatchObject([
      {
        ...{ severity: 'warning', blame: 'host', title: 'AWS takes back this spot instance' },
        evidence: [
          { what: 'event SpotInterrupted of karpenter: m', time: '2026-03-01T11:50:00Z' },
          {},
        ],
      },
    ]);
    expect(said({}, [{ ...spot, from: 'somebody' }])).toEqual([]);
    // EKS Auto Mode runs Karpenter under a name of its own.
    expect(said({}, [{ ...spot, from: 'eks-auto-mode/compute' }])).toMatchObject([
      { title: 'AWS takes back this spot instance' },
    ]);
    expect(said({}, [{ ...spot, from: 'eks-auto-mode/computers' }])).toEqual([]);
    expect(said({}, [{ reason: 'NodeReady', from: 'kubelet' }])).toEqual([]);
  });

  test('with the time of the autoscaler, and who wrote the taint', () => {
    const taint = {
      key: 'ToBeDeletedByClusterAutoscaler',
      value: '1772366400',
      effect: 'NoSchedule',
    };
    const taintsBy = { manager: 'cluster-autoscaler', time: '2026-03-01T12:00:01Z' };
    expect(said({ taints: [taint], taintsBy })[0]?.evidence).toMatchObject([
      { time: '2026-03-01T12:00:00Z' },
      { what: 'taints were last written by cluster-autoscaler', time: '2026-03-01T12:00:01Z' },
    ]);
    expect(said({ taints: [{ ...taint, value: 'x' }] })[0]?.evidence[0]).not.toHaveProperty('time');
  });

  test.each([
    ['DeletionCandidateOfClusterAutoscaler', 'info', 'It may take the node'],
    ['karpenter.sh/unregistered', 'info', 'The node is new'],
    ['remediator.kubernetes.azure.com/unschedulable', 'warning', 'Jobs on it will end'],
  ])('by the taint %s is %s', (key, severity, advice) => {
    const [clue] = said({ taints: [{ key, value: '', effect: 'NoSchedule' }] });
    expect([clue?.severity, clue?.advice.slice(0, advice.length)]).toEqual([severity, advice]);
  });

  test.each([
    ['OperationRUNNING', 'Leave the node to it'],
    ['Error', 'It does no more by itself'],
    ['Odd', undefined],
  ])('that GKE reports the host is at %s', (value, advice) => {
    const [clue] = said({ labels: { 'cloud.google.com/report-and-replace-status': value } });
    expect(clue?.advice.slice(0, advice?.length)).toBe(advice);
  });
});

describe('a NodeClaim of Karpenter', () => {
  const claimed = (claim: Partial<NodeClaim>, node: Partial<ClusterNode> = {}) =>
    platformActions({
      cluster: {
        ...{ node: present(aNode(node)), nodeEvents: present([]) },
        nodeClaim: present({ name: 'gpu-h7xk2', deleting: false, conditions: [], ...claim }),
      },
    });
  const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason = type) => ({
    conditions: [{ type, status, reason, message: reason, since: '2026-03-01T11:58:00Z' }],
  });
  const ENDS = 'Karpenter replaces or removes this node';

  test.each([
    ['DisruptionReason', 'True', 'warning', ENDS],
    ['Drained', 'Unknown', 'warning', ENDS],
    ['InstanceTerminating', 'True', 'warning', ENDS],
    ['Drifted', 'True', 'info', 'Karpenter will replace this node when its budget allows'],
    ['ConsistentStateFound', 'False', 'warning', 'Karpenter finds less of a resource'],
  ] as const)('says %s=%s', (type, status, severity, title) => {
    const [clue] = claimed(condition(type, status));
    expect(clue).toMatchObject({ severity, blame: 'host', title: expect.stringContaining(title) });
    expect(clue?.evidence[0]).toMatchObject({
      what: `${type}=${status}, ${type}`,
      time: '2026-03-01T11:58:00Z',
      command: 'kubectl describe nodeclaim gpu-h7xk2',
    });
    expect(claimed(condition(type, status === 'True' ? 'False' : 'True'))).toEqual([]);
  });

  test('that is healthy says nothing', () => {
    for (const type of ['Launched', 'Registered', 'Initialized', 'Consolidatable', 'Ready'])
      expect(claimed(condition(type, 'True'))).toEqual([]);
  });

  test('that is deleted says until when, and with the taint of the node it is one matter', () => {
    const taints = [{ key: 'karpenter.sh/disrupted', value: '', effect: 'NoSchedule' }];
    const deleted = { deleting: true, endsAt: '2026-03-01T13:00:00Z' };
    const clues = claimed(
      { ...deleted, ...condition('DisruptionReason', 'True', 'Drifted') },
      { taints },
    );
    expect(clues.map(({ title }) => title)).toEqual([ENDS]);
    expect(clues[0]?.evidence.map(({ what }) => what)).toEqual([
      'taint karpenter.sh/disrupted:NoSchedule',
      'NodeClaim gpu-h7xk2 is deleted: its pods end by 2026-03-01T13:00:00Z, whatever they ask for',
      'DisruptionReason=True, Drifted',
    ]);
  });

  test('that could not be read makes no action', () => {
    const view = { node: present(aNode()), nodeEvents: present([]) };
    expect(platformActions({ cluster: { ...view, nodeClaim: missing('no_permission') } })).toEqual(
      [],
    );
  });
});

describe('NVSentinel', () => {
  const STATE = 'dgxc.nvidia.com/nvsentinel-state';
  const CORDONED = {
    'k8saas.nvidia.com/cordon-by': 'NVSentinel',
    'k8saas.nvidia.com/cordon-reason': 'Syslog-fatal-error-ruleset',
    'k8saas.nvidia.com/cordon-timestamp': '2026-03-01T11-40-10Z',
  };
  const xid = (status: 'True' | 'False') => ({
    ...{ type: 'SysLogsXIDError', status, since: '2026-03-01T11:40:00Z' },
    reason: `SysLogsXIDError${status === 'True' ? 'IsNotHealthy' : 'IsHealthy'}`,
    message: 'ErrorCode:79 GPU:3 PCI:0000:3B:00 fell off Recommended Action=RESTART_BM;',
  });
  const of = (labels: Readonly<Record<string, string>>, bad: 'True' | 'False' = 'True') =>
    nvsentinel({
      cluster: {
        node: present(aNode({ labels, conditions: [xid(bad)] })),
        nodeEvents: missing('not_read'),
      },
    });

  test('that does nothing with the node is no finding, whoever else has cordoned it', () => {
    expect(of({})).toEqual([]);
    expect(of({ ...CORDONED, 'k8saas.nvidia.com/cordon-by': 'ann' })).toEqual([]);
  });

  test('that is at work says what, since when, why, and on which GPU', () => {
    expect(of({ ...CORDONED, [STATE]: 'draining' })).toMatchObject([
      {
        title: 'NVSentinel drains this node since 2026-03-01T11:40:10Z: Syslog-fatal-error-ruleset',
        ...{ action: 'watch', blame: 'unknown', gpus: [{ index: 3, pci: '0000:3b:00' }] },
        advice: expect.stringContaining('do not uncordon'),
      },
    ]);
  });

  test.each([
    ['quarantined', 'NVSentinel has quarantined this node', 'Leave the node'],
    ['drain-succeeded', 'NVSentinel has drained this node and will repair it', 'Leave the node'],
    ['drain-failed', 'NVSentinel could not drain this node', 'NVSentinel does no more by itself'],
    ['remediation-failed', 'NVSentinel could not repair this node', 'NVSentinel does no more'],
    ['of-tomorrow', 'NVSentinel notes of-tomorrow of this node', 'Leave the node'],
  ])('in the state %s', (state, title, advice) => {
    const [clue] = of({ [STATE]: state });
    expect([clue?.title, clue?.advice.slice(0, advice.length)]).toEqual([title, advice]);
  });

  const held = (changed: Partial<ClusterNode>, bad: 'True' | 'False' = 'False') =>
    nvsentinel({
      cluster: {
        node: present(aNode({ conditions: [xid(bad)], ...changed })),
        nodeEvents: missing('not_read'),
      },
    });
  const EVENT = {
    ...{ check: 'SysLogsXIDError', codes: ['79'], entities: ['GPU:3', 'PCI:0000:3b:00'] },
    ...{ action: 'RESTART_BM', message: 'fell off', since: '2026-03-01T11:40:10Z' },
  };

  test('that still keeps a fault has not left its mark behind, and tells the fault', () => {
    const labels = { ...CORDONED, [STATE]: 'quarantined' };
    expect(held({ labels, quarantine: present({ events: [EVENT], leftOut: 0 }) })).toMatchObject([
      {
        title: expect.not.stringContaining('is bad now'),
        ...{ blame: 'unknown', gpus: [{ index: 3, pci: '0000:3b:00' }] },
        evidence: [
          {},
          {},
          {
            what: 'SysLogsXIDError holds it, code 79, GPU:3 PCI:0000:3b:00, it recommends RESTART_BM, fell off',
            time: '2026-03-01T11:40:10Z',
          },
        ],
      },
    ]);
    const many = present({ events: Array(6).fill(EVENT), leftOut: 2 });
    expect(held({ labels, quarantine: many })[0]?.evidence.map(({ what }) => what)).toContain(
      '4 more faults are held against it',
    );
    // Nobody knows what an annotation says that cannot be read.
    expect(held({ labels, quarantine: missing('unreadable') })).toMatchObject([
      { title: expect.not.stringContaining('is bad now') },
    ]);
    expect(held({ labels, quarantine: present({ events: [], leftOut: 0 }) })).toMatchObject([
      { title: expect.stringContaining('is bad now') },
    ]);
  });

  test('that keeps a fault without a mark says whether the node is cordoned', () => {
    const quarantine = present({ events: [EVENT], leftOut: 0 });
    expect(held({ quarantine })[0]?.title).toBe(
      'NVSentinel holds faults against this node and has not cordoned it',
    );
    expect(held({ quarantine, cordoned: true })[0]?.title).toBe(
      'NVSentinel has cordoned this node',
    );
    expect(held({ quarantine: present({ events: [], leftOut: 0 }) })).toEqual([]);
    expect(held({ quarantine: missing('unreadable') })).toEqual([]);
  });

  test('whose conditions are all well has left its mark behind', () => {
    expect(of({ ...CORDONED, [STATE]: 'quarantined' }, 'False')).toMatchObject([
      {
        title: expect.stringContaining('; nothing that it watches is bad now'),
        blame: 'configuration',
      },
    ]);
  });
});

describe('a condition of an agent', () => {
  const of = (type: string, status: 'True' | 'False', reason = 'R', message = 'm') =>
    nodeConditions({
      cluster: {
        node: present(
          aNode({
            conditions: [
              { type: 'Ready', status: 'True', reason: '', message: '', since: '' },
              { type, status, reason, message, since: '2026-03-01T12:03:00Z' },
            ],
          }),
        ),
      },
      driver: { gpus: [] },
      host: { pods: { allocatable: missing('not_read') } },
    })[0];

  test.each([
    [
      'AcceleratedHardwareReady',
      'False',
      'EKS node monitoring says AcceleratedHardwareReady=False: R',
    ],
    ['StorageReady', 'False', 'EKS node monitoring says StorageReady=False: R'],
    ['IBLinkFlapping', 'True', 'The node-problem-detector of AKS says IBLinkFlapping=True: R'],
    ['XfsShutdown', 'True', 'Node-problem-detector says XfsShutdown=True: R'],
    ['GpuMemWatch', 'True', 'NVSentinel says GpuMemWatch=True: R'],
    [
      'GcmXidErrorsProblem',
      'True',
      'The cluster gives this node the condition GcmXidErrorsProblem=True',
    ],
    ['SomethingElse', 'True', undefined],
  ] as const)('%s=%s', (type, status, title) => {
    expect(of(type, status)?.title).toBe(title);
    expect(of(type, status === 'True' ? 'False' : 'True')).toBeUndefined();
  });

  test('says when EKS repairs by it', () => {
    expect(of('AcceleratedHardwareReady', 'False')?.advice).toContain(
      'from 2026-03-01T12:13:00Z on',
    );
    expect(of('KernelReady', 'False')?.advice).toContain('from 2026-03-01T12:33:00Z on');
    expect(of('GpuMemWatch', 'True')?.advice).not.toContain('EKS');
  });

  test('that cannot look says nothing of a GPU', () => {
    const blind = { blame: 'configuration', action: 'fix_configuration' };
    expect(of('AcceleratedHardwareReady', 'False', 'DCGMError')).toMatchObject(blind);
    expect(of('GpuDcgmConnectivityFailure', 'True')).toMatchObject(blind);
    expect(of('AcceleratedHardwareReady', 'False', 'NvidiaXID79Error')).toMatchObject({
      ...{ blame: 'unknown', action: 'watch' },
    });
  });

  test('names the GPUs of its message', () => {
    const message =
      'ErrorCode:79 GPU:3 PCI:0000:3b:00 GPU_UUID:GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c x';
    expect(of('SysLogsXIDError', 'True', 'SysLogsXIDErrorIsNotHealthy', message)).toMatchObject({
      title: 'NVSentinel says SysLogsXIDError=True',
      gpus: [{ index: 3, pci: '0000:3b:00', uuid: 'GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c' }],
    });
  });
});
