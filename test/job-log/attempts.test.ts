import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

const read = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false });
};
const told = (...log: readonly string[]) =>
  read(...log).entries.map(({ role, id, title, lastResort }) => ({ role, id, title, lastResort }));

const ECC = '[rank5]: RuntimeError: CUDA error: uncorrectable ECC error encountered';
const ENDED = [
  'Traceback (most recent call last):',
  '  File "/app/train.py", line 3, in <module>',
  "KeyError: 'tokens'",
];
/** As launchers print them, and where that was read. */
const STARTED_ANEW: readonly (readonly [line: string, source: string])[] = [
  [
    'INFO:torch.distributed.elastic.agent.server.api:[default] Worker group FAILED. 3/3 attempts left; will restart worker group',
    'torchrun: github.com/shun-zheng/Doc2EDAG/issues/24',
  ],
  ['  restart_count=1', 'torchrun, of its rendezvous: the same'],
  [
    '[2024-05-01 10:00:00,123] [INFO] [default] Detected 1 new nodes from group_rank=0; will restart worker group',
    'torchrun: elastic/agent/server/api.py',
  ],
  [
    '2/3 restart attempts left; restarting worker group...',
    'ft_launcher: NVIDIA/nvidia-resiliency-ext, fault_tolerance/launcher.py',
  ],
  [
    '2025-05-28 11:54:30,907\tINFO state_manager.py:69 -- [State Transition] RUNNING -> RESTARTING.',
    'Ray Train: github.com/ray-project/ray/pull/53344',
  ],
  [
    '2025-10-28 14:50:18.370\t[State Transition] SCHEDULING -> RESCHEDULING.',
    'Ray Train: github.com/ray-project/ray/pull/60376',
  ],
  [
    '(TorchTrainer pid=131, ip=95.217.176.214) Restored on 95.217.176.214 from checkpoint: Checkpoint(filesystem=s3, path=x/checkpoint_000004)',
    'Ray Train before v2: github.com/ray-project/ray/issues/46814',
  ],
  ['INFO:root:reset workers: 3', 'Horovod elastic: horovod/runner/elastic/registration.py'],
  [
    '  Warning  BackOff    11s    kubelet    Back-off restarting failed container serverless-test in pod serverless-test-66pn6_default(b50a7fa8)',
    'Kubernetes, of its events: kubernetes/pkg/kubelet/kuberuntime',
  ],
  ['Container train failed liveness probe, will be restarted', 'Kubernetes: the same'],
  ['WARNING: restarting the job after a failure', 'a wrapper'],
  ['Restarting training from the last checkpoint', 'a wrapper'],
  ['Restarting training (attempt 2/3)', 'a wrapper'],
  ['2026-03-01 12:00:00,123 INFO Starting attempt 2 of 3', 'a wrapper'],
  ['=== attempt 2/3 ===', 'a wrapper'],
  ['Restart count: 2', 'a wrapper'],
  ['retrying run: attempt 2 of 3', 'a wrapper'],
];

