import { createGunzip, createZstdDecompress } from 'node:zlib';
import { withHead } from './chunks.ts';
import { type LoadXz, xzChunks } from './journal-codecs.ts';
import type { Tally } from './source.ts';
import { foreignKind, textBytes } from './text-bytes.ts';

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

const HEAD_BYTES = 512;

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
