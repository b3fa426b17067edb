import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';

const WAITED =
  '2026-03-01T11:40:00Z [rank0]:[E ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600001 milliseconds before timing out.\n';

const podOf = (name: string, exitCode: number, finishedAt: string) => {
  const ended = { exitCode, reason: '', message: '', finishedAt };
  const containers = [aContainer({ state: 'terminated', ended })];
  const phase = exitCode === 0 ? ('Succeeded' as const) : ('Failed' as const);
  return aPod({ name, uid: name, node: `of-${name}`, phase, containers });
};

/** The first pod left well before the others failed waiting; its log is as given. */
const jobOf = (log: TargetJob['pods'][number]['log']): TargetJob => ({
  ...{ name: 'Job/train', namespace: 'ml', gone: present([]) },
  pods: [
    { pod: podOf('train-0', 0, '2026-03-01T11:10:00Z'), ...(log && { log }) },
    ...['train-1', 'train-2'].map(name => ({
      pod: podOf(name, 134, '2026-03-01T11:40:01Z'),
      log: present(
        readJobLog({
          ...{ container: 'main', previous: false, requests: 1, bytes: 9, cut: false },
          text: WAITED,
        }),
      ),
    })),
  ],
});

test('a pod that left, and whose log was refused, is told with that', () => {
  const { first, advice, against } = judgeJob(jobOf(missing('no_permission')), []);
  expect(first?.pod).toBe('train-0');
  expect(advice).toBe('Its own log could not be read: kubectl logs train-0 -n team-a.');
  expect(against).toContain('its own log could not be read');
});

test('a pod that left, and whose log tells nothing, is not said to have been refused', () => {
  const { first, advice, against } = judgeJob(jobOf(undefined), []);
  expect(first?.pod).toBe('train-0');
  expect(advice).toContain('Its own log does not tell what it did');
  expect(against).toEqual([]);
});
