import { describe, expect, test } from 'vitest';
import type { ClusterEvent } from '../../src/contract/cluster-view.ts';
import type { Finding } from '../../src/contract/finding.ts';
import { present } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import type { ContainerFault } from '../../src/findings/support/container-faults.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { jobPage } from '../../src/report/job-page.ts';
import { terminalText } from '../../src/report/terminal.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Pace } from '../../src/tools/pace.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** Two pods that run, each on a node of its own. */
const RUNNING: TargetJob = {
  ...{ name: 'Job/train', namespace: 'team-a', gone: present([]) },
  pods: ['node-a', 'node-b'].map((node, at) => ({
    pod: aPod({ node, name: `train-${at}`, uid: `uid-train-${at}` }),
  })),
};

/** A well machine by its triage, on a node with these labels. */
async function triageOf(labels: Readonly<Record<string, string>> = {}) {
  const alone = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
  return alone.joined(aView({ node: present(aNode({ labels })) })).structured;
}

/** Two GPUs that wait in a collective, as all others do. */
const WAITS: Pace = {
  ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: 5, nics: [] },
  gpus: [0, 1].map(index => ({
    ...{ index, name: 'H100', powerW: 150, enforcedLimitW: 700, defaultLimitW: 700 },
    busyPercent: { min: 99, mean: 100, max: 100 },
    ...{ memoryBusyPercent: 3, smClockMhz: 1_965, maxSmClockMhz: 1_980, held: {}, grew: {} },
  })),
};

test('what a platform plans for a node explains pods that are gone, and none that runs', async () => {
  const triage = await triageOf({ 'cloud.google.com/scheduled-maintenance-time': '1893456000' });
  expect(triage).toMatchObject({ verdict: 'warning' });
  const node = { node: 'node-a', gpus: [], triage };
  expect(judgeJob(RUNNING, [node])).toMatchObject({ fault: 'unknown', action: 'none' });
  const gone = { ...RUNNING, pods: [], gone: present([{ pod: 'train-0', node: 'node-a' }]) };
  expect(judgeJob(gone, [node]).first?.node).toBe('node-a');
  // What its controller knows without a cause does not stand before that; its own deadline does.
  const end = { owner: 'Job/train', message: '' };
  const ended = (reason: string) => ({ ...gone, ends: [{ ...end, reason }] });
  expect(judgeJob(ended('BackoffLimitExceeded'), [node]).first?.node).toBe('node-a');
  expect(judgeJob(ended('DeadlineExceeded'), [node]).fault).toBe('configuration');
});

