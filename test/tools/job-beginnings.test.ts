import { describe, expect, test } from 'vitest';
import type { ClusterPod, ContainerEnd } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';

const BEGAN_MS = Date.parse('2026-03-01T12:00:00Z');
/** @param seconds after the first second of the end, by the clock of the pod's node. */
const at = (seconds: number) => new Date(BEGAN_MS + seconds * 1_000).toISOString();

interface Pod {
  /** Lines of the last failed run with their times. */
  readonly log?: readonly (readonly [seconds: number, text: string])[];
  /** When and how that run ended; absent: it has not. */
  readonly end?: readonly [seconds: number, exitCode: number, reason?: string];
  /** It runs anew. */
  readonly again?: true;
  readonly pod?: Partial<ClusterPod>;
  readonly gpus?: number;
}

/** Pods train-0, train-1, … on node-0, node-1, …, of whose nodes none was read. */
function jobOf(pods: readonly Pod[]): TargetJob {
  return {
    ...{ name: 'Job/train', namespace: 'ml', gone: present([]) },
    pods: pods.map(({ log = [], end, again, pod, gpus = 8 }, index) => {
      const ended: ContainerEnd | undefined = end && {
        ...{ exitCode: end[1], reason: end[2] ?? 'Error', message: '' },
        finishedAt: at(Math.floor(end[0])),
      };
      const state = end === undefined || again ? 'running' : 'terminated';
      const main = aContainer({
        state,
        ...(ended && (again ? { endedBefore: ended, restarts: 1 } : { ended })),
      });
      return {
        pod: aPod({
          ...{ name: `train-${index}`, uid: `uid-${index}`, node: `node-${index}` },
          phase: state === 'running' ? 'Running' : 'Failed',
          gpus: gpus === 0 ? {} : { 'nvidia.com/gpu': gpus },
          ...{ containers: [main], ...pod },
        }),
        ...(ended && {
          log: present(
            readJobLog({
              ...{ container: 'main', previous: again === true, requests: 1, bytes: 9, cut: false },
              text: log.map(([seconds, text]) => `${at(seconds)} ${text}\n`).join(''),
            }),
          ),
        }),
      };
    }),
  };
}

const OOM = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.';
const FORM = "KeyError: 'input_ids'";
const CLOSED =
  'RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.7]:29500';
const ILLEGAL = 'RuntimeError: CUDA error: an illegal memory access was encountered';
const DISK = 'OSError: [Errno 28] No space left on device';
const IB = 'train-1:9:44 [0] NCCL WARN NET/IB :';
const WATCHDOG =
  '[rank1]:[E ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600001 milliseconds before timing out.';
const SKIPPED = 'rank 8: validation shard is empty (0 of 9 rows), skipping metric reduce';
const UNREACHED = '[LightGBM] [Warning] Connecting to rank 0 failed, waiting for 200 milliseconds';
const CLOSED_BY = (host: string) =>
  `NCCL WARN socketProgress: Connection closed by remote peer ${host}<40212>`;
const dies = (seconds: number, text: string, exitCode = 1): Pod => ({
  log: [[seconds, text]],
  end: [seconds + 1, exitCode],
});
const killed = (seconds: number, more: Partial<Pod> = {}): Pod => ({
  end: [seconds, 137],
  ...more,
});

interface Expected {
  readonly pod: number;
  readonly fault: string;
  /** What it began with, by its log or the cluster. */
  readonly what?: string | RegExp;
}

