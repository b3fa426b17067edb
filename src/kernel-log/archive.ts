import { createInflateRaw } from 'node:zlib';

/** A file in an archive; its chunks must be read before the next member is asked for. */
export interface Member {
  readonly name: string;
  readonly mtimeMs: number | null;
  readonly chunks: AsyncIterable<Buffer>;
}

const BLOCK = 512;
/** A zip has its list of files at its end, so the whole of it must be held. */
const ZIP_BYTES_MAX = 256 * 1024 * 1024;

/** By the bytes at the beginning: POSIX.1-1988 ustar and GNU tar; PKWARE's APPNOTE. */
export function archiveOf(head: Buffer): 'tar' | 'zip' | undefined {
  if (head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  return head.length >= 4 && head.readUInt32LE(0) === 0x04034b50 ? 'zip' : undefined;
}

/** The files of a tar archive, as it streams by. Throws for a damaged header, after all before it. */
export async function* tarMembers(chunks: AsyncIterable<Buffer>): AsyncGenerator<Member> {
  const source = new Bytes(chunks);
  let longName: string | undefined;
  for (;;) {
    const header = await source.take(BLOCK);
    if (header.length < BLOCK || header.every(byte => byte === 0)) return;
    const { size, name, type, mtimeMs } = tarHeader(header);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'L' || type === 'x') {
      const text = (await source.take(padded)).toString('utf8', 0, size);
      longName = type === 'L' ? text.replace(/\0.*$/s, '') : /^\d+ path=(.*)$/m.exec(text)?.[1];
      continue;
    }
    const isFile = type === '0' || type === '\0' || type === '7';
    const body = source.part(size);
    if (isFile) yield { name: longName ?? name, mtimeMs, chunks: body };
    longName = undefined;
    for await (const _ of body);
    await source.take(padded - size);
  }
}

function tarHeader(header: Buffer) {
  const text = (from: number, to: number) =>
    header.toString('utf8', from, to).replace(/\0.*$/s, '').trim();
  const octal = (from: number, to: number) => Number.parseInt(text(from, to), 8);
  // GNU tar writes sizes beyond 8 GiB in base 256.
  const size = (header[124] ?? 0) & 0x80 ? Number(header.readBigUInt64BE(128)) : octal(124, 136);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (!Number.isSafeInteger(size) || octal(148, 156) !== sum) throw new Error('damaged tar header');
  const prefix = text(345, 500);
  const seconds = octal(136, 148);
  return {
    size,
    name: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    type: header.toString('latin1', 156, 157),
    mtimeMs: Number.isNaN(seconds) ? null : seconds * 1_000,
  };
}

/** Takes exact numbers of bytes from a stream of chunks. */
class Bytes {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Fewer where the stream ends before. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.part(length)) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  }

  async *part(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) return;
        this.#rest = next.value;
      }
      const bytes = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(bytes.length);
      left -= bytes.length;
      yield bytes;
    }
  }
}

/** The files of a zip archive; undefined where it is too large to be held. */
export async function zipMembers(
  chunks: AsyncIterable<Buffer>,
): Promise<readonly Member[] | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > ZIP_BYTES_MAX) return undefined;
    parts.push(Buffer.from(chunk));
  }
  const zip = Buffer.concat(parts);
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > zip.length) throw new Error('zip without its list of files');
  const members: Member[] = [];
  let at = zip.readUInt32LE(end + 16);
  while (at + 46 <= end && zip.readUInt32LE(at) === 0x02014b50) {
    const [method, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)];
    const [nameLength, extra] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)];
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const local = zip.readUInt32LE(at + 42);
    const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const body = zip.subarray(begin, begin + size);
    if (!name.endsWith('/')) members.push({ name, mtimeMs: null, chunks: inflated(body, method) });
    at += 46 + nameLength + extra + zip.readUInt16LE(at + 32);
  }
  return members;
}

async function* inflated(body: Buffer, method: number): AsyncGenerator<Buffer> {
  if (method === 0) {
    yield body;
    return;
  }
  if (method !== 8) throw new Error(`zip method ${method}`);
  const stream = createInflateRaw();
  stream.end(body);
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) yield chunk;
}
