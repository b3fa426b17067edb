import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { ClusterPod } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { analyzeXidErrors } from '../../src/tools/catalog/analyze-xid-errors.ts';
import { getGpuTimeline } from '../../src/tools/catalog/get-gpu-timeline.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { spansOf } from '../../src/tools/support/pods-of-events.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const UUID = 'GPU-2d72d83a-c8c8-0fa5-6921-dc0421b95c56';
/** Where the time of simulated instruments begins. */
const NOW_MS = Date.parse('2026-03-01T12:00:00Z');

/** GPU 1 (0000:43:00) printed an XID 31 of pid 4711, and a pod holds it now. */
const machine = machineFrom('shared', {
  like: 'dgx-h100',
  host: {
    pods: {
      allocations: [
        {
          namespace: 'team-a',
          pod: 'train-0',
          container: 'main',
          resource: 'nvidia.com/gpu',
          devices: [{ id: UUID, gpuUuid: UUID }],
        },
      ],
    },
  },
  kernelLog: {
    lines: [
      {
        secondsAgo: 60,
        text: 'NVRM: Xid (PCI:0000:43:00): 31, pid=4711, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
      },
    ],
  },
});

const Answer = z.looseObject({
  incidents: z.array(z.unknown()),
  events: z.array(z.looseObject({ pods: z.array(z.unknown()).optional() })),
});

const ask = async (input: object) => {
  const { structured, text } = await answered(analyzeXidErrors, input, instrumentsFor(machine));
  return { ...Answer.parse(structured), text };
};

test('an XID names the pod that holds its GPU now, and says that this is no proof', async () => {
  const { events, text } = await ask({});
  expect(events[0]?.pods).toEqual([
    { namespace: 'team-a', pod: 'train-0', container: 'main', by: 'allocation', confidence: 'low' },
  ]);
  expect(text).toContain('[pod team-a/train-0 (it holds this GPU now, which is no proof)]');
});

test.each([
  ['train-0', 1],
  ['team-a/train-0', 1],
  ['team-b/train-0', 0],
  ['train-1', 0],
])('pod %s: %d incidents and events', async (pod, count) => {
  const { incidents, events } = await ask({ pod });
  expect([incidents.length, events.length]).toEqual([count, count]);
});

const UID = '11111111-2222-4333-8444-555555555555';
/** The same XID, and a pod that is deleted since: the node's logs and its checkpoint knew it. */
const deleted = machineFrom('deleted', {
  like: 'dgx-h100',
  host: {
    pods: {
      checkpoint: [{ podUid: UID, devices: [{ id: UUID, gpuUuid: UUID }] }],
      lives: [
        {
          ...{ podUid: UID, namespace: 'team-a', pod: 'train-0', container: 'main' },
          ...{ startedSecondsAgo: 7200, endedSecondsAgo: 50, exitCode: 137 },
        },
      ],
    },
  },
  kernelLog: { lines: machine.kernelLog.lines },
});

test.each([
  ['analyze_xid_errors', analyzeXidErrors],
  ['get_gpu_timeline', getGpuTimeline],
  ['triage_gpu_node', triageGpuNode],
])(
  '%s names the pod that is deleted since, with its end and what was searched',
  async (_, tool) => {
    const { text, structured } = await answered(tool, {}, instrumentsFor(deleted));
    expect(tool.output.parse(structured)).toEqual(structured);
    expect(text).toContain(
      'pod team-a/train-0, ended at 2026-03-01T11:59:10Z with exit code 137 (it had this GPU and ran then)',
    );
    expect(text).toContain('searched for pods: journal (kubelet and container runtime): 1 record');
  },
);

describe('the cluster’s half of analyze_xid_errors', () => {
  const forgetful = machineFrom('forgetful', {
    like: 'dgx-h100',
    kernelLog: { lines: machine.kernelLog.lines },
  });
  /** The XID came at 11:59:00. */
  const ran = (startedAt: string, finishedAt: string) =>
    aContainer({
      state: 'terminated',
      ended: { exitCode: 134, reason: 'Error', message: '', startedAt, finishedAt },
    });
  const asked = async (on: Machine, pods: readonly ClusterPod[]) => {
    const alone = await answered(analyzeXidErrors, {}, instrumentsFor(on));
    const view = aView({ pods: present({ namespace: null, total: 9, gpuPods: pods }) });
    const { structured } = alone.joined(view);
    expect(analyzeXidErrors.output.parse(structured)).toEqual(structured);
    return Answer.parse(structured).events[0]?.pods;
  };
  const whole = aPod({ containers: [ran('2026-03-01T09:00:00Z', '2026-03-01T11:59:10Z')] });
  const part = (name: string, container = aContainer()) =>
    aPod({ name, uid: name, gpus: { 'nvidia.com/gpu': 1 }, containers: [container] });

  test('names the pod that had the whole node and ended then', async () => {
    expect(await asked(forgetful, [whole])).toEqual([
      {
        ...{ namespace: 'team-a', pod: 'train-0', podUid: 'uid-train-0', container: 'main' },
        ...{ by: 'device_and_time', confidence: 'medium' },
        ...{ endedAt: '2026-03-01T11:59:10Z', exitCode: 134 },
      },
    ]);
  });

  test('names those that had a GPU then as a set, none of them sure', async () => {
    const early = part('early', ran('2026-03-01T09:00:00Z', '2026-03-01T10:00:00Z'));
    const late = part('late', aContainer({ startedAt: '2026-03-01T11:59:30Z' }));
    expect(await asked(forgetful, [part('a'), part('b'), early, late])).toMatchObject([
      { pod: 'a', by: 'ran_then', confidence: 'low' },
      { pod: 'b', by: 'ran_then', confidence: 'low' },
    ]);
  });

  test('leaves what the node knows better', async () => {
    expect(await asked(deleted, [whole])).toMatchObject([{ by: 'device_and_time', podUid: UID }]);
    expect(await asked(machine, [part('a')])).toMatchObject([{ by: 'allocation' }]);
  });
});

