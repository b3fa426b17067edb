import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONFIGURATION, entrypoint } from '../../images/agent/contents.ts';

/** The goals of docs/performance.md for the image. */
const COMPRESSED_BYTES_MAX = 60_000_000;

const project = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-image-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program that builds the image, with a cache of its own. */
function build(cache: string, ...words: string[]): string {
  const script = join(project, 'images/agent/build-image.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...words], {
    encoding: 'utf8',
    env: { ...process.env, XDG_CACHE_HOME: join(folder, cache) },
  });
  if (status !== 0) throw new Error(`building the image failed: ${stderr}`);
  return stdout;
}

test('two builds, each from nothing, give the same image, and it is small', context => {
  context.skip(
    !existsSync('/usr/bin/dpkg-deb'),
    'Debian packages cannot be opened on this machine',
  );
  const digests = ['first', 'second'].map(name => {
    const printed = build(name, '--or-newest', '--output', join(folder, `${name}.tar`));
    return /@(sha256:[0-9a-f]{64})/.exec(printed)?.[1];
  });
  expect(digests[0]).toBeDefined();
  expect(digests[1]).toBe(digests[0]);
  expect(statSync(join(folder, 'first.tar')).size).toBeLessThan(COMPRESSED_BYTES_MAX);
}, 300_000);

test('the files of the image are enough to answer the handshake, with nothing of this machine', async context => {
  context.skip(process.getuid?.() !== 0, 'only root may change the root folder of a process');
  context.skip(
    !existsSync('/usr/bin/dpkg-deb'),
    'Debian packages cannot be opened on this machine',
  );
  const root = join(folder, 'root');
  build(
    'first',
    '--platform',
    `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
    '--rootfs',
    root,
  );
  const { user } = CONFIGURATION;
  const made = ['agent.blob', 'nvml-agent.blob'].filter(name =>
    existsSync(join(root, 'app', name)),
  );
  expect(made).toEqual(['agent.blob', 'nvml-agent.blob']);
  const words = entrypoint(true);
  const agent = spawn('chroot', [`--userspec=${user}`, root, ...words, '--simulate', 'dgx-h100'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  agent.stdin.write(
    `${JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-06-18',
        capabilities: {},
        clientInfo: { name: 'test', version: '1' },
      },
    })}\n`,
  );
  const ended = new Promise(resolve => agent.once('exit', resolve));
  for await (const line of createInterface({ input: agent.stdout })) {
    expect(JSON.parse(line)).toMatchObject({ id: 1, result: { serverInfo: expect.anything() } });
    agent.stdin.end();
  }
  expect(await ended).toBe(0);
}, 300_000);
