/** Tar archives (POSIX ustar), written so that the same entries give the same bytes. */

export interface TarEntry {
  /** Without a leading slash; a directory has no trailing one. */
  readonly path: string;
  readonly mode: number;
  /** Absent for a directory. */
  readonly content?: Buffer;
}

const BLOCK_BYTES = 512;

/** Sorted by path, owned by root, of the beginning of 1970. Throws on a path above 100 bytes. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  const blocks = sorted.flatMap(entry => {
    const content = entry.content ?? Buffer.alloc(0);
    return [header(entry, content.length), content, Buffer.alloc(padding(content.length))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]);
}

const padding = (bytes: number) => (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;

function header({ path, mode, content }: TarEntry, bytes: number): Buffer {
  const name = content ? path : `${path}/`;
  if (Buffer.byteLength(name) > 100) throw new Error(`too long for a tar header: ${name}`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, width: number, at: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  block.write(name, 0, 'utf8');
  octal(mode, 8, 100);
  octal(0, 8, 108);
  octal(0, 8, 116);
  octal(bytes, 12, 124);
  octal(0, 12, 136);
  // The sum is taken with eight spaces in its own place.
  block.write('        ', 148, 'latin1');
  block.write(content ? '0' : '5', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

export interface ReadEntry {
  readonly path: string;
  readonly content: Buffer;
  /** Where a symbolic or hard link points. */
  readonly link?: string;
}

/** The files and links of an archive, without `./` before their paths. Extended headers are skipped. */
export function readTar(archive: Buffer): ReadonlyMap<string, ReadEntry> {
  const entries = new Map<string, ReadEntry>();
  for (let at = 0; at + BLOCK_BYTES <= archive.length; ) {
    const block = archive.subarray(at, at + BLOCK_BYTES);
    const text = (from: number, width: number) =>
      block
        .subarray(from, from + width)
        .toString('utf8')
        .replace(/\0[\s\S]*$/, '');
    const name = text(0, 100);
    if (name === '') break;
    const bytes = Number.parseInt(text(124, 12), 8);
    if (!Number.isSafeInteger(bytes)) throw new Error(`a damaged archive, at byte ${at}`);
    const prefix = text(345, 155);
    const path = (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//, '');
    const kind = text(156, 1);
    const content = archive.subarray(at + BLOCK_BYTES, at + BLOCK_BYTES + bytes);
    if (kind === '0' || kind === '') entries.set(path, { path, content });
    if (kind === '1' || kind === '2') entries.set(path, { path, content, link: text(157, 100) });
    at += BLOCK_BYTES + bytes + padding(bytes);
  }
  return entries;
}
