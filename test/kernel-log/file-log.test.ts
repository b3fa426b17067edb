import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { fixture, JOURNALCTL, NOW_MS, REAL_LINES, tree, unpacked } from './support.ts';

const XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const KERNEL_ENTRIES = JOURNALCTL.filter(({ facility }) => facility === '0');

async function scan(
  input: string | AsyncIterable<Uint8Array>,
  options: { anchors?: readonly string[]; signal?: AbortSignal } = {},
) {
  const { anchors, signal = new AbortController().signal } = options;
  const name = typeof input === 'string' ? 'given' : '-';
  const log = createFileLog({ input, name, nowMs: () => NOW_MS, ...(anchors ? { anchors } : {}) });
  const records: KernelRecord[] = [];
  const coverage = await log.scan({}, record => records.push(record), signal);
  return { records, coverage, texts: records.map(({ text }) => text) };
}

async function* stream(bytes: Buffer, chunkBytes = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

const text = Buffer.from(`${REAL_LINES.map(({ line }) => line).join('\n')}\n`);

describe('text', () => {
  test.each([
    ['a file', async () => join(tree({ log: text }), 'log')],
    ['gzip', async () => join(tree({ log: gzipSync(text) }), 'log')],
    ['zstd', async () => join(tree({ log: zstdCompressSync(text) }), 'log')],
    ['stdin', async () => stream(text)],
    ['stdin with gzip', async () => stream(gzipSync(text), 3)],
  ])('%s: every real line gives its message and its number', async (_, input) => {
    const { records } = await scan(await input(), { anchors: [] });
    expect(records.map(({ line, text: message }) => [line, message])).toEqual(
      REAL_LINES.map(({ message }, index) => [index + 1, message]),
    );
  });

  test('sections of a bug report that repeat each other are merged', async () => {
    const line = '_'.repeat(44);
    const report = [
      line,
      '',
      '/bin/dmesg',
      `[60000.000001] ${XID}`,
      `[60001.000001] NVRM: only here`,
      line,
      '*** /var/log/kern.log',
      `Aug 20 10:00:00 host kernel: [60000.000001] ${XID}`,
      `Aug 20 10:00:05 host kernel: [60005.000001] ${XID}`,
      `Aug 20 10:00:06 host sshd[1]: ${XID}`,
    ].join('\n');
    const { records, coverage } = await scan(stream(Buffer.from(report)));
    expect(records.map(each => [each.line, each.text])).toEqual([
      [4, XID],
      [5, 'NVRM: only here'],
      [9, XID],
    ]);
    expect(coverage).toMatchObject([{ source: '-', records: 10, untrusted: 1 }]);
  });

  test('without a section nothing is merged', async () => {
    const { texts } = await scan(stream(Buffer.from(`${XID}\n${XID}\n`)));
    expect(texts).toEqual([XID, XID]);
  });
});

describe('journals as text', () => {
  const expected = KERNEL_ENTRIES.map(({ facility: _, ...record }) => record);
  const shape = ({ text: message, level, boot, bootSeconds, timeMs }: KernelRecord) => ({
    text: message,
    level,
    boot,
    bootSeconds,
    timeMs,
  });

  test.each([1, 7, 4_096, 10_000_000])('the export format, in chunks of %i bytes', async bytes => {
    const whole = unpacked('journal.export.gz');
    const { records, coverage } = await scan(stream(whole, bytes), { anchors: [] });
    expect(records.map(shape)).toEqual(expected);
    // Two of user space in /dev/kmsg, and all that sshd and a forger wrote.
    expect(coverage).toMatchObject([{ records: 254, untrusted: 254 - 90, malformed: 0 }]);
    const lines = whole.toString('latin1').split('\n');
    expect(records.every(({ line }) => lines[line - 1]?.startsWith('__CURSOR='))).toBe(true);
  });

  test.each([1, 4_096])('journalctl -o json, in chunks of %i bytes', async bytes => {
    const { records, coverage } = await scan(stream(fixture('journalctl.jsonl'), bytes), {
      anchors: [],
    });
    expect(records.map(shape)).toEqual(expected);
    expect(records[0]?.line).toBe(1);
    expect(coverage).toMatchObject([{ records: 92, untrusted: 2, malformed: 0 }]);
  });

  test('a line of JSON that was cut loses itself only', async () => {
    const lines = fixture('journalctl.jsonl').toString('utf8').split('\n');
    const cut = [lines[0], lines[1]?.slice(0, 200), lines[2]?.slice(0, -1), lines[3], ''].join(
      '\n',
    );
    const { texts, coverage } = await scan(stream(Buffer.from(cut)), { anchors: [] });
    expect(texts).toEqual([KERNEL_ENTRIES[0]?.text, KERNEL_ENTRIES[3]?.text]);
    expect(coverage).toMatchObject([{ malformed: 2 }]);
  });

  test('cut at any byte, the export format loses at most the last entry', async () => {
    const whole = unpacked('journal.export.gz').subarray(0, 20_000);
    const all = (await scan(stream(whole), { anchors: [] })).texts;
    const starts = [...whole.toString('latin1').matchAll(/__CURSOR=/g)].map(({ index }) => index);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), async cut => {
        const { texts } = await scan(stream(whole.subarray(0, cut)), { anchors: [] });
        expect(all.slice(0, texts.length).slice(0, -1)).toEqual(texts.slice(0, -1));
        const complete = starts.filter(start => start <= cut).length - 1;
        const kernel = (
          await scan(stream(whole.subarray(0, starts[Math.max(0, complete)] ?? 0)), { anchors: [] })
        ).texts.length;
        expect(texts.length).toBeGreaterThanOrEqual(kernel);
      }),
      { numRuns: 30 },
    );
  });
});

