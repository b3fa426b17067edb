import { expect, test } from 'vitest';
import * as z from 'zod';
import { present } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { analyzeXidErrors } from '../../src/tools/analyze-xid-errors.ts';
import { podsOfEvents } from '../../src/tools/event-pods.ts';
import { getGpuTimeline } from '../../src/tools/get-gpu-timeline.ts';
import { checkInput } from '../../src/tools/listing.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const signal = new AbortController().signal;
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
  const checked = checkInput(analyzeXidErrors, input);
  const { structured, text } = await analyzeXidErrors.answer(
    checked,
    instrumentsFor(machine),
    signal,
  );
  return { ...Answer.parse(structured), text };
};

test('an XID names the pod that holds its GPU now, and says that this is no proof', async () => {
  const { events, text } = await ask({});
  expect(events[0]?.pods).toEqual([
    { namespace: 'team-a', pod: 'train-0', container: 'main', by: 'allocation' },
  ]);
  expect(text).toContain('[pod team-a/train-0 holds this GPU now]');
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

test('a process that began after the line was printed is another one with the same pid', async () => {
  const instruments = instrumentsOf('lost-gpu');
  const owner = (startedAfterBootSeconds: number) => ({
    host: {
      ...instruments.host,
      processOwners: async () => [
        {
          pid: 7,
          name: present('python3'),
          cgroup: present('/x'),
          namespace: 'team-a',
          pod: 'train-0',
          state: present('R'),
          startedAfterBootSeconds: present(startedAfterBootSeconds),
          uid: present(0),
          gpuEnvironment: present({}),
        },
      ],
    },
  });
  const { readNode } = await import('../../src/tools/facts.ts');
  const facts = await readNode(instruments, {}, signal);
  const [first] = facts.log?.events ?? [];
  if (!first) throw new Error('lost-gpu has events');
  const event = { ...first, pid: 7, pci: null, bootSeconds: 100 };
  const pods = async (started: number) => {
    const options = { events: [event], rows: [], instruments: owner(started) };
    return (await podsOfEvents(facts, options, signal))(event);
  };
  expect(await pods(50)).toEqual([{ namespace: 'team-a', pod: 'train-0', by: 'process' }]);
  expect(await pods(150)).toEqual([]);
});

test('the timeline puts starts and ends of GPU pods among the kernel’s events', async () => {
  const input = checkInput(getGpuTimeline, {});
  const { structured } = await getGpuTimeline.answer(input, instrumentsOf('lost-gpu'), signal);
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
  const joined = getGpuTimeline.clusterView?.join(structured, aView({ pods }), input);
  const kinds = z
    .looseObject({ entries: z.array(z.looseObject({ kind: z.string() })) })
    .parse(joined?.structured)
    .entries.map(({ kind }) => kind);
  expect(kinds[0]).toBe('pod_started');
  expect(kinds.at(-1)).toBe('pod_ended');
  expect(kinds).toContain('xid');
  expect(joined?.text).toContain('team-a/train-0 container main ended: exit code 137, Error');
});

const booted = async (input: object) => {
  const checked = checkInput(getGpuTimeline, input);
  const { structured } = await getGpuTimeline.answer(checked, instrumentsFor(machine), signal);
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
