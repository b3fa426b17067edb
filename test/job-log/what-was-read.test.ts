import { describe, expect, test } from 'vitest';
import { JOB_LOG_LINES_MAX } from '../../src/contract/limits.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { unknownWords } from '../../src/tools/support/failure-log.ts';

const read = (text: string, cut = false) =>
  readJobLog({
    ...{ container: 'train', previous: false, requests: 1, bytes: text.length },
    ...{ text, cut },
  });
const OOM = 'RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB';
const AT = '2026-11-20T12:00:00.5Z';
const bar = (step: number) => `${step}%|███       | ${step}/100 [00:01<00:02, 3.1it/s]`;
const bars = (count: number) => Array.from({ length: count }, (_, step) => bar(step % 100));

describe('a line is read to its end', () => {
  test.each([
    ['behind a progress bar', `${AT} ${bars(400).join('\r')}\r${OOM}\n`],
    ['between two drawings of it', `${AT} ${bars(400).join('\r')}\r${OOM}\r${bars(1)}\n`],
    ['where Windows ends it', `${AT} ${OOM}\r\n`],
    ['behind data', `${AT} row ${'7 '.repeat(20_000)}${OOM}\n`],
    ['across the border of what is read at once', `${AT} ${'x'.repeat(4_030)} ${OOM}\n`],
    ['in the middle of a line of two parts', `${'x'.repeat(5_000)} ${OOM} ${'y'.repeat(2_000)}\n`],
  ])('%s', (_, text) => {
    const { entries, lines } = read(`start\n${text}`);
    expect(entries).toMatchObject([{ id: 'cuda-2', role: 'cause', line: 2 }]);
    expect(lines).toBe(2);
  });

  test('with the time, the process and the level that its beginning names', () => {
    expect(read(`${AT} ${bars(9).join('\r')}\r${OOM}\n`).entries[0]?.at).toBe(AT);
    const long = `[rank3]: ${'x '.repeat(9_000)}${OOM}`;
    expect(read(long).entries[0]?.ranks).toEqual([3]);
    expect(read(`INFO request: ${'x '.repeat(9_000)}${OOM}`).entries).toEqual([]);
  });

  test('and what is left out is counted', () => {
    const { unreadCharacters, entries } = read(
      `${'x'.repeat(20_000)} ${OOM} ${'y'.repeat(20_000)}`,
    );
    expect(entries).toEqual([]);
    expect(unreadCharacters).toBe(20_000 + OOM.length + 2 + 20_000 - 2 * 4_096);
    expect(read(`${'x'.repeat(8_000)}\n${'y'.repeat(4_096)}`).unreadCharacters).toBe(0);
  });

  test('of a line that was drawn over more often than there are lines, its two ends', () => {
    const drawn = Array.from({ length: 3 * JOB_LOG_LINES_MAX }, () => 'waiting');
    const [first, last] = ['MemoryError', OOM];
    const { entries, unreadCharacters } = read([first, ...drawn, last].join('\r'));
    expect(entries.map(({ id }) => id)).toEqual(['host-memory', 'cuda-2']);
    const kept = JOB_LOG_LINES_MAX - 2;
    expect(unreadCharacters).toBe((drawn.length - kept) * 'waiting'.length);
    // Every one of many lines keeps its last two, and an error in the last is found.
    const lines = Array.from({ length: JOB_LOG_LINES_MAX }, () => `${bars(9).join('\r')}\r`);
    const many = read([...lines, `${bars(9).join('\r')}\r${OOM}`].join('\n'));
    expect(many.entries).toMatchObject([{ id: 'cuda-2', line: JOB_LOG_LINES_MAX + 1 }]);
    expect(many.unreadCharacters).toBeGreaterThan(0);
  });

  test('where a bar that was drawn over counts no line', () => {
    const drawn = Array.from({ length: 300 }, () => 'waiting').join('\r');
    expect(read(`KeyError: 7\n${drawn}\n`).entries).toMatchObject([{ id: 'exception' }]);
    expect(read(`KeyError: 7\n${drawn.replaceAll('\r', '\n')}\n`).entries).toEqual([]);
    // Steps are steps, however they are drawn.
    expect(read(`${OOM}\n${bars(30).join('\r')}\n`).entries).toEqual([]);
  });
});

