import { describe, expect, test } from 'vitest';
import { askEach } from '../../src/bridge/ask-each.ts';
import { askingJob } from '../../src/bridge/ask-job.ts';
import { askSession } from '../../src/bridge/ask-session.ts';
import { viewedJob } from '../../src/cli/viewed-job.ts';
import { linesOf, textOf } from '../../src/contract/answer.ts';
import { missing, present } from '../../src/contract/reading.ts';
import type { Session } from '../../src/session/port.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { JobAnswer, jobLines } from '../../src/tools/support/job-answer.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { aPod } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const { signal } = new AbortController();
const NOW_MS = Date.parse('2026-03-01T12:00:00Z');

type Data = Readonly<Record<string, unknown>>;
const pod = (name: string, gpus: readonly number[], more: Data = {}): Data => ({
  ...{ namespace: 'ml', name, owner: 'Job/train', gpus, startedSecondsAgo: 86_400, ...more },
});
const failed = (secondsAgo: number, exitCode: number, ...log: (readonly [number, string])[]) => ({
  phase: 'Failed',
  ended: { secondsAgo, exitCode },
  log: log.map(([at, text]) => ({ secondsAgo: at, text })),
});

const OFF_THE_BUS =
  "NVRM: Xid (PCI:0000:d1:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

const SPINS = {
  deviceGetUtilizationRates: { gpu: 100, memory: 3 },
  ...{ deviceGetPowerUsage: 160_000, 'gpmMetric smActivePercent': 14 },
  ...{ deviceGetCurrentClocksEventReasons: 0, 'deviceGetClockInfo sm': 1_965 },
};
const HOT = {
  deviceGetUtilizationRates: { gpu: 100, memory: 50 },
  ...{ deviceGetPowerUsage: 390_000, 'gpmMetric smActivePercent': 88 },
  ...{ deviceGetCurrentClocksEventReasons: 72, 'deviceGetClockInfo sm': 1_005 },
  deviceGetTemperature: 88,
};

interface Node {
  readonly pods: readonly Data[];
  /** So many seconds ago GPU 6 fell off the bus. */
  readonly loses?: number;
  /** Other lines of the kernel, a minute ago. */
  readonly kernel?: readonly string[];
  /** It does not answer. */
  readonly silent?: true;
  /** What the cluster says of it; its name by itself, where that is another one than the target's. */
  readonly cluster?: Data;
  readonly hostname?: string;
  /** Its GPUs wait for GPU 2 of another node, or of this one, which heat holds down. */
  readonly waits?: 'for another' | 'for its own';
}

function sessionOf(name: string, node: Node): Session {
  const { pods, loses, kernel = [], silent, waits, cluster = {}, hostname = name } = node;
  const machine = machineFrom(name, {
    ...{ version: 1, like: 'h100-sxm', title: 'a node of a job', host: { hostname } },
    ...{ pods, cluster },
    ...(waits && { everyGpu: { answers: SPINS } }),
    ...(waits === 'for its own' && { gpus: { 2: { answers: HOT } } }),
    ...(loses !== undefined && { gpus: { 6: { faults: { '*': { return: 'gpu_is_lost' } } } } }),
    kernelLog: {
      records: 5_000,
      lines: [
        ...(loses === undefined ? [] : [{ secondsAgo: loses, text: OFF_THE_BUS }]),
        ...kernel.map(text => ({ secondsAgo: 60, text })),
      ],
    },
  });
  const instruments = { ...instrumentsFor(machine), node: name };
  const clusterView = simulatedCluster(machine, instruments.clock);
  const session = agentSession(name, instruments);
  return {
    target: name,
    call: silent
      ? () => Promise.reject(new Error('no pod starts here'))
      : request => session.call(request),
    start: (within, told) => session.start(within, told),
    close: () => session.close(),
    ...(clusterView && { clusterView: async question => clusterView(question) }),
  };
}

