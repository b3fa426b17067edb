import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kmsgSource, parseKmsgRecord } from '../../src/kernel-log/kmsg.ts';
import { BOOT, CLOCK, errno, NOW_MS, recordedKmsg, scanAll } from './support.ts';

const XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const record = (sequence: number, text: string, priority = 4): Buffer =>
  Buffer.from(`${priority},${sequence},${sequence * 1_000_000},-;${text}\n`);
const kmsg = (...reads: (string | Buffer)[]) =>
  kmsgSource({ clock: CLOCK, boot: () => BOOT, open: recordedKmsg(reads) });

describe('/dev/kmsg', () => {
  test('a record has its text, level, boot, and both times', async () => {
    const { records, coverage } = await scanAll(kmsg(record(0, XID)));
    const bootMs = NOW_MS - 100_000_000;
    expect(records).toEqual([
      {
        source: '/dev/kmsg',
        line: 1,
        text: XID,
        level: 4,
        boot: BOOT,
        bootSeconds: 0,
        timeMs: bootMs,
        // 10 parts per million of 100,000 s, and 10 ms for reading two clocks.
        timeUncertaintyMs: 1_010,
      },
    ]);
    expect(coverage).toEqual([
      {
        source: '/dev/kmsg',
        available: true,
        from: new Date(bootMs).toISOString(),
        to: new Date(bootMs).toISOString(),
        records: 1,
        lost: 0,
        untrusted: 0,
        malformed: 0,
        notes: [],
      },
    ]);
  });

  test('overwritten records (EPIPE, twice) are counted by the gap and reading goes on', async () => {
    const source = kmsg(
      record(0, 'a'),
      'EPIPE',
      record(10, 'b'),
      'EPIPE',
      'EPIPE',
      record(15, 'c'),
    );
    const { texts, coverage } = await scanAll(source);
    expect(texts).toEqual(['a', 'b', 'c']);
    expect(coverage).toMatchObject([{ records: 3, lost: 13, malformed: 0 }]);
  });

  test('a record longer than the buffer (EINVAL) is counted as malformed and not as lost', async () => {
    const { texts, coverage } = await scanAll(kmsg(record(4, 'a'), 'EINVAL', record(6, 'c')));
    expect(texts).toEqual(['a', 'c']);
    expect(coverage).toMatchObject([{ records: 2, lost: 0, malformed: 1 }]);
  });

  test('what is no record is counted and reading goes on', async () => {
    const { texts, coverage } = await scanAll(
      kmsg(record(1, 'a'), Buffer.from('no record\n'), Buffer.from('4,x,1,-;t\n'), record(4, 'd')),
    );
    expect(texts).toEqual(['a', 'd']);
    expect(coverage).toMatchObject([{ records: 2, lost: 0, malformed: 2 }]);
  });

  test.each([
    ['user', 12],
    ['daemon', 28],
    ['local7', 188],
  ])('text of facility %s is counted as untrusted and never shown', async (_, priority) => {
    const { texts, coverage } = await scanAll(kmsg(record(1, XID, priority), record(2, 'real')));
    expect(texts).toEqual(['real']);
    expect(coverage).toMatchObject([{ records: 2, untrusted: 1 }]);
  });

  test('a ring that has wrapped says at which record it begins', async () => {
    const { coverage } = await scanAll(kmsg(record(3_964, 'a')));
    expect(coverage[0]?.notes).toEqual([
      'the ring begins at record 3964: older records of this boot are overwritten',
    ]);
  });

  test('records outside the window are counted and not shown', async () => {
    const bootMs = NOW_MS - 100_000_000;
    const source = kmsg(record(1, 'old'), record(50_000, 'in'), record(90_000, 'new'));
    const window = { sinceMs: bootMs + 40_000_000, untilMs: bootMs + 60_000_000 };
    const { texts, coverage } = await scanAll(source, window);
    expect(texts).toEqual(['in']);
    expect(coverage).toMatchObject([{ records: 3 }]);
  });

  test.each([
    ['ENOENT', 'not_found'],
    ['EPERM', 'no_permission'],
    ['EACCES', 'no_permission'],
    ['EIO', 'unreadable'],
  ])('a device that does not open (%s) is unavailable: %s', async (code, unavailable) => {
    const open = () => {
      throw errno(code);
    };
    const { coverage } = await scanAll(kmsgSource({ clock: CLOCK, boot: () => null, open }));
    expect(coverage).toMatchObject([{ available: false, unavailable, records: 0 }]);
  });

  test('a device that only says EPIPE comes to an end', async () => {
    const open = () => ({
      read: () => {
        throw errno('EPIPE');
      },
      close: () => {},
    });
    const { coverage } = await scanAll(kmsgSource({ clock: CLOCK, boot: () => null, open }));
    expect(coverage).toMatchObject([{ available: false, unavailable: 'unreadable' }]);
  });
});

describe('one record', () => {
  test('dictionary lines and further header fields are no text', () => {
    const bytes = Buffer.from(
      '3,17,227996636,c,caller=T123,more=1;NVRM: x\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n',
    );
    expect(parseKmsgRecord(bytes)).toEqual({
      facility: 0,
      level: 3,
      sequence: 17,
      timeUs: 227_996_636,
      text: 'NVRM: x',
    });
  });

  test.each([
    ['NVRM: a\\x0aNVRM: b', 'NVRM: a\nNVRM: b'],
    ['caf\\xc3\\xa9 \\x5cx41', 'café \\x41'],
    ['not an escape: \\xzz \\', 'not an escape: \\xzz \\'],
    ['broken UTF-8: \\xff', 'broken UTF-8: \ufffd'],
    ['a;b;c', 'a;b;c'],
  ])('escapes become bytes, then text: %s', (escaped, text) => {
    expect(parseKmsgRecord(Buffer.from(`6,1,2,-;${escaped}\n`))?.text).toBe(text);
  });

  test('any text survives the kernel’s escaping', () => {
    const escaped = (text: string) =>
      [...Buffer.from(text, 'utf8')]
        .map(byte =>
          byte < 32 || byte >= 127 || byte === 0x5c
            ? `\\x${byte.toString(16).padStart(2, '0')}`
            : String.fromCharCode(byte),
        )
        .join('');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        const bytes = Buffer.from(`6,1,2,-;${escaped(text)}\n`);
        expect(parseKmsgRecord(bytes)?.text).toBe(text);
      }),
    );
  });

  test('any bytes give a record or none, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, headed) => {
        const head = headed ? Buffer.from('6,1,2,-;') : Buffer.alloc(0);
        const parsed = parseKmsgRecord(Buffer.concat([head, bytes]));
        expect(parsed === undefined || typeof parsed.text === 'string').toBe(true);
      }),
    );
  });
});
