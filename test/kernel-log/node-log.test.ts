import { describe, expect, test } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { AnchorSet } from '../../src/kernel-log/anchors.ts';
import { Merger } from '../../src/kernel-log/merger.ts';
import { createNodeKernelLog } from '../../src/kernel-log/node-log.ts';
import type { KernelLogWindow } from '../../src/kernel-log/port.ts';
import { BOOT, CLOCK, errno, NOW_MS, recordedKmsg, tree } from './support.ts';

const XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const BOOT_MS = NOW_MS - 100_000_000;
const KMSG = [
  Buffer.from('4,1,50000000000,-;usb 1-1: new device\n'),
  Buffer.from(`4,2,60000000000,-;${XID}\n`),
];

async function scan(options: {
  files: Record<string, string>;
  kmsg?: (string | Buffer)[];
  window?: KernelLogWindow;
  klogctl?: () => Promise<(type: number, buffer: Buffer) => number>;
}) {
  const dashed = BOOT.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const root = tree({ 'proc/sys/kernel/random/boot_id': `${dashed}\n`, ...options.files });
  const log = createNodeKernelLog({
    root,
    procRoot: `${root}/proc`,
    sysRoot: `${root}/sys`,
    clock: CLOCK,
    openKmsg: recordedKmsg(options.kmsg ?? KMSG),
    ...(options.klogctl ? { klogctl: options.klogctl } : {}),
  });
  const records: KernelRecord[] = [];
  const signal = new AbortController().signal;
  const coverage = await log.scan(options.window ?? {}, record => records.push(record), signal);
  return { coverage, shown: records.map(({ source, text }) => `${source} ${text}`), records };
}

describe('a node’s log', () => {
  test('a record in kmsg, kern.log and syslog is shown once, from kmsg', async () => {
    const stamp = new Date(BOOT_MS + 60_000_000 + 300).toISOString();
    const line = `${stamp} host kernel: [60000.000000] ${XID}\n`;
    const { shown, coverage } = await scan({
      files: {
        'var/log/kern.log': `${line}${stamp} host kernel: NVRM: only in kern.log\n`,
        'var/log/syslog': line,
      },
    });
    expect(shown).toEqual([
      '/dev/kmsg usb 1-1: new device',
      `/dev/kmsg ${XID}`,
      '/var/log/kern.log NVRM: only in kern.log',
    ]);
    expect(coverage.filter(({ records }) => records > 0).map(({ source }) => source)).toEqual([
      '/dev/kmsg',
      '/var/log/kern.log',
      '/var/log/syslog',
    ]);
  });

  test('the same text of another boot is another record', async () => {
    const earlier = new Date(BOOT_MS - 3_600_000).toISOString();
    const { shown } = await scan({
      files: { 'var/log/kern.log': `${earlier} host kernel: [60000.000000] ${XID}\n` },
    });
    expect(shown).toContain(`/var/log/kern.log ${XID}`);
  });

  test('syslog(2) is asked only where /dev/kmsg is closed', async () => {
    const klogctl = async () => (type: number, buffer: Buffer) =>
      type === 10 ? 4_096 : buffer.write(`<4>[60000.000000] ${XID}\n<12>[60001.000000] ${XID}\n`);
    const open = await scan({ files: {}, klogctl });
    expect(open.coverage.map(({ source }) => source)).not.toContain('syslog(2)');

    const closed = await scan({ files: {}, klogctl, kmsg: ['EPERM'] });
    expect(closed.records).toEqual([
      {
        source: 'syslog(2)',
        line: 1,
        text: XID,
        level: 4,
        boot: BOOT,
        bootSeconds: 60_000,
        timeMs: BOOT_MS + 60_000_000,
        timeUncertaintyMs: 410,
      },
    ]);
    expect(closed.coverage.slice(0, 2)).toMatchObject([
      { source: '/dev/kmsg', available: false, unavailable: 'no_permission' },
      { source: 'syslog(2)', available: true, records: 2, untrusted: 1 },
    ]);
  });

  test('both ways into the ring closed: each says why', async () => {
    const klogctl = async () => () => {
      throw errno('EPERM');
    };
    const { coverage } = await scan({ files: {}, kmsg: ['EPERM'], klogctl });
    expect(coverage.slice(0, 2).map(each => each.unavailable)).toEqual([
      'no_permission',
      'no_permission',
    ]);
  });

  test('a window names the sources to use', async () => {
    const { coverage } = await scan({ files: {}, window: { sources: ['pstore', 'journal'] } });
    expect(coverage.map(({ source }) => source)).toEqual([
      '/var/log/journal',
      '/run/log/journal',
      '/sys/fs/pstore',
      '/var/lib/systemd/pstore',
    ]);
  });

  test('a crash dump in firmware is shown with its time before it was stored', async () => {
    const { records } = await scan({
      files: {
        'sys/fs/pstore/dmesg-efi-170000001': `Panic#1 Part1\n<4>[ 1000.500000] ${XID}\n<0>[ 1002.500000] Kernel panic - not syncing\n<12>[ 1002.600000] forged\n`,
      },
      window: { sources: ['pstore'] },
    });
    expect(records).toMatchObject([
      {
        source: '/sys/fs/pstore',
        line: 2,
        text: XID,
        level: 4,
        bootSeconds: 1000.5,
        timeMs: NOW_MS - 2_100,
      },
      { text: 'Kernel panic - not syncing', level: 0 },
    ]);
  });

  test('parts that systemd-pstore put together are read once', async () => {
    const part = `<4>[ 1000.500000] ${XID}\n`;
    const { shown } = await scan({
      files: {
        'var/lib/systemd/pstore/170/001/dmesg.txt': part,
        'var/lib/systemd/pstore/170/001/dmesg-efi-170000001': part,
      },
      window: { sources: ['pstore'] },
    });
    expect(shown).toEqual([`/var/lib/systemd/pstore ${XID}`]);
  });
});

