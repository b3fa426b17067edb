import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import {
  errnoOf,
  inWindow,
  type KernelClock,
  type ScanRequest,
  type Source,
  Tally,
} from './source.ts';
import { unescapeKmsg } from './unescape.ts';

/**
 * One read() of /dev/kmsg into `buffer`: the bytes of one record, or an error with an errno.
 * Documentation/ABI/testing/dev-kmsg: one read gives one whole record.
 */
export type KmsgRead = (buffer: Buffer) => number;

export interface OpenKmsg {
  readonly read: KmsgRead;
  close(): void;
}

export interface KmsgOptions {
  readonly clock: KernelClock;
  /** Boot id, 32 hex digits, or null where it is not known. */
  readonly boot: () => string | null;
  /** Opens the device; throws an error with an errno. Default: /dev/kmsg without blocking. */
  readonly open?: () => OpenKmsg;
}

/** The kernel's ring buffer, from its oldest record on. */
export function kmsgSource(options: KmsgOptions): Source {
  return {
    kind: 'kmsg',
    scan: async request => [scanKmsg(options, request)],
  };
}

/** A record fits: printk caps a record at about 1 KiB of text, escaped at most fourfold. */
const RECORD_BYTES_MAX = 32 * 1024;
/** A ring holds some ten thousand records; a reader that never says EAGAIN must end, too. */
const READS_MAX = 4_000_000;
/** A ring that is overwritten this often while it is read is faster than we are. */
const OVERWRITTEN_MAX = 10_000;

function scanKmsg(options: KmsgOptions, { window, visit, signal }: ScanRequest): Coverage {
  const tally = new Tally('/dev/kmsg');
  let device: OpenKmsg;
  try {
    device = (options.open ?? openDevice)();
  } catch (error) {
    tally.failed(error);
    return tally.coverage();
  }
  try {
    const boot = options.boot();
    // One pair of readings for the whole scan, so that two records keep their exact distance.
    const zeroMs = options.clock.nowMs() - options.clock.monotonicMs();
    readRecords(device.read, tally, signal, (parsed, line) => {
      const record = toRecord(parsed, { line, boot, zeroMs, nowMs: options.clock.nowMs() });
      tally.covers(record.timeMs);
      if (inWindow(record, window)) visit(record);
    });
  } finally {
    device.close();
  }
  return tally.coverage();
}

function openDevice(): OpenKmsg {
  // Without O_NONBLOCK the read after the last record would wait for the next one for ever.
  const descriptor = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  return {
    read: buffer => readSync(descriptor, buffer, 0, buffer.length, null),
    close: () => closeSync(descriptor),
  };
}

function readRecords(
  read: KmsgRead,
  tally: Tally,
  signal: AbortSignal,
  show: (record: KmsgRecord, line: number) => void,
): void {
  const buffer = Buffer.alloc(RECORD_BYTES_MAX);
  let lastSequence: number | undefined;
  // Records that were taken from the ring but not understood leave a gap that is no loss.
  let consumed = 0;
  let overwritten = 0;
  for (let reads = 0; reads < READS_MAX; reads++) {
    if (signal.aborted) {
      tally.note('the search was cancelled before the end');
      return;
    }
    let length: number;
    try {
      length = read(buffer);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EAGAIN') return;
      // The kernel overwrote records while we read; the gap in the sequence tells how many.
      if (errno === 'EPIPE' && ++overwritten < OVERWRITTEN_MAX) continue;
      // The record was longer than our buffer and is consumed: it counts, and reading goes on.
      if (errno === 'EINVAL') {
        tally.malformed++;
        consumed++;
        continue;
      }
      tally.failed(error);
      return;
    }
    if (length === 0) return;
    const record = parseKmsgRecord(buffer.subarray(0, length));
    if (!record) {
      tally.malformed++;
      consumed++;
      continue;
    }
    if (lastSequence === undefined) {
      noteBeginning(record.sequence - consumed, tally);
    } else {
      tally.lost += Math.max(0, record.sequence - lastSequence - 1 - consumed);
    }
    consumed = 0;
    lastSequence = record.sequence;
    tally.records++;
    // The kernel gives text of user space a facility of at least 1, whatever the writer asked for.
    if (record.facility === 0) show(record, tally.records);
    else {
      tally.untrusted++;
      tally.passedOver(record.text, 'another program wrote it, not the kernel', tally.records);
    }
  }
  tally.note('reading stopped early: the device did not come to an end');
}

function noteBeginning(firstSequence: number, tally: Tally): void {
  if (firstSequence <= 0) return;
  tally.note(
    `the ring begins at record ${firstSequence}: older records of this boot are overwritten`,
  );
}

/** A record of /dev/kmsg as it stands there. */
export interface KmsgRecord {
  readonly facility: number;
  readonly level: number;
  readonly sequence: number;
  /** Microseconds of printk's clock since boot. */
  readonly timeUs: number;
  readonly text: string;
}

/**
 * Reads one record: `pri,seq,timestamp_us,flags[,more];text\n` and dictionary lines after it.
 * Source of the form: Documentation/ABI/testing/dev-kmsg. Undefined when it is none.
 */
export function parseKmsgRecord(bytes: Buffer): KmsgRecord | undefined {
  const end = bytes.indexOf(0x0a);
  const record = end < 0 ? bytes : bytes.subarray(0, end);
  const semicolon = record.indexOf(0x3b);
  if (semicolon < 0) return undefined;
  const head = /^(\d{1,10}),(\d{1,16}),(\d{1,16}),[^;]*$/.exec(
    record.toString('latin1', 0, semicolon),
  );
  if (!head) return undefined;
  const [priority = 0, sequence = 0, timeUs = 0] = head.slice(1).map(Number);
  return {
    facility: Math.floor(priority / 8),
    level: priority % 8,
    sequence,
    timeUs,
    text: unescapeKmsg(record.subarray(semicolon + 1)),
  };
}

/**
 * printk's clock drifts from the wall clock by some 10 parts per million and stops in suspend:
 * about 67 s after 78 days. 10 ms stand for the moment between the two readings of the clock.
 */
export function driftMs(ageMs: number): number {
  return Math.ceil(Math.abs(ageMs) / 100_000) + 10;
}

function toRecord(
  parsed: KmsgRecord,
  at: { line: number; boot: string | null; zeroMs: number; nowMs: number },
): KernelRecord {
  const timeMs = Math.round(at.zeroMs + parsed.timeUs / 1_000);
  return {
    source: '/dev/kmsg',
    line: at.line,
    text: parsed.text,
    level: parsed.level,
    boot: at.boot,
    bootSeconds: parsed.timeUs / 1e6,
    timeMs,
    timeUncertaintyMs: driftMs(at.nowMs - timeMs),
  };
}
