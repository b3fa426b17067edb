import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { collector, run } from './run.ts';

/** A file of the test's own with this text and mode. */
async function file(text: string, mode = 0o600): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'gpu-mcp-')), 'file');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

const TOKEN = 'x'.repeat(32);

test.each([
  ['another address', ['--http', '10.0.0.5:7000'], 'can be reached from other machines'],
  ['the same, allowed, without TLS', ['--http', 'a.example:1', '--allow-remote'], 'other machines'],
  ['every address', ['--http', '0.0.0.0:7000', '--allow-remote'], 'no name that its clients'],
  ['no address', ['--http', 'here'], '"here" is not an address to listen on'],
  [
    'a certificate without its key',
    ['--http', '127.0.0.1:0', '--tls-cert', '/nowhere'],
    'go together',
  ],
  [
    'a token file that is not there',
    ['--http', '127.0.0.1:0', '--http-token-file', '/nowhere'],
    'be read',
  ],
])('serve over HTTP on %s is refused', async (_what, flags, why) => {
  const { code, stderr } = await run(['serve', '--simulate', 'healthy-t4', ...flags]);
  expect(stderr).toContain(why);
  expect(code).toBe(2);
});

test.each([
  ['that others can read', TOKEN, 0o644, 'can be read by others'],
  ['that can be guessed', 'secret', 0o600, 'holds no token that could be used'],
  ['of two words', `${TOKEN} ${TOKEN}`, 0o600, 'holds no token that could be used'],
])('a token %s is refused', async (_what, text, mode, why) => {
  const flags = ['--http', '127.0.0.1:0', '--http-token-file', await file(text, mode)];
  const { code, stderr } = await run(['serve', '--simulate', 'healthy-t4', ...flags]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

/** Serves until it says where it listens. */
async function listened(...flags: string[]) {
  const stop = new AbortController();
  const [out, err] = [collector(), collector()];
  err.stream.on('data', () => {
    if (err.text().includes('MCP over HTTP')) stop.abort();
  });
  const code = await runCommandLine(['serve', '--simulate', 'healthy-t4', ...flags], {
    ...{ stdin: new PassThrough(), stdout: out.stream, stderr: err.stream, environment: {} },
    ...{ stdoutIsTerminal: false, stdinIsTerminal: true, signal: stop.signal },
    clock: { nowMs: () => 0 },
    program: { plugin: 'none', agent: 'none', node: process.version },
  });
  return { code, stdout: out.text(), stderr: err.text() };
}

test('serve over HTTP prints where it listens and a new token once, and stops in order', async () => {
  const { code, stdout, stderr } = await listened('--http', '127.0.0.1:0');
  expect([code, stdout]).toEqual([130, '']);
  expect(stderr).toMatch(
    /^MCP over HTTP: http:\/\/127\.0\.0\.1:\d+\/mcp\nAuthorization: Bearer [\w-]{43}\n$/,
  );
});

test('a token of a file is not printed', async () => {
  const { stderr } = await listened(
    ...['--http', '127.0.0.1:0', '--http-token-file', await file(`${TOKEN}\n`)],
  );
  expect(stderr).toMatch(/^MCP over HTTP: \S+\n$/);
});
