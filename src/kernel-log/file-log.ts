import { createReadStream, type Stats } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beginsForeign } from '../contract/comm-first.ts';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { AnchorSet, KERNEL_ANCHORS, XID_WORDS } from './anchors.ts';
import { archiveOf, type Member, tarMembers, zipMembers } from './archive.ts';
import { blocksAsJson, blocksIn } from './blocks.ts';
import { fileChunks, withHead } from './chunks.ts';
import { scanJournal } from './journal.ts';
import type { LoadXz } from './journal-codecs.ts';
import { JournalExportReader } from './journal-export.ts';
import { SIGNATURE } from './journal-layout.ts';
import { JsonLogReader } from './json-log.ts';
import { Merger } from './merger.ts';
import { plainChunks, searchable } from './plain-chunks.ts';
import type { KernelLog } from './port.ts';
import { Quotes } from './quotes.ts';
import { type ScanRequest, Tally, unavailableOf, unreadableSource } from './source.ts';
import type { StreamReader, StreamTarget } from './stream-reader.ts';
import { TextLogReader } from './text-log.ts';

export interface FileLogOptions {
  /** A path of a file or directory, or a stream such as stdin. */
  readonly input: string | AsyncIterable<Uint8Array>;
  /** As the records and the Coverage name it: the path as given, or `-`. */
  readonly name: string;
  readonly nowMs: () => number;
  /** IANA zone of local times in it; absent: taken as UTC, with the uncertainty that this means. */
  readonly zone?: string;
  /** What a line must hold to be shown; default KERNEL_ANCHORS. */
  readonly anchors?: readonly string[];
  /** Loads the package `xz-decompress`; absent: xz is said to be unreadable. */
  readonly loadXz?: LoadXz;
}

/**
 * The kernel log in one file, directory or stream that a person gives us: dmesg in all its forms,
 * journalctl's, syslog's, journal files, the export format, JSON, nvidia-bug-report, and each of
 * them compressed. The form is told by the content.
 */
export function createFileLog(options: FileLogOptions): KernelLog {
  const anchors = new AnchorSet(options.anchors ?? KERNEL_ANCHORS, XID_WORDS);
  return {
    async scan(window, visit, signal) {
      const quotes = new Quotes();
      const see = (record: KernelRecord) => {
        quotes.original(record);
        visit(record);
      };
      const request = { window, visit: see, signal, quotes };
      return quotes.settled(await scanInput(options, anchors, request));
    },
  };
}

const FILES_MAX = 1_024;
const HEAD_BYTES = 4 * 1024;

interface Given {
  readonly options: FileLogOptions;
  readonly anchors: AnchorSet;
  readonly name: string;
  /** The latest moment that a stamp without a year can mean. */
  readonly referenceMs: number;
}

async function scanInput(
  options: FileLogOptions,
  anchors: AnchorSet,
  request: ScanRequest,
): Promise<readonly Coverage[]> {
  const { input, name } = options;
  const given = { options, anchors, name, referenceMs: options.nowMs() };
  if (typeof input !== 'string') return scanStream(buffers(input), given, request);
  let stats: Stats;
  try {
    stats = await stat(input);
  } catch (error) {
    return [unreadableSource(name, unavailableOf(error))];
  }
  if (stats.isDirectory()) return scanDirectory(input, given, request);
  if (stats.isFile()) return scanFile(input, given, request);
  // A pipe, as a shell's `<(dmesg)` is one: there is no going back in it.
  return scanStream(createReadStream(input), given, request);
}

async function* buffers(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of input) {
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

/** A journal's directory as one source, else every file in it. */
async function scanDirectory(
  path: string,
  given: Given,
  request: ScanRequest,
): Promise<readonly Coverage[]> {
  const { options, anchors, name } = given;
  const journal = { shownPath: name, realPath: path, anchors, loadXz: options.loadXz };
  const covered = await scanJournal(journal, request);
  if (covered.available) return [covered];
  const files = (await readdir(path, { withFileTypes: true })).filter(entry => entry.isFile());
  if (files.length === 0) return [covered];
  const coverages: Coverage[] = [];
  for (const file of files.slice(0, FILES_MAX)) {
    const one = { ...given, name: join(name, file.name) };
    coverages.push(...(await scanFile(join(path, file.name), one, request)));
  }
  if (files.length > FILES_MAX) coverages.push(beyond(name, files.length));
  return coverages;
}

async function scanFile(
  path: string,
  given: Given,
  request: ScanRequest,
): Promise<readonly Coverage[]> {
  const { options, anchors, name } = given;
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    return [unreadableSource(name, unavailableOf(error))];
  }
  try {
    const magic = Buffer.alloc(SIGNATURE.length);
    await file.read(magic, 0, magic.length, 0);
    if (magic.toString('latin1') === SIGNATURE) {
      const journal = { shownPath: name, realPath: path, anchors, loadXz: options.loadXz };
      return [await scanJournal(journal, request)];
    }
    const { mtimeMs } = await file.stat();
    const referenceMs = Math.min(given.referenceMs, mtimeMs);
    return await scanStream(fileChunks(file, request.signal), { ...given, referenceMs }, request);
  } catch (error) {
    return [unreadableSource(name, unavailableOf(error))];
  } finally {
    await file.close();
  }
}

