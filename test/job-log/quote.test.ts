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