async function judged(
  nodes: Readonly<Record<string, Node>>,
  word = 'job/train',
  together = true,
): Promise<JobAnswer & { readonly text: string }> {
  const sessions = Object.entries(nodes).map(([name, node]) => sessionOf(name, node));
  const source = await viewedJob(sessions, { word, namespace: undefined }, signal);
  const asked = { nodes: Object.keys(nodes), together };
  const ofJob = askingJob(source, asked, signal);
  const outcomes = await askEach(sessions.map(ofJob.session), triageGpuNode.question({}), {
    ...{ signal, clock: { nowMs: () => NOW_MS }, parallel: 4, onProgress() {} },
    limit: () => AbortSignal.timeout(20_000),
    onOutcome: ofJob.onOutcome,
    more: async (session, answer, beside) => {
      await ofJob.more(session, answer.structured, beside);
      return answer;
    },
  });
  await Promise.all(sessions.map(session => session.close()));
  const answer = JobAnswer.parse(await ofJob.answer(outcomes));
  const text = textOf(linesOf(jobLines(answer)));
  expect(text).not.toMatch(/undefined|null|\[object/);
  return { ...answer, text };
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

describe('a launcher on a node of CPUs', () => {
  const launcher = aPod({ name: 'mpi-launcher', namespace: 'ml', node: 'cpu-1', gpus: {} });
  const finding = {
    ...{ id: 'driver-not-loaded', severity: 'warning', component: 'driver', blame: 'unknown' },
    ...{ title: 'No NVIDIA GPU on the PCI bus and no driver', action: 'fix_configuration' },
    ...{ confidence: 'high', advice: 'Check that this is a GPU node.', counterEvidence: [] },
    evidence: [{ what: 'no device', source: 'sysfs' }],
  };
  const answerOf = async (pod: typeof launcher, pciBus: number | undefined = 0) => {
    const layers = { ...(pciBus !== undefined && { pciBus }), nvml: 0 };
    const triage = { verdict: 'warning', findings: [finding], gpus: [], layers, allocated: [] };
    const job = { name: 'MPIJob/mpi', namespace: 'ml', gone: present([]), pods: [{ pod }] };
    return JobAnswer.parse(judgeJob(job, [{ node: 'cpu-1', gpus: [], triage }]));
  };

  test('lacks no driver: its job wants no GPU there', async () => {
    const answer = await answerOf(launcher);
    expect(answer).toMatchObject({ fault: 'unknown', action: 'none' });
    expect(answer.nodes).toMatchObject([{ asksNoGpu: true, findings: [] }]);
    expect(textOf(linesOf(jobLines(answer)))).toContain('cpu-1: mpi-launcher; asks for no GPU');
  });

  test.each([
    ['asks for one', { ...launcher, gpus: { 'nvidia.com/gpu': 1 } }, 0],
    ['is on a node that has some, none of which has a driver', launcher, 8],
  ])('is told of it where a pod %s', async (_, pod, pciBus) => {
    expect((await answerOf(pod, pciBus)).why).toEqual([finding.title]);
  });
});

const PREEMPTED = {
  events: [
    {
      ...{ type: 'Warning', reason: 'PreemptScheduled', secondsAgo: 430 },
      message: 'Preempt scheduled for node-a',
    },
  ],
};

describe('a node that its platform takes back', () => {
  const stopped = failed(400, 143, [401, 'SIGTERM received, exiting']);
  const evicted = {
    reason: 'TaintManagerEviction',
    message: 'Marking for deletion Pod ml/train-0',
    secondsAgo: 431,
  };

  test.each([
    ['by a signal alone', stopped, 'medium', 'it ended by SIGTERM (exit code 143)'],
    [
      'by the cluster’s word',
      { ...stopped, events: [evicted] },
      'high',
      'the cluster ended the pod: TaintManagerEviction',
    ],
  ])('is why a pod ended there %s, and no log is', async (_, end, confidence, why) => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, end)], cluster: PREEMPTED, hostname: 'spot-1' },
      'node-b': { pods: [pod('train-1', ALL, failed(300, 1, [301, REMOTE]))] },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'host', confidence, action: 'restart_app' },
      first: { node: 'node-a', pod: 'train-0', what: 'Azure takes back this spot VM' },
      saw: [{ pod: 'train-1' }],
    });
    expect(answer.advice).toMatch(/^Jobs on it will end, or have ended, by that and by no fault/);
    expect(answer.why).toContain(why);
    expect(answer).not.toHaveProperty('takeOut');
  });

  test.each([
    ['its program failed by itself', failed(400, 1, [401, '[rank0]: ValueError: bad token'])],
    ['it was stopped hours before', failed(9_000, 143, [9_001, 'SIGTERM received, exiting'])],
    ['it was stopped some minutes before', failed(700, 143, [701, 'SIGTERM received, exiting'])],
  ])('explains no pod where %s', async (_, end) => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, end)], cluster: PREEMPTED },
    });
    expect(answer.first?.what).not.toContain('Azure');
    expect(answer.fault).not.toBe('host');
  });
});

