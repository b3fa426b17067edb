import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { write } from '../../src/cli/io.ts';
import { progressOn, shownOn } from '../../src/cli/progress.ts';
import { collector } from './run.ts';

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

describe('on a terminal', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  /** A command whose output and progress share a screen; time passes by hand. */
  function onScreen(options: { quiet: boolean; verbose: boolean }) {
    const screen = collector();
    let nowMs = 0;
    const io: Io = {
      ...{ stdin: process.stdin, stdout: screen.stream, stderr: screen.stream },
      ...{ environment: {}, stdoutIsTerminal: true, stderrIsTerminal: true, columns: 30 },
      signal: new AbortController().signal,
      clock: { nowMs: () => nowMs },
      program: { plugin: '', agent: '' },
    };
    const pass = (ms: number) => {
      nowMs += ms;
      vi.advanceTimersByTime(ms);
    };
    return { ...shownOn(io, options), pass, text: screen.text };
  }
  const LOUD = { quiet: false, verbose: false };

  test('what ends within half a second shows nothing', () => {
    const { progress, pass, end, text } = onScreen(LOUD);
    progress.wait('asking gpu-1');
    pass(490);
    end();
    expect(text()).toBe('');
  });

  test('a longer wait is a line with its seconds and limit, cut to the screen, and gone at the end', () => {
    const { progress, pass, end, text } = onScreen(LOUD);
    progress.say('a pod is being created on gpu-node-1');
    progress.wait('a pod is being created on gpu-node-1', 120_000);
    pass(3_000);
    end();
    const lines = text().split('\r\u001b[K');
    expect(lines.at(-2)).toMatch(/^[-\\|/] a pod is being… {2}3 of 120 s$/);
    expect(lines.at(-1)).toBe('');
    pass(3_000);
    expect(text().split('\r\u001b[K')).toEqual(lines);
  });

  test('what is printed or told stands above it and stays', async () => {
    const { progress, io, pass, end, text } = onScreen(LOUD);
    pass(600);
    await write(io.stdout, 'the page\n');
    progress.tell('pod x deleted, verified');
    pass(600);
    end();
    const left = text()
      .split('\n')
      .map(line => line.split('\r\u001b[K').at(-1));
    expect(left).toEqual(['the page', 'pod x deleted, verified', '']);
  });

  test.each([
    ['with -q', { quiet: true, verbose: false }, ''],
    ['with -v as lines that stay', { quiet: false, verbose: true }, '[0.00 s] running\n'],
  ])('%s there is no line that moves', (_how, options, left) => {
    const { progress, pass, end, text } = onScreen(options);
    progress.wait('starting a pod');
    progress.say('running');
    pass(2_000);
    end();
    expect(text()).toBe(left);
  });
});
