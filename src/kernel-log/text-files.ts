import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import type { AnchorSet } from './anchors.ts';
import { compressionOf, decompressed, fileChunks } from './chunks.ts';
import { type ScanRequest, type Source, Tally, unavailableOf, unreadableSource } from './source.ts';
import { isZone, type StampContext } from './stamps.ts';
import { type TextLogOptions, TextLogReader } from './text-log.ts';

export interface TextFilesOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  readonly anchors: AnchorSet;
  readonly nowMs: () => number;
}

/** The logs that syslog daemons keep, and Debian's copy of the ring buffer at boot. */
const FAMILIES = [
  { name: 'kern.log', trust: 'tagged', forgeable: false },
  { name: 'messages', trust: 'tagged', forgeable: true },
  { name: 'syslog', trust: 'tagged', forgeable: true },
  { name: 'dmesg', trust: 'dmesg', forgeable: false },
] as const;
/** Rotation keeps some dozens of files; more are old ones that nobody cleans. */
const FILES_MAX = 64;

/** One source per family of files under /var/log, rotated and compressed ones included. */
export function textFileSources(options: TextFilesOptions): readonly Source[] {
  return FAMILIES.map(family => ({
    kind: 'text',
    scan: request => scanFamily(options, family, request),
  }));
}

type Family = (typeof FAMILIES)[number];

interface LogFile {
  /** As the node calls it. */
  readonly path: string;
  readonly realPath: string;
  readonly mtimeMs: number;
}

async function scanFamily(
  options: TextFilesOptions,
  family: Family,
  request: ScanRequest,
): Promise<readonly Coverage[]> {
  const found = await familyFiles(options.root, family.name);
  if ('unavailable' in found) return [found.unavailable];
  const { sinceMs } = request.window;
  const recent = found.files.filter(file => sinceMs === undefined || file.mtimeMs >= sinceMs);
  const older = found.files.length - recent.length;
  // When nothing was written in the window, the newest file still says until when the log goes.
  const toRead = recent.length > 0 ? recent : found.files.slice(-1);
  const zone = await nodeZone(options.root);
  const coverages: Coverage[] = [];
  for (const file of toRead) {
    if (request.signal.aborted) break;
    const tally = new Tally(file.path);
    if (older > 0 && file === toRead.at(-1)) {
      tally.note(`${older} file(s) of ${family.name} end before the window`);
    }
    if (family.forgeable) {
      tally.note('any program on the node can write lines tagged "kernel" into this file');
    }
    await scanTextFile(file.realPath, tally, request, mtimeMs => ({
      source: file.path,
      anchors: options.anchors,
      trust: family.trust,
      stamps: { referenceMs: Math.min(options.nowMs(), mtimeMs), zone },
    }));
    coverages.push(tally.coverage());
  }
  return coverages;
}

/**
 * Reads one text file, compressed or not, into `tally` and the request's visitor. Never throws for
 * the file. `optionsOf` gets the file's modification time in milliseconds since 1970.
 */
export async function scanTextFile(
  path: string,
  tally: Tally,
  request: ScanRequest,
  optionsOf: (mtimeMs: number) => TextLogOptions,
): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    tally.failed(error);
    return;
  }
  try {
    const { mtimeMs } = await file.stat();
    const reader = new TextLogReader(optionsOf(mtimeMs), request, tally);
    await readInto(reader, file, tally, request.signal);
    reader.end();
  } catch (error) {
    tally.failed(error);
  } finally {
    await file.close();
  }
}

async function readInto(
  reader: TextLogReader,
  file: FileHandle,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const head = Buffer.alloc(8);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  const compression = compressionOf(head.subarray(0, bytesRead));
  if (compression === 'xz') {
    tally.unavailable('not_supported');
    tally.note('this file is compressed with xz, which is not read');
    return;
  }
  const raw = fileChunks(file, signal);
  const chunks = compression === 'none' ? raw : decompressed(raw, compression);
  try {
    for await (const chunk of chunks) {
      reader.push(chunk);
      if (signal.aborted) break;
    }
  } catch (error) {
    // A damaged or unfinished archive: what came before the damage has been read.
    tally.failed(error);
  }
  if (signal.aborted) tally.note('the search was cancelled before the end');
}

async function familyFiles(
  root: string,
  name: string,
): Promise<{ readonly files: readonly LogFile[] } | { readonly unavailable: Coverage }> {
  const path = `/var/log/${name}`;
  const directory = join(root, 'var/log');
  let entries: Dirent[];
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    return { unavailable: unreadableSource(path, unavailableOf(error)) };
  }
  const files: LogFile[] = [];
  for (const entry of entries) {
    if (!isOfFamily(entry.name, name) || entry.isDirectory()) continue;
    const realPath = join(directory, entry.name);
    files.push({ path: `/var/log/${entry.name}`, realPath, mtimeMs: await mtimeOf(realPath) });
  }
  if (files.length === 0) return { unavailable: unreadableSource(path, 'not_found') };
  files.sort((a, b) => a.mtimeMs - b.mtimeMs || b.path.length - a.path.length);
  return { files: files.slice(-FILES_MAX) };
}

/** `kern.log`, `kern.log.1`, `kern.log.2.gz`, `messages-20260801`, `messages-20260801.zst`. */
function isOfFamily(file: string, name: string): boolean {
  if (!file.startsWith(name)) return false;
  return /^(?:[.-]\d{1,10}(?:-\d{1,10})?)?(?:\.(?:gz|zst|xz))?$/.test(file.slice(name.length));
}

/** A file that cannot be looked at counts as fresh: opening it will tell why. */
async function mtimeOf(path: string): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      return (await file.stat()).mtimeMs;
    } finally {
      await file.close();
    }
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}

/** The zone that the node's daemons write local time in, from its /etc/localtime. */
export async function nodeZone(root: string): Promise<StampContext['zone']> {
  const candidates = [
    async () =>
      /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(await readlink(join(root, 'etc/localtime')))?.[1],
    async () => (await readFile(join(root, 'etc/timezone'), 'utf8')).trim(),
  ];
  for (const candidate of candidates) {
    try {
      const name = await candidate();
      if (name !== undefined && isZone(name)) return name;
    } catch {
      // The next place may tell; without any the zone is unknown, which the records say.
    }
  }
  return null;
}