describe('a log that nobody knows is not called a good one', () => {
  test.each([
    ['in another language', 'Speicherzugriffsfehler (Speicherabzug geschrieben)'],
    ['with a code alone', 'rc=-7'],
    ['of a tool that nobody knows', 'solver: diverged after 7 sweeps'],
  ])('%s', (_, last) => {
    const log = read(`step 1\n${last}\n\n`);
    expect(log.entries).toEqual([]);
    expect(unknownWords(log)).toBe(`no line of a known form; the last line: "${last}"`);
  });

  test.each([
    ['+ export AWS_SECRET_ACCESS_KEY=abcd1234', '(a line of a shell that may hold a secret)'],
    ['++ curl -H x', '(a line of a shell that may hold a secret)'],
    ['HF_TOKEN=hf_abcd1234 python train.py', 'HF_TOKEN=(left out) python train.py'],
    ['{"password": "abcd 1234", "a": 1}', '{"password": (left out), "a": 1}'],
    ['run --api-key=abcd1234', 'run --api-key=(left out)'],
    ['Authorization: Bearer abcd1234', 'Authorization: Bearer (left out)'],
    ['cloning https://me:abcd1234@git/x', 'cloning https://me:(left out)@git/x'],
    ['max_tokens=512', 'max_tokens=512'],
  ])('but no echo of a shell and no secret is quoted: %s', (line, quoted) => {
    expect(read(`step 1\n${line}\n`).last?.text).toBe(quoted);
    const done = read(`step 1\nTraining completed; ${line}\nRuntimeError: x\n`).done?.text;
    expect(done?.includes('abcd')).toBe(false);
    const failed = `RuntimeError: login failed for ${line}`;
    expect(read(failed).entries[0]?.text.includes('abcd')).toBe(false);
  });

  test('an error is not tried again by what names something else below', () => {
    const log = (line: string, again: string) => read(`${line}\nx\n${again}\n`).entries.length;
    const upload = 'upload of logs: attempt 1/5';
    expect(log('FATAL: cannot read shard 3', upload)).toBe(1);
    expect(log('error: cannot read shard 3', upload)).toBe(1);
    expect(log('FATAL: cannot read shard 3', 'attempt 1/5')).toBe(1);
    expect(log('error: cannot read shard 3', 'attempt 1/5')).toBe(0);
    expect(log('error: cannot read shard 3', 'reading the shard: attempt 1/5')).toBe(0);
  });

  test('a level that an error quotes is not its own', () => {
    const raised = 'Traceback (most recent call last):\n  File "/a.py", line 3, in f';
    const line = 'ValueError: invalid logger config {"level": "info"}';
    expect(read(`${raised}\n${line}\n`).entries).toMatchObject([{ id: 'exception', text: line }]);
    expect(read('time=7 level=INFO msg="ValueError: x"').entries).toEqual([]);
  });

  test('what was not read is told beside it', () => {
    const words = 'no line of a known form in what was read; the last line: "step 1"';
    expect(unknownWords(read('step 1', true))).toBe(words);
    expect(unknownWords(read(`${'x'.repeat(9_000)}\nstep 1`))).toBe(words);
    expect(unknownWords(read(''))).toBe('it is empty');
  });

  test('one that says itself that all went well is told in other words', () => {
    const done = 'Training complete after 3 epochs';
    const quoted = `the program said that it was done: "${done}"`;
    expect(unknownWords(read(`step 1\n${done}\n`))).toBe(`no line of a known form; ${quoted}`);
    expect(unknownWords(read(`step 1\n${done}\nbye\n`))).toContain(
      `${quoted}; the last line: "bye"`,
    );
    expect(unknownWords(read(`step 1\nApplication startup complete\n`))).not.toContain('done');
  });
});

describe.each([
  ['Killed', 'killed'],
  ['Terminated', 'told-to-stop'],
])('a bare %s', (word, id) => {
  test.each([word, `run.sh: line 3:    77 ${word}                  python train.py`])(
    '%s',
    line => {
      expect(read(`step 1\n${line}\n`).entries).toMatchObject([{ id }]);
    },
  );
});

describe('a crash after the program was done', () => {
  const crash = 'terminate called without an active exception\nAborted (core dumped)';
  test.each([
    'Training complete',
    'Run finished',
    'INFO trainer: training finished, saved to /out',
  ])('is told with what it had said: %s', said => {
    const { done, entries } = read(`step 1\n${AT} ${said}\n${crash}\n`);
    expect(entries.some(({ role }) => role === 'cause')).toBe(true);
    expect(done).toEqual({ at: AT, text: said });
  });

  test('and what it said only afterwards is told as that', () => {
    const { done, doneAfter, entries } = read(`step 1\n${crash}\n${AT} Training complete\n`);
    expect(entries.some(({ role }) => role === 'cause')).toBe(true);
    expect(done).toBeUndefined();
    expect(doneAfter).toEqual({ at: AT, text: 'Training complete' });
  });

  test.each([
    'Tokenizer download completed successfully',
    'pip install finished successfully',
    'compile job finished in 31 s',
    'Done.',
  ])('but not with what only came before its work: %s', said => {
    expect(read(`${said}\n${crash}\n`).done).toBeUndefined();
  });

  test('and not where it went on, or said so only afterwards', () => {
    expect(read(`evaluation finished\nstep 1\nstep 2\n${crash}`).done).toBeUndefined();
    expect(
      read(`step 1\n${crash}\nstep failed, job finished with exit code 1`).done,
    ).toBeUndefined();
  });
});

describe('a wrapper that says after the end that it is done', () => {
  const steps = Array.from({ length: 30 }, (_, step) => `step ${step} loss 1`);
  const words = ['Job finished', 'done.', 'Finished.', 'All done', 'Training completed'];
  const raised = ['Traceback (most recent call last):', '  File "/a.py", line 3, in <module>', OOM];

  test.each(words)('takes nothing from the error before it: %s', word => {
    const log = read([...steps, ...raised, 'Syncing logs to s3', word].join('\n'));
    expect(log).toMatchObject({ recovered: 0, entries: [{ id: 'cuda-2', role: 'cause' }] });
    expect(log.done).toBeUndefined();
    const killed = read([...steps, 'Killed', 'Uploading logs', word].join('\n'));
    expect(killed.entries).toMatchObject([{ id: 'killed' }]);
    expect(killed.done).toBeUndefined();
  });

  test('and steps that go on are told as such', () => {
    const log = read([...steps, ...raised, ...steps, 'done'].join('\n'));
    expect(log).toMatchObject({ recovered: 1, entries: [] });
    expect(unknownWords(log)).toBe(
      'only 1 error after which it went on; the program said that it was done: "done"',
    );
  });
});
