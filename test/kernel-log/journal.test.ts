import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnchorSet } from '../../src/kernel-log/anchors.ts';
import { journalSource } from '../../src/kernel-log/journal.ts';
import { lz4Block } from '../../src/kernel-log/journal-codecs.ts';
import { JournalFile, readJournalHeader } from '../../src/kernel-log/journal-file.ts';
import { JournalReader } from '../../src/kernel-log/journal-reader.ts';
import { loadXz } from '../../src/kernel-log/load-xz.ts';
import { PagedFile } from '../../src/kernel-log/paged-file.ts';
import { JOURNALCTL, scanAll, tree, unpacked } from './support.ts';

const EVERYTHING = new AnchorSet([]);
const journal = (realPath: string, anchors = EVERYTHING) =>
  journalSource({ shownPath: '/var/log/journal', realPath, anchors, loadXz });

describe('journal files that systemd wrote', () => {
  const variants = ['zstd', 'lz4', 'xz', 'plain'].flatMap(compression =>
    ['regular', 'compact'].map(mode => `${compression}-${mode}`),
  );
  test.each(variants)('%s: the kernel’s entries are what journalctl says', async variant => {
    const root = tree({ 'machine/system.journal': unpacked(`${variant}.journal.gz`) });
    const { records, coverage } = await scanAll(journal(root));
    const source = '/var/log/journal';
    const expected = JOURNALCTL.flatMap(({ facility, ...record }, index) =>
      facility === '0' ? [{ source, line: index + 1, ...record }] : [],
    );
    expect(records.map(({ timeUncertaintyMs: _, ...record }) => record)).toEqual(expected);
    expect(coverage).toEqual([
      {
        source,
        available: true,
        from: '2026-08-06T07:06:41.359Z',
        to: '2026-08-06T07:12:51.981Z',
        records: 92,
        lost: 0,
        // Written by user space into /dev/kmsg, once in each boot.
        untrusted: 2,
        malformed: 0,
        notes: [],
        unread: [{ reason: 'another program wrote it, not the kernel', count: 2, lines: [42, 88] }],
      },
    ]);
  });

  test.each(['regular', 'compact'])(
    'xz-%s without a decoder: its payloads are counted',
    async mode => {
      const root = tree({ 'system.journal': unpacked(`xz-${mode}.journal.gz`) });
      const { records, coverage } = await scanAll(
        journalSource({ shownPath: '/var/log/journal', realPath: root, anchors: EVERYTHING }),
      );
      // Two long messages, the same in both boots; each is one object in the file.
      expect(coverage).toMatchObject([{ records: 92, untrusted: 2, malformed: 2 }]);
      expect(records).toHaveLength(86);
    },
  );

  test('one file is read as well as a directory', async () => {
    const root = tree({ 'a.journal': unpacked('zstd-compact.journal.gz') });
    const { records } = await scanAll(journal(join(root, 'a.journal')));
    expect(records).toHaveLength(90);
  });

  test('only lines with an anchor are shown', async () => {
    const root = tree({ 'a.journal': unpacked('zstd-compact.journal.gz') });
    const { texts, coverage } = await scanAll(journal(root, new AnchorSet(['Linux version'])));
    expect(texts).toHaveLength(2);
    expect(coverage).toMatchObject([{ records: 92 }]);
  });

  test('a window cuts by time', async () => {
    const root = tree({ 'a.journal': unpacked('zstd-compact.journal.gz') });
    const sinceMs = Date.parse('2026-08-06T07:12:00Z');
    const { records } = await scanAll(journal(root), { sinceMs });
    expect(records.length).toBeGreaterThan(0);
    expect(records.every(({ timeMs }) => (timeMs ?? 0) >= sinceMs - 1_000)).toBe(true);
  });

  test('a closed file that ends before the window is not read', async () => {
    const root = tree({ 'a.journal': unpacked('zstd-compact.journal.gz') });
    const sinceMs = Date.parse('2026-08-06T08:00:00Z');
    expect((await scanAll(journal(root), { sinceMs })).coverage).toMatchObject([{ records: 0 }]);
  });

  test('a gap in the sequence between two files is named', async () => {
    const bytes = unpacked('plain-regular.journal.gz');
    const later = Buffer.from(bytes);
    // head_entry_seqnum and head_entry_realtime of the header: 46 entries and an hour later.
    later.writeBigUInt64LE(301n, 168);
    later.writeBigUInt64LE(later.readBigUInt64LE(184) + 3_600_000_000n, 184);
    const root = tree({ 'system@1.journal': bytes, 'system.journal': later });
    const { coverage } = await scanAll(journal(root));
    expect(coverage).toMatchObject([
      {
        lost: 46,
        notes: [
          '46 entries from 2026-08-06T07:12:51.981Z to 2026-08-06T08:06:41.359Z were vacuumed',
        ],
      },
    ]);
  });

  test.each([
    ['no directory', {}, 'journal', 'not_found'],
    ['an empty directory', { 'journal/x/readme': 'x' }, 'journal', 'not_found'],
  ])('%s is unavailable: %s', async (_, files, path, unavailable) => {
    const { coverage } = await scanAll(journal(join(tree({ keep: '', ...files }), path)));
    expect(coverage).toMatchObject([{ available: false, unavailable, records: 0 }]);
  });

  test('a file that is no journal is named, the others are read', async () => {
    const root = tree({ 'b.journal': 'hello' });
    writeFileSync(join(root, 'a.journal'), unpacked('zstd-compact.journal.gz'));
    const { records, coverage } = await scanAll(journal(root));
    expect(records).toHaveLength(90);
    expect(coverage[0]?.notes).toEqual([
      '/var/log/journal/b.journal is no journal that can be read',
    ]);
  });
});

