import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
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
  try {
    // Whoever opens a FIFO waits for its other end.
    if (!(await stat(path)).isFile()) {
      throw new UsageError(`the archive ${name} is not a file`, TRY);
    }
    return await agentsOf(choice, path, name);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`the archive ${name} cannot be read: ${wordsOf(cause)}`, TRY);
  }
}

async function agentsOf(
  choice: ArchiveChoice,
  path: string,
  name: string,
): Promise<readonly ArchivedAgent[]> {
  const file = await open(path);
  try {
    const archive = await Archive.of(file, name);
    const [top] = (await archive.layout()).manifests;
    const published = /@(sha256:[0-9a-f]{64})$/.exec(DEFAULT_IMAGE)?.[1];
    // Whoever names a file has chosen it; one that merely lies there must be this release's own.
    if (choice.file === undefined && published !== undefined && published !== top?.digest) {
      throw new UsageError(
        `the archive ${name} is not the image of this release, ${published}`,
        TRY,
      );
    }
    const isIndex = top?.mediaType.endsWith('.index.v1+json');
    const manifests = top && isIndex ? (await archive.index(top.digest)).manifests : [top];
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

  private constructor(file: FileHandle, blobs: Blobs, name: string) {
    this.#file = file;
    this.#blobs = blobs;
    this.#name = name;
  }

  static async of(file: FileHandle, name: string): Promise<Archive> {
    return new Archive(file, await blobsOf(file), name);
  }

  /** The one file that no digest names: it says which blob is the image. */
  async layout(): Promise<z.infer<typeof Index>> {
    return this.#json(await this.#small('index.json'), Index);
  }

  index(digest: string): Promise<z.infer<typeof Index>> {
    return this.#blob(digest, Index);
  }

  async agent(digest: string): Promise<Omit<ArchivedAgent, 'file'>> {
    const manifest = await this.#blob(digest, Manifest);
    const { architecture, config } = await this.#blob(manifest.config.digest, Config);
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

  /** What is no layer is checked as the layers are: by the digest that led to it. */
  async #blob<Schema extends z.ZodType>(digest: string, schema: Schema): Promise<z.output<Schema>> {
    const content = await this.#small(blob(digest));
    const hash = createHash('sha256').update(content).digest('hex');
    if (`sha256:${hash}` !== digest) throw damaged(this.#name);
    return this.#json(content, schema);
  }

  async #small(path: string): Promise<Buffer> {
    const place = this.#blobs.get(path);
    if (!place || place.bytes > ARCHIVE_JSON_BYTES_MAX) throw this.#foreign();
    const { buffer, bytesRead } = await this.#file.read(
      Buffer.alloc(place.bytes),
      0,
      place.bytes,
      place.at,
    );
    return buffer.subarray(0, bytesRead);
  }

  #json<Schema extends z.ZodType>(content: Buffer, schema: Schema): z.output<Schema> {
    let json: unknown;
    try {
      json = JSON.parse(content.toString('utf8'));
    } catch {
      throw damaged(this.#name);
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) throw this.#foreign();
    return parsed.data;
  }

  /** Where a layer lies, once its bytes are those that its digest names. */
  async #whole(digest: string): Promise<{ readonly at: number; readonly bytes: number }> {
    const place = this.#blobs.get(blob(digest));
    if (!place) throw damaged(this.#name);
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(1024 * 1024);
    for (let done = 0; done < place.bytes; ) {
      const wanted = Math.min(chunk.length, place.bytes - done);
      const { bytesRead } = await this.#file.read(chunk, 0, wanted, place.at + done);
      if (bytesRead === 0) throw damaged(this.#name);
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
    }
    if (`sha256:${hash.digest('hex')}` !== digest) throw damaged(this.#name);
    return place;
  }

  #foreign(): UsageError {
    return new UsageError(`the archive ${this.#name} holds no image of this program`, TRY);
  }
}

const damaged = (name: string) => new UsageError(`the archive ${name} is damaged`, TRY);

const BLOCK_BYTES = 512;

/**
 * Where the files of a tar lie, by their paths; one that goes on past the end is found out by its digest.
 * Source of the layout: POSIX ustar.
 */
async function blobsOf(file: FileHandle): Promise<Blobs> {
  const { size } = await file.stat();
  const blobs = new Map<string, { readonly at: number; readonly bytes: number }>();
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at + BLOCK_BYTES <= size; ) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at);
    const text = (from: number, width: number) =>
      block.toString('latin1', from, from + width).replace(/\0[\s\S]*$/, '');
    const octal = /^ *([0-7]+) *$/.exec(text(124, 12))?.[1];
    if (bytesRead < BLOCK_BYTES || block[0] === 0 || octal === undefined) break;
    const bytes = Number.parseInt(octal, 8);
    at += BLOCK_BYTES;
    blobs.set(text(0, 100).replace(/^\.\//, ''), { at, bytes });
    at += BLOCK_BYTES * Math.ceil(bytes / BLOCK_BYTES);
  }
  return blobs;
}
