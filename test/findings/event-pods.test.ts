import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import {
  type EventPod,
  eventPodsText,
  podsOfEvent,
  podsOfIncident,
} from '../../src/findings/support/event-pods.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';

const GPU_1 = 'GPU-2d72d83a-c8c8-0fa5-6921-dc0421b95c56';
const [OLD, NEW] = ['11111111-2222-4333-8444-555555555555', '99999999-2222-4333-8444-555555555555'];
const XID = (pid: string) =>
  `NVRM: Xid (PCI:0000:43:00): 31, pid=${pid}, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ`;

const device = (id: string) => ({ id, gpuUuid: id });
const had = (podUid: string, more: object = {}) => ({ podUid, devices: [device(GPU_1)], ...more });
const ran = (podUid: string, pod: string, more: object = {}) => ({
  ...{ podUid, namespace: 'team-a', pod, container: 'main', exitCode: 137 },
  ...{ startedSecondsAgo: 7200, endedSecondsAgo: 590, pid: 4000 },
  ...more,
});

/** GPU 1 printed an XID 31 of pid 4711 ten minutes ago; `pods` is what the node knows of pods. */
const factsWith = (pods: object, pid = '4711'): Promise<NodeFacts> =>
  factsFor(
    machineFrom('ended', {
      like: 'dgx-h100',
      host: { pods },
      kernelLog: { lines: [{ secondsAgo: 600, text: XID(pid) }] },
    }),
  );

async function podsOf(facts: NodeFacts) {
  const event = facts.log?.events.find(({ xid }) => xid === 31);
  if (!event) throw new Error('the log has no XID 31');
  return podsOfEvent(facts, event);
}

test('a pod that had the GPU and ended after the XID is named with its end', async () => {
  const facts = await factsWith({ checkpoint: [had(OLD)], lives: [ran(OLD, 'train-0')] });
  expect(await podsOf(facts)).toEqual([
    {
      namespace: 'team-a',
      pod: 'train-0',
      podUid: OLD,
      container: 'main',
      by: 'device_and_time',
      confidence: 'medium',
      endedAt: '2026-03-01T11:50:10Z',
      exitCode: 137,
    },
  ]);
});

test('the container that ended as the pid of the line is meant, whoever had the GPU', async () => {
  const lives = [ran(OLD, 'train-0', { pid: 4711 }), ran(NEW, 'train-1')];
  const facts = await factsWith({ checkpoint: [had(NEW)], lives });
  expect(await podsOf(facts)).toMatchObject([
    { pod: 'train-0', by: 'exit', confidence: 'high', endedAt: '2026-03-01T11:50:10Z' },
  ]);
});

test('without its start, the end of a pid is less sure', async () => {
  const { startedSecondsAgo: _, ...life } = ran(OLD, 'train-0', { pid: 4711 });
  expect(await podsOf(await factsWith({ lives: [life] }))).toMatchObject([
    { by: 'exit', confidence: 'medium' },
  ]);
});

test('who holds the GPU now and began after the XID is not named', async () => {
  const facts = await factsWith({
    allocations: [had(NEW, { namespace: 'team-a', pod: 'train-1' })],
    checkpoint: [had(OLD)],
    lives: [
      ran(OLD, 'train-0'),
      { podUid: NEW, namespace: 'team-a', pod: 'train-1', startedSecondsAgo: 300 },
    ],
  });
  expect((await podsOf(facts)).map(({ pod }) => pod)).toEqual(['train-0']);
});

test('who holds the GPU now and ran already then had it', async () => {
  const facts = await factsWith({
    allocations: [had(NEW, { namespace: 'team-a', pod: 'train-1' })],
    lives: [{ podUid: NEW, namespace: 'team-a', pod: 'train-1', startedSecondsAgo: 9000 }],
  });
  expect(await podsOf(facts)).toMatchObject([
    { pod: 'train-1', by: 'device_and_time', confidence: 'medium' },
  ]);
});

test('two pods that shared the GPU are a set, and neither is sure', async () => {
  const facts = await factsWith({
    checkpoint: [had(OLD), had(NEW)],
    lives: [ran(OLD, 'train-0'), ran(NEW, 'train-1')],
  });
  expect((await podsOf(facts)).map(({ pod, confidence }) => [pod, confidence])).toEqual([
    ['train-0', 'low'],
    ['train-1', 'low'],
  ]);
});

