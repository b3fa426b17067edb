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
const STARTED_ANEW = [
  'I1128 04:00:01.5 7 torch/distributed/elastic/agent/server/api.py:900] [default] Worker group FAILED. 2/3 restart attempts left; restarting worker group',
  'WARNING: restarting the job after a failure',
  'Starting attempt 2 of 3',
  '=== attempt 2/3 ===',
  '  restart_count=1',
  'Restart count: 2',
  'retrying run: attempt 2 of 3',
];

describe('a job that was started anew', () => {
  test.each(STARTED_ANEW)('ends with what its last attempt ended with: %s', again => {
    expect(told('step 1', ECC, again, 'step 1', ...ENDED)).toMatchObject([
      { role: 'cause', id: 'exception', title: 'Exception KeyError' },
      { role: 'report', id: 'cuda-214', title: expect.stringMatching(/^Earlier attempt: /) },
    ]);
  });

  test('is told of however much the last attempt did', () => {
    const steps = Array.from({ length: 30 }, (_, step) => `step ${step} loss 1`);
    const { entries, recovered } = read(ECC, 'attempt 2/3', ...steps, ...ENDED);
    expect(entries.map(({ role, id }) => `${role} ${id}`)).toEqual([
      'cause exception',
      'report cuda-214',
    ]);
    expect(recovered).toBe(0);
  });

  test('whose last attempt tells no cause may have ended of the one before', () => {
    const waited = 'torch.distributed.DistNetworkError: Connection reset by peer';
    expect(told('step 1', ECC, 'attempt 2/2', waited)).toMatchObject([
      { role: 'consequence' },
      { role: 'cause', id: 'cuda-214', lastResort: true },
    ]);
  });

  test('and says nothing more has the end that was told before', () => {
    expect(told('step 1', ECC, 'attempt 2/3', 'loading')).toMatchObject([
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
  ])('is not one that tries something again: %s', line => {
    expect(told('step 1', ECC, line, ...ENDED)[0]).toMatchObject({ id: 'cuda-214', role: 'cause' });
  });

  test('of many attempts the last two before it are told', () => {
    const attempts = [1, 2, 3, 4].flatMap(one => [`attempt ${one}/5`, `E${one}Error: ${one}`]);
    const earlier = ['Earlier attempt: Exception E3Error', 'Earlier attempt: Exception E4Error'];
    expect(told(...attempts, 'attempt 5/5', ...ENDED).map(({ title }) => title)).toEqual([
      'Exception KeyError',
      ...earlier,
    ]);
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
