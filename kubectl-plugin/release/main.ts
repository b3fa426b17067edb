/**
 * Makes all that a release publishes, in dist/release: npm package, executables and their archives, the
 * pod's image, manifests of package managers, bills of materials, provenance, sums. The same commit gives
 * the same bytes. Nothing is published: .github/workflows/release.yml does that with these files.
 *
 *   node kubectl-plugin/release/main.ts --dry-run [--repository OWNER/NAME] [--targets linux/amd64,...] [--verify-twice]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildImage } from '../../images/agent/build-image.ts';
import { PLATFORMS } from '../../images/agent/contents.ts';
import { readLock } from '../../images/agent/lock.ts';
import { npmFiles } from '../../images/agent/packages.ts';
import project from '../../package.json' with { type: 'json' };
import { buildAll, bundle, filesOf } from '../build.ts';
import type { File } from './archives.ts';
import { archive, archiveName, executable, partsOf, TARGETS, type Target } from './executables.ts';
import { homebrewFormula, krewManifest } from './manifests.ts';
import { npmPackage } from './npm-package.ts';
import { statement } from './provenance.ts';
import { bundled, cycloneDx, debian, npm } from './sbom.ts';

const PROJECT = join(import.meta.dirname, '../..');
const VERSION = project.version;

interface Plan {
  readonly folder: string;
  readonly repository: string;
  readonly targets: readonly Target[];
  readonly isDryRun: boolean;
  readonly commit: string;
  readonly say: (line: string) => void;
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const git = (...words: string[]) =>
  execFileSync('git', words, { cwd: PROJECT, encoding: 'utf8' }).trim();

/** The time of the commit: the only one that a release has. */
const timeOf = () => new Date(Number(git('log', '-1', '--format=%ct')) * 1000).toISOString();

/** Makes everything in an empty folder; gives the files by their names with their SHA-256. */
async function release(plan: Plan): Promise<ReadonlyMap<string, string>> {
  const { folder, repository, targets, say } = plan;
  say('building plugin and agent');
  const { tooLarge } = await buildAll(PROJECT);
  if (tooLarge.length > 0) throw new Error(tooLarge.join('; '));
  const work = join(folder, 'work');
  const dist = join(work, 'npm/dist');
  for (const name of readdirSync(join(PROJECT, 'dist'))) {
    cpSync(join(PROJECT, 'dist', name), join(dist, name), { recursive: true });
  }

  say(`building the image for ${PLATFORMS.join(', ')}`);
  const imageFile = `gpu-mcp-image-${VERSION}.oci.tar`;
  const file = join(folder, imageFile);
  const image = await buildImage({
    ...{ file, platforms: PLATFORMS },
    source: { address: `https://github.com/${repository}`, commit: plan.commit, time: timeOf() },
  });
  const owner = repository.split('/')[0]?.toLowerCase();
  const published = `ghcr.io/${owner}/gpu-mcp:${VERSION}@${image.digest}`;
  writeFileSync(join(folder, 'image.txt'), `${published}\n`);

  say(`building the plugin whose image is ${published}`);
  for (const part of filesOf(dist, 'plugin')) rmSync(join(dist, part));
  const entry = join(PROJECT, 'src/cli/main.ts');
  const shared = { releaseImage: published };
  await bundle({ entry, output: join(dist, 'plugin.mjs'), inParts: true, ...shared });
  await npmPackage({ project: PROJECT, folder: join(work, 'npm'), output: folder, repository });

  const main = join(work, 'kubectl-gpu_mcp.mjs');
  const own = join(import.meta.dirname, 'executable.ts');
  const { inputs } = await bundle({ entry: own, output: main, executable: true, ...shared });
  const archives = new Map<Target, string>();
  for (const target of targets) {
    say(`making the executable for ${target}`);
    const program = await executable(target, main, work);
    const packed = await archive(target, program, await licencesFor(target, dist));
    writeFileSync(join(folder, archiveName(target, VERSION)), packed);
    archives.set(target, sha256(packed));
    rmSync(join(work, target.replace('/', '-')), { recursive: true });
  }
  const released = { version: VERSION, repository, archives };
  writeFileSync(join(folder, 'gpu-mcp.yaml'), krewManifest(released));
  writeFileSync(join(folder, 'kubectl-gpu-mcp.rb'), homebrewFormula(released));

  const parts = writeBills(plan, bundled(PROJECT, Object.keys(inputs)), image.digest);
  writeFileSync(join(folder, 'NOTES.md'), notesOf(VERSION));
  rmSync(work, { recursive: true });

  const sums = sumsOf(folder);
  const lines = [...sums].map(([name, sum]) => `${sum}  ${name}\n`);
  writeFileSync(join(folder, 'SHA256SUMS'), lines.join(''));
  const { commit, isDryRun } = plan;
  const builtFrom = { repository, version: VERSION, commit, isDryRun };
  writeFileSync(join(folder, 'provenance.intoto.json'), statement(builtFrom, sums, parts));
  return sumsOf(folder);
}

