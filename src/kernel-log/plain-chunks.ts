import { createGunzip, createZstdDecompress } from 'node:zlib';
import { withHead } from './chunks.ts';
import { type LoadXz, xzChunks } from './journal-codecs.ts';
import type { Tally } from './source.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The text of a file: decompressed, as UTF-8, without NULs. Undefined, with the reason in the tally,
 * where it is none that can be read. A damaged end throws after all before it.
 */
export async function textChunks(
  chunks: AsyncIterable<Buffer>,
  loadXz: LoadXz | undefined,
  tally: Tally,
): Promise<AsyncIterable<Buffer> | undefined> {
  const plain = await plainChunks(chunks, loadXz, tally);
  return plain && searchable(await withHead(plain, HEAD_BYTES), tally);
}

/** Undefined, with what it is instead, where the bytes are no text. */
export async function searchable(
  opened: { readonly head: Buffer; readonly chunks: AsyncIterable<Buffer> },
  tally: Tally,
): Promise<AsyncIterable<Buffer> | undefined> {
  const foreign = foreignKind(opened.head);
  if (foreign === undefined) return textBytes(opened.chunks);
  tally.unavailable('not_supported');
  tally.note(foreign);
  return undefined;
}

/**
 * The chunks as they are, or decompressed, by what the first bytes say. Undefined, with the reason
 * in the tally, where the compression cannot be read. A damaged end throws after all before it.
 */
export async function plainChunks(
  chunks: AsyncIterable<Buffer>,
  loadXz: LoadXz | undefined,
  tally: Tally,
): Promise<AsyncIterable<Buffer> | undefined> {
  const opened = await withHead(chunks, 8);
  const compression = compressionOf(opened.head);
  switch (compression) {
    case 'none':
      return opened.chunks;
    case 'gzip':
    case 'zstd':
      return decompressed(opened.chunks, compression);
    case 'xz':
      if (loadXz) return xzChunks(opened.chunks, loadXz);
      tally.unavailable('not_supported');
      tally.note('this file is compressed with xz, which is not read');
      return undefined;
  }
}

type Compression = 'none' | 'gzip' | 'zstd' | 'xz';

/** By the first bytes: RFC 1952, RFC 8878, and the .xz file format 1.1. */
function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (head.length >= 6 && head.toString('latin1', 0, 6) === '\xfd7zXZ\0') return 'xz';
  return 'none';
}

/** The chunks after decompression; a damaged end throws after all that came before it. */
async function* decompressed(
  chunks: AsyncIterable<Buffer>,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Buffer> {
  const options = { chunkSize: CHUNK_BYTES };
  const stream = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  const feeding = feed(chunks, stream);
  try {
    for await (const chunk of stream) {
      if (Buffer.isBuffer(chunk)) yield chunk;
    }
  } finally {
    stream.destroy();
    await feeding;
  }
}

/** Writes all chunks; the reading side sees the error of either side as the stream's own. */
async function feed(
  chunks: AsyncIterable<Buffer>,
  stream: ReturnType<typeof createGunzip>,
): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (stream.destroyed) return;
      // The source reuses its buffer, and zlib reads it later.
      if (!stream.write(Buffer.from(chunk))) await drained(stream);
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error('reading failed', { cause: error }));
  }
}

function drained(stream: ReturnType<typeof createGunzip>): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('close', done);
    if (stream.destroyed) done();
  });
}

const HEAD_BYTES = 512;