describe('a job whose pods are all gone', () => {
  const EVICTED: ClusterEvent = {
    ...{ type: 'Warning', reason: 'Evicted', message: 'The node was low on resource: memory.' },
    ...{ count: 1, firstAt: '2026-03-01T11:00:00Z', from: 'kubelet' },
  };
  const gone = (more: Partial<TargetJob>): TargetJob => ({
    ...{ name: 'JobSet/train', namespace: 'team-a', pods: [] },
    gone: present([
      { pod: 'train-0', node: 'node-a' },
      { pod: 'train-1', node: 'node-b' },
    ]),
    ...more,
  });
  const judged = async (more: Partial<TargetJob>) =>
    judgeJob(gone(more), [{ node: 'node-a', gpus: [], triage: await triageOf() }]);
  const end = (reason: string, message = '') => ({ owner: 'JobSet/train', reason, message });

  test('is told by what the cluster did to one of them, and else by nobody', async () => {
    const pods = present([
      { pod: 'train-0', node: 'node-a', events: [{ ...EVICTED, reason: 'BackOff' }] },
      { pod: 'train-1', node: 'node-b', events: [EVICTED] },
    ]);
    expect(await judged({ gone: pods, ends: [end('FailedJobs')] })).toMatchObject({
      ...{ state: 'gone', fault: 'host', action: 'restart_app' },
      first: { node: 'node-b', pod: 'train-1', time: EVICTED.firstAt },
      why: [
        'pod train-1: the cluster ended the pod: Evicted ("The node was low on resource: memory.")',
        'JobSet/train failed: FailedJobs',
      ],
    });
    expect(await judged({})).toMatchObject({
      fault: 'unknown',
      why: [expect.stringContaining('not known any more')],
    });
  });

  test('is told by its controller where it ended well, or is suspended', async () => {
    const pods = present([{ pod: 'train-1', node: 'node-b', events: [EVICTED] }]);
    expect(await judged({ gone: pods, controller: 'ended_well' })).toMatchObject({
      ...{ state: 'gone', fault: 'unknown', action: 'none' },
      summary:
        'JobSet/train in namespace team-a: it has ended well, as its controller says, and its pods are gone.',
    });
    expect(await judged({ gone: pods, controller: 'suspended' })).toMatchObject({ fault: 'host' });
    expect(await judged({ controller: 'suspended' })).toMatchObject({
      ...{ fault: 'unknown', action: 'none' },
      why: [expect.stringMatching(/^it is suspended/)],
    });
  });

  test('reads as well only where its controller says so, and sends nobody to logs that are gone', async () => {
    const pageOf = async (more: Partial<TargetJob>) => {
      const document = jobPage(await judged(more), Date.parse('2026-03-01T12:00:00Z'));
      return { tone: document.headline.verdict.tone, page: terminalText(document, FORM) };
    };
    const FORM = { width: 200, colour: false };
    expect((await pageOf({ controller: 'ended_well' })).tone).toBeUndefined();
    expect((await pageOf({ controller: 'suspended' })).tone).toBeUndefined();
    const message =
      'Container main for pod team-a/train-x failed with exit code 42 matching FailJob rule at index 0';
    for (const more of [
      {},
      { ends: [end('BackoffLimitExceeded')] },
      { ends: [end('PodFailurePolicy', message)] },
    ]) {
      const { tone, page } = await pageOf(more);
      expect(tone).toMatch(/^(?:unknown|warning)$/);
      expect(page).toContain('DO    No log of its pods is left in the cluster');
      expect(page).not.toMatch(/node no node|No GPU fault seen/);
    }
    expect((await judged({ jobsUnread: 'no permission' })).notes).toContain(
      'what its Jobs say of their ends was not read: no permission',
    );
    const unknown = present([{ pod: 'train-0', node: 'node-a' }, { pod: 'train-1' }]);
    expect((await judged({ gone: unknown })).notes).toContain(
      'where 1 pod ran that is gone no event tells',
    );
  });

  test('was not ended by a taint that went again', async () => {
    const taint = { ...EVICTED, reason: 'TaintManagerEviction' };
    const of = async (message: string) => {
      const events = [{ ...taint, message }];
      return judged({ gone: present([{ pod: 'train-0', node: 'node-a', events }]) });
    };
    expect(await of('Marking for deletion Pod team-a/train-0')).toMatchObject({ fault: 'host' });
    expect(await of('Cancelling deletion of Pod team-a/train-0')).toMatchObject({
      fault: 'unknown',
    });
  });

  test.each([
    [end('DeadlineExceeded', 'Job was active longer than specified deadline'), 'configuration'],
    [
      end('PyTorchJobFailed', 'train failed: active longer than specified deadline'),
      'configuration',
    ],
    [end('BackoffLimitExceeded', 'Job has reached the specified backoff limit'), 'unknown'],
  ])('by its controller, %j, is a fault of %s', async (said, fault) => {
    const answer = await judged({ ends: [{ ...said, restarts: 3, failed: 2 }] });
    expect(answer).toMatchObject({ fault, pods: { gone: 2 } });
    expect(answer.why).toEqual([
      `JobSet/train failed: ${said.reason}, ${said.message}, started anew 3 times, 2 failed`,
    ]);
    expect(answer.takeOut).toBeUndefined();
  });

  test('by the exit code for which its own policy failed it', async () => {
    const message =
      'Container main for pod team-a/train-1 failed with exit code 42 matching FailJob rule at index 0';
    const ends = [end('FailedJobs'), { ...end('PodFailurePolicy', message), owner: 'Job/train-w' }];
    expect(await judged({ ends })).toMatchObject({
      ...{ fault: 'application', confidence: 'low' },
      first: { node: 'node-b', pod: 'train-1', what: 'the program ended itself with exit code 42' },
    });
  });
});

