import { closeSync, type Dirent, fstatSync, openSync, readSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Coverage } from '../contract/coverage.ts';
import type { AnchorSet } from './anchors.ts';
import type { LoadXz } from './journal-codecs.ts';
import { JournalFile, type JournalHeader, readJournalHeader } from './journal-file.ts';
import { JournalReader } from './journal-reader.ts';
import { isKernelEntry, journalRecord } from './journal-record.ts';
import { PagedFile } from './paged-file.ts';
import { errnoOf, inWindow, type ScanRequest, type Source, Tally } from './source.ts';

export interface JournalOptions {
  /** As the Coverage names it, and where it is for us. */
  readonly shownPath: string;
  readonly realPath: string | (() => Promise<string>);
  readonly anchors: AnchorSet;
  readonly loadXz?: LoadXz | undefined;
}

/** Vacuuming keeps a journal to some dozens of files; a user may have one each. */
const FILES_MAX = 4_096;
const ENTRIES_AT_ONCE = 1_000;
/** An entry may be written after the file's own header says that it ends. */
export const JOURNAL_SLACK_MS = 60_000;

/** The kernel's entries in all journal files of a directory, or in one file. */
export function journalSource(options: JournalOptions): Source {
  return { kind: 'journal', scan: async request => [await scanJournal(options, request)] };
}

/** One file of a journal, its header read. */
export interface Candidate {
  readonly realPath: string;
  readonly shownPath: string;
  readonly header: JournalHeader;
}

/** Reads the journal's files, oldest first, into one Coverage that names what is missing. */
export async function scanJournal(
  options: JournalOptions,
  request: ScanRequest,
): Promise<Coverage> {
  const tally = new Tally(options.shownPath);
  try {
    const files = await journalFiles(options, tally);
    noteGaps(files, tally);
    for (const file of files) {
      if (request.signal.aborted) {
        tally.note('the search was cancelled before the end');
        break;
      }
      await scanFile(file, options, request, tally);
    }
  } catch (error) {
    tally.failed(error);
  }
  return tally.coverage();
}

/** The journal files of a directory that can be read, oldest first; the others are noted. */
export async function journalFiles(
  options: Pick<JournalOptions, 'realPath' | 'shownPath'>,
  tally: Tally,
): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  const paths = await journalPaths(options);
  if (paths.length === 0) tally.unavailable('not_found');
  let failures = 0;
  for (const { realPath, shownPath } of paths) {
    try {
      const header = withFile(realPath, readJournalHeader);
      if (header && header.unknownFlags === 0) found.push({ realPath, shownPath, header });
      else tally.note(`${shownPath} is no journal that can be read`);
    } catch (error) {
      failures++;
      if (failures === paths.length) tally.failed(error);
      else tally.note(`${shownPath} could not be opened: ${errnoOf(error) ?? 'error'}`);
    }
  }
  return found.sort((a, b) => a.header.headTimeMs - b.header.headTimeMs);
}

/** Files lie in the directory itself or one below, which is named after the machine's id. */
async function journalPaths(
  options: Pick<JournalOptions, 'realPath' | 'shownPath'>,
): Promise<readonly { realPath: string; shownPath: string }[]> {
  const { shownPath } = options;
  const realPath =
    typeof options.realPath === 'string' ? options.realPath : await options.realPath();
  if ((await stat(realPath)).isFile()) return [{ realPath, shownPath }];
  const names: string[] = [];
  for (const entry of await readdir(realPath, { withFileTypes: true })) {
    if (isJournal(entry)) names.push(entry.name);
    if (!entry.isDirectory()) continue;
    const below = await readdir(join(realPath, entry.name), { withFileTypes: true });
    names.push(...below.filter(isJournal).map(({ name }) => join(entry.name, name)));
  }
  return names
    .sort()
    .slice(0, FILES_MAX)
    .map(name => ({ realPath: join(realPath, name), shownPath: join(shownPath, name) }));
}

/** `system.journal`, `system@<id>.journal`, and `...journal~` for one that was not closed. */
const isJournal = (entry: Dirent): boolean => entry.isFile() && /\.journal~?$/.test(entry.name);

/** Journals keep a sequence: where it does not go on, files in between were removed. */
function noteGaps(files: readonly Candidate[], tally: Tally): void {
  const lastOf = new Map<string, JournalHeader>();
  for (const { header } of files) {
    const before = lastOf.get(header.seqnumId);
    if (header.entries > 0) lastOf.set(header.seqnumId, header);
    if (before === undefined || header.entries === 0) continue;
    const gap = header.headSeqnum - before.tailSeqnum - 1;
    if (gap <= 0) continue;
    const from = new Date(before.tailTimeMs).toISOString();
    tally.lost += gap;
    tally.note(
      `${gap} entries from ${from} to ${new Date(header.headTimeMs).toISOString()} were vacuumed`,
    );
  }
  const first = files.find(({ header }) => header.entries > 0)?.header;
  if (first && first.headSeqnum > 1) {
    tally.note(`the journal begins at entry ${first.headSeqnum}: older ones were vacuumed`);
  }
}

async function scanFile(
  candidate: Candidate,
  options: JournalOptions,
  request: ScanRequest,
  tally: Tally,
): Promise<void> {
  const { header, shownPath } = candidate;
  const { sinceMs } = request.window;
  if (sinceMs !== undefined && !header.online && header.tailTimeMs + JOURNAL_SLACK_MS < sinceMs)
    return;
  if (header.entries > 0) {
    tally.covers(header.headTimeMs);
    tally.covers(header.tailTimeMs);
  }
  const descriptor = openSync(candidate.realPath, 'r');
  try {
    const file = new JournalFile(pagedFile(descriptor), header);
    const reader = new JournalReader(file, options.loadXz);
    await scanEntries({ file, reader }, options, request, tally);
    tally.malformed += reader.malformed;
    if (file.damagedAt !== undefined) {
      tally.malformed++;
      tally.note(`${shownPath} is cut or damaged at byte ${file.damagedAt}`);
    }
  } catch (error) {
    tally.failed(error);
  } finally {
    closeSync(descriptor);
  }
}

async function scanEntries(
  open: { readonly file: JournalFile; readonly reader: JournalReader },
  options: JournalOptions,
  request: ScanRequest,
  tally: Tally,
): Promise<void> {
  for (const offset of open.file.kernelEntries()) {
    tally.records++;
    if (tally.records % ENTRIES_AT_ONCE === 0) {
      // Reading is synchronous: between two portions the rest of the program gets its turn.
      await setImmediate();
      if (request.signal.aborted) return;
    }
    const fields = await open.reader.fields(offset);
    if (!fields) {
      tally.malformed++;
      continue;
    }
    if (!isKernelEntry(fields)) {
      tally.untrusted++;
      const text = fields.message?.toString('utf8') ?? '';
      tally.passedOver(text, 'another program wrote it, not the kernel', tally.records);
      continue;
    }
    const { message } = fields;
    if (!message || options.anchors.find(message, 0, message.length) < 0) continue;
    const record = journalRecord(fields, { source: options.shownPath, line: tally.records });
    if (record && inWindow(record, request.window)) request.visit(record);
  }
}

function withFile<T>(path: string, use: (file: PagedFile) => T): T {
  const descriptor = openSync(path, 'r');
  try {
    return use(pagedFile(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

export const pagedFile = (descriptor: number): PagedFile =>
  new PagedFile(
    (buffer, position) => readSync(descriptor, buffer, 0, buffer.length, position),
    fstatSync(descriptor).size,
  );