test.each([
  ['just now', 400, { fault: 'host', confidence: 'low' }],
  ['hours ago', 9_000, { fault: 'unknown' }],
])('a mark that bears no time may be of an end that was %s', async (_, secondsAgo, expected) => {
  const labels = { 'cloud.google.com/active-node-maintenance': 'ONGOING' };
  const answer = await judged({
    'node-a': {
      pods: [pod('train-0', ALL, failed(secondsAgo, 143))],
      cluster: { labels },
    },
  });
  expect(answer).toMatchObject(expected);
});

test('a pod that the cluster took with its node says so where no node can be read', async () => {
  const sessions = [sessionOf('node-a', { pods: [pod('train-0', ALL, failed(400, 143))] })];
  const { found } = await viewedJob(sessions, { word: 'job/train', namespace: undefined }, signal);
  const pods = found.pods.map(({ pod: own }) => ({
    pod: { ...own, reason: 'Terminated', message: 'imminent node shutdown' },
  }));
  const job = { ...found, pods };
  const ofJob = askingJob(
    { found: job, read: async () => job },
    { nodes: ['node-a'], together: true },
    signal,
  );
  const outcome = { target: 'node-a', error: new Error('the node is gone') };
  const words = 'the cluster ended the pod: Terminated ("imminent node shutdown")';
  expect(JobAnswer.parse(await ofJob.answer([outcome]))).toMatchObject({
    ...{ fault: 'host', confidence: 'high', action: 'restart_app', why: [words] },
    first: { node: 'node-a', pod: 'train-0', what: words },
  });
});

test('what the cluster has said of a node for its triage is not asked again for its pod', async () => {
  const node = sessionOf('node-a', { pods: [pod('train-0', ALL, failed(400, 1))], loses: 420 });
  const asked: object[] = [];
  const { clusterView } = node;
  if (!clusterView) throw new Error('no cluster');
  const session: Session = {
    ...node,
    async clusterView(question, within) {
      asked.push(question);
      const { podEvents = missing('not_read'), ...view } = await clusterView(question, within);
      const cost = { requests: 1, bytes: 700 };
      if (!('eventsAlone' in question && question.eventsAlone)) return { ...view, asked: cost };
      const unread = missing('not_read');
      return { node: unread, pods: unread, nodeEvents: unread, podEvents, asked: cost };
    },
  };
  const source = await viewedJob([session], { word: 'job/train', namespace: undefined }, signal);
  asked.length = 0;
  const found = { ...source.found, asked: { requests: 3, bytes: 4_000 } };
  const read = async () => ({ ...(await source.read(signal)), asked: found.asked });
  const ofJob = askingJob({ found, read }, { nodes: ['node-a'], together: true }, signal);
  const beside = { signal, onProgress() {} };
  const kept = ofJob.session(session);
  const triage = await askSession(kept, triageGpuNode.question({}), beside);
  await ofJob.more(kept, triage.structured, beside);
  await session.close();
  const outcome = { target: 'node-a', error: new Error('its triage is not judged here') };
  const answer = JobAnswer.parse(await ofJob.answer([outcome]));
  expect(asked.filter(question => 'eventsAlone' in question)).toEqual([
    { pod: { namespace: 'ml', name: 'train-0' }, eventsAlone: true },
  ]);
  expect(answer).toMatchObject({
    ...{ fault: 'hardware', takeOut: 'node-a', asked: { requests: 4, bytes: 4_700 } },
  });
  expect(textOf(linesOf(jobLines(answer)))).toContain(
    'job, pods and events: 4 requests, 4700 bytes',
  );
});
const REMOTE =
  '[rank8]: torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error';

