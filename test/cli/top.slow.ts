import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { run } from './run.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const hasTmux = (() => {
  try {
    execFileSync('tmux', ['-V']);
    return true;
  } catch {
    return false;
  }
})();

/** A terminal of a real emulator, with a shell in it. */
class Tmux {
  readonly #folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-top-'));

  constructor(columns: number, rows: number) {
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'PS1="$ " exec sh');
  }

  #tmux(...words: string[]): string {
    const env = { ...process.env, TMUX: '', TERM: 'xterm-256color', NO_COLOR: '' };
    return execFileSync('tmux', ['-S', join(this.#folder, 'socket'), ...words], {
      env,
      encoding: 'utf8',
    });
  }

  /** A command line, in a shell that tells its exit code. */
  run(words: string, beside?: string): void {
    const node = `${process.execPath}${beside === undefined ? '' : ` --import '${beside}'`}`;
    this.#tmux('send-keys', '-l', `clear; echo before; ${node} ${MAIN} ${words}; echo rc=$?`);
    this.keys('Enter');
  }

  keys(...names: string[]): void {
    this.#tmux('send-keys', ...names);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  screen(...how: string[]): string {
    return this.#tmux('capture-pane', '-p', ...how);
  }

  /** What the terminal says of itself: whether it shows its other screen, and its cursor. */
  get state(): string {
    return this.#tmux(
      'display-message',
      '-p',
      '#{alternate_on} #{cursor_flag} #{wrap_flag}',
    ).trim();
  }

  /** The process that runs in the shell. */
  get child(): number {
    const shell = this.#tmux('display-message', '-p', '#{pane_pid}').trim();
    return Number(execFileSync('pgrep', ['-P', shell], { encoding: 'utf8' }).trim());
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server');
    rmSync(this.#folder, { recursive: true });
  }
}

const LIVE = '1 0 0';
const RESTORED = '0 1 1';
/** Of a busy machine: what is waited for comes at last, or never. */
const PATIENCE = { timeout: 60_000, interval: 100 };