describe('dmesg -J', () => {
  const record = (pri: number | string, time: number | string, msg: string, fac?: string) =>
    `{\n         ${fac === undefined ? '' : `"fac": "${fac}",\n         `}"pri": ${JSON.stringify(pri)},\n         "time": ${String(time).padStart(12)},\n         "msg": ${JSON.stringify(msg)}\n      }`;
  const dmesg = (...records: string[]) =>
    Buffer.from(`{\n   "dmesg": [\n      ${records.join(',')}\n   ]\n}\n`);

  test('records have text, level, seconds since boot and their first line', async () => {
    const input = dmesg(record(5, '0.000000', 'Linux version 6.8'), record(4, '60000.000001', XID));
    const { records, coverage } = await scan(stream(input, 10));
    expect(records).toMatchObject([
      { line: 3, text: 'Linux version 6.8', level: 5, bootSeconds: 0, timeMs: null },
      { line: 7, text: XID, level: 4, bootSeconds: 60_000.000001, timeMs: null },
    ]);
    expect(coverage).toMatchObject([{ records: 2, untrusted: 0, malformed: 0 }]);
  });

  test('facilities other than the kernel’s are untrusted, as numbers and as names', async () => {
    const input = dmesg(
      record(12, '1.000000', XID),
      record('warn', '1.000000', XID, 'user'),
      record('warn', '2.000000', XID, 'kern'),
    );
    const { records, coverage } = await scan(stream(input));
    expect(records).toMatchObject([{ bootSeconds: 2, level: 4 }]);
    expect(coverage).toMatchObject([{ records: 3, untrusted: 2 }]);
  });

  test('the same on one line', async () => {
    const input = Buffer.from(JSON.stringify({ dmesg: [{ pri: 4, time: 1.5, msg: XID }] }));
    expect((await scan(stream(input))).records).toMatchObject([{ line: 1, text: XID }]);
  });
});

describe('paths', () => {
  test('a journal’s directory and a journal file are read as journals', async () => {
    const root = tree({ 'm/system.journal': unpacked('lz4-compact.journal.gz') });
    for (const path of [root, join(root, 'm/system.journal')]) {
      const { texts } = await scan(path, { anchors: [] });
      expect(texts).toEqual(KERNEL_ENTRIES.map(({ text: message }) => message));
    }
  });

  test('any other directory is read file by file, each in its form', async () => {
    const root = tree({ 'a.log': `[1.5] ${XID}\n`, 'b.gz': gzipSync(`[2.5] ${XID}\n`) });
    const { records } = await scan(root);
    expect(records.map(({ source, bootSeconds }) => [source, bootSeconds])).toEqual([
      ['given/a.log', 1.5],
      ['given/b.gz', 2.5],
    ]);
  });

  test('a journal file on stdin cannot be read, and says how it can', async () => {
    const { coverage } = await scan(stream(unpacked('lz4-compact.journal.gz').subarray(0, 10_000)));
    expect(coverage).toMatchObject([{ available: false, unavailable: 'not_supported' }]);
  });

  test('a path that is not there is unavailable', async () => {
    const { coverage } = await scan(join(tree({ x: '' }), 'nothing'));
    expect(coverage).toMatchObject([
      { source: 'given', available: false, unavailable: 'not_found' },
    ]);
  });

  test('a pipe is read as a stream', async () => {
    const pipe = join(tree({ x: '' }), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [{ texts }] = await Promise.all([scan(pipe), writeFile(pipe, `[1.5] ${XID}\n`)]);
    expect(texts).toEqual([XID]);
  });

  test('an empty file was searched and holds nothing', async () => {
    const { coverage } = await scan(join(tree({ x: '' }), 'x'));
    expect(coverage).toMatchObject([{ available: true, records: 0 }]);
  });

  test('a cancelled search says so', async () => {
    const { coverage } = await scan(stream(text), { signal: AbortSignal.abort() });
    expect(coverage[0]?.notes).toContain('the search was cancelled before the end');
  });
});

test('any bytes are read to their end without throwing', async () => {
  const pieces = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
      fc
        .constantFrom(
          `[1.5] ${XID}\n`,
          '{"dmesg":[',
          '{"MESSAGE":"',
          '__CURSOR=x\n',
          'MESSAGE\n',
          '\n',
          '}',
          ']',
        )
        .map(each => Buffer.from(each)),
    ),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 50 }), async (parts, size) => {
      const { coverage } = await scan(stream(Buffer.concat(parts), size));
      expect(coverage).toHaveLength(1);
    }),
  );
});