describe('a job that was started anew', () => {
  test.each(STARTED_ANEW)('ends with what its last attempt ended with: %s (%s)', again => {
    expect(told('step 1', ECC, again, 'step 1', ...ENDED)).toMatchObject([
      { role: 'cause', id: 'exception', title: 'Exception KeyError' },
      { role: 'report', id: 'cuda-214', title: expect.stringMatching(/^Earlier attempt: /) },
    ]);
  });

  test('is told of however much the last attempt did', () => {
    const steps = Array.from({ length: 30 }, (_, step) => `step ${step} loss 1`);
    const { entries, recovered } = read(ECC, 'Starting attempt 2/3', ...steps, ...ENDED);
    expect(entries.map(({ role, id }) => `${role} ${id}`)).toEqual([
      'cause exception',
      'report cuda-214',
    ]);
    expect(recovered).toBe(0);
  });

  test('whose last attempt tells no cause may have ended of the one before', () => {
    const waited = 'torch.distributed.DistNetworkError: Connection reset by peer';
    expect(told('step 1', ECC, 'Starting attempt 2/2', waited)).toMatchObject([
      { role: 'consequence' },
      { role: 'cause', id: 'cuda-214', lastResort: true },
    ]);
  });

  describe('and worked on', () => {
    const steps = (count: number) => Array.from({ length: count }, (_, at) => `step ${at} loss 1`);
    const LEFT = 'attempts left; will restart worker group';
    const signals = ['Killed', 'Received SIGTERM', '[rank1]: Connection reset by peer'];

    test.each(signals)('has left behind what ended it before: %s', signal => {
      const { entries, recovered } = read(ECC, `2/3 ${LEFT}`, ...steps(500), signal);
      expect(entries.map(({ role }) => role)).not.toContain('cause');
      expect(recovered).toBe(1);
      expect(told(ECC, `2/3 ${LEFT}`, ...steps(3), signal)).toContainEqual(
        expect.objectContaining({ id: 'cuda-214', lastResort: true }),
      );
    });

    test('in an attempt between has done so, too, and not for what came since', () => {
      const log = [ECC, `2/3 ${LEFT}`, ...steps(50), 'E7Error: 7', `1/3 ${LEFT}`, 'Killed'];
      const { entries, recovered } = read(...log);
      expect(entries.map(({ title }) => title)).toEqual([
        'Killed',
        'Earlier attempt: Exception E7Error',
      ]);
      expect(recovered).toBe(1);
    });
  });

  test('and says nothing more has the end that was told before', () => {
    expect(told('step 1', ECC, 'Starting attempt 2/3', 'loading')).toMatchObject([
      { role: 'cause', id: 'cuda-214', lastResort: undefined },
    ]);
  });

  test.each([
    'download of shard 7: attempt 2/5',
    'attempt 2 failed',
    'restart_count=0',
    'Starting attempt 1 of 3',
    'distributed.nanny - WARNING - Restarting worker',
    'max_restarts: 3, 3 restarts',
    'Training failed on attempt 3 of 3',
    'run attempt 2 failed',
    'attempt 3 of 3 exited with code 1',
    'max restarts reached, not restarting job',
    'Reached max restart count: 3',
    'Restarting processes is disabled',
    'If this persists try restarting the container',
    'Starting upload of logs, attempt 2/5',
    'No restart attempts left, exiting',
    '0/3 restart attempts left. Exiting...',
    '[rank1]: restarting run of data loader',
    'Restarting training is not possible',
    'upload: attempt 2/5',
    'attempt 2/5',
    'Restored the model from checkpoint: x',
  ])('is not one that tries something again: %s', line => {
    expect(told('step 1', ECC, line, ...ENDED)[0]).toMatchObject({ id: 'cuda-214', role: 'cause' });
  });

  test('is not one whose error says to try that', () => {
    expect(told('step 1', `${ECC}. Try restarting the job`, ...ENDED)[0]).toMatchObject({
      ...{ id: 'cuda-214', role: 'cause', title: expect.not.stringMatching(/^Earlier/) },
    });
    const memory = 'torch.OutOfMemoryError: CUDA out of memory';
    expect(told('step 1', memory, 'Training failed on attempt 3 of 3', 'Aborted')[0]).toMatchObject(
      { id: 'cuda-2', lastResort: undefined, title: expect.not.stringMatching(/^Earlier/) },
    );
  });

  test('of many attempts the last two before it are told', () => {
    const attempts = [1, 2, 3, 4].flatMap(one => [
      `Starting attempt ${one}/5`,
      `E${one}Error: ${one}`,
    ]);
    const earlier = ['Earlier attempt: Exception E3Error', 'Earlier attempt: Exception E4Error'];
    expect(told(...attempts, 'Starting attempt 5/5', ...ENDED).map(({ title }) => title)).toEqual([
      'Exception KeyError',
      ...earlier,
    ]);
    const twice = attempts.flatMap(line => (/^E/.test(line) ? line : [line, 'restart_count=1']));
    expect(told(...twice, ...ENDED).map(({ title }) => title)).toContain(earlier[0]);
  });
});

describe('a rank that gives up quietly', () => {
  const LOUD = [
    '[rank0]: [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.',
    '[rank1]: Connection reset by peer',
  ];
  test.each([
    '[rank3]: giving up: shard 7 is not what it was',
    '[rank3]: cannot continue without shard 7',
    '[rank3]: bailing out',
  ])('comes before what the others shout: %s', line => {
    expect(read('step 1', line, 'step 2', ...LOUD).entries[0]).toMatchObject({
      ...{ role: 'cause', id: 'first-error', lastResort: true, line: 2, ranks: [3] },
    });
  });

  test.each([
    ['what only may have been', '[rank3]: this usually means that a peer is exiting'],
    ['what was long before', ['[rank3]: giving up on x', ...Array(17).fill('read a part')]],
    ['what came after', []],
  ])('but not %s', (_, before) => {
    const after = before.length === 0 ? ['[rank3]: giving up'] : [];
    const found = read(...[before].flat(), ...LOUD, ...after).entries;
    expect(found.filter(({ role }) => role === 'cause')).toEqual([]);
  });
});
