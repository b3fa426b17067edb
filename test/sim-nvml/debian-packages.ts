import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aptMirrors, tool } from '../../images/agent/packages.ts';
import { cacheFolder } from './build.ts';

/** Debian's releases, by the branch of NVIDIA's driver that each has in its component `non-free`. */
export const SUITE_OF_BRANCH = { R550: 'trixie', R535: 'bookworm', R470: 'bullseye' } as const;

export interface DebianPackage {
  readonly suite: (typeof SUITE_OF_BRANCH)[keyof typeof SUITE_OF_BRANCH];
  readonly name: 'nvidia-smi' | 'libnvidia-ml1';
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * A folder with the files of one of NVIDIA's packages, as Debian distributes it: fetched once, from
 * the mirrors that apt is set up with, through lists of its own. Nothing is installed, and nothing
 * of the machine's apt changes.
 *
 * @throws Error where none of apt's mirrors has that release of Debian.
 */
export async function unpackedPackage(wanted: DebianPackage): Promise<string> {
  const { suite, name } = wanted;
  const cache = cacheFolder('debian', [suite, name, process.arch]);
  const files = join(cache, 'files');
  if (existsSync(files)) return files;
  const failures: unknown[] = [];
  for (const mirror of await aptMirrors()) {
    const work = await mkdtemp(join(cache, 'work-'));
    try {
      await rename(await fetched(wanted, mirror, work), files);
      return files;
    } catch (error) {
      // Which of the mirrors has this release is not known before asking.
      failures.push(error);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const cause = new AggregateError(failures);
  throw new Error(`no mirror of apt's gave ${name} of Debian ${suite}, non-free`, { cause });
}

async function fetched(
  { suite, name }: DebianPackage,
  mirror: string,
  work: string,
): Promise<string> {
  const source = `deb [signed-by=${KEYRING}] ${mirror} ${suite} non-free\n`;
  const apt = ['--chdir', work, 'apt-get', '-qq', '-c', await privateApt(work, source)];
  await tool('env', [...apt, 'update']);
  await tool('env', [...apt, 'download', name]);
  const archive = (await readdir(work)).find(file => file.endsWith('.deb'));
  if (!archive) throw new Error('apt-get download left no file');
  await tool('dpkg-deb', ['-x', join(work, archive), join(work, 'files')]);
  return join(work, 'files');
}

/** Settings for apt by which it knows this source only, and writes in this folder only. */
async function privateApt(work: string, source: string): Promise<string> {
  await mkdir(join(work, 'lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'sources.list'), source);
  const settings = {
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State': work,
    'Dir::State::lists': join(work, 'lists'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
  };
  const file = join(work, 'apt.conf');
  const hooks = ['Pre-Invoke', 'Post-Invoke', 'Post-Invoke-Success'];
  await writeFile(
    file,
    [
      ...hooks.map(hook => `#clear APT::Update::${hook};\n`),
      ...Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`),
    ].join(''),
  );
  return file;
}
