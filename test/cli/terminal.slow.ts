import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const PROJECT = join(MAIN, '../../..');

interface Screenful {
  /** All that came over the terminal, as it came. */
  readonly raw: string;
  /** What stands on it at the end. */
  readonly screen: string;
  readonly code: number | null;
}

/** A command line on a real terminal of 80 columns, as script(1) opens one. */
async function onTerminal(
  words: string,
  typed?: { after: RegExp; keys: string },
): Promise<Screenful> {
  const shell = `stty cols 80 rows 24; exec ${process.execPath} ${MAIN} ${words}`;
  const child = spawn('script', ['-qfec', shell, '/dev/null'], {
    cwd: PROJECT,
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '1', COLUMNS: '' },
  });
  let raw = '';
  let isTyped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    raw += chunk.toString('utf8');
    if (typed && !isTyped && typed.after.test(raw)) {
      isTyped = true;
      child.stdin.write(typed.keys);
    }
  });
  const code = await new Promise<number | null>(resolve => child.on('close', resolve));
  return { raw, screen: screenOf(raw), code };
}

/** The lines that a terminal shows: a return begins the line anew, and ESC [ K clears its rest. */
const screenOf = (raw: string): string =>
  raw
    .split('\n')
    .map(line => (line.split('\u001b[K').at(-1) ?? '').replaceAll('\r', ''))
    .join('\n');

test('a wait is a line that moves with its seconds, and is gone when the page is there', async () => {
  const { raw, screen, code } = await onTerminal('triage --simulate power-brake');
  const moves = raw.match(/\r\u001b\[K[-\\|/] [^\r\n]+ {2}\d+ s/g) ?? [];
  expect(moves.length).toBeGreaterThan(3);
  expect(raw).toMatch(/watches counters for 1.5 s: .* {2}\d+ s/);
  for (const line of moves) expect(line.length).toBeLessThanOrEqual(80 + '\r\u001b[K'.length);
  expect(screen).toMatch(/^WARNING {2}power-brake /);
  expect(screen).not.toMatch(/watches counters|asking|starting|ending/);
  for (const line of screen.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(code).toBe(0);
});

test('with -q nothing moves', async () => {
  const { raw } = await onTerminal('triage --simulate power-brake -q');
  expect(raw).toMatch(/^WARNING {2}power-brake /);
  expect(raw).not.toContain('\u001b[K');
});

test('Ctrl-C ends it with a word and leaves no line', async () => {
  const typed = { after: /watches counters/, keys: '\u0003' };
  const { screen, code } = await onTerminal('triage --simulate power-brake', typed);
  expect(screen.trim().split('\n').at(-1)).toMatch(/interrupted; no pod was left$/);
  expect(screen).not.toMatch(/watches counters/);
  expect(code).toBe(130);
});

test('a person who starts the server is told what to type', async () => {
  const { screen, code } = await onTerminal('gpu-1');
  expect(screen).toMatch(/^error: "gpu-1" is not a command; .*\n?.*try: for a person: /s);
  expect(code).toBe(2);
});