test('the finding of a program’s XID names its pod', async () => {
  const { structured } = await answered(triageGpuNode, {}, instrumentsFor(deleted));
  expect(structured['summary']).toMatch(
    /XID 31: .* on GPU 1 \(0000:43:00\), by pod team-a\/train-0/,
  );
});

test('a node without XIDs is asked for no pod', async () => {
  const instruments = {
    ...instrumentsOf('dgx-h100'),
    podHistory: {
      read: () => {
        throw new Error('read');
      },
    },
  };
  const { structured } = await answered(triageGpuNode, {}, instruments);
  expect(structured).toMatchObject({ verdict: 'healthy' });
  expect(structured['searched']).not.toHaveProperty('pods');
});

test('the spans searched are those around the events first, then the day before each', () => {
  const minute = 60_000;
  const day = 1_440 * minute;
  expect(spansOf([100 * day, 100 * day + 5 * minute, 99.5 * day])).toEqual([
    { sinceMs: 100 * day - 10 * minute, untilMs: 100 * day + 15 * minute },
    { sinceMs: 99.5 * day - 10 * minute, untilMs: 99.5 * day + 10 * minute },
    { sinceMs: 99.5 * day + 10 * minute, untilMs: 100 * day - 10 * minute },
    { sinceMs: 98.5 * day - 10 * minute, untilMs: 99.5 * day - 10 * minute },
  ]);
});

test('the timeline puts starts and ends of GPU pods among the kernel’s events', async () => {
  const alone = await answered(getGpuTimeline, {}, instrumentsOf('lost-gpu'));
  const ended = {
    exitCode: 137,
    reason: 'Error',
    message: '',
    startedAt: '2026-03-01T09:00:00Z',
    finishedAt: '2026-03-01T11:57:00Z',
  };
  const container = aContainer({ state: 'terminated', ended });
  const pods = present({
    namespace: null,
    total: 1,
    gpuPods: [aPod({ containers: [container] })],
  });
  const joined = alone.joined(aView({ pods }));
  const kinds = z
    .looseObject({ entries: z.array(z.looseObject({ kind: z.string() })) })
    .parse(joined.structured)
    .entries.map(({ kind }) => kind);
  expect(kinds[0]).toBe('pod_started');
  expect(kinds.at(-1)).toBe('pod_ended');
  expect(kinds).toContain('xid');
  expect(joined.text).toContain('team-a/train-0 container main ended: exit code 137, Error');
});

test('the timeline of one GPU leaves out pods that the kubelet has on others', async () => {
  const holds = (pod: string, minor: number) => ({
    ...{ namespace: 'team-a', pod, container: 'main', resource: 'nvidia.com/gpu' },
    devices: [{ id: `nvidia${minor}`, minor }],
  });
  const eight = machineFrom('eight', {
    like: 'dgx-h100',
    host: { pods: { allocations: [holds('here', 3), holds('there', 4)] } },
  });
  const pods = present({
    namespace: null,
    total: 3,
    gpuPods: ['here', 'there', 'unknown'].map(name =>
      aPod({
        name,
        containers: [aContainer({ state: 'running', startedAt: '2026-03-01T11:00:00Z' })],
      }),
    ),
  });
  const texts = async (input: object) => {
    const alone = await answered(getGpuTimeline, input, instrumentsFor(eight));
    const { text } = alone.joined(aView({ pods }));
    return ['here', 'there', 'unknown'].filter(name => text.includes(`team-a/${name} `));
  };
  expect(await texts({})).toEqual(['here', 'there', 'unknown']);
  expect(await texts({ gpu: '3' })).toEqual(['here', 'unknown']);
});

const booted = async (input: object) => {
  const { structured } = await answered(getGpuTimeline, input, instrumentsFor(machine));
  return z
    .looseObject({ entries: z.array(z.looseObject({ kind: z.string(), time: z.string() })) })
    .parse(structured)
    .entries.filter(({ kind }) => kind === 'boot')
    .map(({ time }) => time);
};

test('a machine that booted three weeks ago did not boot with the first line that was read', async () => {
  expect(await booted({})).toEqual([]);
  expect(await booted({ since: '30d' })).toEqual([
    new Date(NOW_MS - machine.host.uptimeSeconds * 1_000).toISOString(),
  ]);
});
