import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { causes, read } from './entries.ts';

const Case = z.object({ name: z.string(), log: z.array(z.string()), line: z.string().nullable() });
const FILES = ['programs', 'transports', 'frameworks'];
/** What is shorter may as well be a program's own way to begin its lines. */
const LINES_MIN = 5;
const CASES = FILES.flatMap(name =>
  z.array(Case).parse(JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8'))),
).filter(({ log, line }) => line !== null && log.length >= LINES_MIN);

/** Where something else is told: one process has all lines, or the log's own lines begin with blanks. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  'rank 3: ': ['gloo-closed-then-cause-elsewhere'],
  'Rank 3 | ': ['gloo-closed-then-cause-elsewhere'],
  '(a b=1) ': ['elastic-error-file'],
  '(pid=77) ': ['elastic-error-file'],
  '\t': ['megatron-rerun-state-machine'],
  '    ': ['megatron-rerun-state-machine'],
};

const said = (log: readonly string[], label: string) => {
  const [cause] = causes(...log.map(line => `${label}${line}`));
  return { line: cause?.line, layer: cause?.layer };
};

describe('a log whose lines somebody labelled says what it says without', () => {
  test.each([
    ...['[x y] ', '[SLURM STDERR fallback] ', 'x> ', '** ', '- ', '> ', '| ', '#1 12.3 '],
    ...['host-1: ', 'node7: ', 'worker.3: ', 'gpu0: ', 'train[7]: ', 'rank 3: ', 'Rank 3 | '],
    ...['stderr: ', '[stderr] ', '<stderr> ', 'E | ', '(a b=1) ', '(pid=77) ', '\t', '    '],
    ...['12:00:01.123 ', '[12:00:01] ', '[2026-11-20T12:00:01Z] ', 'Nov 20 12:00:01 '],
    ...['2024/01/01 10:11:12 ', '[  12.345678] ', '[12:00:01] [stderr] '],
  ])('%j', label => {
    const other = CASES.filter(({ log }) => {
      const bare = said(log, '');
      const labelled = said(log, label);
      return bare.line !== labelled.line || bare.layer !== labelled.layer;
    });
    expect(other.map(({ name }) => name)).toEqual(OTHERS[label] ?? []);
  });
});

describe('no label is', () => {
  test('the name of what a loader or an interpreter speaks of', () => {
    const missing = 'cannot open shared object file: No such file or directory';
    for (const line of [
      `libcuda.so.1: ${missing}`,
      `python3: error while loading shared libraries: libcudart.so.12: ${missing}`,
      "python3.11: can't open file '/app/train.py': [Errno 2] No such file or directory",
    ]) {
      expect(read(line)).toMatchObject([{ role: 'cause', text: line }]);
    }
  });

  test('the number of a frame of gdb', () => {
    const frames = ['raise ()', 'abort ()', 'c10::Error::Error ()', 'main ()'];
    const log = frames.map((frame, at) => `#${at}  0x00007f3c in ${frame} from /lib/x.so`);
    expect(read(...log)).toMatchObject([{ line: 3, text: log[2] }]);
  });

  test('what says in brackets what became of a GPU', () => {
    const line = '[Xid 79] GPU 3 has fallen off the bus';
    const others = Array.from({ length: 5 }, () => '[watch] ok');
    expect(read(...others, line)).toMatchObject([{ line: 6, text: line }]);
  });

  test('the half of what stands in brackets', () => {
    const steps = Array.from({ length: 5 }, (_, at) => `[2026-01-01 00:00:0${at} TP0] step ${at}`);
    const line = '[2026-01-01 00:00:06 TP0] CUDA error: an illegal memory access was encountered';
    expect(read(...steps, line)).toMatchObject([{ line: 6, text: line }]);
  });

  test('the test that a row of dcgmi diag is of', () => {
    const rows = [
      'Denylist | Pass',
      'NVML Library | Pass',
      'CUDA Main Library | Pass',
      'PCIe | Pass',
    ];
    const failed = '| Memory                    | Fail - GPU: 3 |';
    const [row] = read(...rows.map(one => `| ${one} |`), failed, '| SM Stress | Pass |');
    expect(row).toMatchObject({ line: 5, text: expect.stringContaining('Memory') });
  });

  test('who of Slurm says on which node a step was cancelled', () => {
    const line =
      'slurmstepd-n7: error: *** STEP 1.0 ON n7 CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE ***';
    expect(read(line)).toMatchObject([{ id: 'preempted', text: line }]);
  });

  test('what cmake begins a note with', () => {
    const log = ['-- Performing Test HAVE_X - Failed', '-- Looking for x', '-- Configuring done'];
    expect(read(...log)).toEqual([]);
  });

  test('a number that counts steps', () => {
    const error = 'RuntimeError: CUDA error: uncorrectable ECC error encountered';
    const steps = Array.from({ length: 12 }, (_, at) => `${at}: loss 2.${at}`);
    expect(read(...steps, `12: ${error}`)).toMatchObject([{ line: 13, ranks: [] }]);
    const ranks = steps.toReversed();
    expect(read(...ranks, `3: ${error}`)).toMatchObject([{ line: 13, ranks: [3], text: error }]);
  });

  test('the name of a secret', () => {
    for (const line of [
      'db_password1: hunter2',
      'api_key1: hunter2',
      'hf_token2: hunter2-hunter2',
    ]) {
      const asked = { container: 'train', previous: false, requests: 1, bytes: line.length };
      const log = readJobLog({ ...asked, text: `${line}\n`, cut: false });
      expect(log.last?.text).toBe(`${line.slice(0, line.indexOf(' '))} (left out)`);
    }
  });
});

describe('whom a label names is told of the line', () => {
  const line = 'RuntimeError: CUDA error: an illegal memory access was encountered';
  test.each([
    ['worker-1', '[worker-1] '],
    ['gpu-node-03', 'gpu-node-03: '],
    ['gpu-node-03.cluster.local', 'gpu-node-03.cluster.local: '],
    ['10.0.0.4', '10.0.0.4: '],
    ['worker-2', '<worker-2> '],
    ['worker-2', 'worker-2> '],
    ['worker-1', 'worker-1  | '],
    ['train-1-xyz12', 'train-1-xyz12 train '],
    ['train-1-xyz12', 'train-1-xyz12 train 2026-01-01T00:00:00Z '],
    ['train-0', '[pod/train-0/main] '],
    ['node-7', 'Dec 31 01:55:57 node-7 train[55324]: '],
    ['10.0.0.4', '(RayTrainWorker pid=123, ip=10.0.0.4) '],
    ['worker-1', 'node-7: [worker-1] '],
  ])('%s: %j', (name, label) => {
    const log = [...Array.from({ length: 5 }, (_, at) => `step ${at} of 9`), line];
    expect(read(...log.map(one => `${label}${one}`))).toMatchObject([{ of: name, ranks: [] }]);
  });

  test.each([
    ['[rank3]: ', { ranks: [3] }],
    ['[1,3]<stderr>:', { ranks: [3] }],
    ['3: ', { ranks: [3] }],
    ['rank 3: ', { ranks: [3] }],
    ['[gpu3] ', { gpu: 3 }],
    ['stderr: ', {}],
    ['12:00:01.123 ', {}],
  ])('nobody by name: %j', (label, said) => {
    const log = [...Array.from({ length: 5 }, () => 'a step of it'), line];
    const [entry] = read(...log.map(one => `${label}${one}`));
    expect(entry).toMatchObject(said);
    expect(entry).not.toHaveProperty('of');
  });
});

describe('a label that stands once is of what it says, where programs write such words themselves', () => {
  test.each([
    ['[watch] ', '[mesh] error: bad cell 7'],
    ['train[7]: ', 'solver[9]: error: bad cell'],
  ])('%j', (label, line) => {
    const others = Array.from({ length: 8 }, (_, at) => `${label}a ${at}`);
    expect(read(...others, line)).toMatchObject([{ line: 9, text: line }]);
  });

  test('one that differs by a number from the others is one of them', () => {
    const others = Array.from({ length: 8 }, (_, at) => `train[7]: a ${at}`);
    expect(read(...others, 'train[12]: error: bad cell')).toMatchObject([
      { line: 9, text: 'error: bad cell' },
    ]);
  });
});

test('a label that names a GPU tells of which one the line is', () => {
  const others = ['[gpu0] step 1', '[gpu3] step 1', '[gpu0] step 2', '[gpu3] step 2'];
  const line = 'RuntimeError: CUDA error: uncorrectable ECC error encountered';
  expect(read(...others, `[gpu3] ${line}`)).toMatchObject([{ line: 5, gpu: 3, text: line }]);
});
