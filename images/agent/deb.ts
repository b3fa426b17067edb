import { createRequire } from 'node:module';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type ReadEntry, readTar } from './tar.ts';

/** What a Debian package holds: its files, and its control file as dpkg's database keeps it. */
export interface DebianFiles {
  readonly control: string;
  readonly files: ReadonlyMap<string, ReadEntry>;
}

/**
 * Opens a Debian package on any machine. Source of the layout: deb(5), ar(5).
 *
 * @throws Error when it is none, or is compressed in a way that Debian does not use.
 */
export async function openedDeb(archive: Buffer): Promise<DebianFiles> {
  const members = membersOf(archive);
  const tar = async (name: string) => {
    const found = [...members].find(([member]) => member.startsWith(`${name}.tar`));
    if (!found) throw new Error(`a Debian package without ${name}.tar`);
    return readTar(await unpacked(...found));
  };
  const control = (await tar('control')).get('control');
  if (!control) throw new Error('a Debian package without its control file');
  return { control: control.content.toString('utf8'), files: await tar('data') };
}

const HEADER_BYTES = 60;

function membersOf(archive: Buffer): ReadonlyMap<string, Buffer> {
  if (archive.toString('latin1', 0, 8) !== '!<arch>\n') throw new Error('not a Debian package');
  const members = new Map<string, Buffer>();
  for (let at = 8; at + HEADER_BYTES <= archive.length; ) {
    const header = archive.toString('latin1', at, at + HEADER_BYTES);
    const bytes = Number.parseInt(header.slice(48, 58), 10);
    if (!Number.isSafeInteger(bytes)) throw new Error(`a damaged Debian package, at byte ${at}`);
    const from = at + HEADER_BYTES;
    members.set(header.slice(0, 16).replace(/\/? *$/, ''), archive.subarray(from, from + bytes));
    at = from + bytes + (bytes % 2);
  }
  return members;
}

async function unpacked(name: string, content: Buffer): Promise<Buffer> {
  if (name.endsWith('.tar')) return content;
  if (name.endsWith('.gz')) return gunzipSync(content);
  if (name.endsWith('.zst')) return zstdDecompressSync(content);
  if (!name.endsWith('.xz')) throw new Error(`${name} is compressed in an unknown way`);
  // A bundle for browsers, whose export is CommonJS's.
  const { XzReadableStream }: typeof import('xz-decompress') = createRequire(import.meta.url)(
    'xz-decompress',
  );
  const stream = new XzReadableStream(new Blob([new Uint8Array(content)]).stream());
  return Buffer.from(await new Response(stream).arrayBuffer());
}
