import { createHash } from 'node:crypto';
import { arch } from 'node:process';

export interface ImageFile {
  /** Path inside the image, without a leading slash. */
  path: string;
  content: Buffer;
  mode: number;
}

export interface Image {
  /** Name and tag, `localhost/pause:1`. */
  reference: string;
  files: readonly ImageFile[];
  entrypoint: readonly string[];
}

const BLOCK_BYTES = 512;

/** A docker-archive of one layer: what `ctr images import` and `docker load` read. */
export function imageArchive({ reference, files, entrypoint }: Image): Buffer {
  const layer = tar(files);
  const config = Buffer.from(
    JSON.stringify({
      architecture: arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Entrypoint: entrypoint, Env: ['PATH=/bin'], WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    }),
  );
  const configPath = `${sha256(config)}.json`;
  const layerPath = `${sha256(layer)}/layer.tar`;
  const manifest = [{ Config: configPath, RepoTags: [reference], Layers: [layerPath] }];
  return tar([
    { path: configPath, content: config, mode: 0o644 },
    { path: layerPath, content: layer, mode: 0o644 },
    { path: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function tar(files: readonly ImageFile[]): Buffer {
  const blocks = files.flatMap(file => [
    header(file),
    file.content,
    Buffer.alloc((BLOCK_BYTES - (file.content.length % BLOCK_BYTES)) % BLOCK_BYTES),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]);
}

// POSIX ustar, owner root, time 0: the same files give the same bytes.
function header({ path, content, mode }: ImageFile): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(path, 0, 100, 'utf8');
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(content.length, 11), 124);
  block.write(octal(0, 11), 136);
  block.write('        0', 148);
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