test('a pod that was stopped because its job ran over its deadline is explained by that', async () => {
  const stopped = {
    ...aPod({ node: 'node-a', name: 'train-0', uid: 'uid-train-0', phase: 'Failed' }),
    containers: [
      aContainer({ state: 'terminated', ended: { reason: 'Error', message: '', exitCode: 143 } }),
    ],
  };
  const end = { owner: 'Job/train', reason: 'DeadlineExceeded', message: 'too long' };
  const job = { ...RUNNING, pods: [{ pod: stopped }], ends: [end] };
  const node = { node: 'node-a', gpus: [], triage: await triageOf() };
  expect(judgeJob(job, [node])).toMatchObject({
    ...{ fault: 'configuration', first: { pod: 'train-0' } },
    why: ['Job/train failed: DeadlineExceeded, too long', expect.any(String)],
  });
  const { ends: _, ...without } = job;
  expect(judgeJob(without, [node])).toMatchObject({ fault: 'unknown' });
});

test('a job whose pods have all ended well has nothing to be done, and one that runs has', async () => {
  const node = { node: 'node-a', gpus: [], triage: await triageOf() };
  const ended = (phase: 'Succeeded' | 'Running') => ({
    ...RUNNING,
    pods: RUNNING.pods.map(({ pod }, at) => ({
      pod: { ...pod, phase: at === 0 ? phase : ('Succeeded' as const) },
    })),
  });
  expect(judgeJob(ended('Succeeded'), [node])).toMatchObject({
    ...{ state: 'succeeded', fault: 'unknown', action: 'none' },
    advice: 'Nothing to do: all of its pods have ended well.',
  });
  expect(judgeJob(ended('Running'), [node]).advice).toMatch(/if it hangs or is slow/);
});

/** The same with one that heat holds down. */
const HOT: Pace = {
  ...WAITS,
  gpus: WAITS.gpus.map(gpu =>
    gpu.index === 1
      ? { ...gpu, smClockMhz: 1_005, powerW: 390, held: { hw_thermal_slowdown: 0.98 } }
      : gpu,
  ),
};

test('what the log of another pod says of no known form is told by its last words', () => {
  const failed = (uid: string, finishedAt: string, text: string) => {
    const ended = { exitCode: 1, reason: 'Error', message: '', finishedAt };
    const main = aContainer({ state: 'terminated', ended });
    return {
      pod: aPod({ node: 'node-a', name: uid, uid, phase: 'Failed', containers: [main] }),
      log: present(
        readJobLog({ container: 'main', previous: false, requests: 1, bytes: 9, cut: false, text }),
      ),
    };
  };
  const pods = [
    failed('a', '2026-03-01T11:00:00Z', '2026-03-01T11:00:00Z ValueError: bad token\n'),
    failed('b', '2026-03-01T11:05:00Z', '2026-03-01T11:05:00Z gives up after 3 of 9\n'),
  ];
  expect(judgeJob({ ...RUNNING, pods }, []).saw).toMatchObject([
    { pod: 'b', what: 'its log: no line of a known form; the last line: "gives up after 3 of 9"' },
  ]);
});

describe('a full /dev/shm of a pod that failed, and that only its node was asked about', () => {
  const END = '2026-03-01T11:59:59Z';
  const failed = (uid: string, exitCode: number, text: string) => {
    const ended = { exitCode, reason: 'Error', message: '', finishedAt: END };
    const main = aContainer({ state: 'waiting', endedBefore: ended });
    return {
      pod: aPod({ node: 'node-a', name: `loader-${uid}`, uid, containers: [main] }),
      log: present(
        readJobLog({ container: 'main', previous: true, requests: 1, bytes: 9, cut: false, text }),
      ),
    };
  };
  const full = (
    podUid: string,
    kind: ContainerFault['kind'] = 'shared-memory',
  ): ContainerFault => ({
    ...{ podUid, pid: 7, kind, isSevere: false, fault: 'configuration', confidence: 'high' },
    ...{
      what: 'its /dev/shm of 64 MiB is full',
      seen: '/dev/shm has 0 of 67108864 bytes available',
      action: 'fix_configuration',
      advice: 'Mount one.',
    },
  });
  const judged = (pod: TargetJob['pods'][number], fault: ContainerFault) =>
    judgeJob({ ...RUNNING, pods: [pod] }, [
      {
        ...{ node: 'node-a', gpus: [], triage: { verdict: 'healthy', findings: [] } },
        containers: { pods: [fault.podUid], leftOut: 0, faults: [fault] },
      },
    ]);
  const WORDS = `${END} RuntimeError: unable to open shared memory object </torch_7> in read-write mode: No space left on device (28)`;

  test.each([
    ['the words of its log', 1, WORDS, /and its log says so: Shared memory is full/],
    ['SIGBUS', 135, `${END} step 1`, /it ended by SIGBUS \(exit code 135\)/],
  ])('is why, beside %s', (_, exitCode, text, because) => {
    const answer = judged(failed('a', exitCode, text), full('a'));
    expect(answer).toMatchObject({
      ...{ fault: 'configuration', confidence: 'high', first: { pod: 'loader-a' } },
      why: ['its /dev/shm of 64 MiB is full', expect.stringMatching(because)],
      advice: expect.stringMatching(/^Mount one. Create the pod anew/),
    });
    expect(answer.saw).toEqual([]);
  });

  test('explains no other end, and a fault of another pod or kind explains nothing', () => {
    const ends = [
      judged(failed('a', 1, `${END} ValueError: bad token`), full('a')),
      judged(failed('a', 135, `${END} step 1`), full('b')),
      judged(failed('a', 135, `${END} step 1`), full('a', 'memory-kills')),
    ];
    for (const { why } of ends) expect(why.join()).not.toContain('/dev/shm of 64 MiB');
  });
});

