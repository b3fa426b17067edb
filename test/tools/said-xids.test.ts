import { describe, expect, test } from 'vitest';
import type { ClusterView, JobPeer } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { joinFailure } from '../../src/tools/support/failure-join.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const END = '2026-03-01T11:30:08Z';
const LAUNCH_FAILURE = '2026-03-01T11:30:06Z RuntimeError: CUDA error: unspecified launch failure';
const XID_79 =
  "2026-03-01T11:30:01Z [18331.62] NVRM: Xid (PCI:0000:bb:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

const logOf = (container: string, ...lines: string[]) =>
  readJobLog({
    ...{ container, previous: false, requests: 1, bytes: 100, cut: false },
    text: lines.map(line => `${line}\n`).join(''),
  });
const ended = (exitCode: number, finishedAt = END) =>
  aContainer({
    state: 'terminated',
    ended: {
      ...{ exitCode, reason: 'Error', message: '' },
      ...{ startedAt: '2026-03-01T09:00:00Z', finishedAt },
    },
  });
const POD = aPod({ phase: 'Failed', containers: [ended(1)] });
const monitor = (...lines: string[]) => ({ beside: [logOf('kmsg', ...lines)] });

/** explain_failure, of whose node the kernel log was read, or not. */
async function explained(
  changed: Partial<ClusterView>,
  { machine = 'dgx-h100', kernelLog = false, failure = LAUNCH_FAILURE } = {},
) {
  const input = { pod: POD.name, namespace: POD.namespace };
  const alone = await answered(explainFailure, input, instrumentsOf(machine));
  const facts = FailureAnswer.parse(alone.structured);
  const searched = kernelLog ? facts.searched : { ...facts.searched, kernelLog: [] };
  const log = present(logOf('main', failure));
  const view = aView({ pod: present(POD), podEvents: present([]), log, ...changed });
  return joinFailure({ ...facts, searched }, view);
}

describe('an XID that a container beside the program tells of', () => {
  test('before an error that it can bring about, where the kernel log was not read: nobody knows, and perhaps the hardware', async () => {
    const answer = await explained(monitor(XID_79));
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low', action: 'watch' });
    expect(answer.why[0]).toBe(
      `its container kmsg tells of XID 79: GPU has fallen off the bus at 2026-03-01T11:30:01Z ("${XID_79.slice(21)}"), and its program failed after that`,
    );
    expect(answer.why).toContain(
      'its log says: Unspecified launch failure at 2026-03-01T11:30:06Z ("RuntimeError: CUDA error: unspecified launch failure")',
    );
  });

  test('which the kernel log of that time does not hold: it is the program’s, as without it', async () => {
    const answer = await explained(monitor(XID_79), { kernelLog: true });
    const without = await explained({}, { kernelLog: true });
    expect(answer).toMatchObject({ fault: 'application', confidence: without.confidence });
    expect(answer.why).toEqual(without.why);
    expect(answer.against).toContain(
      `its container kmsg tells of XID 79: GPU has fallen off the bus at 2026-03-01T11:30:01Z ("${XID_79.slice(21)}"), but the kernel log of that time was read and has no such line`,
    );
  });

  test('which the kernel log holds: its incident decides, and that it is told there, too, stands beside it', async () => {
    const of48 = XID_79.replace('bb:00): 79', '2a:00): 48');
    const held = await explained({}, { machine: 'ecc-row-remap', kernelLog: true });
    const [incident] = held.incidents;
    const told = of48.replace('0000:2a:00', incident?.gpu ?? '');
    const answer = await explained(monitor(told), { machine: 'ecc-row-remap', kernelLog: true });
    expect(answer).toMatchObject({ fault: 'hardware', confidence: held.confidence });
    expect(answer.why).toEqual([...held.why, 'its container kmsg tells of XID 48, too']);
  });

  test.each([
    ['an error of the program alone', '2026-03-01T11:30:06Z KeyError: "pixel_values"', XID_79],
    ['a check of the program', '2026-03-01T11:30:06Z AssertionError: shapes differ', XID_79],
    ['a check in its own words', '2026-03-01T11:30:06Z RuntimeError: my own check failed', XID_79],
    [
      'too little memory',
      '2026-03-01T11:30:06Z torch.OutOfMemoryError: CUDA out of memory',
      XID_79,
    ],
    ['a minute and more after it', LAUNCH_FAILURE, XID_79.replace('11:30:01', '11:28:59')],
    ['before it', LAUNCH_FAILURE, XID_79.replace('11:30:01', '11:30:12')],
    ['an XID of a program', LAUNCH_FAILURE, XID_79.replace(': 79', ': 31')],
    ['an XID that only tells', LAUNCH_FAILURE, XID_79.replace(': 79', ': 63')],
  ])('is behind nothing where it does not fit: %s', async (_, failure, xid) => {
    expect(await explained(monitor(xid), { failure })).toMatchObject({ fault: 'application' });
  });

  test('may be told of some seconds late, as a monitor looks', async () => {
    const answer = await explained(monitor(XID_79.replace('11:30:01', '11:30:08')));
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low' });
  });
});

