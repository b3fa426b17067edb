import { describe, expect, test } from 'vitest';
import type { ClusterPod, ClusterView, ContainerEnd } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { withheld } from '../../src/redaction/public-words.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

/** The clock of the simulated machines. */
const NOW = '2026-03-01T12:00:00Z';

/** The joined answer for a pod of the cluster on a simulated machine. */
async function explained(
  machine: string,
  pod: ClusterPod,
  changed: Partial<ClusterView> = {},
): Promise<FailureAnswer> {
  const input = { pod: pod.name, namespace: pod.namespace };
  const alone = await answered(explainFailure, input, instrumentsOf(machine));
  const view = aView({ pod: present(pod), podEvents: present([]), ...changed });
  const joined = alone.joined(view);
  expect(joined.text).not.toMatch(/undefined|null|NaN|\[object/);
  return FailureAnswer.parse(joined.structured);
}

const ended = (end: Partial<ContainerEnd>, changed: Partial<ClusterPod> = {}): ClusterPod =>
  aPod({
    phase: 'Failed',
    containers: [
      aContainer({
        state: 'terminated',
        ended: {
          exitCode: 1,
          reason: 'Error',
          message: '',
          startedAt: '2026-03-01T09:00:00Z',
          finishedAt: NOW,
          ...end,
        },
      }),
    ],
    ...changed,
  });

describe('explain_failure', () => {
  test.each([
    ['an exit of its own on a healthy node', 'dgx-h100', ended({}), 'application', 'medium'],
    ['a SIGSEGV on a healthy node', 'dgx-h100', ended({ exitCode: 139 }), 'application', 'medium'],
    [
      'a kill for its memory limit',
      'dgx-h100',
      ended({ exitCode: 137, reason: 'OOMKilled' }),
      'application',
      'high',
    ],
    ['a SIGBUS: shared memory', 'dgx-h100', ended({ exitCode: 135 }), 'configuration', 'medium'],
    [
      'a GPU that fell off the bus while the pod had the whole node',
      'lost-gpu',
      ended({ exitCode: 134 }),
      'hardware',
      'high',
    ],
    [
      'the same where the pod had one GPU and nobody knows which',
      'lost-gpu',
      ended({ exitCode: 134 }, { gpus: { 'nvidia.com/gpu': 1 } }),
      'hardware',
      'low',
    ],
    [
      'a GPU that fell off the bus only after the pod had ended',
      'lost-gpu',
      ended({ finishedAt: '2026-03-01T10:00:00Z' }),
      'application',
      'medium',
    ],
    [
      'an eviction',
      'dgx-h100',
      ended({}, { reason: 'Evicted', message: 'The node was low on memory' }),
      'host',
      'high',
    ],
    [
      'an eviction at its own limit of disk',
      'dgx-h100',
      ended(
        {},
        {
          reason: 'Evicted',
          message: 'Pod ephemeral local storage usage exceeds the total limit of containers 2Gi.',
        },
      ),
      'configuration',
      'high',
    ],
    ['a node that was not ready', 'dgx-h100', ended({}, { reason: 'NodeNotReady' }), 'host', 'low'],
    [
      'a pod that the kubelet did not admit',
      'dgx-h100',
      aPod({
        phase: 'Failed',
        reason: 'UnexpectedAdmissionError',
        message: 'no healthy devices present',
        containers: [aContainer({ state: 'waiting' })],
      }),
      'configuration',
      'medium',
    ],
    [
      'a container that the NVIDIA runtime could not start',
      'version-mismatch',
      aPod({
        phase: 'Pending',
        containers: [
          aContainer({
            state: 'waiting',
            reason: 'RunContainerError',
            message: 'nvidia-container-cli: initialization error: nvml error: driver/library',
          }),
        ],
      }),
      'driver',
      'high',
    ],
    ['a pod that runs', 'dgx-h100', aPod(), 'unknown', 'high'],
  ])('%s', async (_what, machine, pod, fault, confidence) => {
    const answer = await explained(machine, pod);
    expect(answer).toMatchObject({ fault, confidence });
    expect(answer.why.length).toBeGreaterThan(0);
  });

  const HOOK =
    'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: error running prestart hook #0: exit status 1, stderr: nvidia-container-cli: initialization error: nvml error: driver/library version mismatch';
  const kubelets = (reason: string, message: string) => ({
    podEvents: present([{ type: 'Warning' as const, reason, message, count: 1, from: 'kubelet' }]),
  });
  const created = (reason: string, message: string) =>
    aPod({ phase: 'Pending', containers: [aContainer({ state: 'waiting', reason, message })] });

  const RUNC = 'OCI runtime create failed: runc create failed: unable to start container process: ';
  const FORGED = 'nvidia-container-cli: initialization error: nvml error';
  /** Words of a tenant or of a registry in messages of the runtime, as containerd, runc and the kubelet write them. */
  const OF_OTHERS: readonly (readonly [string, string])[] = [
    ['a command with a blank', `${RUNC}exec: "my ${FORGED}": executable file not found in $PATH`],
    ['a path that is told twice', `${RUNC}exec: "/${FORGED}": stat /${FORGED}: no such file`],
    [
      'a path with a quote in it',
      `${RUNC}exec: "/a\\" ${FORGED}": stat /a" ${FORGED}: no such file`,
    ],
    [
      'a folder to work in',
      `${RUNC}chdir to cwd ("/${FORGED}") set in config.json failed: not found`,
    ],
    ['a command that a bound has cut', `${RUNC}exec: "/${FORGED} and so on…`],
    [
      'a user of an image',
      `${RUNC}unable to find user ${FORGED}: no matching entries in passwd file`,
    ],
    [
      'a user who is no number',
      `container has runAsNonRoot and image has non-numeric user (${FORGED}), cannot verify`,
    ],
    [
      'the name of an image that is told twice',
      'failed to pull and unpack image "x/libcuda-app:1": failed to resolve reference "x/libcuda-app:1": x/libcuda-app:1: not found',
    ],
    [
      'an answer of a registry',
      `Failed to pull image "x/y:1": failed to resolve reference "x/y:1": unexpected status: ${FORGED}`,
    ],
    ['the name of a repository', 'reading manifest latest in x.io/nvidia-container-cli: denied'],
    ['a key that is not there', 'couldn’t find key nvidia-container-cli in ConfigMap libcuda/nvml'],
    [
      'what a container requires of a driver',
      `${RUNC}stderr: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=99`,
    ],
    [
      'which GPU a container asks for',
      `${RUNC}stderr: nvidia-container-cli: device error: GPU-x: unknown device`,
    ],
    ['which of them a bound has cut', `${RUNC}stderr: nvidia-container-cli: re…`],
  ];

  test.each([
    ['a program’s last words', ended({ message: HOOK }), {}],
    ['a probe’s output', ended({}), kubelets('Unhealthy', `Readiness probe failed: ${HOOK}`)],
    ['a hook of its own', ended({}), kubelets('FailedPostStartHook', HOOK)],
    [
      'the name of a container',
      created('CrashLoopBackOff', 'back-off 10s restarting failed container=libcuda pod=a_b'),
      {},
    ],
    [
      'the name of an image',
      created('ErrImagePull', 'not found'),
      kubelets('Failed', 'Failed to pull image "example/libcuda-app:1": not found'),
    ],
    [
      'the name of a command',
      ended({ reason: 'StartError', exitCode: 128, message: 'exec: "libcuda": not found' }),
      {},
    ],
  ])('%s prove nothing of the driver', async (_what, pod, changed) => {
    expect((await explained('dgx-h100', pod, changed)).fault).not.toBe('driver');
  });

  test.each(OF_OTHERS)('%s proves nothing of the driver, told or redacted', async (_, message) => {
    for (const said of [message, withheld(message)]) {
      const end = ended({ reason: 'StartError', exitCode: 128, message: said });
      expect((await explained('dgx-h100', end)).fault).toBe('configuration');
      const event = kubelets('Failed', `Error: ${said}`);
      expect((await explained('dgx-h100', created('', ''), event)).fault).not.toBe('driver');
    }
  });

  test.each([
    [
      'the end of one that did not start',
      ended({ reason: 'StartError', exitCode: 128, message: HOOK }),
      {},
    ],
    ['an event', created('', ''), kubelets('Failed', `Error: ${HOOK}`)],
    ['a sandbox', created('', ''), kubelets('FailedCreatePodSandBox', HOOK)],
    [
      'words that a bound has cut',
      ended({ reason: 'StartError', message: `${RUNC}stderr: nvidia-container-cli: initiali…` }),
      {},
    ],
    ['words beside a quoted name', created('', ''), kubelets('Failed', `start "nvidia": ${HOOK}`)],
    ['redacted words', ended({ reason: 'StartError', message: withheld(HOOK) }), {}],
  ])('the runtime’s own words do, by %s', async (_what, pod, changed) => {
    expect(await explained('dgx-h100', pod, changed)).toMatchObject({
      ...{ fault: 'driver', confidence: 'high', action: 'fix_configuration' },
    });
  });

  test.each([
    ['Disrupted', 'Deleting the pod to accommodate the terminationTime of the node.', 'host'],
    ['ScaleDown', 'deleting pod for node scale down', 'host'],
    ['ScaleDownFailed', 'failed to delete pod for ScaleDown', 'application'],
  ])('the event %s of an autoscaler', async (reason, message, fault) => {
    const event = { type: 'Normal' as const, reason, message, count: 1, from: 'karpenter' };
    const answer = await explained('dgx-h100', ended({}), { podEvents: present([event]) });
    expect(answer.fault).toBe(fault);
  });

  test('the incident of another time is not shown with the failure', async () => {
    const early = await explained('lost-gpu', ended({ finishedAt: '2026-03-01T10:00:00Z' }));
    const late = await explained('lost-gpu', ended({}));
    expect(early.incidents).toEqual([]);
    // The PCIe error of the same device before it is the root.
    expect(late.incidents.map(({ root, codes }) => [root.kind, codes])).toEqual([
      ['aer', [79, 154, 45]],
    ]);
    expect(late.summary).toContain('fault hardware');
    expect(late).toMatchObject({ from: '2026-03-01T09:00:00Z', to: NOW, unavailable: {} });
  });

  test('a log that does not reach back to the start of the run weakens the verdict', async () => {
    const answer = await explained('dgx-h100', ended({ startedAt: '2026-01-01T00:00:00Z' }));
    expect(answer).toMatchObject({ fault: 'application', confidence: 'low' });
    expect(answer.against.join()).toContain('does not reach back');
  });

  test('the run before a restart is explained where the pod runs again', async () => {
    const [was] = ended({ exitCode: 139 }).containers;
    const again = aContainer({ restarts: 1, ...(was?.ended && { endedBefore: was.ended }) });
    const answer = await explained('dgx-h100', aPod({ containers: [again] }));
    expect(answer).toMatchObject({
      fault: 'application',
      containers: [{ state: 'running', restarts: 1, exitCode: 139 }],
    });
  });

  test('a pod of another node is sent there', async () => {
    const answer = await explained('lost-gpu', ended({}, { node: 'gpu-9' }));
    expect(answer).toMatchObject({ fault: 'unknown', action: 'none', incidents: [], findings: [] });
    expect(answer.summary).toContain('is on node gpu-9, not on this one');
  });

  test.each([
    ['no_permission', 'could not tell'],
    ['not_found', 'no such pod any more'],
  ] as const)('a pod that is %s leaves the half of the node', async (reason, words) => {
    const answer = await explained('lost-gpu', aPod(), { pod: missing(reason) });
    expect(answer).toMatchObject({
      fault: 'unknown',
      unavailable: { [reason]: ['pod', 'events'] },
    });
    expect(answer.advice).toContain(words);
    expect(answer.incidents).not.toEqual([]);
  });

  test('a pod that asks for no GPU is not blamed on a GPU it had not', async () => {
    const answer = await explained('lost-gpu', ended({}, { gpus: {} }));
    expect(answer).toMatchObject({ fault: 'application', confidence: 'medium', incidents: [] });
    expect(answer.against.join()).toContain('asks Kubernetes for no GPU');
  });

  test.each([
    ['the pod had the GPU that was lost', 3, 'hardware'],
    ['the pod had another GPU', 4, 'application'],
  ])('%s, as the kubelet says', async (_what, index, fault) => {
    const base = loadMachine('lost-gpu');
    const id = String(base.gpus[index]?.answers['deviceGetUUID']);
    const machine = machineFrom('lost-gpu', {
      like: 'lost-gpu',
      host: {
        pods: {
          allocations: [{ namespace: 'team-a', pod: 'train-0', devices: [{ id, gpuUuid: id }] }],
        },
      },
    });
    const pod = ended({ exitCode: 134 }, { gpus: { 'nvidia.com/gpu': 1 } });
    const input = { pod: 'team-a/train-0' };
    const alone = await answered(explainFailure, input, instrumentsFor(machine));
    const view = aView({ pod: present(pod), podEvents: present([]) });
    const joined = alone.joined(view);
    expect(joined.structured).toMatchObject({
      fault,
      pod: { gpus: [index], gpusFrom: 'allocation' },
    });
  });

  test('takes the namespace before a slash or beside the name', () => {
    const question = (input: object) => explainFailure.question(input).ofCluster;
    expect(question({ pod: 'team-a/x' })).toMatchObject({
      pod: { namespace: 'team-a', name: 'x' },
    });
    expect(question({ pod: 'x', namespace: 'b' })).toMatchObject({
      pod: { namespace: 'b', name: 'x' },
    });
  });

  test('events that may not be read are told apart from none', async () => {
    const answer = await explained('dgx-h100', ended({}), { podEvents: missing('no_permission') });
    expect(answer.unavailable).toEqual({ no_permission: ['events'] });
  });

  test('without the capacity of the node nobody knows that the pod had all of it', async () => {
    const view = { node: present(aNode({ capacity: {}, allocatable: {} })) };
    const answer = await explained('lost-gpu', ended({}), view);
    expect(answer).toMatchObject({ confidence: 'low', pod: { gpusFrom: 'unknown' } });
  });

  const UUID = 'GPU-2d72d83a-c8c8-0fa5-6921-dc0421b95c56';
  const UID = '11111111-2222-4333-8444-555555555555';
  const deletedPod = (exitCode: number, log: readonly object[] = []) =>
    machineFrom('deleted', {
      like: 'dgx-h100',
      host: {
        pods: {
          checkpoint: [{ podUid: UID, devices: [{ id: UUID, gpuUuid: UUID }] }],
          lives: [
            {
              ...{ podUid: UID, namespace: 'team-a', pod: 'train-0', container: 'main', exitCode },
              ...{ startedSecondsAgo: 7200, endedSecondsAgo: 600 },
            },
          ],
        },
      },
      kernelLog: { lines: log },
    });

  const DBE =
    'NVRM: Xid (PCI:0000:43:00): 48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0xe9b9107e0 partition 3, subpartition 0.';

  test.each([
    ['an uncorrected error on its GPU while it ran', [{ secondsAgo: 605, text: DBE }], 'hardware'],
    ['the same on its GPU after its end', [{ secondsAgo: 60, text: DBE }], 'application'],
  ])('a pod that the cluster has forgotten, %s', async (_what, log, fault) => {
    const input = { pod: 'train-0' };
    const instruments = instrumentsFor(deletedPod(134, log));
    const alone = await answered(explainFailure, input, instruments);
    const view = aView({ pod: missing('not_found'), podEvents: missing('not_found') });
    const joined = alone.joined(view);
    expect(FailureAnswer.parse(joined.structured)).toMatchObject({
      fault,
      from: '2026-03-01T10:00:00Z',
      to: '2026-03-01T11:50:00Z',
      pod: { namespace: 'team-a', uid: UID, gpus: [1], gpusFrom: 'allocation', phase: 'Failed' },
      containers: [{ container: 'main', exitCode: 134, finishedAt: '2026-03-01T11:50:00Z' }],
      unavailable: { not_found: ['pod', 'events'] },
      against: expect.arrayContaining([
        'what the kubelet and the runtime logged on the node is all that is known of this pod',
      ]),
    });
    expect(joined.text).toContain('searched for pods: journal (kubelet and container runtime)');
  });

  test('a forgotten pod that ended well has not failed', async () => {
    const answer = await answered(
      explainFailure,
      { pod: 'train-0' },
      instrumentsFor(deletedPod(0)),
    );
    expect(answer.structured).toMatchObject({ fault: 'unknown', confidence: 'high' });
  });

  test('the XID of another pod’s process on the same GPU is not this pod’s', async () => {
    const machine = machineFrom('shared', {
      like: 'dgx-h100',
      host: {
        pods: {
          checkpoint: [{ podUid: UID, devices: [{ id: UUID, gpuUuid: UUID }] }],
          lives: [
            {
              ...{ podUid: UID, namespace: 'team-a', pod: 'train-0', container: 'main' },
              ...{ startedSecondsAgo: 7200, endedSecondsAgo: 600, exitCode: 1 },
            },
            {
              ...{ podUid: 'uid-b', namespace: 'team-b', pod: 'other', container: 'main' },
              ...{ startedSecondsAgo: 7200, endedSecondsAgo: 600, exitCode: 1, pid: 4711 },
            },
          ],
        },
      },
      kernelLog: {
        lines: [
          {
            secondsAgo: 605,
            text: 'NVRM: Xid (PCI:0000:43:00): 31, pid=4711, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
          },
        ],
      },
    });
    const about = async (pod: string) =>
      FailureAnswer.parse(
        (await answered(explainFailure, { pod }, instrumentsFor(machine))).structured,
      ).incidents.length;
    expect([await about('train-0'), await about('other')]).toEqual([0, 1]);
  });

  test('a line that names a process of the pod tells one of its GPUs, and is told once', async () => {
    const { text, structured, joined } = await answered(
      explainFailure,
      { pod: 'finetune-0', namespace: 'ml' },
      instrumentsOf('job-out-of-bounds'),
    );
    expect(FailureAnswer.parse(structured).pod).toMatchObject({
      gpus: [],
      loggedOn: ['0000:52:00'],
    });
    expect(text).toContain('GPU at 0000:52:00 by the kernel log; whether it had more is not known');
    expect(text.match(/^WARNING {3}XID 31/gm)).toHaveLength(1);
    const pod = ended(
      { exitCode: 134, finishedAt: '2026-03-01T11:49:54Z' },
      { name: 'finetune-0', namespace: 'ml', gpus: { 'nvidia.com/gpu': 1 } },
    );
    const view = aView({ pod: present(pod), podEvents: present([]) });
    expect(FailureAnswer.parse(joined(view).structured)).toMatchObject({
      fault: 'application',
      against: expect.not.arrayContaining([expect.stringContaining('not known')]),
    });
  });
});

describe('a pod that runs and does not see what it was given', () => {
  const running = (machine: string, name: string, namespace: string) =>
    explained(machine, aPod({ name, namespace, phase: 'Running', containers: [aContainer({})] }));

  test('is told why, by what its container sees', async () => {
    expect(await running('devices-lost', 'llm-train-0', 'ml')).toMatchObject({
      ...{ fault: 'configuration', confidence: 'high', action: 'restart_app' },
      why: [expect.stringMatching(/pod ml\/llm-train-0: its cgroup does not let it open NVIDIA/)],
      findings: [{ id: 'container-view-device-cgroup' }],
    });
  });

  test('a run of it that has failed is explained by how it ended', async () => {
    const { fault, why, findings } = await explained(
      'devices-lost',
      ended({ exitCode: 139 }, { name: 'llm-train-0', namespace: 'ml', phase: 'Running' }),
    );
    expect(fault).toBe('application');
    expect(why.join()).toContain('SIGSEGV');
    expect(findings.map(({ id }) => id)).toEqual(['container-view-device-cgroup']);
  });

  test('and a pod beside it is not told of it', async () => {
    expect(await running('devices-lost', 'llm-train-1', 'ml')).toMatchObject({
      ...{ fault: 'unknown', action: 'none', findings: [] },
    });
  });

  test('a limit alone does not explain a pod that runs', async () => {
    const { fault, why, findings } = await running('stale-container', 'llama-0', 'serving');
    expect(fault).toBe('configuration');
    expect(why.join()).toContain('its /dev lacks nvidia5');
    expect(findings.map(({ id }) => id)).toEqual([
      'container-view-device-nodes',
      'container-view-shared-memory',
    ]);
  });
});
