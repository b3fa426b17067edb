import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

const ECC = 'RuntimeError: CUDA error: uncorrectable ECC error encountered';
const BUS = 'GPU has fallen off the bus';

const causesOf = (...log: readonly string[]) => {
  const text = log.join('\n');
  const fetched = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const { entries } = readJobLog({ ...fetched, text, cut: false });
  return entries.filter(({ role }) => role === 'cause');
};
const steps = (from: number, to: number, by = '') =>
  Array.from({ length: to - from }, (_, at) => `${by}step ${from + at} loss 2.0`);
const RANKS = Array.from({ length: 16 }, (_, rank) => `[rank${rank}]: `);

describe('no process goes on after a fault of its GPU', () => {
  test.each([
    ['others do the step that was under way', RANKS.flatMap(rank => steps(3, 4, rank))],
    ['a wrapper says that it has finished', ['Run finished', 'All done.']],
    ['it says how', ['Job finished with exit code 1']],
    [
      'the door of a server answers',
      Array(20).fill('INFO: 10.0.0.1 - "GET /health HTTP/1.1" 200 OK'),
    ],
    ['a side process starts', ['server listening on 0.0.0.0:9000']],
  ])('when %s', (_, after) => {
    const before = RANKS.flatMap(rank => steps(1, 3, rank));
    expect(causesOf(...before, `[rank5]: ${ECC}`, ...after)).toMatchObject([
      { layer: 'hardware', ranks: [5] },
    ]);
  });

  test('but a test that has asked for one passes', () => {
    const passed = 'test_ecc.py::test_handles_uncorrectable_ecc PASSED';
    expect(causesOf(ECC, passed, '=== 12 passed, 1 skipped in 3.2s ===')).toEqual([]);
    expect(causesOf(ECC, passed, '=== 11 passed, 1 failed in 3.2s ===')).toHaveLength(1);
  });

  test('but where another did many steps, it was not the end', () => {
    expect(causesOf(...steps(1, 3), `[rank5]: ${ECC}`, ...steps(3, 20, '[rank0]: '))).toEqual([]);
  });
});

test.each([
  ['Job finished with exit code 1', 1],
  ['experiment completed with errors', 1],
  ['training finished (FAILED)', 1],
  ["{'train_runtime': 7.5}", 0],
  ['=== 11 passed in 3.2s ===', 0],
  // Of a wrapper, as it seems: what only ends says no more than that it ended.
  ...['training finished, 0 errors', 'Training complete', 'Job finished', 'done.', 'Finished.'].map(
    (said): [string, number] => [said, 1],
  ),
])('after an error of the program, "%s" is %j ends', (after, ends) => {
  expect(causesOf(...steps(1, 3), 'KeyError: 7', after)).toHaveLength(ends);
});

test.each([
  `health: no uncorrectable ECC error encountered`,
  `gpu-check: no ${BUS}`,
  `did not find any Xid 79: ${BUS}`,
  'CUDA error: uncorrectable ECC error encountered -- not seen',
  `${BUS}? no`,
  `health: XID errors: ${BUS}: False`,
  `INFO watchdog: will restart job on Xid 79 (${BUS})`,
  'checking for uncorrectable ECC error encountered',
  `+ python train.py --abort-on "uncorrectable ECC error encountered,fallen off the bus"`,
  `Namespace(abort_on='uncorrectable ECC error encountered')`,
  'prompt: why does my training say "CUDA error: uncorrectable ECC error encountered"?',
  `response: a hardware fault: ${BUS}, Xid 79.`,
  'policy: NVRM: Xid (PCI:0000:4e:00): 48, pid=1, DBE',
])('who speaks of a fault of GPUs and has seen none: %s', line => {
  const causes = causesOf(
    line,
    ...steps(1, 2),
    'Traceback (most recent call last):',
    'KeyError: 7',
  );
  expect(causes.map(({ layer }) => layer)).toEqual(['application']);
});

test.each([
  `[rank5]: ${ECC}`,
  `could not run the step: CUDA error: uncorrectable ECC error encountered`,
  `NCCL WARN Cuda failure 'uncorrectable ECC error encountered'`,
  `NVRM: Xid (PCI:0000:4e:00): 79, pid=1, ${BUS}.`,
  'nvidia-smi: GPU is lost.  Reboot the system to recover this GPU',
])('who has seen one: %s', line => {
  expect(causesOf(line)[0]?.layer).toBe('hardware');
});

test.each([
  'ValueError: expert capacity must be positive, got 0',
  'ValueError: weight must have 500 error terms, got connection matrix with 3 lost columns',
  'AssertionError: link down-projection; link down must be 4096',
  'ValueError: response_500: status 503 labels in column error',
])('a program that raises of its own values: %s', line => {
  const trace = ['Traceback (most recent call last):', '  File "a.py", line 3, in <module>'];
  expect(causesOf(...trace, line)[0]?.layer).toBe('application');
});

test('of a storm of errors the beginning and the end are told', () => {
  const storm = Array.from({ length: 9_000 }, (_, at) => `KeyError: ${at}`);
  const causes = causesOf(ECC, ...storm, 'ZeroDivisionError: division by zero');
  expect(causes[0]).toMatchObject({ layer: 'hardware', line: 1 });
  expect(causes.at(-1)?.title).toBe('Exception ZeroDivisionError');
});
