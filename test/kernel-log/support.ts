import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import type { OpenKmsg } from '../../src/kernel-log/kmsg.ts';
import type { KernelLogWindow } from '../../src/kernel-log/port.ts';
import type { KernelClock, Source } from '../../src/kernel-log/source.ts';

export const NOW_MS = Date.UTC(2026, 7, 20, 12, 0, 0);
/** Booted 100,000 s before NOW_MS. */
export const CLOCK: KernelClock = { nowMs: () => NOW_MS, monotonicMs: () => 100_000_000 };
export const BOOT = '2e3491e462384efabe317664e5c58b03';

/** A device that gives these records; a string is the errno that the read fails with. */
export function recordedKmsg(reads: readonly (string | Buffer)[]): () => OpenKmsg {
  return () => {
    let at = 0;
    return {
      read: buffer => {
        const next = reads[at++] ?? 'EAGAIN';
        if (Buffer.isBuffer(next)) return next.copy(buffer);
        throw errno(next);
      },
      close: () => {},
    };
  };
}

export const errno = (code: string): Error => Object.assign(new Error(code), { code });

export async function scanAll(source: Source, window: KernelLogWindow = {}) {
  const records: KernelRecord[] = [];
  const signal = new AbortController().signal;
  const coverage = await source.scan({ window, visit: record => records.push(record), signal });
  return { records, coverage, texts: records.map(({ text }) => text) };
}

const trees: string[] = [];
afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** A directory tree for one test: file contents by path, each optionally with its date. */
export function tree(
  files: Readonly<Record<string, string | Buffer>>,
  mtimesMs: Readonly<Record<string, number>> = {},
): string {
  const root = mkdtempSync(join(tmpdir(), 'kernel-log-'));
  trees.push(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    const seconds = (mtimesMs[path] ?? NOW_MS) / 1_000;
    utimesSync(join(root, path), seconds, seconds);
  }
  return root;
}

export const fixture = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '../fixtures/kernel-log', name));

export const unpacked = (name: string): Buffer => gunzipSync(fixture(name));

interface RealLine {
  readonly id: string;
  readonly line: string;
  readonly message: string;
  readonly ts: { readonly boot_s?: string; readonly wall?: string } | null;
}

export const REAL_LINES: readonly RealLine[] = fixture('real-lines.jsonl')
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));

/** What journalctl said of the journal files, as the records that must come of it. */
export const JOURNALCTL = fixture('journalctl.jsonl')
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => {
    const entry: Record<string, string> = JSON.parse(line);
    const lateUs =
      Number(entry['__MONOTONIC_TIMESTAMP']) - Number(entry['_SOURCE_MONOTONIC_TIMESTAMP']);
    const message: unknown = entry['MESSAGE'];
    return {
      facility: entry['SYSLOG_FACILITY'],
      text: Array.isArray(message) ? Buffer.from(message).toString('utf8') : String(message),
      level: Number(entry['PRIORITY']),
      boot: entry['_BOOT_ID'],
      bootSeconds: Number(entry['_SOURCE_MONOTONIC_TIMESTAMP']) / 1e6,
      timeMs: Math.round((Number(entry['__REALTIME_TIMESTAMP']) - lateUs) / 1_000),
    };
  });