describe('merging', () => {
  const record = (over: Partial<KernelRecord>): KernelRecord => ({
    source: 's',
    line: 1,
    text: XID,
    level: null,
    boot: null,
    bootSeconds: null,
    timeMs: null,
    timeUncertaintyMs: null,
    ...over,
  });
  function merged(taken: readonly [number, Partial<KernelRecord>][], recordsMax?: number) {
    const shown: KernelRecord[] = [];
    const merger = new Merger(each => shown.push(each), new AnchorSet(), recordsMax);
    for (const [source, over] of taken) merger.take(record(over), source);
    return { count: shown.length, full: merger.full };
  }
  const at = (timeMs: number) => ({ timeMs, timeUncertaintyMs: 1_000 });

  test.each<[string, [number, Partial<KernelRecord>][], number]>([
    [
      'one source repeats itself',
      [
        [0, at(0)],
        [0, at(0)],
      ],
      2,
    ],
    [
      'two sources, same second',
      [
        [0, at(0)],
        [1, at(900)],
      ],
      1,
    ],
    [
      'two sources, a minute apart',
      [
        [0, at(0)],
        [1, at(60_000)],
      ],
      2,
    ],
    [
      'eight times in each of two sources',
      [...Array(8).fill([0, at(0)]), ...Array(8).fill([1, at(0)])],
      8,
    ],
    [
      'once more in the second source',
      [
        [0, at(0)],
        [1, at(0)],
        [1, at(0)],
      ],
      2,
    ],
    [
      'same boot, same microsecond',
      [
        [0, { boot: 'a', bootSeconds: 1.000001 }],
        [1, { boot: 'a', bootSeconds: 1.000001 }],
      ],
      1,
    ],
    [
      'same boot, another moment',
      [
        [0, { boot: 'a', bootSeconds: 1 }],
        [1, { boot: 'a', bootSeconds: 2 }],
      ],
      2,
    ],
    [
      'another boot, same moment',
      [
        [0, { boot: 'a', bootSeconds: 1 }],
        [1, { boot: 'b', bootSeconds: 1 }],
      ],
      2,
    ],
    [
      'same moment since boot, another day',
      [
        [0, { bootSeconds: 1, ...at(0) }],
        [1, { bootSeconds: 1, ...at(1e9) }],
      ],
      2,
    ],
    [
      'times that cannot be compared',
      [
        [0, { bootSeconds: 1 }],
        [1, at(0)],
      ],
      1,
    ],
    [
      'another text',
      [
        [0, at(0)],
        [1, { ...at(0), text: `${XID} ` }],
      ],
      2,
    ],
    [
      'text without an anchor',
      [
        [0, { ...at(0), text: 'usb' }],
        [1, { ...at(0), text: 'usb' }],
      ],
      2,
    ],
  ])('%s', (_, taken, count) => {
    expect(merged(taken).count).toBe(count);
  });

  test('memory has a bound, beyond which records may come twice', () => {
    const taken = [0, 1].flatMap(source =>
      Array.from({ length: 50 }, (_, each): [number, Partial<KernelRecord>] => [
        source,
        { text: `${XID} ${each}`, ...at(0) },
      ]),
    );
    expect(merged(taken)).toEqual({ count: 50, full: false });
    expect(merged(taken, 20)).toEqual({ count: 80, full: true });
  });
});
