import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { ARCHIVE_JSON_BYTES_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { DEFAULT_IMAGE, VERSION } from '../contract/version.ts';

/** Where --no-image takes the agent from. */
export interface ArchiveChoice {
  /** Of --agent-archive; absent: one of the names in one of the folders. */
  readonly file?: string | undefined;
  readonly folders: readonly string[];
}

/** The image of one platform as it lies in an archive: what is sent to a node. */
export interface ArchivedAgent {
  readonly file: string;
  /** By which a registry would name it. */
  readonly digest: string;
  readonly architecture: string;
  /** Compressed tars, the lower ones first. */
  readonly layers: readonly {
    readonly digest: string;
    readonly bytes: number;
    readonly at: number;
  }[];
  readonly entrypoint: readonly string[];
}

/** As a release names the archive of its image, and as `npm run image` does. */
const NAMES = [`gpu-mcp-image-${VERSION}.oci.tar`, `gpu-mcp-${VERSION}.tar`];

/**
 * The agents in the archive of the image, one for each platform. Every byte of them is read and checked
 * once, before anything is made in a cluster.
 *
 * @throws UsageError when there is no archive, or it is damaged, of another version or of no use here.
 */
export async function archivedAgents(choice: ArchiveChoice): Promise<readonly ArchivedAgent[]> {
  const path = found(choice);
  const name = plainText(path, 200);
  const file = await open(path).catch(cause => {
    throw new UsageError(`the archive ${name} cannot be read: ${wordsOf(cause)}`, TRY);
  });
  try {
    const archive = new Archive(file, await blobsOf(file), name);
    const [top] = (await archive.index('index.json')).manifests;
    const published = /@(sha256:[0-9a-f]{64})$/.exec(DEFAULT_IMAGE)?.[1];
    // Whoever names a file has chosen it; one that merely lies there must be this release's own.
    if (choice.file === undefined && published !== undefined && published !== top?.digest) {
      throw new UsageError(
        `the archive ${name} is not the image of this release, ${published}`,
        TRY,
      );
    }
    const isIndex = top?.mediaType.endsWith('.index.v1+json');
    const manifests = top && isIndex ? (await archive.index(blob(top.digest))).manifests : [top];
    const agents = [];
    for (const one of manifests) {
      if (one) agents.push({ file: path, ...(await archive.agent(one.digest)) });
    }
    return agents;
  } finally {
    await file.close();
  }
}

const TRY =
  '--agent-archive FILE names it: gpu-mcp-image-VERSION.oci.tar of the same release, or what npm run image makes of a clone';

const wordsOf = (cause: unknown) =>
  plainText(cause instanceof Error ? cause.message : String(cause), 200);

function found({ file, folders }: ArchiveChoice): string {
  if (file !== undefined) return file;
  const paths = folders.flatMap(folder => NAMES.map(name => `${folder}/${name}`));
  const there = paths.find(path => existsSync(path));
  if (there !== undefined) return there;
  throw new UsageError(
    `--no-image sends the agent from an archive of its image, and there is no gpu-mcp-image-${VERSION}.oci.tar beside this program`,
    TRY,
  );
}

const Descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
});
const Index = z.object({ manifests: z.array(Descriptor) });
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor).min(1) });
const Config = z.object({
  architecture: z.string().regex(/^[a-z0-9]+$/),
  config: z.object({
    Entrypoint: z.array(z.string()).min(1),
    Labels: z.record(z.string(), z.string()),
  }),
});

type Blobs = ReadonlyMap<string, { readonly at: number; readonly bytes: number }>;

const blob = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;

/** An OCI image layout in a tar. */
class Archive {
  readonly #file: FileHandle;
  readonly #blobs: Blobs;
  readonly #name: string;

  constructor(file: FileHandle, blobs: Blobs, name: string) {
    this.#file = file;
    this.#blobs = blobs;
    this.#name = name;
  }

  index(path: string): Promise<z.infer<typeof Index>> {
    return this.#json(path, Index);
  }

  async agent(digest: string): Promise<Omit<ArchivedAgent, 'file'>> {
    const manifest = await this.#json(blob(digest), Manifest);
    const { architecture, config } = await this.#json(blob(manifest.config.digest), Config);
    const version = plainText(config.Labels['org.opencontainers.image.version'] ?? 'none', 40);
    if (version !== VERSION) {
      throw new UsageError(
        `the archive ${this.#name} is of version ${version}, this plugin is ${VERSION}`,
        TRY,
      );
    }
    const layers = [];
    for (const { digest: of, mediaType } of manifest.layers) {
      if (!mediaType.endsWith('.tar+gzip')) throw this.#foreign();
      layers.push({ digest: of, ...(await this.#whole(of)) });
    }
    return { digest, architecture, layers, entrypoint: config.Entrypoint };
  }

  async #json<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const place = this.#blobs.get(path);
    if (!place || place.bytes > ARCHIVE_JSON_BYTES_MAX) throw this.#foreign();
    const { buffer } = await this.#file.read(Buffer.alloc(place.bytes), 0, place.bytes, place.at);
    let json: unknown;
    try {
      json = JSON.parse(buffer.toString('utf8'));
    } catch {
      throw this.#damaged();
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) throw this.#foreign();
    return parsed.data;
  }

  /** Where a layer lies, once its bytes are those that its digest names. */
  async #whole(digest: string): Promise<{ readonly at: number; readonly bytes: number }> {
    const place = this.#blobs.get(blob(digest));
    if (!place) throw this.#damaged();
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(1024 * 1024);
    for (let done = 0; done < place.bytes; ) {
      const wanted = Math.min(chunk.length, place.bytes - done);
      const { bytesRead } = await this.#file.read(chunk, 0, wanted, place.at + done);
      if (bytesRead === 0) throw this.#damaged();
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
    }
    if (`sha256:${hash.digest('hex')}` !== digest) throw this.#damaged();
    return place;
  }

  #damaged(): UsageError {
    return new UsageError(`the archive ${this.#name} is damaged`, TRY);
  }

  #foreign(): UsageError {
    return new UsageError(`the archive ${this.#name} holds no image of this program`, TRY);
  }
}

const BLOCK_BYTES = 512;

/** Where the files of a tar lie, by their paths. Source of the layout: POSIX ustar. */
async function blobsOf(file: FileHandle): Promise<Blobs> {
  const blobs = new Map<string, { readonly at: number; readonly bytes: number }>();
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at);
    const text = (from: number, width: number) =>
      block.toString('latin1', from, from + width).replace(/\0[\s\S]*$/, '');
    const bytes = Number.parseInt(text(124, 12), 8);
    if (bytesRead < BLOCK_BYTES || block[0] === 0 || !Number.isSafeInteger(bytes)) return blobs;
    blobs.set(text(0, 100).replace(/^\.\//, ''), { at: at + BLOCK_BYTES, bytes });
    at += BLOCK_BYTES * (1 + Math.ceil(bytes / BLOCK_BYTES));
  }
}