/** Bills of materials of plugin and image; gives what both are made of beside our own code. */
function writeBills(
  { folder, targets }: Plan,
  components: ReturnType<typeof bundled>,
  digest: string,
): ReturnType<typeof bundled> {
  const time = timeOf();
  const lock = readLock();
  const nodes = targets.map(target => npm(partsOf(target).node, 'MIT'));
  const inImage = PLATFORMS.flatMap(platform => [
    npm(lock.platforms[platform].node, 'MIT'),
    npm(lock.platforms[platform].koffi, 'MIT'),
    ...debian(lock, platform),
  ]);
  const { name } = project;
  const plugin = { name, version: VERSION, purl: `pkg:npm/${name}@${VERSION}` };
  const oci = { name: 'gpu-mcp', version: VERSION, purl: `pkg:oci/gpu-mcp@${digest}` };
  const bills = {
    'plugin.cdx.json': cycloneDx(plugin, time, [...components, ...nodes]),
    'image.cdx.json': cycloneDx(oci, time, [...components, ...inImage]),
  };
  for (const [file, text] of Object.entries(bills)) writeFileSync(join(folder, file), text);
  return [...components, ...nodes, ...inImage];
}

const sumsOf = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder)
      .filter(name => name !== 'work')
      .sort()
      .map(name => [name, sha256(readFileSync(join(folder, name)))]),
  );

/** Ours, those of what is bundled, and Node's where it is inside. */
async function licencesFor(target: Target, dist: string): Promise<readonly File[]> {
  // npm's package for Windows holds the program alone; the text is that of the same version.
  const ofNode = target.startsWith('windows') ? partsOf('linux/amd64') : partsOf(target);
  const node = (await npmFiles(ofNode.node)).get('package/LICENSE')?.content;
  if (!node) throw new Error(`${ofNode.node.name} without its licence`);
  const file = (path: string, content: Buffer) => ({ path, mode: 0o644, content });
  return [
    file('LICENSE', readFileSync(join(PROJECT, 'LICENSE'))),
    file('LICENSE-node', node),
    file('LICENSES.txt', readFileSync(join(dist, 'LICENSES.txt'))),
  ];
}

/** What the changelog says of a version. Throws where it says nothing: a release is told. */
function notesOf(version: string): string {
  const changelog = readFileSync(join(PROJECT, 'CHANGELOG.md'), 'utf8');
  const section = changelog.split(/^## /m).find(text => text.startsWith(`[${version}]`));
  if (section === undefined) throw new Error(`CHANGELOG.md has no section [${version}]`);
  return `${section.slice(section.indexOf('\n')).trim()}\n`;
}

/** What keeps a release that is to be published from being one of this very commit. */
function refusal(): string | undefined {
  if (git('status', '--porcelain') !== '') return 'the work tree has changes';
  const tags = git('tag', '--points-at', 'HEAD').split('\n');
  return tags.includes(`v${VERSION}`) ? undefined : `HEAD has no tag v${VERSION}`;
}

/**
 * Makes it again from a clone of a commit, in another folder, and names the files that differ.
 * Its packages are links to ours, which takes a Unix and a moment.
 */
function differing(
  made: ReadonlyMap<string, string>,
  commit: string,
  words: readonly string[],
): readonly string[] {
  const clone = join(PROJECT, 'dist/clone');
  execFileSync('git', ['clone', '--quiet', '--no-checkout', PROJECT, clone]);
  execFileSync('git', ['checkout', '--quiet', commit], { cwd: clone });
  execFileSync('cp', ['-al', join(PROJECT, 'node_modules'), clone]);
  const again = join(clone, 'kubectl-plugin/release/main.ts');
  const stdio = ['ignore', 'ignore', 'inherit'] as const;
  execFileSync(process.execPath, [again, ...words], { cwd: clone, stdio: [...stdio] });
  const others = sumsOf(join(clone, 'dist/release'));
  const names = new Set([...made.keys(), ...others.keys()]);
  const differ = [...names].filter(name => made.get(name) !== others.get(name));
  if (differ.length === 0) rmSync(clone, { recursive: true });
  return differ;
}

async function main(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      'dry-run': { type: 'boolean', default: false },
      repository: { type: 'string' },
      targets: { type: 'string', default: TARGETS.join(',') },
      'verify-twice': { type: 'boolean', default: false },
    },
  });
  const say = (line: string) => process.stderr.write(`release: ${line}\n`);
  const isDryRun = values['dry-run'];
  const refused = isDryRun ? undefined : refusal();
  if (refused !== undefined) throw new Error(`${refused}; --dry-run makes the files all the same`);
  if (!isDryRun && !values.repository) throw new Error('--repository OWNER/NAME is missing');
  const targets = values.targets.split(',').map(word => {
    const found = TARGETS.find(target => target === word);
    if (!found) throw new Error(`no target "${word}": there are ${TARGETS.join(', ')}`);
    return found;
  });
  const repository = values.repository ?? 'example/kubectl-gpu-mcp';
  const folder = join(PROJECT, 'dist/release');
  const commit = git('rev-parse', 'HEAD');
  const made = await release({ folder, repository, targets, isDryRun, commit, say });
  for (const [name, sum] of made) {
    const megabytes = readFileSync(join(folder, name)).length / 1_000_000;
    process.stdout.write(`${sum.slice(0, 12)} ${megabytes.toFixed(2).padStart(7)} MB  ${name}\n`);
  }
  if (!values['verify-twice']) return 0;
  say('making it again from a clone');
  const differ = differing(
    made,
    commit,
    words.filter(word => word !== '--verify-twice'),
  );
  process.stdout.write(
    differ.length === 0
      ? `the same bytes from a clone: ${made.size} files\n`
      : `not the same from a clone: ${differ.join(', ')}\n`,
  );
  return differ.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`release: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