test.each([
  ['had another GPU', { checkpoint: [had(OLD, { devices: [device('GPU-other')] })] }, {}],
  ['ended before the XID', { checkpoint: [had(OLD)] }, { endedSecondsAgo: 700 }],
  ['ended well, and nobody knows what it had', {}, { exitCode: 0 }],
  ['failed long after, and nobody knows what it had', {}, { endedSecondsAgo: 400 }],
])('a pod that %s is not named', async (_what, pods, life) => {
  const facts = await factsWith({ ...pods, lives: [ran(OLD, 'train-0', life)] });
  expect(await podsOf(facts)).toEqual([]);
});

test('a pod that failed right after is named for its time only where no more is known', async () => {
  const facts = await factsWith({ lives: [ran(OLD, 'train-0')] });
  expect(await podsOf(facts)).toMatchObject([{ pod: 'train-0', by: 'time', confidence: 'low' }]);
});

test('the dates of log files tell that a container spoke before and after the XID', async () => {
  const { endedSecondsAgo: _, exitCode: __, pid: ___, ...life } = ran(OLD, 'train-0');
  const lives = [{ ...life, seenSecondsAgo: 598, source: 'log_files' }];
  expect(await podsOf(await factsWith({ checkpoint: [had(OLD)], lives }))).toMatchObject([
    { pod: 'train-0', by: 'device_and_time' },
  ]);
});

test('a pid that the driver does not know names nobody by pid', async () => {
  const facts = await factsWith({ lives: [ran(OLD, 'train-0', { pid: 0 })] }, "'<unknown>'");
  expect((await podsOf(facts)).map(({ by }) => by)).toEqual(['time']);
});

const living = (changed: object) => ({
  pid: 4711,
  name: present('python3'),
  cgroup: present('/kubepods/x'),
  namespace: 'team-b',
  pod: 'other',
  podUid: NEW,
  state: present('R'),
  startedAfterBootSeconds: present(50),
  uid: present(0),
  gpuEnvironment: present({}),
  ...changed,
});

test.each([
  ['lives since before the line is its pod', {}, ['process']],
  ['began after the line was printed is another', { startedAfterBootSeconds: present(9e9) }, []],
  ['runs outside any pod is no pod’s', { pod: undefined, podUid: undefined }, []],
])('a process of that pid that %s', async (_what, changed, by) => {
  const facts = await factsWith({});
  const owner = living(changed);
  const history = { lives: [], owners: [owner], coverage: [] };
  expect((await podsOf({ ...facts, history })).map(one => one.by)).toEqual(by);
});

test('a process with the pid of a line of the boot before is another', async () => {
  const facts = await factsWith({});
  const [event] = facts.log?.events ?? [];
  if (!event) throw new Error('the log has no event');
  const history = { lives: [], owners: [living({})], coverage: [] };
  const before = { ...event, boot: 'f'.repeat(32), pci: null };
  expect(podsOfEvent({ ...facts, history }, before)).toEqual([]);
});

test.each([
  ['before the last boot', 594, []],
  ['since the last boot, as far as clocks differ', 595, ['process']],
])('a process of that pid, and a line printed %s', async (_what, uptimeSeconds, by) => {
  const facts = await factsWith({});
  const host = {
    ...facts.host,
    bootId: missing('unreadable'),
    uptimeSeconds: present(uptimeSeconds),
  };
  const history = { lives: [], owners: [living({})], coverage: [] };
  expect((await podsOf({ ...facts, host, history })).map(one => one.by)).toEqual(by);
});

test.each([
  ['at the moment of the line', 0, ['process']],
  ['right after it', 0.01, []],
])('a process of that pid that began %s', async (_what, laterSeconds, by) => {
  const facts = await factsWith({});
  const at = facts.log?.events.find(({ xid }) => xid === 31)?.bootSeconds ?? Number.NaN;
  const owner = living({ startedAfterBootSeconds: present(at + laterSeconds) });
  const history = { lives: [], owners: [owner], coverage: [] };
  expect((await podsOf({ ...facts, history })).map(one => one.by)).toEqual(by);
});

test('a container that ended with that pid before the line is not meant', async () => {
  const lives = [ran(OLD, 'train-0', { pid: 4711, endedSecondsAgo: 700 })];
  expect(await podsOf(await factsWith({ lives }))).toEqual([]);
});

test('of two lives with that pid at that time the one is named', async () => {
  const lives = [ran(OLD, 'train-0', { pid: 4711 }), ran(NEW, 'train-1', { pid: 4711 })];
  expect((await podsOf(await factsWith({ lives }))).map(({ pod }) => pod)).toEqual(['train-0']);
});

