import { createHash } from 'node:crypto';

/**
 * Signs a 64-bit little-endian Mach-O program ad hoc: macOS on Apple silicon starts no unsigned program,
 * and a signature without a certificate only says that the bytes are those that were made.
 *
 * Appends a code directory of SHA-256 hashes and the load command that points to it. Source of the
 * layout: Apple's `cs_blobs.h` and `mach-o/loader.h`; the blobs are big-endian.
 *
 * @throws Error when the file is no such program, is signed already, or has no room for the command.
 */
export function signedAdHoc(file: Buffer, identifier: string): Buffer {
  if (file.readUInt32LE(0) !== MH_MAGIC_64) throw new Error('not a 64-bit Mach-O program');
  const commands = commandsOf(file);
  if (commands.some(({ kind }) => kind === LC_CODE_SIGNATURE)) throw new Error('signed already');
  const segment = (name: string) => {
    const found = commands.find(
      ({ kind, at }) => kind === LC_SEGMENT_64 && nameAt(file, at + 8) === name,
    );
    if (!found) throw new Error(`a Mach-O program without ${name}`);
    return found.at;
  };
  const [text, linkedit] = [segment('__TEXT'), segment('__LINKEDIT')];
  const end = HEADER_BYTES + file.readUInt32LE(20);
  if (file.subarray(end, end + COMMAND_BYTES).some(byte => byte !== 0)) {
    throw new Error('a Mach-O program without room for one more load command');
  }
  const codeLimit = Math.ceil(file.length / 16) * 16;
  const signatureBytes = SUPER_BLOB_BYTES + directoryBytes(identifier, codeLimit);
  const signed = Buffer.alloc(codeLimit + signatureBytes);
  file.copy(signed);

  signed.writeUInt32LE(file.readUInt32LE(16) + 1, 16);
  signed.writeUInt32LE(file.readUInt32LE(20) + COMMAND_BYTES, 20);
  signed.writeUInt32LE(LC_CODE_SIGNATURE, end);
  signed.writeUInt32LE(COMMAND_BYTES, end + 4);
  signed.writeUInt32LE(codeLimit, end + 8);
  signed.writeUInt32LE(signatureBytes, end + 12);
  const linkeditBytes = BigInt(signed.length) - file.readBigUInt64LE(linkedit + 40);
  signed.writeBigUInt64LE(linkeditBytes, linkedit + 48);
  const pages = (linkeditBytes + PAGE_OF_MEMORY - 1n) / PAGE_OF_MEMORY;
  signed.writeBigUInt64LE(pages * PAGE_OF_MEMORY, linkedit + 32);

  const textBytes = file.readBigUInt64LE(text + 48);
  const blob = signed.subarray(codeLimit);
  blob.writeUInt32BE(SUPER_BLOB, 0);
  blob.writeUInt32BE(signatureBytes, 4);
  blob.writeUInt32BE(1, 8);
  // One entry: slot 0 is the code directory.
  blob.writeUInt32BE(0, 12);
  blob.writeUInt32BE(SUPER_BLOB_BYTES, 16);
  codeDirectory(signed.subarray(0, codeLimit), { identifier, textBytes }).copy(
    blob,
    SUPER_BLOB_BYTES,
  );
  return signed;
}

function codeDirectory(
  code: Buffer,
  { identifier, textBytes }: { readonly identifier: string; readonly textBytes: bigint },
): Buffer {
  const directory = Buffer.alloc(directoryBytes(identifier, code.length));
  const hashesAt = DIRECTORY_BYTES + identifier.length + 1;
  const slots = slotsOf(code.length);
  const fields = [CODE_DIRECTORY, directory.length, VERSION, ADHOC, hashesAt, DIRECTORY_BYTES, 0];
  for (const [index, field] of [...fields, slots, code.length].entries()) {
    directory.writeUInt32BE(field, index * 4);
  }
  directory.set([HASH_BYTES, SHA256, 0, PAGE_LOG2], 36);
  // From here zero but for the end of __TEXT, in which the program begins, and that it is a main program.
  directory.writeBigUInt64BE(textBytes, 72);
  directory.writeBigUInt64BE(1n, 80);
  directory.write(identifier, DIRECTORY_BYTES, 'latin1');
  for (let slot = 0; slot < slots; slot++) {
    const page = code.subarray(slot << PAGE_LOG2, (slot + 1) << PAGE_LOG2);
    createHash('sha256')
      .update(page)
      .digest()
      .copy(directory, hashesAt + slot * HASH_BYTES);
  }
  return directory;
}

const MH_MAGIC_64 = 0xfeedfacf;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const HEADER_BYTES = 32;
const COMMAND_BYTES = 16;
const PAGE_OF_MEMORY = 0x4000n;
const SUPER_BLOB = 0xfade0cc0;
const SUPER_BLOB_BYTES = 20;
const CODE_DIRECTORY = 0xfade0c02;
const DIRECTORY_BYTES = 88;
/** The first version with the bounds of the executable segment. */
const VERSION = 0x20400;
const ADHOC = 0x2;
const SHA256 = 2;
const HASH_BYTES = 32;
const PAGE_LOG2 = 12;

const slotsOf = (codeBytes: number) => Math.ceil(codeBytes / (1 << PAGE_LOG2));
const directoryBytes = (identifier: string, codeBytes: number) =>
  DIRECTORY_BYTES + identifier.length + 1 + slotsOf(codeBytes) * HASH_BYTES;

const nameAt = (file: Buffer, at: number) =>
  file.toString('latin1', at, at + 16).replace(/\0+$/, '');

function commandsOf(file: Buffer): readonly { readonly kind: number; readonly at: number }[] {
  const commands = [];
  let at = HEADER_BYTES;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    commands.push({ kind: file.readUInt32LE(at), at });
    at += file.readUInt32LE(at + 4);
  }
  return commands;
}
