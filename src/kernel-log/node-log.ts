import { type Dirent, readFileSync } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { nodePath } from '../node-root/place.ts';
import { AnchorSet, KERNEL_ANCHORS, XID_WORDS } from './anchors.ts';
import { journalSource } from './journal.ts';
import type { LoadXz } from './journal-codecs.ts';
import { kmsgSource, type OpenKmsg } from './kmsg.ts';
import { Merger } from './merger.ts';
import type { KernelLog, KernelLogWindow } from './port.ts';
import { parsePrefix } from './prefixes.ts';
import { Quotes } from './quotes.ts';
import {
  inWindow,
  type KernelClock,
  type ScanRequest,
  type Source,
  Tally,
  unavailableOf,
  unreadableSource,
} from './source.ts';
import { type Klogctl, syslogCallSource } from './syslog-call.ts';
import { daemonLogSources, textFileSources } from './text-files.ts';

export interface NodeKernelLogOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  readonly clock: KernelClock;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** What a line must hold to be shown from a text log or a journal; default KERNEL_ANCHORS. */
  readonly anchors?: readonly string[];
  /** Default `/sys`. */
  readonly sysRoot?: string;
  /** Opens /dev/kmsg; a test gives a recorded stream. */
  readonly openKmsg?: () => OpenKmsg;
  /** Loads klogctl(3); a test gives a recorded answer. */
  readonly klogctl?: () => Promise<Klogctl>;
  /** Loads the package `xz-decompress`; absent: what xz compressed is said to be unreadable. */
  readonly loadXz?: LoadXz;
}

/**
 * The kernel log of the node we run on, from every source there is: the ring buffer first, because
 * it knows the exact order and time, then what the node keeps in files.
 */
export function createNodeKernelLog(options: NodeKernelLogOptions): KernelLog {
  const anchors = new AnchorSet(options.anchors ?? KERNEL_ANCHORS, XID_WORDS);
  const sources = nodeSources(options, anchors);
  return {
    scan: (window, visit, signal) => scanSources({ sources, anchors, window, visit, signal }),
  };
}

function nodeSources(options: NodeKernelLogOptions, anchors: AnchorSet): readonly Source[] {
  const { root, clock } = options;
  const nowMs = () => clock.nowMs();
  const boot = () => readBootId(options.procRoot ?? '/proc');
  const { loadXz } = options;
  const text = { root, anchors, nowMs, loadXz };
  const journals = ['/var/log/journal', '/run/log/journal'].map(shownPath =>
    journalSource({ shownPath, realPath: () => nodePath(root, shownPath), anchors, loadXz }),
  );
  return [
    kmsgSource({ clock, boot, ...(options.openKmsg ? { open: options.openKmsg } : {}) }),
    syslogCallSource({ clock, boot, ...(options.klogctl ? { load: options.klogctl } : {}) }),
    ...journals,
    ...textFileSources(text),
    ...pstoreSources({ root, sysRoot: options.sysRoot ?? '/sys' }),
    ...daemonLogSources(text),
  ];
}

/** Reads the sources one after another and shows what several hold only once. */
export async function scanSources(request: {
  readonly sources: readonly Source[];
  readonly anchors: AnchorSet;
  readonly window: KernelLogWindow;
  readonly visit: (record: KernelRecord) => void;
  readonly signal: AbortSignal;
}): Promise<readonly Coverage[]> {
  const { sources, anchors, window, signal } = request;
  const merger = new Merger(request.visit, anchors);
  const quotes = new Quotes();
  const coverages: Coverage[] = [];
  let ringIsOpen = false;
  for (const [number, source] of sources.entries()) {
    if (window.sources !== undefined && !window.sources.includes(source.kind)) continue;
    // syslog(2) shows the same ring with less: it is asked only where the device is closed to us.
    if (source.kind === 'syslog' && ringIsOpen) continue;
    if (signal.aborted) break;
    const visit = (record: KernelRecord) => {
      quotes.original(record);
      merger.take(record, number);
    };
    const covered = await source.scan({ window, visit, signal, quotes });
    if (source.kind === 'kmsg') ringIsOpen = covered.every(({ available }) => available);
    coverages.push(...covered);
  }
  const settled = quotes.settled(coverages);
  return merger.full ? settled.map(withRepeats) : settled;
}

const withRepeats = (coverage: Coverage): Coverage => ({
  ...coverage,
  notes: [
    ...coverage.notes,
    'too many lines to remember: one that two sources hold may come twice',
  ],
});

/** 32 hex digits, or null where /proc does not tell. */
function readBootId(procRoot: string): string | null {
  try {
    const text = readFileSync(join(procRoot, 'sys/kernel/random/boot_id'), 'utf8');
    const digits = text.trim().replaceAll('-', '').toLowerCase();
    return /^[0-9a-f]{32}$/.test(digits) ? digits : null;
  } catch {
    return null;
  }
}

interface PstoreOptions {
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

const SYSTEMD_PSTORE = '/var/lib/systemd/pstore';

/** What the kernel left in firmware or RAM when it died, and where systemd-pstore moved it to. */
function pstoreSources({ root, sysRoot }: PstoreOptions): readonly Source[] {
  const places = [
    { shown: '/sys/fs/pstore', place: async (name = '') => join(sysRoot, 'fs/pstore', name) },
    {
      shown: SYSTEMD_PSTORE,
      place: (name = '') => nodePath(root, join(SYSTEMD_PSTORE, name)),
    },
  ];
  return places.map(place => ({
    kind: 'pstore',
    scan: async request => [await scanPlace(place, request)],
  }));
}

interface Place {
  readonly shown: string;
  /** Where it, or a file below it, lies for us. */
  readonly place: (name?: string) => Promise<string>;
}

async function scanPlace(place: Place, request: ScanRequest): Promise<Coverage> {
  let names: readonly string[];
  try {
    names = await dumps(await place.place());
  } catch (error) {
    return unreadableSource(place.shown, unavailableOf(error));
  }
  const tally = new Tally(place.shown);
  if (names.length === 0) tally.note('no crash dump is stored');
  let line = 0;
  for (const name of names) {
    if (request.signal.aborted) break;
    try {
      const dump = await readDump(await place.place(name));
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
