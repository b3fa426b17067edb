import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import { nodePath } from '../node-root/place.ts';
import { AnchorSet, XID_WORDS } from './anchors.ts';
import { fileChunks } from './chunks.ts';
import type { LoadXz } from './journal-codecs.ts';
import { textChunks } from './plain-chunks.ts';
import {
  type ScanRequest,
  type Source,
  type SourceKind,
  Tally,
  unavailableOf,
  unreadableSource,
} from './source.ts';
import { isZone, type StampContext } from './stamps.ts';
import { type TextLogOptions, TextLogReader } from './text-log.ts';

export interface TextFilesOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  readonly anchors: AnchorSet;
  readonly nowMs: () => number;
  /** Loads the package `xz-decompress`; absent: xz is said to be unreadable. */
  readonly loadXz?: LoadXz | undefined;
}

/** The logs that syslog daemons keep, and Debian's copy of the ring buffer at boot. */
const FORGEABLE = 'any program on the node can write lines tagged "kernel" into this file';
/** What a line of NVIDIA's fabric daemons must hold; their information lines are of no use. */
const DAEMON_ANCHORS = ['[ERROR]', '[WARN', '[CRIT', 'NVSwitch', 'NVLink', 'fatal', 'IMEX'];

export interface Family {
  readonly kind: SourceKind;
  readonly name: string;
  readonly trust: TextLogOptions['trust'];
  readonly note?: string;
  readonly anchors?: readonly string[];
}

const FAMILIES: readonly Family[] = [
  { kind: 'text', name: 'kern.log', trust: 'tagged' },
  { kind: 'text', name: 'messages', trust: 'tagged', note: FORGEABLE },
  { kind: 'text', name: 'syslog', trust: 'tagged', note: FORGEABLE },
  { kind: 'text', name: 'dmesg', trust: 'dmesg' },
];
/** Fabric Manager's and IMEX's own logs: no kernel text, but what the switches told them. */
const DAEMON_FAMILIES: readonly Family[] = [
  { kind: 'fabric-manager', name: 'fabricmanager.log', trust: 'dmesg', anchors: DAEMON_ANCHORS },
  { kind: 'imex', name: 'nvidia-imex.log', trust: 'dmesg', anchors: DAEMON_ANCHORS },
];
/** Rotation keeps some dozens of files; more are old ones that nobody cleans. */
const FILES_MAX = 64;

/** One source per family of files under /var/log, rotated and compressed ones included. */
export const textFileSources = (options: TextFilesOptions): readonly Source[] =>
  FAMILIES.map(family => familySource(options, family));

/** The logs of NVIDIA's fabric daemons under /var/log. */
export const daemonLogSources = (options: TextFilesOptions): readonly Source[] =>
  DAEMON_FAMILIES.map(family => familySource(options, family));

export function familySource(options: TextFilesOptions, family: Family): Source {
  const anchors = family.anchors ? new AnchorSet(family.anchors, XID_WORDS) : options.anchors;
  return {
    kind: family.kind,
    scan: request => scanFamily({ ...options, anchors }, family, request),
  };
}

interface LogFile {
  /** As the node calls it. */
  readonly path: string;
  /** Undefined where a link leads to what is not to be read. */
  readonly realPath: string | undefined;
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
    const tally = new Tally(file.path, request.quotes);
    if (older > 0 && file === toRead.at(-1)) {
      tally.note(`${older} file(s) of ${family.name} end before the window`);
    }
    if (family.note !== undefined) tally.note(family.note);
    await scanTextFile(
      { path: file.realPath, loadXz: options.loadXz },
      tally,
      request,
      mtimeMs => ({
        source: file.path,
        anchors: options.anchors,
        trust: family.trust,
        stamps: { referenceMs: Math.min(options.nowMs(), mtimeMs), zone },
      }),
    );
    coverages.push(tally.coverage());
  }
  return coverages;
}

/**
 * Reads one text file, compressed or not, into `tally` and the request's visitor. Never throws for
 * the file. `optionsOf` gets the file's modification time in milliseconds since 1970.
 */
async function scanTextFile(
  { path, loadXz }: { readonly path: string | undefined; readonly loadXz?: LoadXz | undefined },
  tally: Tally,
  request: ScanRequest,
  optionsOf: (mtimeMs: number) => TextLogOptions,
): Promise<void> {
  if (path === undefined) {
    tally.unavailable('no_permission');
    tally.note('it is a link to what is not to be read');
    return;
  }
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
    await readInto(reader, { file, loadXz }, tally, request.signal);
    reader.end();
  } catch (error) {
    tally.failed(error);
  } finally {
    await file.close();
  }
}

async function readInto(
  reader: TextLogReader,
  { file, loadXz }: { readonly file: FileHandle; readonly loadXz: LoadXz | undefined },
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const chunks = await textChunks(fileChunks(file, signal), loadXz, tally);
  try {
    for await (const chunk of chunks ?? []) {
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
  let entries: Dirent[];
  try {
    entries = await readdir(await nodePath(root, '/var/log'), { withFileTypes: true });
  } catch (error) {
    return { unavailable: unreadableSource(path, unavailableOf(error)) };
  }
  const files: LogFile[] = [];
  for (const entry of entries) {
    if (!isOfFamily(entry.name, name)) continue;
    // Opening a pipe would wait for its writer.
    if (!entry.isFile() && !entry.isSymbolicLink()) continue;
    files.push(await logFile(root, `/var/log/${entry.name}`));
  }
  if (files.length === 0) return { unavailable: unreadableSource(path, 'not_found') };
  files.sort((a, b) => a.mtimeMs - b.mtimeMs || b.path.length - a.path.length);
  return { files: files.slice(-FILES_MAX) };
}

/** A link that leads to what is not to be read counts as fresh, and opening it tells why. */
async function logFile(root: string, path: string): Promise<LogFile> {
  const realPath = await nodePath(root, path).catch(() => undefined);
  const mtimeMs = realPath === undefined ? Number.MAX_SAFE_INTEGER : await mtimeOf(realPath);
  return { path, realPath, mtimeMs };
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
    async () => (await readFile(await nodePath(root, '/etc/timezone'), 'utf8')).trim(),
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
