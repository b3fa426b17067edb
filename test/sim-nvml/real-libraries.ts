import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './build.ts';

const run = promisify(execFile);

/** NVIDIA's own libraries as Debian packages them (non-free), oldest first. Never committed. */
export const GENERATIONS = {
  R390: { suite: 'bullseye', name: 'libnvidia-legacy-390xx-ml1' },
  R418: { suite: 'bullseye', name: 'libnvidia-tesla-418-ml1' },
  R450: { suite: 'bullseye', name: 'libnvidia-tesla-450-ml1' },
  R470: { suite: 'bullseye', name: 'libnvidia-ml1' },
  R525: { suite: 'bookworm', name: 'libnvidia-tesla-ml1' },
  R535: { suite: 'bookworm', name: 'libnvidia-ml1' },
  R550: { suite: 'trixie', name: 'libnvidia-ml1' },
} as const;
export type Generation = keyof typeof GENERATIONS;

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The path of each generation's libnvidia-ml.so, or why it cannot be had on this machine. */
export type RealLibraries = Readonly<Record<Generation, { path: string } | { absent: string }>>;

/** Fetches what is not here yet, through apt with lists of its own: the machine's apt is not changed. */
export async function realLibraries(): Promise<RealLibraries> {
  const folder = cacheFolder('nvidia-libraries', [JSON.stringify(GENERATIONS), process.arch]);
  const missing = Object.keys(GENERATIONS).some(name => !existsSync(join(folder, name)));
  const apt = missing ? await privateApt(folder) : 'not asked';
  const found = async (generation: Generation) => {
    const place = join(folder, generation);
    try {
      if (!existsSync(place) && typeof apt !== 'string') await fetchInto(place, generation, apt);
    } catch (error) {
      return { absent: error instanceof Error ? error.message : String(error) };
    }
    if (!existsSync(place)) return { absent: String(apt) };
    const library = readdirSync(place, { recursive: true, encoding: 'utf8' }).find(file =>
      /\/libnvidia-ml\.so\.\d+\.\d/.test(file),
    );
    return library === undefined
      ? { absent: 'the package has no libnvidia-ml.so' }
      : { path: join(place, library) };
  };
  return {
    R390: await found('R390'),
    R418: await found('R418'),
    R450: await found('R450'),
    R470: await found('R470'),
    R525: await found('R525'),
    R535: await found('R535'),
    R550: await found('R550'),
  };
}

/** Options with which apt works in this folder, on the archive of the machine's own apt; or why not. */
async function privateApt(folder: string): Promise<readonly string[] | string> {
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb'))
    return 'there is no apt here';
  if (!existsSync(KEYRING)) return 'the keys of Debian’s archive are not installed here';
  const targets = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian'];
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...targets]);
  const [archive] = stdout.split('\n').filter(Boolean);
  if (archive === undefined) return 'apt is set up with no archive of Debian’s here';
  const work = mkdtempSync(join(folder, 'apt-'));
  for (const place of ['lists/partial', 'cache/archives/partial', 'debs']) {
    mkdirSync(join(work, place), { recursive: true });
  }
  const suites = new Set(Object.values(GENERATIONS).map(({ suite }) => suite));
  const sources = [...suites].map(
    suite => `deb [signed-by=${KEYRING}] ${archive} ${suite} non-free`,
  );
  writeFileSync(join(work, 'sources.list'), `${sources.join('\n')}\n`);
  writeFileSync(join(work, 'status'), '');
  const options = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  };
  const words = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  try {
    await run('apt-get', [...words, 'update', '--quiet'], { timeout: 90_000 });
  } catch (error) {
    return `Debian’s non-free component cannot be had: ${error instanceof Error ? error.message : error}`;
  }
  return words;
}

async function fetchInto(place: string, generation: Generation, apt: readonly string[]) {
  const { suite, name } = GENERATIONS[generation];
  const work = mkdtempSync(`${place}-`);
  await run('apt-get', [...apt, 'download', `${name}/${suite}`], { cwd: work, timeout: 60_000 });
  const [archive] = readdirSync(work).filter(file => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt brought no ${name} of ${suite}`);
  await run('dpkg-deb', ['-x', join(work, archive), join(work, 'files')]);
  renameSync(join(work, 'files'), place);
}