describe('a job of two nodes', () => {
  test('a lost GPU on one is the fault of both: that node is to go, and the other only saw it', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(395, 1, [396, REMOTE]))] },
      'node-b': {
        pods: [pod('train-1', ALL, failed(400, 1, [401, '[rank14]: CUDA error: unknown error']))],
        loses: 420,
      },
    });
    expect(answer).toMatchObject({
      ...{ job: 'Job/train', state: 'failed', fault: 'hardware', takeOut: 'node-b' },
      action: 'reboot_node',
      first: { node: 'node-b', pod: 'train-1', gpu: '0000:d1:00' },
      saw: [{ pod: 'train-0', node: 'node-a', exitCode: 1 }],
      pods: { all: 2, failed: 2 },
      logs: { read: 2, requests: 2 },
    });
    expect(answer.saw[0]?.what).toMatch(/^consequence, /);
    expect(answer.text).toContain('\ntake out: node-b\n');
  });

  test('an error of the program leaves every node where it is', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(395, 1, [396, REMOTE]))] },
      'node-b': {
        pods: [pod('train-1', ALL, failed(400, 1, [401, '[rank14]: ValueError: bad token']))],
      },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'application', action: 'restart_app', first: { node: 'node-b', pod: 'train-1' } },
      saw: [{ pod: 'train-0' }],
    });
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.text).toContain('\ntake out: no node\n');
  });

  test('a program that had failed before a GPU did is where it began', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(900, 1, [901, 'ValueError: bad token']))] },
      'node-b': {
        pods: [pod('train-1', ALL, failed(400, 1, [401, REMOTE]))],
        loses: 420,
      },
    });
    expect(answer).toMatchObject({ fault: 'application', first: { node: 'node-a' } });
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.against.join()).toContain('node-b as it is now: ');
  });

  test('an error that a GPU can cause in any program comes before no fault of a GPU', async () => {
    const illegal = 'RuntimeError: CUDA error: an illegal memory access was encountered';
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(425, 1, [426, illegal]))] },
      'node-b': { pods: [pod('train-1', ALL, failed(400, 1, [401, REMOTE]))], loses: 420 },
    });
    expect(answer).toMatchObject({ fault: 'hardware', takeOut: 'node-b' });
  });

  test('a pod that followed one of another node is not struck by that node’s fault', async () => {
    const full = 'OSError: [Errno 28] No space left on device';
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(428, 1, [429, REMOTE]))] },
      'node-b': { pods: [pod('train-1', ALL, failed(420, 1, [428.5, full]))] },
    });
    expect(answer).toMatchObject({ fault: 'host', first: { node: 'node-b', pod: 'train-1' } });
  });

  test.each([
    ['an error by form, some seconds: clocks are apart', "KeyError: 'x'", 423, 'node-b'],
    ['an error by form, long before', "KeyError: 'x'", 440, undefined],
    ['what is sure, some seconds', 'No space left on device', 423, undefined],
  ])(
    '%s leaves the fault of a GPU of another node, or was before it',
    async (_, text, ago, out) => {
      const answer = await judged({
        'node-a': { pods: [pod('train-0', ALL, failed(ago - 1, 1, [ago, text]))] },
        'node-b': { pods: [pod('train-1', ALL, failed(400, 1, [401, REMOTE]))], loses: 420 },
      });
      expect(answer.takeOut).toBe(out);
      expect(answer.first?.node).toBe(out ?? 'node-a');
    },
  );

  test('of two GPUs that were lost the first is the fault', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(290, 1))], loses: 300 },
      'node-b': { pods: [pod('train-1', ALL, failed(400, 1))], loses: 420 },
    });
    expect(answer).toMatchObject({ takeOut: 'node-b', first: { pod: 'train-1' } });
    expect(answer.against.join()).toContain('ended pods on node-a, too, later');
  });

  test('a lost GPU that may have been another pod’s takes no node out', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', [0, 1], failed(400, 1))], loses: 420 },
    });
    expect(answer).toMatchObject({ fault: 'hardware', confidence: 'low' });
    expect(answer).not.toHaveProperty('takeOut');
  });

  test('what another program did on its node is nothing of it', async () => {
    const oom =
      'Memory cgroup out of memory: Killed process 48121 (python3) total-vm:9000kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:100kB oom_score_adj:0';
    const answer = await judged({ 'node-a': { pods: [pod('train-0', ALL)], kernel: [oom] } });
    expect(answer).toMatchObject({ fault: 'unknown', action: 'none', nodes: [{ findings: [] }] });
  });

  test('of two pods on a node the one is explained where it began, not the one that ended first', async () => {
    const answer = await judged({
      'node-a': {
        pods: [
          pod('train-0', [0, 1], failed(400, 1, [401, REMOTE])),
          pod('train-1', [2, 3], failed(395, 1, [405, 'ValueError: bad token'])),
        ],
      },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'application', first: { pod: 'train-1' } },
      against: [expect.stringMatching(/train-0 on node node-a ended first/)],
      saw: [{ pod: 'train-0' }],
    });
  });

  test('a fault of a GPU that the job does not have is nothing of it', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', [0, 1])] },
      'node-b': { pods: [pod('train-1', [0, 1])], loses: 420 },
    });
    expect(answer).toMatchObject({ state: 'running', fault: 'unknown', action: 'none' });
    expect(answer.summary).toMatch(/^Job\/train in namespace ml: (?!unknown)/);
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.nodes).toMatchObject([
      { node: 'node-a', gpus: [0, 1], findings: [], otherGpus: 0 },
      { node: 'node-b', gpus: [0, 1], findings: [], otherGpus: 1 },
    ]);
  });

  test('what pods beside it have is not its own: of another namespace or another owner', async () => {
    const answer = await judged({
      'node-a': {
        pods: [
          pod('train-0', [0]),
          pod('train-2', [1]),
          pod('train-0', [2], { namespace: 'another' }),
          pod('serve-0', [3], { owner: 'Job/serve' }),
        ],
      },
      'node-b': { pods: [pod('train-1', [0, 1])] },
    });
    expect(answer.nodes).toMatchObject([
      { node: 'node-a', gpus: [0, 1] },
      { node: 'node-b', gpus: [0, 1] },
    ]);
  });

  test('while it runs, a fault of one of its GPUs names the node', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)] },
      'node-b': { pods: [pod('train-1', ALL)], loses: 420 },
    });
    expect(answer).toMatchObject({
      ...{ state: 'running', fault: 'hardware', takeOut: 'node-b' },
      first: { node: 'node-b', time: expect.any(String) },
    });
  });

  test('a node that was not read is no node without a fault', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)] },
      'node-b': { pods: [pod('train-1', ALL)], silent: true },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'unknown', confidence: 'low', against: ['1 node of 2 not read'] },
      nodes: [{ verdict: 'healthy' }, { node: 'node-b', verdict: 'unread' }],
      notes: [
        '1 node not read: no fault there can be ruled out',
        'its 8 GPUs on 1 node were looked at together for 4 s',
      ],
    });
    expect(answer.advice).toBe('Ask again: 1 node could not be read.');
  });

  test('where the node of the first error is silent, its log still tells', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, failed(395, 1, [396, REMOTE]))] },
      'node-b': {
        pods: [pod('train-1', ALL, failed(400, 1, [401, 'ValueError: bad token']))],
        silent: true,
      },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'application', confidence: 'medium' },
      first: { node: 'node-b', pod: 'train-1' },
      against: ['node node-b was not read'],
    });
  });

  test('while it runs, the GPU that the others wait for is named, and its node is to go', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)], waits: 'for another' },
      'node-b': { pods: [pod('train-1', ALL)], waits: 'for its own' },
    });
    expect(answer).toMatchObject({
      ...{ state: 'running', fault: 'host', action: 'drain', takeOut: 'node-b' },
      first: { node: 'node-b', pod: 'train-1' },
      pace: { kind: 'straggler', gpus: 16, nodes: 2 },
    });
    expect(answer.text).toMatch(
      /GPU 2 on node-b: SM clock 10\d\d of 1980 MHz, held by hardware thermal slowdown 100 % of the time at 8\d °C; the 15 others wait/,
    );
  });

  test('where all wait alike no node and no hardware is accused', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)], waits: 'for another' },
      'node-b': { pods: [pod('train-1', ALL)], waits: 'for another' },
    });
    expect(answer).toMatchObject({ fault: 'unknown', action: 'none', pace: { kind: 'waits' } });
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.text).toContain('because no GPU fault seen: all wait alike');
  });

  test('a node that is silent does not keep the others from being looked at', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)], waits: 'for its own' },
      'node-b': { pods: [pod('train-1', ALL)], silent: true },
    });
    expect(answer).toMatchObject({ takeOut: 'node-a', pace: { nodes: 1, gpus: 8 } });
    // Were it waited for, it would be until PACE_WAIT_MS_MAX.
  }, 9_000);

  test('a container that has lost a device is why, and no node is to go', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL)] },
      'node-b': { pods: [pod('train-1', ALL, { sees: { withoutGpus: [3] } })] },
    });
    expect(answer).toMatchObject({
      ...{ fault: 'configuration', action: 'restart_app' },
      first: { node: 'node-b', pod: 'train-1', what: expect.stringMatching(/lacks nvidia3/) },
      containers: [{ node: 'node-b', pod: 'train-1', isSevere: true }],
    });
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.text).toMatch(/\ncontainer of train-1: its \/dev lacks nvidia3/);
  });

  test('a straggler comes before a limit of its container that may have to do with it', async () => {
    const answer = await judged({
      'node-a': { pods: [pod('train-0', ALL, { sees: { oomKills: 1 } })], waits: 'for its own' },
    });
    expect(answer).toMatchObject({ fault: 'host', containers: [{ isSevere: false }] });
  });

  test('nodes that are not asked at the same time are not compared, and that is said once', async () => {
    const nodes = {
      'node-a': { pods: [pod('train-0', ALL)], waits: 'for another' },
      'node-b': { pods: [pod('train-1', ALL)], waits: 'for its own' },
    } as const;
    const answer = await judged(nodes, 'job/train', false);
    expect(answer).not.toHaveProperty('pace');
    expect(answer.notes).toEqual([
      'the pace of 2 nodes was not looked at: not all nodes are asked at the same time (--parallel)',
    ]);
  });

  test('one pod of it is a target of its own', async () => {
    const answer = await judged(
      {
        'node-a': { pods: [pod('train-0', ALL)] },
        'node-b': { pods: [pod('train-1', ALL)], loses: 420 },
      },
      'pod/train-0',
    );
    expect(answer).toMatchObject({ job: 'Pod/train-0', pods: { all: 1, running: 1 } });
  });
});

test('a job that none of the machines has is refused, with those that there are', async () => {
  const sessions = [sessionOf('node-a', { pods: [pod('train-0', ALL)] })];
  const asked = (word: string) => viewedJob(sessions, { word, namespace: undefined }, signal);
  await expect(asked('job/trian')).rejects.toMatchObject({
    ...{ exit: 2, hint: 'did you mean job/train?' },
  });
  await expect(asked('jobset/other')).rejects.toMatchObject({ hint: 'there is job/train' });
});
