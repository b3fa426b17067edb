import { promisify } from 'node:util';
import { crc32, deflateRaw, gzip } from 'node:zlib';
import { type TarEntry, writeTar } from '../../images/agent/tar.ts';

/** Files as they are handed out: the same files give the same bytes. */
export type File = Required<TarEntry>;

export async function tarGz(files: readonly File[]): Promise<Buffer> {
  const packed = await promisify(gzip)(writeTar(files), { level: 6 });
  // The byte that names the operating system; the time before it is zero already (RFC 1952).
  packed[9] = 255;
  return packed;
}

/** A zip archive of files below 4 GiB. Source of the layout: PKWARE's APPNOTE.TXT, 4.3. */
export async function zip(files: readonly File[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { path, mode, content } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const packed = await promisify(deflateRaw)(content, { level: 6 });
    const name = Buffer.from(path);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(DEFLATED, 4);
    common.writeUInt16LE(FIRST_DAY, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([signature(0x04034b50), common, name, packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(((0o100000 | mode) << 16) >>> 0, 6);
    rest.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([signature(0x02014b50), MADE_ON_UNIX, common, rest, name]));
    parts.push(local);
    at += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...parts, listed, signature(0x06054b50), end]);
}

const DEFLATED = 8;
/** 1 January 1980, the first that the form knows. */
const FIRST_DAY = (1 << 5) | 1;
const MADE_ON_UNIX = Buffer.from([20, 3]);

function signature(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}
