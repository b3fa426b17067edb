import { beforeAll, describe, expect, test } from 'vitest';
import type { ClusterPod } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const WORKS = '2026-03-01T11:29:00Z step 300 loss 2.1';
/** GPU 3 of the simulated machine was lost at 11:55:58. */
const timedOut = (minute = '12:05') =>
  `2026-03-01T${minute}:02Z [rank0]:[E810 1:1:1.0 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.`;

const podOf = (
  name: string,
  node: string,
  { lines, endedAt, ...more }: { lines: readonly string[]; endedAt?: string } & Partial<ClusterPod>,
) => ({
  pod: aPod({
    ...{ name, node, uid: name, phase: endedAt === undefined ? 'Running' : 'Failed' },
    containers: [
      endedAt === undefined
        ? aContainer()
        : aContainer({
            state: 'terminated',
            ended: {
              ...{ exitCode: 134, reason: 'Error', message: '' },
              finishedAt: `2026-03-01T${endedAt}:05Z`,
            },
          }),
    ],
    ...more,
  }),
  log: present(
    readJobLog({
      ...{ container: 'main', previous: false, requests: 1, bytes: 100, cut: false },
      text: lines.map(line => `${line}\n`).join(''),
    }),
  ),
});
const HANGS = podOf('train-1', 'gpu-7', { lines: [WORKS] });
const WAITED = podOf('train-0', 'gpu-3', { lines: [WORKS, timedOut()], endedAt: '12:05' });

let lost: unknown;
beforeAll(async () => {
  lost = (await answered(triageGpuNode, {}, instrumentsOf('lost-gpu'))).structured;
});
const judged = (pods: readonly ReturnType<typeof podOf>[], gpus = [0, 1, 2, 3, 4, 5, 6, 7]) =>
  judgeJob({ name: 'JobSet/train', namespace: 'team-a', pods, gone: present([]) }, [
    { node: 'gpu-3', gpus: [] },
    { node: 'gpu-7', gpus, triage: lost },
  ]);

describe('a pod that still runs on a GPU that was lost before the others timed out', () => {
  test('is where it began, and its node is taken out', () => {
    const answer = judged([WAITED, HANGS]);
    expect(answer).toMatchObject({
      ...{ fault: 'hardware', confidence: 'medium', action: 'reboot_node', takeOut: 'gpu-7' },
      first: {
        ...{ node: 'gpu-7', pod: 'train-1', gpu: '0000:61:00', code: 'XID 79' },
        time: '2026-03-01T11:55:58.800Z',
      },
    });
    expect(answer.why[0]).toBe(
      'GPU 3 (0000:61:00) is lost: it fell off the PCIe bus, since 2026-03-01T11:55:58.800Z: pod train-1 runs on it and has not ended, and 1 pod failed after that with no error of its own',
    );
  });

  test('also beside a monitor of the job that asks for no GPU', () => {
    const monitor = podOf('npd', 'gpu-7', { lines: ['Start log monitor'], gpus: {} });
    expect(judged([WAITED, monitor, HANGS])).toMatchObject({ first: { pod: 'train-1' } });
  });

  test.each([
    ['the GPU is not of the job', [WAITED, HANGS], [0, 1, 2]],
    ['which GPUs are its own is not known', [WAITED, HANGS], []],
    [
      'they timed out before',
      [podOf('train-0', 'gpu-3', { lines: [WORKS, timedOut('11:40')], endedAt: '11:40' }), HANGS],
      undefined,
    ],
    [
      'another failed by an error of its own',
      [
        podOf('train-0', 'gpu-3', {
          lines: [WORKS, '2026-03-01T12:05:02Z ValueError: bad token'],
          endedAt: '12:05',
        }),
        HANGS,
      ],
      undefined,
    ],
    [
      'it began before the pod did',
      [WAITED, podOf('train-1', 'gpu-7', { lines: [WORKS], startedAt: '2026-03-01T11:58:00Z' })],
      undefined,
    ],
    [
      'two pods of the job are on its node',
      [WAITED, HANGS, podOf('train-2', 'gpu-7', { lines: [WORKS] })],
      undefined,
    ],
  ])('is not blamed where %s', (_, pods, gpus) => {
    const answer = judged(pods, gpus);
    expect(answer.fault).not.toBe('hardware');
    expect(answer).not.toHaveProperty('takeOut');
  });
});
