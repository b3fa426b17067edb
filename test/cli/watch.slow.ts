import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-watch-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A machine on which GPU 3 falls off the bus while one looks. */
function failing(): string {
  const file = join(folder, 'failing.json');
  const text = 'NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.';
  const kernelLog = { later: [{ afterSeconds: 4, text }] };
  writeFileSync(file, JSON.stringify({ version: 1, like: 'dgx-h100', title: 'x', kernelLog }));
  return file;
}

/** What a glance shows of the log may be two seconds old: the event then comes a round after the finding. */
const bothOf = (one: string, other: string) => new RegExp(`${one}[^]*${other}|${other}[^]*${one}`);

const byWords = (a: string, b: string) => a.slice(10).localeCompare(b.slice(10));

/** Watches until so much was said, and is ended as Ctrl-C ends it. */
async function watched(until: RegExp, ...flags: string[]) {
  const stop = new AbortController();
  const heard = (stdout: string) => {
    if (until.test(stdout)) stop.abort();
  };
  const words = ['triage', '--simulate', failing(), '--watch', '2s', '-q', ...flags];
  return run(words, { signal: stop.signal, heard });
}

test('after the first page each change is a line, and the end has the exit code of the last state', async () => {
  const { stdout, code } = await watched(
    bothOf('kernel at', ' new warning'),
    '--fail-on',
    'warning',
  );
  expect(stdout).toMatch(/^HEALTHY {2}failing /);
  const lines = stdout.split('\n').filter(line => /^\d\d:\d\d:\d\d /.test(line));
  expect(lines).toHaveLength(3);

  expect(lines.toSorted(byWords)).toEqual([
    expect.stringMatching(/kernel at \d\d:\d\d:\d\d: GPU 3 XID 79 GPU has fallen off the bus$/),
    expect.stringMatching(/new warning: XID 79: GPU has fallen off the bus on GPU 3/),
    expect.stringMatching(/^\d\d:\d\d:\d\d {2}failing {2}verdict healthy -> warning$/),
  ]);
  expect(code).toBe(1);
});

test('with -o json the first answer and each change are a line of JSON', async () => {
  const { stdout } = await watched(bothOf('"event"', '"new"'), '-o', 'json');
  const changes = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  expect(changes[0]).toMatchObject({
    change: 'first',
    node: 'failing',
    answer: { verdict: 'healthy' },
  });
  expect(changes).toHaveLength(4);
  const of = (name: string) => changes.find(({ change }) => change === name);
  expect(of('verdict')).toMatchObject({ from: 'healthy', to: 'warning' });
  expect(of('event')).toMatchObject({ event: { gpu: 'GPU 3', code: 'XID 79' } });
  expect(of('new')).toMatchObject({ finding: { severity: 'warning' } });
});

test.each([
  [['--watch', '10'], '--watch "10" is not a duration'],
  [['--watch', '-1s'], '--watch "-1s" is not a duration'],
  [['--watch', '1s'], '--watch "1s" is too short'],
  [['--watch', '100h'], '--watch "100h" is too long'],
  [['--watch', '10s', '-o', 'html'], '--watch does not write html'],
])('%j is an error in a sentence', async (flags, sentence) => {
  const { stderr, code } = await run(['triage', '--simulate', 'dgx-h100', ...flags]);
  expect(stderr).toContain(`error: ${sentence}\n`);
  expect(code).toBe(2);
});
