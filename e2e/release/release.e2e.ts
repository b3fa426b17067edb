import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownPlatform } from '../../images/agent/build-image.ts';
import { entrypoint } from '../../images/agent/contents.ts';
import project from '../../package.json' with { type: 'json' };
import type { Installed } from '../installed.ts';
import { PROJECT } from '../prepare.ts';
import { goPrograms, pythonCheckers } from './checkers.ts';

/** What a release publishes, looked at by the programs that will look at it when it is published. */
const RELEASE = join(PROJECT, 'dist/release');
const of = (name: string) => join(RELEASE, name);
const archiveOf = (target: string) => of(`kubectl-gpu_mcp-v${project.version}-${target}.tar.gz`);
const own = ownPlatform().replace('/', '-');

let folder = '';

/** Runs a program in the folder of these tests; what it says is the error when it fails. */
function ran(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const [file = '', ...words] = argv;
  const { status, stdout, stderr } = spawnSync(file, words, { cwd: folder, env, encoding: 'utf8' });
  expect(status, `${argv.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-release-'));
  const targets = [...new Set([ownPlatform(), 'linux/arm64', 'darwin/arm64'])].join(',');
  execFileSync('npm', ['run', 'release', '--', '--dry-run', '--targets', targets], {
    cwd: PROJECT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  ran(['tar', 'xzf', archiveOf(own), '-C', folder]);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the sums are those of the files', () => {
  ran(['env', '-C', RELEASE, 'sha256sum', '--check', '--quiet', 'SHA256SUMS']);
});

test('the executable answers without Node, the package with it', () => {
  const page = ran(['./kubectl-gpu_mcp', 'triage', '--simulate', 'lost-gpu'], { HOME: folder });
  expect(page).toMatch(/^CRITICAL {2}lost-gpu/);
  const packed = `kubectl-gpu-mcp-${project.version}.tgz`;
  copyFileSync(of(packed), join(folder, packed));
  expect(ran(['npx', '--yes', `./${packed}`, 'version'])).toMatch(project.version);
});

function programOf(installed: Installed, name: string, skip: (why: string) => never): string {
  if ('why' in installed) return skip(installed.why);
  return join(installed.folder, name);
}

test('krew’s validator accepts the manifest, and krew installs the archive by it', async ({
  skip,
}) => {
  const krew = await goPrograms('checkers');
  const manifest = ['-manifest', of('gpu-mcp.yaml'), '-skip-install'];
  ran([programOf(krew, 'validate-krew-manifest', skip), ...manifest]);
  const env = { ...process.env, KREW_ROOT: join(folder, 'krew') };
  const from = [`--manifest=${of('gpu-mcp.yaml')}`, `--archive=${archiveOf(own)}`];
  ran([programOf(krew, 'krew', skip), 'install', ...from], env);
  expect(ran([join(folder, 'krew/bin/kubectl-gpu_mcp'), 'version'])).toMatch(project.version);
}, 600_000);

test('Ruby reads the formula', ({ skip }) => {
  skip(spawnSync('ruby', ['--version']).status !== 0, 'ruby is not here');
  expect(ran(['ruby', '-c', of('kubectl-gpu-mcp.rb')])).toBe('Syntax OK\n');
});

test('the bills of materials are of CycloneDX’s own schema', async ({ skip }) => {
  const python = programOf(await pythonCheckers(), 'bin/python', skip);
  const bills = [of('plugin.cdx.json'), of('image.cdx.json')];
  const said = ran([python, join(import.meta.dirname, 'check-bills.py'), ...bills]);
  expect(said).toBe(bills.map(bill => `${bill}: valid\n`).join(''));
}, 600_000);

test('actionlint and zizmor find nothing in the workflows', async ({ skip }) => {
  const workflows = ['ci.yml', 'release.yml'].map(name => join(PROJECT, '.github/workflows', name));
  ran([programOf(await goPrograms('checkers'), 'actionlint', skip), ...workflows]);
  const zizmor = programOf(await pythonCheckers(), 'bin/zizmor', skip);
  ran([zizmor, '--offline', '--quiet', '--persona=pedantic', join(PROJECT, '.github')]);
}, 600_000);

describe('signed with a key made for this test', () => {
  /** No service is asked: what is keyless in the workflow has no log and no clock here. */
  const unlogged = ['--use-signing-config=false', '--tlog-upload=false'];
  const key = ['--key', 'cosign.key', '--yes', ...unlogged];
  const verified = ['--key', 'cosign.pub', '--insecure-ignore-tlog'];
  const env = { ...process.env, COSIGN_PASSWORD: '' };

  test('files and image verify, by their digest; another key does not', async ({ skip }) => {
    const programs = await goPrograms('cosign');
    const cosign = (...words: string[]) =>
      ran([programOf(programs, 'cosign', skip), ...words], env);
    cosign('generate-key-pair');
    cosign('generate-key-pair', '--output-key-prefix', 'other');
    const sums = of('SHA256SUMS');
    cosign('sign-blob', ...key, '--bundle', 'sums.json', sums);
    cosign('verify-blob', ...verified, '--bundle', 'sums.json', sums);

    const crane = programOf(programs, 'crane', skip);
    const registry = spawn(crane, ['registry', 'serve', '--address', '127.0.0.1:0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      const image = await pushed(crane, await addressOf(registry.stderr));
      // The plugin of this release names its image by this digest.
      expect(image.split('@')[1]).toBe(readFileSync(of('image.txt'), 'utf8').trim().split('@')[1]);
      cosign('sign', ...key, image);
      cosign('verify', ...verified, image);
      const bill = ['--type', 'cyclonedx', '--predicate', of('image.cdx.json')];
      cosign('attest', ...key, ...bill, image);
      cosign('verify-attestation', ...verified, '--type', 'cyclonedx', image);
      const refused = ['verify', '--key', 'other.pub', '--insecure-ignore-tlog', image];
      expect(() => cosign(...refused)).toThrow('failed to verify signature');
    } finally {
      registry.kill();
    }
  }, 1_800_000);

  async function addressOf(said: NodeJS.ReadableStream): Promise<string> {
    for await (const line of createInterface({ input: said })) {
      const port = /serving on port (\d+)/.exec(line)?.[1];
      if (port !== undefined) return `127.0.0.1:${port}`;
    }
    throw new Error('the registry does not say its port');
  }

  /** The archive in a registry, as the workflow puts it there; gives its name by digest. */
  async function pushed(crane: string, address: string): Promise<string> {
    const layout = join(folder, 'layout');
    mkdirSync(layout);
    ran(['tar', 'xf', of(`gpu-mcp-image-${project.version}.oci.tar`), '-C', layout]);
    const name = `${address}/gpu-mcp:${project.version}`;
    return ran([crane, 'push', layout, name]).trim();
  }
});

/** Programs for arm64 run as they are: by QEMU, in a user namespace with a binfmt_misc of its own (Linux 6.7). */
describe('emulated arm64', () => {
  const EMULATOR = '/usr/bin/qemu-aarch64-static';
  const MAGIC =
    ':arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00' +
    ':\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff' +
    `:${EMULATOR}:F`;
  const REGISTER = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' '${MAGIC}' > /proc/sys/fs/binfmt_misc/register`;
  const ENTER = 'mount -t proc proc root/proc; exec chroot root "$@"';
  const inside = (script: string, ...words: readonly string[]) => [
    ...['unshare', '--user', '--map-root-user', '--mount', '--pid', '--fork'],
    ...['bash', '-ec', script, 'bash', ...words],
  ];
  const emulated = (...words: readonly string[]) => inside(`${REGISTER}\n${ENTER}`, ...words);

  beforeAll(() => {
    const words = ['--platform', 'linux/arm64', '--rootfs', join(folder, 'root')];
    ran([process.execPath, join(PROJECT, 'images/agent/build-image.ts'), ...words]);
    ran(['tar', 'xzf', archiveOf('linux-arm64'), '-C', join(folder, 'root'), 'kubectl-gpu_mcp']);
  }, 300_000);

  const cannot = (): string | undefined => {
    if (!existsSync(EMULATOR)) return `${EMULATOR} is not here`;
    const [file = '', ...words] = inside(REGISTER);
    const { status, stderr } = spawnSync(file, words, { encoding: 'utf8' });
    return status === 0 ? undefined : `no binfmt_misc of its own: ${stderr.trim()}`;
  };

  // Emulated, the agent may start later than the plugin waits for it on a busy machine.
  test('the executable prints a page, which takes its agent as a process', {
    retry: 2,
    timeout: 300_000,
  }, ({ skip }) => {
    const why = cannot();
    if (why !== undefined) skip(why);
    const page = ran(emulated('/kubectl-gpu_mcp', 'triage', '--simulate', 'lost-gpu'));
    expect(page).toMatch(/^CRITICAL {2}lost-gpu/);
  });

  test('the agent of the image answers the handshake', ({ skip }) => {
    const why = cannot();
    if (why !== undefined) skip(why);
    const [file = '', ...words] = emulated(...entrypoint(false), '--simulate', 'dgx-h100');
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    };
    const input = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`;
    const { status, stdout, stderr } = spawnSync(file, words, {
      cwd: folder,
      input,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ id: 1, result: { serverInfo: expect.anything() } });
  }, 300_000);
});