describe('a line of the driver that the program itself prints, as anybody can', () => {
  const own = present(logOf('main', XID_79, '2026-03-01T11:30:06Z KeyError: "pixel_values"'));

  test('where the kernel log of that time was read takes nothing from its own error', async () => {
    const answer = await explained({ log: own }, { kernelLog: true });
    expect(answer).toMatchObject({ fault: 'application', confidence: 'high' });
    expect(answer.why[0]).toContain('KeyError: "pixel_values"');
    expect(answer.against.join(' ')).toContain(
      'the kernel log of that time was read and has no such line',
    );
  });

  test('where it was not read takes nothing from an error of its own either', async () => {
    const answer = await explained({ log: own });
    expect(answer).toMatchObject({ fault: 'application' });
    expect(answer.why[0]).toContain('KeyError: "pixel_values"');
  });

  test('where it was not read and the program names nothing else is not known to be the hardware', async () => {
    const answer = await explained({ log: present(logOf('main', XID_79)) });
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low', action: 'watch' });
    expect(answer.against).toContain('only the program says so: it is possible, not proven');
  });
});

describe('a monitor that is a pod of the job', () => {
  const peer = (more: Partial<JobPeer> = {}): JobPeer => ({
    ...{ pod: 'npd-7', node: 'gpu-3', reason: '', isHere: true },
    log: present(logOf('main', XID_79)),
    ...more,
  });
  const job = (one: JobPeer) => ({
    job: present({ name: 'JobSet/train', pods: 2, failed: 1, peers: [one] }),
  });

  test('tells of the pod on its node', async () => {
    const answer = await explained(job(peer()));
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low' });
    expect(answer.why[0]).toMatch(/^pod npd-7 on its node tells of XID 79: /);
    expect(answer).not.toHaveProperty('began');
  });

  test('on another node is no witness of this one', async () => {
    const { isHere: _, ...elsewhere } = peer({ node: 'gpu-9' });
    const answer = await explained(job(elsewhere));
    expect(answer.why[0]).not.toContain('on its node');
  });
});

