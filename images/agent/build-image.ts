/**
 * Builds the pod's image without a container engine and without a base image: Node and koffi from
 * npm, libraries from Debian, the agent from dist/. The same parts give the same bytes.
 *
 *   node images/agent/build-image.ts [--platform linux/amd64,linux/arm64] [--output FILE] [--or-newest]
 *   node images/agent/build-image.ts --platform linux/amd64 --rootfs FOLDER [--no-snapshots]
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import project from '../../package.json' with { type: 'json' };
import { PLATFORMS, type Platform, REPOSITORY } from './contents.ts';
import { agentLayer, runtimeLayer } from './layers.ts';
import { type Lock, readLock } from './lock.ts';
import { digestOf, type Image, type Layer, layer, ociArchive, type Source } from './oci.ts';
import { cacheFolder, PackageGone } from './packages.ts';
import { newestLock } from './relock.ts';
import { writeFolder } from './rootfs.ts';
import { makesSnapshots } from './snapshots.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

export interface BuiltImage {
  readonly file: string;
  /** How the cluster names it: `localhost/gpu-mcp:0.1.0`. */
  readonly reference: string;
  /** `sha256:` of the manifest, or of the index of several platforms. */
  readonly digest: string;
  /** What a node has to pull, per platform. */
  readonly compressedBytes: Readonly<Record<string, number>>;
}

/** This machine's own platform; throws where the image has none for it. */
export function ownPlatform(): Platform {
  const wanted = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const found = PLATFORMS.find(platform => platform === wanted);
  if (!found) throw new Error(`the image is not made for ${wanted}: name another --platform`);
  return found;
}

/**
 * Builds the image from dist/ and writes its archive to `file`.
 * Throws when dist/ is not built, or when a part cannot be fetched or is not the one of the lock.
 */
export async function buildImage(options: {
  readonly file: string;
  readonly platforms: readonly Platform[];
  readonly lock?: Lock;
  readonly source?: Source;
}): Promise<BuiltImage> {
  const lock = options.lock ?? readLock();
  const images: Image[] = [];
  for (const platform of options.platforms) {
    const parts = { project: PROJECT, fromSnapshot: makesSnapshots(platform) };
    const entries = await agentLayer(platform, lock.platforms[platform], parts);
    const agent = layer(entries, 'the agent of gpu-mcp');
    const layers = [await cachedRuntimeLayer(platform, lock), agent];
    const { fromSnapshot } = parts;
    const { source } = options;
    const image = { platform, version: project.version, layers, fromSnapshot };
    images.push({ ...image, ...(source && { source }) });
  }
  const reference = `${REPOSITORY}:${project.version}`;
  const { archive, digest } = ociArchive(images, reference);
  await mkdir(dirname(options.file), { recursive: true });
  await writeFile(options.file, archive);
  const sizes = images.map(({ platform, layers }) => [
    platform,
    layers.reduce((total, { compressed }) => total + compressed.length, 0),
  ]);
  return { file: options.file, reference, digest, compressedBytes: Object.fromEntries(sizes) };
}

/**
 * The image of the lock; where the mirrors no longer have its packages, one of the newest they have,
 * which `warn` is told. For tests, which need an image; a release needs the one of the lock.
 */
export async function buildImageOrNewest(
  options: { readonly file: string; readonly platforms: readonly Platform[] },
  warn: (message: string) => void,
): Promise<BuiltImage> {
  try {
    return await buildImage(options);
  } catch (error) {
    if (!(error instanceof PackageGone)) throw error;
    warn(`${error.message}; built with the newest packages instead`);
    return buildImage({ ...options, lock: await newestLock() });
  }
}

/** The runtime's layer, kept between builds: fetching and compressing Node is nearly all the time. */
async function cachedRuntimeLayer(platform: Platform, lock: Lock): Promise<Layer> {
  const createdBy = 'Node from npm, libraries from Debian';
  const recipe = createHash('sha256').update(
    JSON.stringify([platform, lock, process.versions.zlib]),
  );
  for (const name of readdirSync(import.meta.dirname).sort()) {
    if (name.endsWith('.ts')) recipe.update(readFileSync(join(import.meta.dirname, name)));
  }
  const path = join(cacheFolder(), `runtime-${recipe.digest('hex').slice(0, 32)}.tar.gz`);
  const digests = `${path}.digests`;
  if (existsSync(path) && existsSync(digests)) {
    const compressed = await readFile(path);
    const [digest, diffId = ''] = (await readFile(digests, 'utf8')).split('\n');
    if (digest === digestOf(compressed)) return { compressed, diffId, createdBy };
  }
  const entries = await runtimeLayer(platform, lock.platforms[platform], lock);
  const made = layer(entries, createdBy);
  await mkdir(cacheFolder(), { recursive: true });
  const writing = `${path}.${process.pid}`;
  await writeFile(writing, made.compressed);
  await rename(writing, path);
  await writeFile(digests, `${digestOf(made.compressed)}\n${made.diffId}\n`);
  return made;
}

/** Writes the image's files of one platform into an empty folder: what the Dockerfile copies. */
async function buildFolder(
  folder: string,
  platform: Platform,
  fromSnapshot: boolean,
): Promise<void> {
  const lock = readLock();
  const parts = lock.platforms[platform];
  await writeFolder(folder, [
    ...(await runtimeLayer(platform, parts, lock)),
    ...(await agentLayer(platform, parts, { project: PROJECT, fromSnapshot })),
  ]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string' },
      output: { type: 'string' },
      rootfs: { type: 'string' },
      'no-snapshots': { type: 'boolean', default: false },
      'or-newest': { type: 'boolean', default: false },
    },
  });
  const platforms = (values.platform ?? ownPlatform()).split(',').map(name => {
    const found = PLATFORMS.find(platform => platform === name);
    if (!found) throw new Error(`no platform "${name}": there are ${PLATFORMS.join(' and ')}`);
    return found;
  });
  const [first] = platforms;
  if (values.rootfs !== undefined) {
    if (!first || platforms.length > 1) throw new Error('a folder holds one platform');
    const fromSnapshot = makesSnapshots(first) && !values['no-snapshots'];
    return buildFolder(values.rootfs, first, fromSnapshot);
  }
  const file = values.output ?? join(PROJECT, 'dist', `gpu-mcp-${project.version}.tar`);
  const warn = (message: string) => process.stderr.write(`image: ${message}\n`);
  const built = values['or-newest']
    ? await buildImageOrNewest({ file, platforms }, warn)
    : await buildImage({ file, platforms });
  for (const [platform, bytes] of Object.entries(built.compressedBytes)) {
    process.stdout.write(`${(bytes / 1_000_000).toFixed(1).padStart(6)} MB  ${platform}\n`);
  }
  process.stdout.write(`${built.reference}@${built.digest}\n${built.file}\n`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`image: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
