import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

const read = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false });
};
const ILLEGAL = 'RuntimeError: CUDA error: an illegal memory access was encountered';

describe('the line that is quoted', () => {
  test.each([
    "ValueError: Unsupported content: 'video/mp4'",
    "FileNotFoundError: No such file or directory for inputs: '/data/train.bin'",
    'error: bad completions="7"',
  ])('is told in its own words, with what they quote: %s', line => {
    expect(read(line).entries).toMatchObject([{ role: 'cause', text: line }]);
  });

  test('and what is quoted means nothing all the same', () => {
    const line =
      "ValueError: Unsupported content: 'CUDA error: uncorrectable ECC error encountered'";
    expect(read(line).entries).toMatchObject([{ id: 'exception', text: line }]);
  });

  test.each([
    ['behind data', `${'x '.repeat(1_000)}${ILLEGAL}`, ILLEGAL],
    ['behind a word without end', `${'x'.repeat(4_000)} ${ILLEGAL}`, ILLEGAL],
    ['between data', `${'x '.repeat(1_000)}${ILLEGAL} ${'y '.repeat(500)}`, ILLEGAL],
    ['of no known text', `${'x '.repeat(900)}my.SpecialError: bad 7`, 'my.SpecialError: bad 7'],
    [
      'in the message of a JSON line',
      JSON.stringify({ level: 'error', id: 'y '.repeat(400), msg: ILLEGAL }),
      ILLEGAL,
    ],
    [
      'of no known text in a JSON line',
      JSON.stringify({ level: 'error', id: 'y '.repeat(400), msg: 'shard 7 failed its checksum' }),
      'shard 7 failed its checksum',
    ],
  ])('of a long one is the part that is the error: %s', (_, line, part) => {
    const [entry] = read('step 1', line).entries;
    expect(entry?.text).toContain(part);
    expect(entry?.text.startsWith('…')).toBe(true);
    expect(entry?.text.length).toBeLessThanOrEqual(300);
  });

  test('counts once, across the border of what is read at once, too', () => {
    const across = `${'x'.repeat(3_900)} ${ILLEGAL} ${'y '.repeat(200)}`;
    expect(read(across).entries).toMatchObject([{ id: 'cuda-700', count: 1 }]);
    expect(read(across, ILLEGAL).entries).toMatchObject([{ id: 'cuda-700', count: 2 }]);
  });
});

describe('what a line of data quotes', () => {
  const BUS = 'GPU has fallen off the bus';
  const ECC = 'CUDA error: uncorrectable ECC error encountered';
  const ENDED = 'ValueError: bad lr';
  const leads = (line: string) => read('step 1', line, ENDED).entries[0];

  test.each([
    ['short', `{"id":1,"text":"words ${BUS}"}`],
    ['long', `{"id":1,"text":"${'y '.repeat(3_500)}${BUS}"}`],
    ['longer than is read', `{"id":1,"text":"${'y '.repeat(30_000)}${BUS}"}`],
    ['without spaces', `{"id":1,"text":"${'y'.repeat(9_000)} \\" ${BUS}"}`],
    ['with a value before', `{"prompt":"a","text":"${'y '.repeat(3_500)}${BUS}","n":1}`],
    ['of a prompt', `prompt: ${'y '.repeat(3_500)}${BUS}`],
    ['of a chat', `{'from':'human','value':'${ECC}'}`],
    ['that grep found', `log.txt:17:RuntimeError: ${ECC}`],
    ['that grep found elsewhere', `/var/log/job-7/train.log.1:RuntimeError: ${ECC}`],
    ['of a page', `<p>${BUS}</p>`],
  ])('gives way to an exception: %s', (_, line) => {
    expect(leads(line)).not.toMatchObject({ role: 'cause', layer: 'hardware' });
    expect(read('step 1', line, ENDED).entries).toContainEqual(
      expect.objectContaining({ id: 'exception', role: 'cause' }),
    );
  });

  test.each([
    ['behind a value that was closed', `{"text":"${'y '.repeat(3_500)}"} RuntimeError: ${ECC}`],
    ['behind data without a key', `${'y '.repeat(3_500)}RuntimeError: ${ECC}`],
    ['in the source of a program', `src/solver.cpp:17: ${ECC}`],
    ['in a logger’s JSON', JSON.stringify({ level: 'error', msg: `RuntimeError: ${ECC}` })],
    ['in an error of JSON', JSON.stringify({ error: `RuntimeError: ${ECC}` })],
  ])('and no error of its own: %s', (_, line) => {
    expect(leads(line)).toMatchObject({ role: 'cause', layer: 'hardware' });
  });

  test('that may have been written by others is told where nothing else is', () => {
    expect(read('step 1', `<p>${BUS}</p>`).entries).toMatchObject([{ id: 'off-the-bus' }]);
  });
});