describe.skipIf(!hasTmux)('on a real terminal (tmux)', () => {
  let terminal: Tmux | undefined;
  const open = (columns: number, rows: number, words: string, beside?: string): Tmux => {
    terminal = new Tmux(columns, rows);
    terminal.run(words, beside);
    return terminal;
  };
  afterEach(() => {
    terminal?.[Symbol.dispose]();
    terminal = undefined;
  });
  const lines = (of: Tmux) => of.screen().trimEnd().split('\n');

  test.each([
    [80, 24],
    [60, 20],
    [200, 50],
  ])(
    'at %i columns and %i rows the screen is filled, and given back at its end',
    async (columns, rows) => {
      const at = open(columns, rows, 'top --simulate training-job');
      await expect.poll(() => at.screen(), PATIENCE).toMatch(/ml\/llm-train-0/);
      const shown = lines(at);
      expect(shown).toHaveLength(rows);
      expect(shown[0]).toMatch(/^training-job {2}8 GPUs .* UTC$/);
      expect(shown[0]?.length).toBe(columns);
      expect(shown.at(-1)).toMatch(/^q quit /);
      expect(at.state).toBe(LIVE);
      at.keys('q');
      await expect.poll(() => at.screen(), PATIENCE).toContain('rc=0');
      expect(lines(at)).toEqual(['before', 'rc=0', '$']);
      expect(at.state).toBe(RESTORED);
    },
  );

  test('it moves, and keys and a new size change it at once', async () => {
    const at = open(80, 24, 'top --simulate training-job');
    await expect.poll(() => at.screen(), PATIENCE).toMatch(/^ {2}0 +\d+%/m);
    const first = at.screen();
    await expect.poll(() => at.screen(), PATIENCE).not.toBe(first);
    at.keys('p');
    await expect.poll(() => at.screen(), PATIENCE).not.toContain('PROCESS');
    at.keys('s');
    await expect.poll(() => at.screen(), PATIENCE).toContain('sort: busy');
    at.keys('?');
    await expect.poll(() => at.screen(), PATIENCE).toContain('any key closes this');
    at.keys('x');
    await expect.poll(() => at.screen(), PATIENCE).toContain('q quit');
    at.keys('p');
    at.resize(60, 12);
    await expect.poll(() => lines(at).at(-1), PATIENCE).toMatch(/1-11 of 21 ↑↓$/);
    expect(
      at
        .screen('-J')
        .split('\n')
        .every(line => line.length <= 60),
    ).toBe(true);
    at.keys('j', 'Down');
    await expect.poll(() => lines(at).at(-1), PATIENCE).toMatch(/3-13 of 21 ↑↓$/);
    at.keys('G');
    await expect.poll(() => lines(at).at(-1), PATIENCE).toMatch(/11-21 of 21 ↑↓$/);
    at.keys('g', 'Space');
    await expect.poll(() => at.screen(), PATIENCE).toMatch(/PAUSED {2}1-11 of/);
    const still = at.screen();
    at.resize(60, 13);
    at.resize(60, 12);
    await expect.poll(() => at.screen(), PATIENCE).toBe(still);
  });

  test('a new XID of the kernel stands there, and a driver that hangs says in which call', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-machine-'));
    const text = 'NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.';
    const file = join(folder, 'lost-later.json');
    const kernelLog = { later: [{ afterSeconds: 1, text }] };
    writeFileSync(file, JSON.stringify({ version: 1, like: 'hung-driver', title: 'x', kernelLog }));
    const at = open(100, 24, `top --simulate ${file}`);
    await expect
      .poll(() => at.screen(), PATIENCE)
      .toMatch(/starting for \d s {2}reading 3 of 8 GPUs: nvmlDeviceGetTemperature on GPU 2/);
    await expect
      .poll(() => at.screen(), PATIENCE)
      .toContain('the driver does not answer: nvmlDeviceGetTemperature on GPU 2; waited 2.0 s');
    await expect.poll(() => at.screen(), PATIENCE).toMatch(/GPU 3 {2}XID 79 {2}GPU has fallen off/);
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['Ctrl-C', (at: Tmux) => at.keys('C-c'), 130],
    ['SIGTERM', (at: Tmux) => process.kill(at.child, 'SIGTERM'), 130],
    ['SIGHUP', (at: Tmux) => process.kill(at.child, 'SIGHUP'), 130],
    ['a second Ctrl-C while it ends', (at: Tmux) => at.keys('C-c', 'C-c'), 130],
  ])('%s gives the screen back', async (_how, end, code) => {
    const at = open(80, 24, 'top --simulate dgx-h100');
    await expect.poll(() => at.screen(), PATIENCE).toMatch(/^ {2}7 +100%/m);
    end(at);
    await expect.poll(() => at.screen(), PATIENCE).toContain(`rc=${code}`);
    expect(lines(at)[0]).toBe('before');
    expect(at.state).toBe(RESTORED);
  });

  test('a crash of ours gives the screen back before it says what happened', async () => {
    const crash = 'setTimeout(() => { throw new Error("a bug") }, 3000)';
    const at = open(
      80,
      24,
      `top --simulate dgx-h100`,
      `data:text/javascript,${encodeURIComponent(crash)}`,
    );
    await expect.poll(() => at.screen(), PATIENCE).toMatch(/Error: a bug[\s\S]*rc=1$/m);
    expect(lines(at)[0]).toBe('before');
    expect(at.state).toBe(RESTORED);
  });
});

describe('without a terminal', () => {
  test('one look is text, with what it lacks as -', async () => {
    const { stdout, code } = await run(['top', '--simulate', 'mig-a100', '--once']);
    expect(stdout).toMatch(
      /^mig-a100 {2}2 GPUs {2}A100-SXM4-80GB .* SIMULATED \d\d:\d\d:\d\d UTC\n/,
    );
    expect(stdout).toMatch(/^ {2}0 {5}- .* 37\/80 /m);
    expect(stdout).not.toContain('\u001b');
    expect(code).toBe(0);
  });

  test('with an interval one look follows the other until it is interrupted', async () => {
    const stop = new AbortController();
    const words = ['top', '--simulate', 'dgx-h100', '--interval', '500ms'];
    const looks = await run(words, {
      signal: stop.signal,
      heard: stdout => {
        if ((stdout.match(/^dgx-h100 /gm)?.length ?? 0) > 2) stop.abort();
      },
    });
    expect(looks.stdout.match(/^dgx-h100 /gm)?.length).toBe(3);
    expect(looks.code).toBe(130);
  });

  test('it says in which ways it can be looked at', async () => {
    const { stderr, code } = await run(['top', '--simulate', 'dgx-h100']);
    expect(stderr).toBe(
      'error: top is a live view and needs a terminal\ntry: --once for one look as text, --interval 5s for one every 5 s\n',
    );
    expect(code).toBe(2);
  });
});