/** Files that people give for a log and that hold none as text, by their first bytes. */
const FOREIGN: readonly (readonly [magic: RegExp, name: string])[] = [
  [/^BZh[1-9]1AY&SY/, 'it is compressed with bzip2: give it through "bzip2 -dc"'],
  [/^\x04"M\x18/, 'it is compressed with lz4: give it through "lz4 -dc"'],
  [/^\x1f\x9d/, 'it is compressed with compress: give it through "uncompress -c"'],
  [/^\x5d\0\0[\s\S]{2}/, 'it is compressed with lzma: give it through "lzma -dc"'],
  [/^7z\xbc\xaf\x27\x1c/, 'it is an archive of 7-Zip: extract it first'],
  [/^Rar!\x1a\x07/, 'it is an archive of RAR: extract it first'],
  [/^!<arch>\n/, 'it is an archive of ar (a Debian package?): extract it first'],
  [/^\xed\xab\xee\xdb/, 'it is a package of RPM'],
  [/^%PDF-/, 'it is a PDF document: save its text'],
  [
    /^\x89PNG\r\n|^\xff\xd8\xff|^GIF8[79]a|^BM[\s\S]{4}\0\0\0\0/,
    'it is a picture: type what it shows',
  ],
  [/^\x7fELF|^MZ/, 'it is a program'],
  [/^SQLite format 3\0/, 'it is a database of SQLite'],
  [/^ElfFile\0/, 'it is an event log of Windows'],
  [/^PAR1/, 'it is a table of Parquet'],
  [/^(?:\xff\xfe\0\0|\0\0\xfe\xff)/, 'it is text in UTF-32: convert it with "iconv -t UTF-8"'],
];

/** Why these bytes are no text that can be searched; undefined where they may be one. */
function foreignKind(bytes: Buffer): string | undefined {
  const head = bytes.subarray(0, HEAD_BYTES);
  const text = head.toString('latin1');
  const known = FOREIGN.find(([magic]) => magic.test(text));
  if (known) return known[1];
  if (utf16Of(head) !== undefined) return undefined;
  // Runs of NUL are what a power loss leaves in a log; other controls no log holds.
  const controls = head.filter(
    byte => byte < 0x20 && ![0, 7, 8, 9, 10, 11, 12, 13, 27].includes(byte),
  );
  const isBinary = head.length >= 64 && controls.length * 10 > head.length;
  return isBinary ? 'it is binary data of a form that is not known' : undefined;
}

/** The text as UTF-8 whatever it is written in, without its byte order mark and without NULs. */
async function textBytes(chunks: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const opened = await withHead(chunks, HEAD_BYTES);
  const order = utf16Of(opened.head);
  if (order !== undefined) return fromUtf16(opened.chunks, order);
  // The journal's export format holds sizes in binary.
  const isExport = opened.head.toString('latin1').startsWith('__CURSOR=');
  return isExport ? opened.chunks : withoutNuls(opened.chunks);
}

function utf16Of(head: Buffer): 'le' | 'be' | undefined {
  if (head.length < 2) return undefined;
  const mark = head.readUInt16BE(0);
  if (mark === 0xfffe) return 'le';
  if (mark === 0xfeff) return 'be';
  const pairs = Math.min(head.length, 128) >> 1;
  if (pairs < 8) return undefined;
  let [even, odd] = [0, 0];
  for (let at = 0; at < pairs * 2; at += 2) {
    if (head[at] === 0) even++;
    if (head[at + 1] === 0) odd++;
  }
  // Western text has every second byte 0.
  if (odd >= pairs * 0.9 && even <= pairs * 0.1) return 'le';
  return even >= pairs * 0.9 && odd <= pairs * 0.1 ? 'be' : undefined;
}

async function* fromUtf16(
  chunks: AsyncIterable<Buffer>,
  order: 'le' | 'be',
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(order === 'le' ? 'utf-16le' : 'utf-16be');
  for await (const chunk of chunks) {
    yield Buffer.from(decoder.decode(chunk, { stream: true }).replaceAll('\0', ''), 'utf8');
  }
  yield Buffer.from(decoder.decode(), 'utf8');
}

async function* withoutNuls(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of chunks) {
    const hasMark = isFirst && chunk.subarray(0, 3).equals(Buffer.of(0xef, 0xbb, 0xbf));
    isFirst = false;
    const bytes = hasMark ? chunk.subarray(3) : chunk;
    yield bytes.includes(0) ? Buffer.from(bytes.filter(byte => byte !== 0)) : bytes;
  }
}
