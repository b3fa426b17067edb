import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { progressOn } from '../../src/cli/io.ts';

function said(options: { quiet: boolean; verbose: boolean }): string {
  let text = '';
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  let nowMs = 1_000;
  const progress = progressOn({ stderr, clock: { nowMs: () => nowMs } }, options);
  progress.say('pulling image');
  nowMs += 1_234;
  progress.say('pulling image');
  progress.say('running');
  return text;
}

test.each([
  ['as it is, each message once', { quiet: false, verbose: false }, 'pulling image\nrunning\n'],
  ['with seconds', { quiet: false, verbose: true }, '[0.00 s] pulling image\n[1.23 s] running\n'],
  ['not at all', { quiet: true, verbose: true }, ''],
])('progress is told %s', (_how, options, text) => {
  expect(said(options)).toBe(text);
});
