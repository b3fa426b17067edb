import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** What a log says in the words of a failure and does not mean by it: no cause comes of it, or none that is sure. */

const read = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false }).entries;
};
const sure = (...log: readonly string[]) =>
  read(...log).filter(({ role, lastResort }) => role === 'cause' && !lastResort);

describe('a text of the table within a longer word, or without what its writer puts behind it', () => {
  test.each([
    'long_term_window: 48',
    'short_term_load forecast of the grid',
    'config lr=0.1 term_owner=a',
    'term_load: 0.3',
    'prefetch queue drained via the worker pool',
    'floating point exception handling enabled',
    'trap floating point exceptions: on',
    'host memory usage limit is 80, not reached',
    'exceeded memory limit of cache, evict oldest',
    'destination is unreachable node of graph',
    'file too short: padded',
    'Preemption detected: no',
    'Loaded preemption detected callback',
    'hip out of memory guard on',
    'championship out of memory. of fans',
    'signal handler: got sigterm hook installed',
    'sample nonfree(): invalid pointer',
    'error code 20: outofmemory of nobody',
  ])('is no sure cause: %s', line => {
    expect(sure('epoch 1', line, 'loss 0.1')).toEqual([]);
  });

  test.each([
    ['TERM_LOAD: job killed after load exceeds threshold.', 'preempted'],
    ['TERM_WINDOW: job killed after queue run window closed.', 'preempted'],
    ['TERM_OWNER: job killed by owner.', 'cancelled'],
    ['run.sh: line 3:    77 Floating point exception(core dumped) ./a', 'crash'],
    ['Floating point exception', 'crash'],
    ['[node:7] Signal: Floating point exception (8)', 'crash'],
    ['slurmstepd: error: Job 7 exceeded memory limit (9 > 8), being killed', 'host-memory'],
  ])('and as its writer writes it, is: %s', (line, id) => {
    expect(sure('epoch 1', line)).toMatchObject([{ id }]);
  });
});
