import type { FileHandle } from 'node:fs/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';

const CHUNK_BYTES = 1024 * 1024;

/**
 * The bytes of a file in chunks of 1 MiB, from its beginning. Each chunk is valid until the next
 * one is asked for: the buffer is the same.
 */
export async function* fileChunks(file: FileHandle, signal: AbortSignal): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (let position = 0; !signal.aborted; ) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz';

/** By the first bytes: RFC 1952, RFC 8878, and the .xz file format 1.1. */
export function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (head.length >= 6 && head.toString('latin1', 0, 6) === '\xfd7zXZ\0') return 'xz';
  return 'none';
}

/** The chunks after decompression; a damaged end throws after all that came before it. */
export async function* decompressed(
  chunks: AsyncIterable<Buffer>,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Buffer> {
  const options = { chunkSize: CHUNK_BYTES / 4 };
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
