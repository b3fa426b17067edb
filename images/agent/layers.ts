import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOf } from '../../kubectl-plugin/build.ts';
import {
  ACCOUNTS,
  ARCHITECTURES,
  type Architecture,
  DIRECTORIES,
  LIBRARIES,
  type Platform,
} from './contents.ts';
import type { DebianFiles } from './deb.ts';
import { withoutSections } from './elf.ts';
import type { DebianPackage, Lock, PlatformLock } from './lock.ts';
import { debianFiles, npmFiles } from './packages.ts';
import { snapshots } from './snapshots.ts';
import type { ReadEntry, TarEntry } from './tar.ts';

/** What changes only with the lock: directories, accounts, Node and the libraries it links. */
export async function runtimeLayer(
  platform: Platform,
  lock: PlatformLock,
  { distribution, snapshot }: Pick<Lock, 'distribution' | 'snapshot'>,
): Promise<readonly TarEntry[]> {
  const architecture = ARCHITECTURES[platform];
  const node = await npmFiles(lock.node);
  const debian = await Promise.all(lock.debian.map(debianEntries(architecture, snapshot)));
  const folders = new Set(debian.flat().flatMap(({ path }) => parents(path)));
  for (const { path } of DIRECTORIES) folders.delete(path);
  return [
    ...DIRECTORIES,
    ...[...folders, 'usr/share/doc/node'].map(path => ({ path, mode: 0o755 })),
    ...Object.entries(ACCOUNTS).map(([path, text]) => textFile(path, text)),
    textFile('etc/os-release', osRelease(distribution)),
    program('usr/bin/node', nodeIn(node)),
    file('usr/share/doc/node/LICENSE', contentOf(node, 'package/LICENSE')),
    ...debian.flat(),
  ];
}

/** What changes with every release of ours: the agent, its snapshots, koffi's native part, the licences. */
export async function agentLayer(
  platform: Platform,
  lock: Pick<PlatformLock, 'node' | 'koffi'>,
  { project, fromSnapshot }: { readonly project: string; readonly fromSnapshot: boolean },
): Promise<readonly TarEntry[]> {
  const dist = join(project, 'dist');
  const missing = ['agent.mjs', 'nvml-agent.mjs'].find(name => !existsSync(join(dist, name)));
  if (missing) throw new Error(`there is no dist/${missing} yet: run \`npm run build\``);
  const bundles = ['agent', 'nvml-agent'].flatMap(name => filesOf(dist, name));
  const { node } = ARCHITECTURES[platform];
  const native = await npmFiles(lock.koffi);
  const heaps = fromSnapshot ? await snapshots(nodeIn(await npmFiles(lock.node)), project) : [];
  return [
    ...['app', 'app/koffi', `app/koffi/${node}`].map(path => ({ path, mode: 0o755 })),
    ...(await Promise.all(
      bundles.map(async name => file(`app/${name}`, await readFile(join(dist, name)))),
    )),
    ...heaps.map(({ name, content }) => file(`app/${name}`, content)),
    file('app/LICENSE', await readFile(join(project, 'LICENSE'))),
    file('app/LICENSES.txt', await readFile(join(dist, 'LICENSES.txt'))),
    // The glibc build, named after the platform with an underscore in koffi's own package.
    file(
      `app/koffi/${node}/koffi.node`,
      contentOf(native, `package/${node.replace('-', '_')}/koffi.node`),
    ),
  ];
}

const nodeIn = (files: ReadonlyMap<string, ReadEntry>): Buffer =>
  withoutSections(contentOf(files, 'package/bin/node'));

/** The libraries of one Debian package, its licence, and its entry for scanners. */
const debianEntries =
  (architecture: Architecture, snapshot: string) =>
  async (wanted: DebianPackage): Promise<readonly TarEntry[]> => {
    const found = await debianFiles(wanted, snapshot);
    const names = [...(LIBRARIES[wanted.name] ?? [])];
    const entries = names.map(name => {
      const path = `${architecture.libraries}/${name}`;
      return file(path, libraryOf(found, path));
    });
    if (wanted.name === 'libc6') {
      entries.push(program(architecture.loader, libraryOf(found, architecture.loader)));
    }
    const licence = `usr/share/doc/${wanted.name}/copyright`;
    const text = found.files.get(licence);
    if (text) entries.push(file(licence, text.content));
    // Scanners of distroless images read this folder to learn what may be vulnerable.
    entries.push(textFile(`var/lib/dpkg/status.d/${wanted.name}`, found.control));
    return entries;
  };

/** A library with links followed; since Debian 13 the same path stands below /usr. */
function libraryOf({ files }: DebianFiles, path: string): Buffer {
  const candidates = [path, `usr/${path}`, `usr/lib/${path.split('/').slice(1).join('/')}`];
  const name = path.split('/').at(-1);
  const entry =
    candidates.map(candidate => files.get(candidate)).find(found => found !== undefined) ??
    [...files.values()].find(found => found.path.endsWith(`/${name}`));
  if (!entry) throw new Error(`a Debian package without ${path}`);
  if (entry.link === undefined) return entry.content;
  const target = entry.link.split('/').at(-1);
  const real = [...files.values()].find(
    found => found.link === undefined && found.path.endsWith(`/${target}`),
  );
  if (!real) throw new Error(`${path} points to ${entry.link}, which is not in its package`);
  return real.content;
}

function contentOf(files: ReadonlyMap<string, ReadEntry>, path: string): Buffer {
  const entry = files.get(path);
  if (!entry) throw new Error(`an npm package without ${path}`);
  return entry.content;
}

function parents(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

const osRelease = ({ id, version }: Lock['distribution']) =>
  `PRETTY_NAME="gpu-mcp (libraries of ${id} ${version})"\nID=${id}\nVERSION_ID="${version}"\n`;

const file = (path: string, content: Buffer): TarEntry => ({ path, mode: 0o644, content });
const program = (path: string, content: Buffer): TarEntry => ({ path, mode: 0o755, content });
const textFile = (path: string, text: string) => file(path, Buffer.from(text));