describe('files that were cut or damaged', () => {
  const whole = unpacked('zstd-compact.journal.gz');
  const opened = (bytes: Buffer) => {
    const read = (page: Buffer, position: number) => bytes.copy(page, 0, position);
    const paged = new PagedFile(read, bytes.length);
    const header = readJournalHeader(paged);
    return header && new JournalFile(paged, header);
  };
  const full = opened(whole);
  const offsets = [...(full?.kernelEntries() ?? [])];
  const used = (offsets.at(-1) ?? 0) + 1_000;

  async function messages(file: JournalFile, entries: Iterable<number>): Promise<string[]> {
    const reader = new JournalReader(file, undefined);
    const texts: string[] = [];
    for (const offset of entries) {
      const fields = await reader.fields(offset);
      if (fields?.message) texts.push(fields.message.toString('utf8'));
    }
    return texts;
  }

  test('cut at any byte, at most the last entry before the cut is lost', async () => {
    if (!full) throw new Error('the fixture is no journal');
    const all = await messages(full, offsets);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: full.header.headerSize, max: used }), async cut => {
        const file = opened(whole.subarray(0, cut));
        if (!file) throw new Error('the header is whole');
        const texts = await messages(file, file.kernelEntries());
        const before = offsets.filter(offset => offset < cut).length;
        expect(texts).toEqual(all.slice(0, texts.length));
        expect(texts.length).toBeGreaterThanOrEqual(before - 1);
      }),
      { numRuns: 60, examples: [[full.header.headerSize], [used]] },
    );
  });

  const ENTRY_ARRAY = 6;
  /** Sets the pointer to the next array in every entry array of the file. */
  function relinked(next: (offset: number) => number): Buffer {
    const bytes = Buffer.from(whole.subarray(0, used));
    for (let at = full?.header.headerSize ?? 0; at + 24 < bytes.length; ) {
      const size = Number(bytes.readBigUInt64LE(at + 8));
      if (size === 0) break;
      if (bytes[at] === ENTRY_ARRAY) bytes.writeBigUInt64LE(BigInt(next(at)), at + 16);
      at += Math.ceil(size / 8) * 8;
    }
    return bytes;
  }

  test.each<[string, (offset: number) => number]>([
    ['break off', () => 0],
    ['lead in a circle', offset => offset],
    ['lead out of the file', () => 2 ** 40],
  ])('arrays that %s: the other entries are found object by object', (_, next) => {
    expect([...(opened(relinked(next))?.kernelEntries() ?? [])]).toEqual(offsets);
  });

  test('without an index every entry is found object by object', () => {
    const bytes = Buffer.from(whole.subarray(0, used));
    const table = full?.header.fieldHashTableOffset ?? 0;
    bytes.fill(0xff, table, table + (full?.header.fieldHashTableSize ?? 0));
    expect([...(opened(bytes)?.kernelEntries() ?? [])]).toEqual(offsets);
  });

  test('any damage ends: no throw, no endless chain, no entry twice', async () => {
    const place = fc.integer({ min: 0, max: used });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 200 }),
        async damages => {
          const bytes = Buffer.from(whole.subarray(0, used));
          for (const [at, value] of damages) bytes.writeUInt8(value, Math.min(at, used - 1));
          const file = opened(bytes);
          const entries = [...(file?.kernelEntries() ?? [])];
          expect(new Set(entries).size).toBe(entries.length);
          if (file) await messages(file, entries);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('LZ4 blocks', () => {
  test.each([
    ['literals only', '30616263', 3, 'abc'],
    ['a match that overlaps itself', '1f61010000', 20, 'a'.repeat(20)],
    ['a run', '1a6101005062626262 62', 20, `${'a'.repeat(15)}bbbbb`],
    ['a distance before the beginning', '10610500', 9, undefined],
    ['literals beyond the end', '90616263', 9, undefined],
  ])('%s', (_, hex, size, text) => {
    const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(lz4Block(block, size)?.toString('latin1')).toBe(text);
  });
});
