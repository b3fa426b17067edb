/**
 * Drops what the loader never reads: section headers, symbol table and debug information, which
 * stand behind the last segment. Takes a 64-bit little-endian ELF file of any machine; the same for
 * each platform, whatever binutils are installed. Source of the offsets: elf(5), Elf64_Ehdr, Elf64_Phdr.
 *
 * @throws Error when the file is none, or when it is cut.
 */
export function withoutSections(file: Buffer): Buffer {
  const isElf = file.length > 64 && file.readUInt32BE(0) === 0x7f454c46;
  if (!isElf || file[4] !== 2 || file[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file');
  const headers = Number(file.readBigUInt64LE(32));
  const headerBytes = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  let end = headers + count * headerBytes;
  for (let index = 0; index < count; index++) {
    const at = headers + index * headerBytes;
    const segmentEnd = file.readBigUInt64LE(at + 8) + file.readBigUInt64LE(at + 32);
    end = Math.max(end, Number(segmentEnd));
  }
  if (end > file.length) throw new Error(`an ELF file of ${file.length} bytes that needs ${end}`);
  const kept = Buffer.from(file.subarray(0, end));
  // e_shoff; then e_shentsize, e_shnum and e_shstrndx: there is no section left to find.
  kept.writeBigUInt64LE(0n, 40);
  kept.writeUInt16LE(0, 58);
  kept.writeUInt16LE(0, 60);
  kept.writeUInt16LE(0, 62);
  return kept;
}