describe('a rank that others waited for', () => {
  const nccl = (rank: number, bus: string, host: string) =>
    `${host}:9:${rank} [0] NCCL INFO comm 0x1 rank ${rank} nranks 4 cudaDev 0 busId ${bus} - Init COMPLETE`;
  const RAS = [
    'Group Comms Nodes Ranks Ranks Ranks Status Errors',
    '0 1 1 3-4 4 4 RUNNING INCOMPLETE',
    '#0-0 (cf264af53edbe986) INCOMPLETE',
    '  The missing rank: 2',
  ];
  /** Pod train-0 of an indexed Job tells of all ranks, as a launcher does. */
  const judged = (...lines: string[]) => {
    const ended = { exitCode: 1, reason: 'Error', message: '', finishedAt: '2026-03-01T12:00:00Z' };
    const pods = ['node-a', 'node-b'].map((node, at) => ({
      pod: aPod({
        ...{ node, name: `train-${at}-x7k2p`, uid: `uid-${at}`, phase: 'Failed' },
        containers: [aContainer({ state: 'terminated', ended })],
      }),
      log: present(
        readJobLog({
          ...{ container: 'main', previous: false, requests: 1, bytes: 9, cut: false },
          text: at === 0 ? [...lines, ...RAS].join('\n') : '',
        }),
      ),
    }));
    return judgeJob({ ...RUNNING, pods }, [{ node: 'node-a', gpus: [] }]).why;
  };

  test('is placed by NCCL’s lines, on whichever node its pod is', () => {
    expect(judged(nccl(0, '1b000', 'train-0'), nccl(2, '4e000', 'train-1'))).toContain(
      'rank 2, which others waited for, is pod train-1-x7k2p on node-b, GPU 0000:4e:00, by NCCL’s lines in the logs',
    );
  });

  test.each([
    ['nobody places', nccl(0, '1b000', 'train-0')],
    ['is on no host of the job', nccl(2, '4e000', 'elsewhere')],
  ])('that %s stays a number', (_, line) => {
    expect(judged(line).join()).not.toContain('is pod');
  });
});

test.each([
  ['', 'its log is empty'],
  ['loading shard 7', 'its log: no line of a known form; the last line: "loading shard 7"'],
])('of a pod that failed beside it the log %j is told as what was read of it', (text, what) => {
  const ended = { exitCode: 1, reason: 'Error', message: '', finishedAt: '2026-03-01T12:00:00Z' };
  const pods = ['RuntimeError: x', text].map((own, at) => ({
    pod: aPod({
      ...{ node: 'node-a', name: `train-${at}`, uid: `uid-${at}`, phase: 'Failed' },
      containers: [aContainer({ state: 'terminated', ended })],
    }),
    log: present(
      readJobLog({
        ...{ container: 'main', previous: false, requests: 1, bytes: 9, cut: false },
        text: own,
      }),
    ),
  }));
  expect(judgeJob({ ...RUNNING, pods }, []).saw).toMatchObject([{ pod: 'train-1', what }]);
});

