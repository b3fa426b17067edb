import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { parsePrefix } from './prefixes.ts';
import {
  inWindow,
  type ScanRequest,
  type Source,
  Tally,
  unavailableOf,
  unreadableSource,
} from './source.ts';

export interface PstoreOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  /** Default `/sys`. */
  readonly sysRoot: string;
}

/** Firmware holds some dozens of records of a few KiB each. */
const FILES_MAX = 512;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** The dump gets its date when it is stored or, after a crash, at the next boot. */
const DATE_UNCERTAINTY_MS = 3_600_000;

/** What the kernel left in firmware or RAM when it died, and where systemd-pstore moved it to. */
export function pstoreSources({ root, sysRoot }: PstoreOptions): readonly Source[] {
  const places = [
    { shown: '/sys/fs/pstore', real: join(sysRoot, 'fs/pstore') },
    { shown: '/var/lib/systemd/pstore', real: join(root, 'var/lib/systemd/pstore') },
  ];
  return places.map(place => ({
    kind: 'pstore',
    scan: async request => [await scanPlace(place, request)],
  }));
}

interface Place {
  readonly shown: string;
  readonly real: string;
}

async function scanPlace(place: Place, request: ScanRequest): Promise<Coverage> {
  let names: readonly string[];
  try {
    names = await dumps(place.real);
  } catch (error) {
    return unreadableSource(place.shown, unavailableOf(error));
  }
  const tally = new Tally(place.shown);
  if (names.length === 0) tally.note('no crash dump is stored');
  let line = 0;
  for (const name of names) {
    if (request.signal.aborted) break;
    try {
      const dump = await readDump(join(place.real, name));
      line = showDump({ ...dump, source: place.shown, line }, request, tally);
    } catch (error) {
      tally.note(`${name} could not be read: ${unavailableOf(error)}`);
    }
  }
  return tally.coverage();
}

/**
 * Text dumps, oldest first, also in directories below. `dmesg.txt` is what systemd-pstore put
 * together from the parts beside it, so these are not read again.
 */
async function dumps(directory: string, prefix = ''): Promise<readonly string[]> {
  const entries: Dirent[] = await readdir(join(directory, prefix), { withFileTypes: true });
  const whole = entries.some(entry => entry.name === 'dmesg.txt');
  const names: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(prefix, entry.name);
    if (entry.isDirectory() && path.split('/').length <= 3) {
      names.push(...(await dumps(directory, path)));
    } else if (whole ? entry.name === 'dmesg.txt' : /^(?:dmesg|console)-/.test(entry.name)) {
      names.push(path);
    }
  }
  return names.slice(0, FILES_MAX);
}

async function readDump(path: string): Promise<{ text: string; storedMs: number }> {
  const file: FileHandle = await open(path, 'r');
  try {
    const { mtimeMs, size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(Math.max(size, 64 * 1024), FILE_BYTES_MAX));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return { text: buffer.toString('utf8', 0, bytesRead), storedMs: mtimeMs };
  } finally {
    await file.close();
  }
}

/** Shows the lines of one dump and gives the number of the last one. */
function showDump(
  dump: { readonly text: string; readonly storedMs: number; source: string; line: number },
  request: ScanRequest,
  tally: Tally,
): number {
  const lines = dump.text.split('\n').map(parsePrefix);
  const seconds = lines.map(({ bootSeconds }) => bootSeconds ?? 0);
  // The dump ends with the kernel's last words, about when it was stored.
  const lastSeconds = seconds.reduce((latest, each) => Math.max(latest, each), 0);
  let number = dump.line;
  for (const parsed of lines) {
    number++;
    // Headers (`Panic#1 Part1`) and rests of a line have no prefix.
    if (parsed.form === 'raw') {
      tally.passedOver(parsed.text, 'it is a further line of another message', number);
      continue;
    }
    tally.records++;
    if (parsed.origin === 'other') {
      tally.untrusted++;
      tally.passedOver(parsed.text, 'another program wrote it, not the kernel', number);
      continue;
    }
    const { bootSeconds } = parsed;
    const agoMs = bootSeconds === null ? null : (lastSeconds - bootSeconds) * 1_000;
    const record: KernelRecord = {
      source: dump.source,
      line: number,
      text: parsed.text,
      level: parsed.level,
      boot: null,
      bootSeconds,
      timeMs: agoMs === null ? null : Math.round(dump.storedMs - agoMs),
      timeUncertaintyMs: agoMs === null ? null : DATE_UNCERTAINTY_MS,
    };
    tally.covers(record.timeMs);
    if (inWindow(record, request.window)) request.visit(record);
  }
  return number;
}
