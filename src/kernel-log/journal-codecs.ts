import { zstdDecompressSync } from 'node:zlib';
import { COMPRESSED } from './journal-layout.ts';

/** A kernel message is far smaller; what is larger is damaged or not ours. */
const PAYLOAD_BYTES_MAX = 1024 * 1024;

/** The part of the package `xz-decompress` that is used. */
export interface XzModule {
  readonly XzReadableStream: new (
    compressed: ReadableStream<Uint8Array>,
  ) => ReadableStream<Uint8Array>;
}
export type LoadXz = () => Promise<XzModule>;

/**
 * The payload of a compressed DATA object, or undefined where it is damaged, too large or of a
 * kind that cannot be read. xz has no synchronous decoder, hence the promise.
 */
export function decompressPayload(
  payload: Buffer,
  flags: number,
  loadXz: LoadXz | undefined,
): Buffer | undefined | Promise<Buffer | undefined> {
  try {
    if ((flags & COMPRESSED.zstd) !== 0) {
      return zstdDecompressSync(payload, { maxOutputLength: PAYLOAD_BYTES_MAX });
    }
    if ((flags & COMPRESSED.lz4) !== 0) return lz4Payload(payload);
    if ((flags & COMPRESSED.xz) !== 0 && loadXz) return xzPayload(payload, loadXz);
    return undefined;
  } catch {
    // A damaged payload is not an error of the file: the caller counts it as malformed.
    return undefined;
  }
}

/** All bytes of an xz stream, as an iteration over its decompressed chunks. */
export async function* xzChunks(
  chunks: AsyncIterable<Uint8Array>,
  loadXz: LoadXz,
): AsyncGenerator<Buffer> {
  const { XzReadableStream } = await loadXz();
  const reader = new XzReadableStream(ReadableStream.from(chunks)).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  } finally {
    await reader.cancel();
  }
}

async function xzPayload(payload: Buffer, loadXz: LoadXz): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  async function* one() {
    yield payload;
  }
  try {
    for await (const chunk of xzChunks(one(), loadXz)) {
      length += chunk.length;
      if (length > PAYLOAD_BYTES_MAX) return undefined;
      pieces.push(Buffer.from(chunk));
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(pieces, length);
}

/** journald writes the size of the original in eight bytes, then one LZ4 block. */
function lz4Payload(payload: Buffer): Buffer | undefined {
  if (payload.length < 9) return undefined;
  const size = payload.readUInt32LE(0);
  if (payload.readUInt32LE(4) !== 0 || size > PAYLOAD_BYTES_MAX) return undefined;
  return lz4Block(payload.subarray(8), size);
}

/**
 * Decodes one LZ4 block of a known size; undefined when it is damaged.
 * Source of the form: lz4_Block_format.md of the LZ4 project. Node has no LZ4, and the packages
 * for it are native or no longer kept.
 */
export function lz4Block(block: Buffer, size: number): Buffer | undefined {
  const out = Buffer.alloc(size);
  let from = 0;
  let to = 0;
  /** A length of 15 goes on in further bytes, of which the last one is below 255. */
  const length = (nibble: number): number => {
    let sum = nibble;
    for (let more = nibble === 15; more; ) {
      const next = block.readUInt8(from++);
      sum += next;
      more = next === 255;
    }
    return sum;
  };
  while (from < block.length) {
    const token = block.readUInt8(from++);
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > size) return undefined;
    to += block.copy(out, to, from, from + literals);
    from += literals;
    // The last sequence has literals only.
    if (from >= block.length) break;
    const distance = block.readUInt16LE(from);
    from += 2;
    const matched = length(token & 15) + 4;
    if (distance === 0 || distance > to || to + matched > size) return undefined;
    // Byte by byte: a match may overlap what it writes.
    for (const end = to + matched; to < end; to++) out[to] = out[to - distance] ?? 0;
  }
  return to === size ? out : undefined;
}