test.each([
  ['in the last second', 540, ['time']],
  ['a second too late', 539, []],
])('a pod that failed %s of the minute after', async (_what, endedSecondsAgo, by) => {
  const facts = await factsWith({ lives: [ran(OLD, 'train-0', { endedSecondsAgo })] });
  expect((await podsOf(facts)).map(one => one.by)).toEqual(by);
});

test.each([
  ['failed', 3, 3],
  ['failed: too many to be an answer', 4, 0],
])('%s by time, %d pods', async (_what, failed, named) => {
  const lives = Array.from({ length: failed }, (_, index) =>
    ran(`${index}${OLD.slice(1)}`, `train-${index}`),
  );
  expect(await podsOf(await factsWith({ lives }))).toHaveLength(named);
});

test('a pod that had another GPU is no candidate for its time', async () => {
  const elsewhere = had(OLD, { devices: [device('GPU-other')] });
  const lives = [ran(OLD, 'train-0'), ran(NEW, 'train-1')];
  const facts = await factsWith({ checkpoint: [elsewhere], lives });
  expect((await podsOf(facts)).map(({ pod }) => pod)).toEqual(['train-1']);
});

test('who holds the GPU now and of whose life nothing is known is named as that', async () => {
  const facts = await factsWith({
    allocations: [had(NEW, { namespace: 'team-a', pod: 'train-1', container: 'main' })],
    checkpoint: [had(OLD)],
  });
  expect(await podsOf(facts)).toEqual([
    {
      ...{ namespace: 'team-a', pod: 'train-1', podUid: NEW, container: 'main' },
      ...{ by: 'allocation', confidence: 'low' },
    },
  ]);
});

test('the container of a pod that had the GPU is meant, not another of the same pod', async () => {
  const facts = await factsWith({
    checkpoint: [had(OLD, { container: 'main' })],
    lives: [
      ran(OLD, 'train-0', { container: 'sidecar', exitCode: 0, endedSecondsAgo: 100 }),
      ran(OLD, 'train-0'),
    ],
  });
  expect(await podsOf(facts)).toMatchObject([
    { container: 'main', exitCode: 137, endedAt: '2026-03-01T11:50:10Z' },
  ]);
});

describe('pods without a uid are told apart by namespace and name', () => {
  const nameless = ({ podUid: _, ...rest }: { podUid: string }) => rest;
  test.each([
    ['the same', { namespace: 'team-a', pod: 'train-0' }, ['device_and_time']],
    ['of another namespace', { namespace: 'team-b', pod: 'train-0' }, ['allocation']],
    ['of another name', { namespace: 'team-a', pod: 'train-1' }, ['allocation']],
  ])('%s', async (_what, holds, by) => {
    const facts = await factsWith({
      allocations: [nameless(had(OLD, holds))],
      lives: [nameless(ran(OLD, 'train-0'))],
    });
    expect((await podsOf(facts)).map(one => one.by)).toEqual(by);
  });
});

test.each([
  ['its uuid', device(GPU_1), 1],
  ['its number in /dev', { id: 'nvidia1', minor: 1 }, 1],
  ['another number in /dev', { id: 'nvidia2', minor: 2 }, 0],
])('a device is of the GPU by %s', async (_what, holds, count) => {
  const facts = await factsWith({ allocations: [had(OLD, { devices: [holds] })] });
  expect(await podsOf(facts)).toHaveLength(count);
});