test('containers that were left out are counted beside those that were looked into', () => {
  const seen = (leftOut: number) =>
    judgeJob(RUNNING, [
      {
        ...{ node: 'node-a', gpus: [], triage: { verdict: 'healthy', findings: [] } },
        containers: { pods: ['uid-train-0'], leftOut, faults: [] },
      },
    ]).notes;
  expect(seen(3)).toContain('what 3 more containers on node-a see was not looked into');
  expect(seen(1)).toContain('what 1 more container on node-a sees was not looked into');
  expect(seen(0).join()).not.toContain('looked into');
});

describe('while no pod has failed, the first of these is why', () => {
  const finding = (severity: Finding['severity']): Finding => ({
    ...{ id: `x-${severity}`, severity, component: 'gpu', title: `a ${severity} finding` },
    ...{ action: 'drain', advice: 'Drain it.', blame: 'hardware', confidence: 'high' },
    ...{ evidence: [], counterEvidence: [] },
  });
  const container = (isSevere: boolean): ContainerFault => ({
    ...{ podUid: 'uid-train-0', pid: 7, kind: isSevere ? 'device-nodes' : 'memory-kills' },
    ...{ isSevere, what: isSevere ? 'it lacks a GPU' : 'it was killed', fault: 'configuration' },
    seen: 'what was read',
    ...{ confidence: 'high', action: 'restart_app', advice: 'Delete it.' },
  });
  interface Given {
    readonly severity?: Finding['severity'];
    readonly isSevere?: boolean;
    readonly pace?: Pace;
  }
  const whyOf = ({ severity, isSevere, pace }: Given) => {
    const triage = {
      ...{ verdict: 'warning', findings: severity ? [finding(severity)] : [] },
      containers: { pods: [], faults: isSevere === undefined ? [] : [container(isSevere)] },
    };
    return judgeJob(RUNNING, [
      { node: 'node-a', gpus: [], triage, ...(pace && { pace }) },
      { node: 'node-b', gpus: [], triage: { verdict: 'healthy', findings: [] } },
    ]).why[0];
  };

  const CRITICAL = 'a critical finding';
  const WARNING = 'a warning finding';
  const STRAGGLER = expect.stringMatching(/^GPU 1 on node-a: SM clock 1005/);
  test.each<readonly [string, Given, unknown]>([
    ['a critical finding', { severity: 'critical', isSevere: true, pace: HOT }, CRITICAL],
    [
      'a container that cannot use its GPUs',
      { severity: 'warning', isSevere: true, pace: HOT },
      'container of pod train-0: it lacks a GPU',
    ],
    ['whom the others wait for', { severity: 'warning', isSevere: false, pace: HOT }, STRAGGLER],
    ['another finding', { severity: 'warning', isSevere: false, pace: WAITS }, WARNING],
    [
      'a limit of a container',
      { isSevere: false, pace: WAITS },
      'container of pod train-0: it was killed',
    ],
    ['what all do', { pace: WAITS }, expect.stringMatching(/^no GPU fault seen: all wait alike/)],
    ['nothing', {}, 'no pod of it has failed, and no finding stands against its GPUs'],
  ])('%s', (_, given, why) => {
    expect(whyOf(given)).toEqual(why);
  });
});

describe('when it began is the record’s own time', () => {
  const lost = (began?: Finding['began']): Finding => ({
    ...{
      id: 'lost-gpu:0000:d1:00',
      severity: 'critical',
      component: 'gpu',
      title: 'GPU 6 is lost',
    },
    ...{ action: 'reboot_node', advice: 'Reboot it.', blame: 'hardware', confidence: 'high' },
    evidence: [{ what: 'lost', source: 'NVML', readAt: '2026-03-01T12:00:00Z' }],
    ...{ counterEvidence: [], ...(began && { began }) },
  });
  const firstOf = (finding: Finding) =>
    judgeJob(RUNNING, [
      { node: 'node-a', gpus: [], triage: { verdict: 'critical', findings: [finding] } },
    ]).first;
  const at = { node: 'node-a', what: 'GPU 6 is lost' };

  test.each([
    ['with its XID', { time: '2026-03-01T11:52:00.250Z', code: 'XID 79' }],
    ['without a number', { time: '2026-03-01T11:52:00.250Z' }],
    ['that the log does not know', { code: 'XID 79' }],
  ])('%s', (_, began) => {
    expect(firstOf(lost(began))).toEqual({ ...at, ...began });
  });

  test('and none where no record tells: that of the reading is no beginning', () => {
    expect(firstOf(lost())).toEqual(at);
  });

  test('by the cluster’s record of it', () => {
    const time = '2026-03-01T09:00:00Z';
    const evidence = [{ what: 'a taint', source: 'ResourceSlice', time }];
    expect(firstOf({ ...lost(), evidence })).toEqual({ ...at, time });
  });
});