const ARCHIVES_IN_EACH_OTHER_MAX = 3;

/** Reads a stream of any form but a journal file, which needs random access. */
async function scanStream(
  chunks: AsyncIterable<Buffer>,
  given: Given,
  request: ScanRequest,
  depth = 0,
): Promise<readonly Coverage[]> {
  const tally = new Tally(given.name, request.quotes);
  let reader: StreamReader | undefined;
  try {
    const plain = await plainChunks(chunks, given.options.loadXz, tally);
    const opened = plain && (await withHead(plain, HEAD_BYTES));
    const archive = opened && archiveOf(opened.head);
    if (opened && archive && depth < ARCHIVES_IN_EACH_OTHER_MAX) {
      const members =
        archive === 'tar' ? tarMembers(opened.chunks) : await zipMembers(opened.chunks);
      if (members) return await scanMembers(members, given, request, depth + 1);
      tally.unavailable('not_supported');
      tally.note('a zip archive of more than 256 MiB is not read: extract it first');
      return [tally.coverage()];
    }
    const text = opened && (await searchable(opened, tally));
    const written = text && (await withHead(text, HEAD_BYTES));
    const blocks = written && blocksIn(written.head.toString('utf8'));
    const lines = blocks
      ? await withHead(blocksAsJson(written.chunks, blocks), HEAD_BYTES)
      : written;
    reader = lines && readerFor(lines.head, given, request, tally);
    if (lines && reader) {
      for await (const chunk of lines.chunks) {
        reader.push(chunk);
        if (request.signal.aborted) break;
      }
    }
  } catch (error) {
    // A damaged or unfinished archive: what came before the damage has been read.
    tally.failed(error);
  }
  reader?.end();
  if (request.signal.aborted) tally.note('the search was cancelled before the end');
  return [tally.coverage()];
}

/** Each file of an archive is a source of its own, and so is what could not be read of it. */
async function scanMembers(
  members: AsyncIterable<Member> | Iterable<Member>,
  given: Given,
  request: ScanRequest,
  depth: number,
): Promise<readonly Coverage[]> {
  const { name, referenceMs } = given;
  const coverages: Coverage[] = [];
  let count = 0;
  try {
    for await (const member of members) {
      if (request.signal.aborted) break;
      if (++count > FILES_MAX) continue;
      const latest = Math.min(referenceMs, member.mtimeMs ?? referenceMs);
      const own = { ...given, name: `${name}:${member.name}`, referenceMs: latest };
      coverages.push(...(await scanStream(member.chunks, own, request, depth)));
    }
  } catch (error) {
    coverages.push(
      unreadableSource(name, 'unreadable', `the archive is damaged: ${String(error)}`),
    );
  }
  if (count > FILES_MAX) coverages.push(beyond(name, count));
  if (coverages.length === 0) return [unreadableSource(name, 'not_found', 'the archive is empty')];
  return coverages;
}

const beyond = (name: string, count: number): Coverage =>
  unreadableSource(name, 'not_read', `only the first ${FILES_MAX} of ${count} files were read`);

function readerFor(
  head: Buffer,
  given: Given,
  request: ScanRequest,
  tally: Tally,
): StreamReader | undefined {
  const { anchors, name, options } = given;
  const text = head.toString('latin1');
  const stamps = { referenceMs: given.referenceMs, zone: options.zone ?? null };
  const target: StreamTarget = { source: name, anchors, request, tally };
  if (text.startsWith(SIGNATURE)) {
    tally.unavailable('not_supported');
    tally.note('a journal file must be given by its path and not compressed');
    return undefined;
  }
  // A prefix of a packet filter's log, which somebody chose, may look like JSON.
  if (JSON_BEGINS.test(text) && !beginsForeign(text.split('\n', 1)[0] ?? '')) {
    return new JsonLogReader(stamps, target);
  }
  if (/^__CURSOR=/.test(text)) return new JournalExportReader(target);
  // Sections of a bug report repeat each other: dmesg, the journal and kern.log are all in it. It begins
  // with such a line; any other text is one source, and nothing of it need be remembered.
  const merger = new Merger(request.visit, anchors);
  const isReport = text.includes(SECTION_ANCHOR);
  const visit = (record: KernelRecord) =>
    isReport ? merger.take(record, textReader.section) : request.visit(record);
  const textReader = new TextLogReader(
    { source: name, anchors: anchors.with(SECTION_ANCHOR), stamps, trust: 'pasted' },
    { ...request, visit },
    tally,
  );
  return textReader;
}

const JSON_BEGINS = /^(?:data: |\x1e)?\s*(?:\[\s*)*\{\s*"|^\s*\[\s*(?:\[\s*)*"/;

/** nvidia-bug-report.sh draws such a line before each of its parts. */
const SECTION_ANCHOR = '____________________';
