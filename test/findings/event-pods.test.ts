import { expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { podsOfEvent } from '../../src/findings/support/event-pods.ts';
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