describe('a straggler of which its node has a finding', () => {
  const hot = (index: number, action: Finding['action'] = 'drain'): Finding => ({
    ...{ id: `slowdown:${index}`, severity: 'warning', component: 'thermal', title: 'It is hot' },
    ...{ gpu: { index }, action, advice: 'Cool it.', blame: 'host', confidence: 'high' },
    ...{ evidence: [], counterEvidence: [] },
  });
  const judged = (...findings: Finding[]) =>
    judgeJob(RUNNING, [
      { node: 'node-a', gpus: [], triage: { verdict: 'warning', findings }, pace: HOT },
    ]);

  test('has the step of that finding: one fault, one step', () => {
    const said = judged(hot(1));
    expect(said).toMatchObject({ fault: 'host', action: 'drain', advice: 'Cool it.' });
  });

  test.each([
    ['another GPU', [hot(0)]],
    ['none', []],
  ])('of %s keeps its own', (_, findings) => {
    expect(judged(...findings)).toMatchObject({ action: 'drain', takeOut: 'node-a' });
  });
});

test.each([
  [0, 'its 2 GPUs on 1 node were looked at together'],
  [1, '2 of its 3 GPUs on 1 node were looked at together'],
])('of %d GPUs that told nothing the page says so', (silent, words) => {
  const lost = Array.from({ length: silent }, () => ({
    ...{ index: 2, error: 'gpu_is_lost', held: {}, grew: {} },
  }));
  const pace = { ...WAITS, gpus: [...WAITS.gpus, ...lost] };
  const { notes } = judgeJob(RUNNING, [{ node: 'node-a', gpus: [0, 1, 2], pace }]);
  expect(notes.join()).toContain(words);
});

test('what all its GPUs do is told once: where a fault of its node leads, beside it', () => {
  const bent: Finding = {
    ...{ id: 'mig', severity: 'warning', component: 'gpu', title: 'It is set wrongly' },
    ...{ action: 'fix_configuration', advice: 'Set it.', blame: 'configuration' },
    ...{ confidence: 'high', evidence: [], counterEvidence: [] },
  };
  const told = (...findings: Finding[]) => {
    const triage = { verdict: findings.length > 0 ? 'warning' : 'healthy', findings };
    const { why, notes } = judgeJob(RUNNING, [{ node: 'node-a', gpus: [], triage, pace: WAITS }]);
    return [why.join(), notes.join()].map(words => words.includes('all wait alike'));
  };
  expect(told(bent)).toEqual([false, true]);
  expect(told()).toEqual([true, false]);
});

test('beside a fault what all its GPUs do is told without the word that none is seen', () => {
  const lost: Finding = {
    ...{ id: 'lost-gpu', severity: 'critical', component: 'gpu', title: 'GPU 6 is lost' },
    ...{ action: 'reboot_node', advice: 'Reboot it.', blame: 'hardware', confidence: 'high' },
    ...{ evidence: [], counterEvidence: [] },
  };
  const triage = { verdict: 'critical', findings: [lost] };
  const { notes } = judgeJob(RUNNING, [{ node: 'node-a', gpus: [], triage, pace: WAITS }]);
  expect(notes.join()).toContain('; all wait alike (');
  expect(notes.join()).not.toContain('no GPU fault seen');
});

