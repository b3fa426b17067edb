import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { type DebianFiles, openedDeb } from './deb.ts';
import type { DebianPackage, NpmPackage } from './lock.ts';
import { type ReadEntry, readTar } from './tar.ts';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;
const FETCH_MS_MAX = 120_000;

/** Where downloads and the compressed runtime layer are kept between builds. */
export const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kubectl-gpu-mcp/image');

/** The files of an npm package, fetched with npm and checked against its integrity. */
export async function npmFiles(wanted: NpmPackage): Promise<ReadonlyMap<string, ReadEntry>> {
  const folder = await mkdtemp(join(tmpdir(), 'gpu-mcp-npm-'));
  try {
    const { stdout } = await run('npm', [
      ...['pack', `${wanted.name}@${wanted.version}`, '--pack-destination', folder],
      // npm's own cache has what `npm ci` brought.
      ...['--prefer-offline', '--ignore-scripts', '--loglevel=error'],
    ]);
    const tarball = await readFile(join(folder, stdout.trim().split('\n').at(-1) ?? ''));
    checkIntegrity(tarball, wanted);
    return readTar(gunzipSync(tarball));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws unless the tarball is the one that the lock means. */
export function checkIntegrity(tarball: Buffer, { name, version, integrity }: NpmPackage): void {
  const found = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  if (found !== integrity) {
    throw new Error(`${name}@${version} is ${found}, and the lock says ${integrity}`);
  }
}

/** A mirror that no longer has a pinned package: Debian keeps only the newest of a release. */
export class PackageGone extends Error {}

/**
 * The files of a Debian package, checked by its SHA-256: from the mirrors that apt is set up with, and
 * where they no longer have it, or there is no apt, from those that GPU_MCP_DEBIAN_MIRRORS names:
 * Debian's snapshots, which keep all that it ever had.
 *
 * @throws PackageGone when nobody has it.
 */
export async function debianFiles(wanted: DebianPackage, snapshot: string): Promise<DebianFiles> {
  const archive = join(cacheFolder(), `${wanted.sha256}.deb`);
  if (!(await isIntact(archive, wanted.sha256))) await download(wanted, snapshot, archive);
  return openedDeb(await readFile(archive));
}

async function isIntact(path: string, sha256: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  return (
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex') === sha256
  );
}

/** apt's own helper: it uses apt's proxies and transports, and refuses a file of another checksum. */
const APT_HELPER = '/usr/lib/apt/apt-helper';

async function download(wanted: DebianPackage, snapshot: string, target: string): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const partial = `${target}.${process.pid}`;
  const path = wanted.file.replaceAll('+', '%2b');
  const mirrors = existsSync(APT_HELPER) ? await aptMirrors().catch(() => []) : [];
  const byApt = (address: string) =>
    run(APT_HELPER, ['download-file', address, partial, `SHA256:${wanted.sha256}`]);
  const tries = [
    ...mirrors.map(mirror => () => byApt(`${mirror}${path}`)),
    ...namedMirrors(process.env['GPU_MCP_DEBIAN_MIRRORS'], snapshot)
      .map(mirror => `${mirror}${path}`)
      .map(address => () => fetched(address, partial)),
  ];
  for (const attempt of tries) {
    // Which of them carries the package is not known before asking.
    await attempt().catch(() => undefined);
    if (await isIntact(partial, wanted.sha256)) return rename(partial, target);
    await rm(partial, { force: true });
  }
  throw new PackageGone(
    `no mirror has ${wanted.name} ${wanted.version} (asked: ${tries.length}); ` +
      'GPU_MCP_DEBIAN_MIRRORS names more (docs/air-gapped.md), or take what apt has now with: node images/agent/relock.ts',
  );
}

/** Addresses between spaces; MOMENT in them stands for that of the lock. */
export const namedMirrors = (words: string | undefined, moment: string): readonly string[] =>
  (words ?? '')
    .split(/\s+/)
    .filter(word => word !== '')
    .map(word => `${word.replaceAll('MOMENT', moment).replace(/\/$/, '')}/`);

async function fetched(address: string, file: string): Promise<void> {
  const response = await fetch(address, { signal: AbortSignal.timeout(FETCH_MS_MAX) });
  if (response.ok) await writeFile(file, Buffer.from(await response.arrayBuffer()));
}

/** Addresses of the archives in apt's configuration, each with a slash at its end. */
export async function aptMirrors(): Promise<readonly string[]> {
  const targets = await tool('apt-get', [
    ...['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'],
  ]);
  return [...new Set(targets.toString('utf8').split('\n').filter(Boolean))];
}

/** Runs a program of Debian's and returns what it prints; says what to do where there is none. */
export async function tool(name: string, args: readonly string[]): Promise<Buffer> {
  try {
    const { stdout } = await run(name, [...args], {
      encoding: 'buffer',
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return stdout;
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const hint = isMissing ? 'it comes with Debian and Ubuntu; elsewhere build the Dockerfile' : '';
    throw new Error(`${name} ${args[0] ?? ''} failed${hint && `: ${hint}`}`, { cause });
  }
}
