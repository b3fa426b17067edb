import { describe, expect, test } from 'vitest';
import { read } from './entries.ts';

/** A word alone says little: what an error says of itself, and who says it, is asked for. */

const TRACEBACK = ['Traceback (most recent call last):', '  File "/app/train.py", line 4, in f'];
const raised = (line: string) => read('step 7', ...TRACEBACK, line)[0];

describe('a fatal line stays one, whatever its words remind of', () => {
  test.each([
    'FATAL: loss head has ignore_index=-100 but labels have none',
    'ERROR: ignore list cannot be read',
    'fatal error: cannot destroy the only replica',
    'error: no retry left for shard 7',
    'ERROR retry budget exhausted',
    'error: after 5 tries of retrying the store is gone',
    'fatal: state could not be recovered',
    'FATAL: data job exited: cannot parse config.yaml',
    'error: worker 7 died because its shard is damaged',
    'error: graceful_exit must be true or false',
    'error: shutdown_hook is not callable',
    'error: no error handler for this kernel',
    'error: fallback model not given',
    'fatal error: deprecated format: v1 was removed',
    'ERROR: encountered error while loading checkpoint shard 3: bad magic number',
    'FATAL: preprocessing did not run successfully',
    'ERROR: disk /data is over 95% full, refusing to write',
    'ERROR failed to start metrics agent: port 8080 is taken',
    'Fatal: compile cache has been disabled, model cannot be loaded',
    'error: run failed due to previous errors',
    'ERROR: metadata-generation-failed-items is not empty',
    'ERROR: weights are stale, not updating',
    'ERROR: cannot read environments file of the sweep',
    'ERROR: error is not recoverable: exiting trainer',
    'ERROR: no more nodes exist in the pool of the trainer',
    'ERROR: no clean shutdown of the last run, its journal is damaged',
  ])('%s', line => {
    expect(read('step 7', line, 'bye')).toMatchObject([{ id: 'first-error', line: 2 }]);
  });

  test.each([
    'ERROR: ignoring unknown key x',
    'ERROR: x failed (ignored)',
    'error: upload failed, will retry',
    'error: link lost, recovered from checkpoint',
    'ERROR during cleanup of /tmp/x',
    'ERROR: worker 7 exited with code 1',
    'error: falling back to TCP',
    'ERROR: 3 errors found earlier, non-fatal',
    'ERROR: the run ended with no errors',
  ])('and what ends nothing does not become one: %s', line => {
    expect(read('step 7', line, 'bye')).toEqual([]);
  });
});

describe('who is blamed by words', () => {
  test.each([
    "KeyError: 'install'",
    "KeyError: 'cmake_args'",
    'RuntimeError: agent lost connection to goal',
    'RuntimeError: connection between layer 3 and layer 4 lost',
    'RuntimeError: link down-projection is not square',
    'RuntimeError: cannot reach target loss',
    'RuntimeError: search timed out at solver.py:80',
    'RuntimeError: response 500 not in label set',
    'RuntimeError: evicted from cache: block 7',
    'RuntimeError: quota of experts exceeded',
    'RuntimeError: capacity factor 0',
    'RuntimeError: certificate of optimality not found',
    'RuntimeError: ownership of tensor is not known',
    'ValueError: permission must be one of r, w',
    'ValueError: token is invalid: <pad>',
    'ValueError: column driver version is not there',
    'TypeError: credentials',
  ])('is the program where it speaks of its own: %s', line => {
    expect(raised(line)).toMatchObject({ role: 'cause', layer: 'application' });
  });

  test.each([
    ['RuntimeError: connect to 10.0.0.7:8000 failed', 'fabric'],
    ['StoreError: tracker:5000 timed out', 'fabric'],
    ['InactiveRpcError: StatusCode.UNAVAILABLE', 'fabric'],
    ['RuntimeError: host is unreachable', 'fabric'],
    ['RuntimeError: HTTP 503 of the store', 'host'],
    ['QuotaError: the job exceeds the quota of the project', 'host'],
    ['RuntimeError: pod was preempted by the scheduler', 'host'],
    ['RuntimeError: 403 Forbidden for url x', 'configuration'],
    ['RuntimeError: x509: certificate has expired', 'configuration'],
    ['RuntimeError: CUDA driver version is insufficient', 'configuration'],
    ['RuntimeError: access token is not set', 'configuration'],
    ['RuntimeError: /data/x does not exist', 'configuration'],
  ])('is another where the system or a protocol says so: %s', (line, layer) => {
    expect(raised(line)).toMatchObject({ role: 'cause', layer });
  });
});