test('whom the step hits is told of the node that is to be taken out, and of no other step', () => {
  const hits = {
    ...{ pods: [{ namespace: 'rival', pod: 'infer-0' }], processes: [], more: 0, notRead: [] },
  };
  const finding = (action: Finding['action']): Finding => ({
    ...{ id: 'lost-gpu', severity: 'critical', component: 'gpu', title: 'GPU 6 is lost' },
    ...{ action, advice: 'Do it.', hits, blame: 'hardware', confidence: 'high' },
    ...{ evidence: [], counterEvidence: [] },
  });
  const told = (action: Finding['action']) => {
    const triage = { verdict: 'critical', findings: [finding(action)] };
    return judgeJob(RUNNING, [{ node: 'node-a', gpus: [], triage }]);
  };
  expect(told('reboot_node')).toMatchObject({ takeOut: 'node-a', hits });
  expect(told('watch')).not.toHaveProperty('hits');
  const milder = { ...finding('drain'), severity: 'warning', hits: { ...hits, more: 9 } };
  const triage = { verdict: 'critical', findings: [milder, finding('reboot_node')] };
  expect(judgeJob(RUNNING, [{ node: 'node-a', gpus: [], triage }]).hits).toEqual(hits);
  const page = jobPage(told('reboot_node'), Date.parse('2026-03-01T12:00:00Z'));
  expect(JSON.stringify(page)).toContain('The reboot ends pod rival/infer-0.');
});

test('a node that was not read is none without a fault', () => {
  const [unread, healthy] = [
    { node: 'node-a', gpus: [] },
    { node: 'node-b', gpus: [], triage: { verdict: 'healthy', findings: [] } },
  ];
  expect(judgeJob(RUNNING, [unread])).toMatchObject({
    ...{ fault: 'unknown', confidence: 'low', action: 'watch' },
    summary: 'Job/train in namespace team-a: none of its nodes could be read.',
    advice: 'Ask again: 1 node could not be read.',
  });
  expect(judgeJob(RUNNING, [unread, healthy]).why).toEqual([
    'no pod of it has failed, and no finding stands against its GPUs on the nodes that were read',
  ]);
});

test('what is seen beside a container that waits for its next run is nothing of the job', () => {
  const [first] = RUNNING.pods;
  if (!first) throw new Error('no pod');
  const waiting = { ...first.pod, containers: [aContainer({ state: 'waiting' })] };
  const fault = { podUid: 'uid-train-0', pid: 7, kind: 'device-nodes', isSevere: true };
  const said = {
    what: 'it lacks a GPU',
    seen: 'its /dev',
    action: 'restart_app',
    advice: 'Delete it.',
  };
  const triage = {
    ...{ verdict: 'healthy', findings: [] },
    containers: {
      pods: ['uid-train-0'],
      faults: [{ ...fault, ...said, fault: 'configuration', confidence: 'high' }],
    },
  };
  const judged = (job: TargetJob) => judgeJob(job, [{ node: 'node-a', gpus: [], triage }]);
  expect(judged({ ...RUNNING, pods: [{ pod: waiting }] })).not.toHaveProperty('containers');
  expect(judged(RUNNING).containers).toHaveLength(1);
});

test('what the container of another pod sees is nothing of the job', () => {
  const fault = {
    ...{
      podUid: 'uid-other',
      pid: 7,
      kind: 'device-nodes',
      isSevere: true,
      what: 'it lacks a GPU',
    },
    ...{ fault: 'configuration', confidence: 'high', action: 'restart_app', advice: 'Delete it.' },
  };
  const own = {
    id: 'container-view-device-nodes',
    severity: 'warning',
    component: 'configuration',
  };
  const said = { title: 'it lacks a GPU', action: 'restart_app', advice: 'Delete it.' };
  const sure = { blame: 'configuration', confidence: 'high', evidence: [], counterEvidence: [] };
  const triage = {
    ...{ verdict: 'warning', findings: [{ ...own, ...said, ...sure }] },
    containers: { pods: ['uid-other'], faults: [fault] },
  };
  const answer = judgeJob(RUNNING, [{ node: 'node-a', gpus: [], triage }]);
  expect(answer).toMatchObject({ fault: 'unknown', nodes: [{ findings: [], otherGpus: 0 }] });
  expect(answer).not.toHaveProperty('containers');
});

test('where all that were looked at wait alike, a node that was not may hold the straggler', async () => {
  const triage = await triageOf();
  const { fault, against, notes } = judgeJob(RUNNING, [
    { node: 'node-a', gpus: [], triage, pace: WAITS },
    { node: 'node-b', gpus: [], triage, unlooked: 'it came later than the others' },
  ]);
  expect(fault).toBe('unknown');
  expect(against).toEqual([
    'the pace of 1 node of 2 was not looked at: who is waited for may be there',
  ]);
  expect(notes).toContain('the pace of node-b was not looked at: it came later than the others');
});
