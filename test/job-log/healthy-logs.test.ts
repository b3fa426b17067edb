import { describe, expect, test } from 'vitest';
import { causes, read } from './entries.ts';

/** Logs of jobs that were well, or went on, where what is written near their end looks like a reason. */

const RAISED = ['Traceback (most recent call last):', '  File "/app/train.py", line 12, in main'];

describe('a loss that is no number is none of a step that has one', () => {
  test.each([
    ['of validation', 'val_loss=nan train_loss=2.3'],
    ['of a part', 'ctc_loss=inf att_loss=2.1'],
    ['of a part, behind the whole', 'loss: 2.3 aux_loss: nan'],
    ['of validation, in words', 'val loss nan, train loss 2.3'],
    ['the best one so far', 'best_val_loss: inf'],
    ['the best one so far, in words', 'Best loss: inf'],
  ])('%s', (_, said) => {
    const log = [1, 2, 3, 4].map(step => `step ${step} ${said}`);
    expect(read(...log)).toEqual([]);
  });

  test('and the whole is lost whatever its parts are', () => {
    const log = [1, 2, 3].map(step => `step ${step} loss: nan ce_loss: 2.1`);
    expect(causes(...log)).toMatchObject([{ id: 'not-finite', line: 1 }]);
    const parts = [1, 2, 3].map(step => `step ${step} ctc_loss=nan att_loss=nan`);
    expect(causes(...parts)).toMatchObject([{ id: 'not-finite', line: 1 }]);
  });
});

describe('a library that was only imported lacks a GPU', () => {
  const NOTE =
    '2026-01-01 00:00:00.1: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find cuda drivers on your machine, GPU will not be used.';

  test.each([
    'ValueError: number of attention heads 12 must be divisible by the number of gpus 8',
    "AttributeError: 'Config' object has no attribute 'devices'",
  ])('and is no reason of %s', error => {
    expect(causes(NOTE, ...RAISED, error)).toMatchObject([{ id: 'exception', line: 4 }]);
  });

  test('nor of what a program raised that was at work', () => {
    const error = 'RuntimeError: expected 2 devices, got 1';
    const steps = [1, 2, 3].map(step => `step ${step} loss 2.${step}`);
    expect(causes(NOTE, ...steps, ...RAISED, error)).toMatchObject([{ id: 'exception', line: 7 }]);
    expect(causes(NOTE, ...RAISED, error)).toMatchObject([{ id: 'no-accelerator', line: 1 }]);
  });
});

describe('memory that is full before a kill', () => {
  const KILLED = 'Killed';

  test.each([
    'rss=900 MiB limit=64 GiB',
    'CUDA memory 79.2GiB of 80GiB total',
    'GPU 0 mem 79.2GiB / 80GiB',
  ])('is not that of %s', line => {
    expect(causes('step 1', line, KILLED)).toEqual([]);
  });

  test('is told in units that differ', () => {
    const line = 'rss=65500 MiB limit=64 GiB';
    expect(causes('step 1', line, KILLED)).toMatchObject([{ id: 'host-memory', line: 2 }]);
  });
});

test('a batch without memory that was left out is no reason of what ends a program steps later', () => {
  const warned = 'WARNING: CUDA out of memory, leaving out this batch';
  const end = 'RuntimeError: NCCL communicator was aborted on rank 0. Remote process exited';
  const isMemory = ({ id }: { id: string }) => id === 'cuda-2';
  const steps = [1, 2, 3].map(step => `step ${step} loss 2.${step}`);
  expect(read(warned, ...steps, end).filter(isMemory)).toEqual([]);
  expect(read(warned, 'saving', end).filter(isMemory)).toMatchObject([{ role: 'cause' }]);
});

test('what a tool says of tidying up is not what only failed before it', () => {
  const failed = 'RuntimeError: Training failed';
  const tool = 'cat: /tmp/x: No such file or directory';
  expect(causes(...RAISED, failed, tool)).toMatchObject([{ id: 'exception', line: 3 }]);
  const printed = 'nvcc fatal: No space left on device';
  expect(causes(...RAISED, failed, printed)).toMatchObject([{ id: 'disk-full', line: 4 }]);
});

test('a licence that has to be accepted is none that a server lends', () => {
  const layerOf = (error: string) => causes(...RAISED, error)[0]?.layer;
  const gated = 'OSError: You need to accept the license of org/model and log in with a token';
  expect(layerOf(gated)).not.toBe('host');
  expect(layerOf('SolverError: no license token is left on server lic1')).toBe('host');
});

test('what is done with preempted jobs has taken no machine back', () => {
  const policy = 'INFO: preempted jobs will be requeued';
  expect(causes(policy, 'step 1', 'Connection reset by peer')).toEqual([]);
  const notice = 'INFO: this job will be preempted by job 77';
  const told = causes(notice, 'step 1', 'Connection reset by peer');
  expect(told).toMatchObject([{ id: 'preempted', line: 1 }]);
});
