/**
 * Writes packages.json anew: the newest Debian packages that this machine's mirrors have, and the
 * versions of Node and koffi that package.json pins.
 *
 *   node images/agent/relock.ts
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import project from '../../package.json' with { type: 'json' };
import { ARCHITECTURES, type Architecture, LIBRARIES, PLATFORMS } from './contents.ts';
import { type DebianPackage, LOCK_FILE, type Lock, type NpmPackage } from './lock.ts';
import { aptMirrors, tool } from './packages.ts';

const run = promisify(execFile);

/** The newest packages of one architecture, looked up without touching the machine's own lists. */
export async function newestDebianPackages({ debian }: Architecture): Promise<DebianPackage[]> {
  const state = await mkdtemp(join(tmpdir(), 'gpu-mcp-apt-'));
  try {
    await mkdir(join(state, 'lists/partial'), { recursive: true });
    await mkdir(join(state, 'cache/archives/partial'), { recursive: true });
    await writeFile(join(state, 'status'), '');
    const settings = {
      'APT::Architecture': debian,
      'APT::Architectures': debian,
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Dir::State': state,
      'Dir::State::lists': join(state, 'lists'),
      'Dir::State::status': join(state, 'status'),
      'Dir::Cache': join(state, 'cache'),
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    await tool('apt-get', [...options, '-qq', 'update']);
    const names = Object.keys(LIBRARIES);
    // GCC's libraries have their licence in a package of its own, named after GCC's version.
    const depends = await tool('apt-cache', [...options, 'depends', 'libgcc-s1']);
    const licence = /Depends: (gcc-\d+-base)/.exec(depends.toString('utf8'))?.[1];
    const uris = await tool('apt-get', [
      ...[...options, 'download', '--print-uris', ...names],
      ...(licence ? [licence] : []),
    ]);
    return packagesOf(uris.toString('utf8'), await aptMirrors());
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

/** Reads `apt-get download --print-uris`: 'ADDRESS' NAME_VERSION_ARCH.deb SIZE SHA256:SUM. */
export function packagesOf(uris: string, mirrors: readonly string[]): DebianPackage[] {
  return [...uris.matchAll(/^'([^']+)' ([^_\s]+)_([^_\s]+)_\w+\.deb \d+ SHA256:(\w+)$/gm)]
    .map(([, address = '', name = '', version = '', sha256 = '']) => {
      const mirror = mirrors.find(known => address.startsWith(known)) ?? '';
      const file = decodeURIComponent(address.slice(mirror.length));
      return { name, version: decodeURIComponent(version), file, sha256 };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function npmPackage(name: string, version: string): Promise<NpmPackage> {
  const view = ['view', `${name}@${version}`, 'dist.integrity', '--json', '--loglevel=error'];
  const { stdout } = await run('npm', view);
  return { name, version, integrity: z.string().parse(JSON.parse(stdout)) };
}

async function distribution(): Promise<Lock['distribution']> {
  const release = await readFile('/etc/os-release', 'utf8');
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)`, 'm').exec(release)?.[1] ?? '';
  return { id: field('ID'), version: field('VERSION_ID') };
}

/** A lock of what the registries and mirrors have now; it takes some ten seconds. */
export async function newestLock(): Promise<Lock> {
  const pins = project.devDependencies;
  const platforms: Partial<Lock['platforms']> = {};
  for (const platform of PLATFORMS) {
    const architecture = ARCHITECTURES[platform];
    platforms[platform] = {
      node: await npmPackage(`node-${architecture.node}`, pins.node),
      koffi: await npmPackage(`@koromix/koffi-${architecture.node}`, pins.koffi),
      debian: await newestDebianPackages(architecture),
    };
  }
  const { 'linux/amd64': amd64, 'linux/arm64': arm64 } = platforms;
  if (!amd64 || !arm64) throw new Error('a platform without packages');
  return {
    distribution: await distribution(),
    snapshot: new Date().toISOString().replace(/[-:]|\.\d+/g, ''),
    platforms: { 'linux/amd64': amd64, 'linux/arm64': arm64 },
  };
}

if (import.meta.main) {
  await writeFile(LOCK_FILE, `${JSON.stringify(await newestLock(), null, 2)}\n`);
}