describe('data that a job prints is none of its errors', () => {
  test.each([
    '{"prompt": "Traceback: ValueError: bad value", "id": 3}',
    '{"role": "user", "content": "RuntimeError: CUDA out of memory. Tried"}',
    "sample 3: text='No space left on device'",
    "{'input_ids': [1, 2], 'text': 'Connection refused by 10.0.0.7'}",
    '"text": "error: it is \\"fatal\\""',
    'label="Permission denied" score=0.9',
    'prompt: why do I get Permission denied?',
    'Generated: the disk is full: No space left on device',
    'question 7: Segmentation fault (core dumped)',
    '+ grep "out of memory" train.log',
    `Namespace(stop_on='CUDA out of memory')`,
  ])('%s', line => {
    expect(read('step 7', line, 'bye')).toEqual([]);
    expect(read(line, ...TRACEBACK, "KeyError: 'x'")).toMatchObject([{ id: 'exception' }]);
  });

  test.each([
    '{"level": "error", "text": "CUDA out of memory"}',
    'level=error user="x" msg="CUDA out of memory"',
    'text="x" RuntimeError: CUDA out of memory',
    '{"message": "CUDA out of memory"}',
  ])('and what a logger says is no data: %s', line => {
    expect(read('step 7', line)).toMatchObject([{ id: 'cuda-2', role: 'cause' }]);
  });
});

describe('who only notices that another rank has gone is no second cause', () => {
  test.each([
    'RuntimeError: NCCL error: remote process exited',
    'RuntimeError: a peer process has died',
    'HorovodInternalError: This was caused by an exception on one of the ranks',
    'CommError: the remote worker closed the channel',
  ])('%s', noticed => {
    const of = (rank: number, line: string) =>
      [...TRACEBACK, line].map(text => `[rank${rank}]: ${text}`);
    const roles = read(...of(3, "KeyError: 'x'"), ...of(1, noticed), ...of(2, noticed)).map(
      ({ role, ranks }) => ({ role, ranks }),
    );
    expect(roles).toEqual([
      { role: 'cause', ranks: [3] },
      { role: 'consequence', ranks: [1, 2] },
    ]);
  });

  test('and a program that speaks of peers among its values is', () => {
    expect(raised('ValueError: a peer rank has failed validation: 7')?.role).toBe('cause');
  });
});

describe('who passes on an error gives way to it', () => {
  test('an engine that heads a traceback', () => {
    const by = 'ERROR 11-28 04:00:02 [core.py:708] ';
    const lines = ['EngineCore failed to start.', ...TRACEBACK, 'ValueError: backend is not valid'];
    expect(read(...lines.map(line => `${by}${line}`))).toMatchObject([
      { role: 'report', id: 'engine-dead' },
      { role: 'cause', id: 'exception' },
    ]);
  });

  test('a server that could not load a model for want of a module', () => {
    const line =
      "failed to load 'pre' version 1: Internal: ModuleNotFoundError: No module named 'x'";
    expect(read(line)).toMatchObject([{ id: 'import', layer: 'configuration' }]);
    const plain = "failed to load 'pre' version 1: Internal: broken";
    expect(read(plain)).toMatchObject([{ id: 'model-load' }]);
  });
});

test('a link of a terminal hides no error', () => {
  const link = (to: string) => `\u001B]8;;${to}\u0007`;
  const line = `${link('http://docs')}ERROR: x y z broke the mesh${link('')}`;
  expect(read('step 7', line)).toMatchObject([{ text: 'ERROR: x y z broke the mesh' }]);
});