describe('of a GPU that is shared by MIG only the instance of the line is meant', () => {
  const GPU_0 = 'GPU-e4ee58dd-41dd-2728-be8b-4cd84d2ebcc4';
  const FIRST = 'MIG-5f3b0b1e-7d0c-5a6e-9c6b-0d6a3b1f8c21';
  const SECOND = 'MIG-c2a4e7d9-31b8-5e0f-8f27-64d9b1a0e573';
  const holding = (podUid: string, pod: string, holds: object) => ({
    ...{ podUid, namespace: 'team-a', pod, container: 'main', devices: [holds] },
  });
  const shared = (place: string, holders: readonly object[]) =>
    factsFor(
      machineFrom('shared', {
        like: 'mig-a100',
        host: { pods: { allocations: holders } },
        kernelLog: {
          lines: [
            {
              secondsAgo: 600,
              text: `NVRM: Xid (PCI:0000:07:00${place}): 94, pid=7194, name=ray::train, Contained: SM (0x1). RST: No, D-RST: No`,
            },
          ],
        },
      }),
    );
  const named = async (place: string, holders: readonly object[]) => {
    const facts = await shared(place, holders);
    return (facts.log?.events ?? []).flatMap(event =>
      podsOfEvent(facts, event).map(({ pod }) => pod),
    );
  };
  const instances = [
    holding(OLD, 'train-0', { id: FIRST, migUuid: FIRST }),
    holding(NEW, 'train-1', { id: SECOND, migUuid: SECOND }),
  ];

  test('by the name of the instance', async () => {
    expect(await named(' GPU-I:02', instances)).toEqual(['train-1']);
    expect(await named('', instances)).toEqual(['train-0', 'train-1']);
  });

  test('by the number that the device plugin gives it', async () => {
    const byNumber = [
      holding(OLD, 'train-0', { id: 'nvidia0/gi1', minor: 0, gpuInstance: 1 }),
      holding(NEW, 'train-1', { id: 'nvidia0/gi2', minor: 0, gpuInstance: 2 }),
    ];
    expect(await named(' GPU-I:02', byNumber)).toEqual(['train-1']);
  });

  test('and who holds the GPU as a whole', async () => {
    const whole = [holding(OLD, 'train-0', { id: GPU_0, gpuUuid: GPU_0 })];
    expect(await named(' GPU-I:02', whole)).toEqual(['train-0']);
    const other = [holding(OLD, 'train-0', { id: 'MIG-other', migUuid: 'MIG-other' })];
    expect(await named(' GPU-I:02', other)).toEqual([]);
  });
});

describe('an incident of several lines', () => {
  const ofIncident = async (pids: readonly string[], pods: object) => {
    const lines = pids.map((pid, index) => ({ secondsAgo: 600 - index, text: XID(pid) }));
    const facts = await factsFor(
      machineFrom('several', { like: 'dgx-h100', host: { pods }, kernelLog: { lines } }),
    );
    const [incident] = facts.log?.incidents ?? [];
    if (!incident) throw new Error('the log has no incident');
    return podsOfIncident(facts, incident).map(({ pod, by }) => [pod, by]);
  };
  const lives = [ran(OLD, 'train-0', { pid: 4711 }), ran(NEW, 'train-1', { pid: 4712 })];

  test('is of every pod that one of its lines is surely of, once', async () => {
    expect(await ofIncident(['4711', '4712', '4711'], { lives })).toEqual([
      ['train-0', 'exit'],
      ['train-1', 'exit'],
    ]);
  });

  test('is of nobody who is only guessed at where another line tells', async () => {
    const pods = { lives, allocations: [had(NEW, { namespace: 'team-b', pod: 'other' })] };
    expect(await ofIncident(["'<unknown>'", '4711'], pods)).toEqual([['train-0', 'exit']]);
  });
});

describe('pods in a sentence', () => {
  const pod: EventPod = {
    ...{ namespace: 'team-a', pod: 'train-0', podUid: OLD, by: 'exit', confidence: 'high' },
  };
  test.each([
    ['none', [], ''],
    ['one', [pod], 'pod team-a/train-0 (its process had this pid)'],
    [
      'one that ended',
      [{ ...pod, endedAt: '2026-03-01T11:50:10Z' }],
      'pod team-a/train-0, ended at 2026-03-01T11:50:10Z (its process had this pid)',
    ],
    [
      'one that ended with a code',
      [{ ...pod, endedAt: '2026-03-01T11:50:10Z', exitCode: 0 }],
      'pod team-a/train-0, ended at 2026-03-01T11:50:10Z with exit code 0 (its process had this pid)',
    ],
    [
      'one without a namespace',
      [{ ...pod, namespace: undefined }],
      'pod train-0 (its process had this pid)',
    ],
    [
      'one of which only the uid is known',
      [{ ...pod, namespace: undefined, pod: undefined }],
      `pod with uid ${OLD} (its process had this pid)`,
    ],
    [
      'one without any name',
      [{ by: 'time', confidence: 'low' }],
      'pod with uid unknown (it failed right after; no more is known)',
    ],
    [
      'several',
      [pod, { ...pod, pod: 'train-1', by: 'ran_then' }],
      'one of 2: pod team-a/train-0 (its process had this pid); pod team-a/train-1 (it had a GPU of this node and ran then; which one is not known)',
    ],
  ] as const)('%s', (_what, pods, sentence) => {
    expect(eventPodsText(pods)).toBe(sentence);
  });
});