describe('a job of several pods began', () => {
  test.each<readonly [string, readonly Pod[], Expected]>([
    [
      'with the only cause of all, whoever ended first',
      [{ log: [[0, CLOSED]], end: [0, 1] }, dies(2, OOM)],
      { pod: 1, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'with the earlier of two that are sure',
      [dies(9, OOM), dies(2, DISK)],
      { pod: 1, fault: 'host', what: /full|space/i },
    ],
    [
      'with what is sure, where an error by form came 400 ms before it by the clocks',
      [dies(0, FORM), dies(0.4, OOM)],
      { pod: 1, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'with what is sure, where clocks are 3 s apart',
      [dies(0, FORM), dies(3, OOM)],
      { pod: 1, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'with what is sure, where a fault that any program can meet came just before',
      [dies(0, ILLEGAL), dies(0.3, DISK)],
      { pod: 1, fault: 'host' },
    ],
    [
      'with an error by form that came long before',
      [dies(0, FORM), dies(30, OOM)],
      { pod: 0, fault: 'application' },
    ],
    [
      'with the first of two errors by form',
      [dies(4, FORM), dies(2, FORM)],
      { pod: 1, fault: 'application' },
    ],
    [
      'with a pod that was killed from outside some seconds before the others failed',
      [killed(0), dies(6, FORM), dies(7, FORM)],
      { pod: 0, fault: 'unknown', what: /SIGKILL/ },
    ],
    [
      'with an error, where a pod was killed after it: by who cleans up',
      [killed(9), dies(2, FORM)],
      { pod: 1, fault: 'application' },
    ],
    [
      'with an error by form, where all others were killed as one',
      [killed(3), killed(3), dies(2, FORM)],
      { pod: 2, fault: 'application' },
    ],
    [
      'with a pod that was killed for memory, though others told of an end before its kubelet did',
      [dies(0, FORM), { end: [2, 137, 'OOMKilled'] }],
      { pod: 1, fault: 'application', what: /OOMKilled/ },
    ],
    [
      'with a pod that was killed for memory, whose own log has an error by form, too',
      [{ log: [[2, FORM]], end: [3, 137, 'OOMKilled'] }, dies(0, FORM)],
      { pod: 0, fault: 'application', what: /OOMKilled/ },
    ],
    [
      'with the one pod that failed, and was killed before nobody',
      [killed(5), {}],
      { pod: 0, fault: 'unknown', what: 'the first of its pods that ended' },
    ],
    [
      'with a pod that was killed for memory, where another met a message that was cut',
      [
        dies(0, 'NCCL WARN Message truncated : received 1024 bytes instead of 256'),
        { end: [3, 137, 'OOMKilled'] },
      ],
      { pod: 1, fault: 'application', what: /OOMKilled/ },
    ],
    [
      'with the earlier of two pods that say the same',
      [dies(2, OOM), { log: [[1, OOM]], end: [9, 1] }],
      { pod: 1, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'with what is sure, where the network told of it first',
      [dies(0, 'OSError: [Errno 113] No route to host'), dies(0.4, DISK)],
      { pod: 1, fault: 'host' },
    ],
    [
      'with the first word of the network, where no log has a cause and another pod ended first',
      [
        {
          log: [
            [
              17,
              `${IB} Got completion from peer 10.0.0.7<4791> with status=12 opcode=0 len=0 vendor err 129 (Recv)`,
            ],
          ],
          end: [17, 1],
        },
        { log: [[0, `${IB} mlx5_0:1 Got async event : port error`]], end: [40, 1] },
      ],
      { pod: 1, fault: 'fabric', what: /adapter told of an error of its port/ },
    ],
    [
      'with the first that ended, where one pod still runs and no log tells that anybody waited',
      [{ log: [[1, 'step 9']], end: [600, 1] }, {}],
      { pod: 0, fault: 'unknown', what: 'the first of its pods that ended' },
    ],
    [
      'with what is sure, where a pod was killed for memory after that',
      [dies(0, OOM), { end: [3, 137, 'OOMKilled'] }],
      { pod: 0, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'with a pod that was evicted, whose log tells nothing',
      [
        dies(3, FORM),
        { end: [1, 143], pod: { reason: 'Evicted', message: 'The node was low on memory.' } },
      ],
      { pod: 1, fault: 'host', what: /Evicted/ },
    ],
    [
      'in the worker whose words a launcher without GPUs prints before it',
      [{ ...dies(1, `[1,3]<stderr>: ${OOM}`), gpus: 0 }, dies(1.2, OOM)],
      { pod: 1, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'in a launcher that fails by itself',
      [{ ...dies(1, DISK), gpus: 0 }, dies(5, OOM)],
      { pod: 0, fault: 'host' },
    ],
    [
      'in the first attempt of a pod that runs anew',
      [
        { ...dies(0, OOM), again: true },
        { log: [[4, CLOSED]], end: [5, 1] },
      ],
      { pod: 0, fault: 'application', what: 'Out of GPU memory' },
    ],
    [
      'in the first attempt, where the others have a cause of their own later',
      [dies(8, FORM), { ...dies(0, DISK), again: true }],
      { pod: 1, fault: 'host' },
    ],
    [
      'in the one pod that still runs, where all others ended waiting in a collective',
      [dies(600, WATCHDOG, 134), {}, dies(600, WATCHDOG, 134)],
      { pod: 1, fault: 'unknown', what: /train-1 still runs, and 2 pods ended waiting/ },
    ],
    [
      'with a cause, also where another pod still runs',
      [dies(600, WATCHDOG, 134), {}, dies(2, DISK)],
      { pod: 2, fault: 'host' },
    ],
    [
      'in the pod that crashed, where the others only lost it before its kubelet told',
      [{ log: [[0, CLOSED]], end: [1, 1] }, { end: [3, 139] }],
      { pod: 1, fault: 'application', what: /SIGSEGV/ },
    ],
    [
      'in the pod whose launcher tells that a signal ended a process of its own',
      [
        { log: [[0, CLOSED]], end: [1, 1] },
        dies(9, 'failed (exitcode: -9) local_rank: 3 (pid: 93) of binary: /usr/bin/python3'),
        { log: [[0, CLOSED]], end: [1, 1] },
      ],
      { pod: 1, fault: 'unknown', what: /ended by a signal \(exitcode: -9\)/ },
    ],
    [
      'in the one pod that says that it skipped what the others waited in',
      [
        dies(600, WATCHDOG, 134),
        {
          log: [
            [1, SKIPPED],
            [600, WATCHDOG],
          ],
          end: [601, 134],
        },
        dies(600, WATCHDOG, 134),
      ],
      { pod: 1, fault: 'application', what: 'it left the others by its own word' },
    ],
    [
      'in the one pod that waited in another operation than the others',
      [
        dies(600, WATCHDOG, 134),
        dies(600, WATCHDOG, 134),
        dies(599, WATCHDOG.replace('ALLREDUCE', 'BROADCAST'), 134),
      ],
      {
        pod: 2,
        fault: 'unknown',
        what: 'it waited in BROADCAST 9 while the others waited in ALLREDUCE 9',
      },
    ],
    [
      'in the pod that was the first to close a connection, by its name',
      [dies(0, CLOSED_BY('train-2')), dies(2, CLOSED_BY('train-0')), dies(3, CLOSED_BY('train-1'))],
      { pod: 2, fault: 'unknown', what: /first that closed/ },
    ],
    [
      'in the pod of an address that all others name',
      [dies(1, CLOSED_BY('10.0.0.9')), dies(0.5, WATCHDOG), dies(2, CLOSED_BY('10.0.0.9'))],
      { pod: 1, fault: 'unknown', what: /first that closed/ },
    ],
    [
      'in the pod that ended well long before the others had waited for it',
      [
        dies(600, WATCHDOG, 134),
        { end: [9, 0, 'Completed'], pod: { phase: 'Succeeded' } },
        dies(600, WATCHDOG, 134),
        dies(600, WATCHDOG, 134),
      ],
      { pod: 1, fault: 'unknown', what: /ended with exit code 0/ },
    ],
    [
      'on the host whose process crashed, not on one whose were killed as one',
      [
        {
          log: [
            [0, 'srun: error: train-1: tasks 0-7: Killed'],
            [1, 'srun: error: train-2: task 9: Segmentation fault (core dumped)'],
          ],
          ...{ end: [9, 1], gpus: 0 },
        },
        {},
        {},
      ],
      { pod: 2, fault: 'application', what: /Segmentation fault/ },
    ],
    [
      'in none of those that could not reach one, where they are all others',
      [
        { log: [[30, 'step 1']], end: [40, 1] },
        ...[50, 51, 52].map((ms): Pod => ({ log: [[10, UNREACHED]], end: [ms, 1] })),
      ],
      { pod: 0, fault: 'unknown' },
    ],
    [
      'with an error by form, hours after another pod had not been reached for a moment',
      [
        {
          log: [
            [1, 'step 1'],
            [5_000, 'step 2'],
            [6_000, FORM],
          ],
          end: [6_001, 1],
        },
        { log: [[0, UNREACHED]], end: [6_009, 1] },
        {},
      ],
      { pod: 0, fault: 'application' },
    ],
    [
      'with a pod whose node was lost, though its containers were never told to have ended',
      [dies(600, WATCHDOG, 134), { pod: { reason: 'NodeLost' } }, {}],
      { pod: 1, fault: 'host', what: /NodeLost/ },
    ],
    [
      'with an error by form, long after another pod was killed for memory and the others worked on',
      [
        {
          log: [
            [1, 'step 1'],
            [500, 'step 2'],
            [600, FORM],
          ],
          end: [601, 1],
        },
        { end: [10, 137, 'OOMKilled'] },
      ],
      { pod: 0, fault: 'application' },
    ],
    [
      'with the deadline of a pod, which is its own limit',
      [dies(9, WATCHDOG, 134), { end: [5, 137], pod: { reason: 'DeadlineExceeded' } }],
      { pod: 1, fault: 'configuration', what: /DeadlineExceeded/ },
    ],
  ])('%s', (_, pods, { pod, fault, what = /./ }) => {
    const job = jobOf(pods);
    const answer = judgeJob(job, []);
    const told = JSON.stringify({ ...answer, notes: [], nodes: [] }, null, 1);
    expect(answer.first, told).toMatchObject({ pod: `train-${pod}`, node: `node-${pod}` });
    expect(answer.fault, told).toBe(fault);
    expect(answer.first?.what, told).toMatch(what);
    // A log alone takes no node out.
    expect(answer.takeOut).toBeUndefined();
  });

  test('in nobody’s own log, where several pods run on', () => {
    const answer = judgeJob(jobOf([dies(600, WATCHDOG, 134), {}, {}]), []);
    expect(answer).toMatchObject({ fault: 'unknown', first: { pod: 'train-0' } });
  });
});