describe('a job', () => {
  const TIMED_OUT =
    '2026-03-01T11:40:02Z [rank0]:[E810 1:1:1.0 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.';
  const podOf = (name: string, node: string, lines: readonly string[], exitCode?: number) => ({
    pod: aPod({
      ...{ name, node, uid: name, phase: exitCode === undefined ? 'Running' : 'Failed' },
      containers: [exitCode === undefined ? aContainer() : ended(exitCode, '2026-03-01T11:40:05Z')],
    }),
    log: present(logOf('main', ...lines)),
  });
  const jobOf = (...pods: TargetJob['pods']): TargetJob => ({
    ...{ name: 'JobSet/train', namespace: 'team-a', pods, gone: present([]) },
  });
  const WORKS = '2026-03-01T11:29:00Z step 300 loss 2.1';
  const npd = podOf('npd-7', 'gpu-7', ['2026-03-01T09:00:00Z Start log monitor', XID_79]);
  const MONITOR = { ...npd, pod: { ...npd.pod, gpus: {} } };
  const OTHERS = [
    podOf('train-0', 'gpu-3', [WORKS, TIMED_OUT], 134),
    podOf('train-2', 'gpu-5', [WORKS, TIMED_OUT], 134),
  ];
  const unread = ['gpu-3', 'gpu-5', 'gpu-7'].map(node => ({ node, gpus: [] }));

  test.each([
    ['that timed out, too', podOf('train-1', 'gpu-7', [WORKS, TIMED_OUT], 134)],
    ['that hangs', podOf('train-1', 'gpu-7', [WORKS])],
    [
      'that hung until it was stopped',
      podOf(
        'train-1',
        'gpu-7',
        [WORKS, '2026-03-01T11:40:48Z Received 15 death signal, shutting down workers'],
        137,
      ),
    ],
  ])('began, as far as a monitor tells, in the pod on its node %s', (_, struck) => {
    const answer = judgeJob(jobOf(MONITOR, ...OTHERS, struck), unread);
    expect(answer).toMatchObject({
      ...{ fault: 'unknown', confidence: 'low' },
      first: {
        ...{ node: 'gpu-7', pod: 'train-1', gpu: '0000:bb:00', code: 'XID 79' },
        time: '2026-03-01T11:30:01Z',
      },
    });
    expect(answer).not.toHaveProperty('takeOut');
    expect(answer.why[0]).toContain('the log of pod npd-7 tells of XID 79');
  });

  test('is not judged by a monitor whose node’s kernel log was read and has no such line', async () => {
    const { structured } = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
    const nodes = unread.map(each =>
      each.node === 'gpu-7' ? { ...each, triage: structured } : each,
    );
    const answer = judgeJob(jobOf(...OTHERS, podOf('train-1', 'gpu-7', [WORKS]), MONITOR), nodes);
    expect(answer.why.join(' ')).not.toContain('XID 79');
  });

  test('that runs on began in the pod that prints such a line itself, unless the kernel log there has none', async () => {
    const ray = podOf('worker-1', 'gpu-7', [
      WORKS,
      `2026-03-01T11:30:01Z dcgm-sidecar: kmsg: ${XID_79.slice(32)}`,
      '2026-03-01T11:30:02Z dcgm-sidecar: Unable to determine the device handle for GPU0000:bb:00.0: Unknown Error',
    ]);
    const head = podOf(
      'head',
      'gpu-3',
      [
        WORKS,
        '2026-03-01T11:30:05Z ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.',
      ],
      1,
    );
    expect(judgeJob(jobOf(head, ray), unread)).toMatchObject({
      ...{ fault: 'unknown', confidence: 'low' },
      first: { pod: 'worker-1', code: 'XID 79' },
    });
    const { structured } = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
    const read = unread.map(each => ({ ...each, triage: structured }));
    expect(judgeJob(jobOf(head, ray), read).why.join(' ')).not.toContain('XID');
  });

  test.each([
    ['there', 'train-1', 'gpu-7'],
    ['elsewhere', 'train-2', 'gpu-5'],
  ])('whose pod failed by its own error %s is not judged by it', (_, name, node) => {
    const own = podOf(name, node, ['2026-03-01T11:30:04Z KeyError: "text"'], 1);
    const answer = judgeJob(jobOf(own, podOf('train-3', 'gpu-3', [WORKS]), MONITOR), unread);
    expect(answer).toMatchObject({ fault: 'application', first: { pod: name } });
  });

  test('whose pod was killed for memory is not judged by it', () => {
    const killed = podOf('train-1', 'gpu-7', [WORKS], 137);
    const [main] = killed.pod.containers;
    if (!main?.ended) throw new Error('it has not ended');
    const finishedAt = '2026-03-01T11:30:08Z';
    const end = { ...main, ended: { ...main.ended, finishedAt, reason: 'OOMKilled' } };
    const pod = { ...killed.pod, containers: [end] };
    const answer = judgeJob(jobOf({ ...killed, pod }, MONITOR), unread);
    expect(answer.why.join(' ')).not.toContain('XID');
  });

  test('is not begun by a forged line of a pod that failed, where the kernel log of its node was read', async () => {
    const forged = podOf('train-1', 'gpu-7', [WORKS, XID_79], 1);
    const own = podOf(
      'train-0',
      'gpu-3',
      [WORKS, '2026-03-01T11:30:02Z torch.OutOfMemoryError: CUDA out of memory'],
      1,
    );
    const { structured } = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
    const nodes = unread.map(each => ({ ...each, triage: structured }));
    const answer = judgeJob(jobOf(forged, own), nodes);
    expect(answer).toMatchObject({ fault: 'application', first: { pod: 'train-0' } });
    expect(answer.why.join(' ')).not.toContain('XID 79');
  });

  test('none of whose other pods are there is not judged by a monitor', () => {
    const answer = judgeJob(jobOf(...OTHERS, MONITOR), unread);
    expect(answer.why.join(' ')).not.toContain('XID 79');
  });

  test('began in a pod that hangs and prints such a line itself', () => {
    const gpud = `2026-03-01T11:30:01Z gpud[12]: component=xid event=critical xid=79 pci=0000:bb:00`;
    const struck = podOf('train-1', 'gpu-7', [WORKS, gpud]);
    expect(judgeJob(jobOf(...OTHERS, struck), unread)).toMatchObject({
      first: { pod: 'train-1', code: 'XID 79', gpu: '0000:bb:00' },
    });
  });

  test('whose pods were told at once that another had gone did not wait for a GPU that failed long before', () => {
    const GONE =
      '2026-03-01T11:40:03Z torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error';
    const answer = judgeJob(
      jobOf(
        podOf('train-0', 'gpu-3', [WORKS, '2026-03-01T11:40:01Z ValueError: no text'], 1),
        podOf('train-1', 'gpu-7', [WORKS, TIMED_OUT], 1),
        MONITOR,
      ),
      unread,
    );
    expect(answer).toMatchObject({ fault: 'application', first: { pod: 'train-0' } });
    const alone = judgeJob(jobOf(podOf('train-1', 'gpu-7', [WORKS, GONE], 1), MONITOR), unread);
    expect(alone.why.join(' ')).not.toContain('XID');
  });

  test('that goes on is not judged by what a monitor told', () => {
    const nodes = unread.filter(({ node }) => node === 'gpu-7');
    const answer = judgeJob(jobOf(podOf('train-1', 'gpu-7', [WORKS]), MONITOR), nodes);
    expect(answer.why.join(' ')).not.toContain('XID');
  });
});
