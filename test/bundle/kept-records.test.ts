import { describe, expect, test } from 'vitest';
import { createKeptRecords } from '../../src/bundle/kept-records.ts';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

const XID =
  "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

let line = 0;
const record = (text: string, over: Partial<KernelRecord> = {}): KernelRecord => ({
  source: '/dev/kmsg',
  line: ++line,
  text,
  level: 3,
  boot: 'b1',
  bootSeconds: 100 + line,
  timeMs: null,
  timeUncertaintyMs: null,
  ...over,
});

function kept(records: readonly KernelRecord[], limits?: { all: number; source: number }) {
  const selection = createKeptRecords(limits);
  for (const one of records) selection.see(one);
  return selection.finish();
}

function analysed(records: readonly KernelRecord[]) {
  const analysis = createAnalysis();
  for (const one of records) analysis.see(one);
  return analysis.finish();
}

describe('the analysis of what is kept is the analysis of everything', () => {
  const usb = (over: Partial<KernelRecord> = {}) => record('usb 1-1: new high-speed device', over);
  test.each([
    ['other messages are left out', [usb(), usb(), record(XID), usb()]],
    [
      'a message over several lines',
      [
        record('NVRM: The NVIDIA GPU 0000:61:00.0'),
        record('(PCI ID: 10de:2330)'),
        record('installed in this system has'),
        record('fallen off the bus and is not responding to commands.'),
        usb(),
      ],
    ],
    ['a boot between', [usb(), record(XID), usb({ boot: 'b2' }), record(XID, { boot: 'b2' })]],
    [
      'a clock that falls, where no boot id is known',
      [
        record(XID, { boot: null, bootSeconds: 10 }),
        usb({ boot: null, bootSeconds: 5_000 }),
        usb({ boot: null, bootSeconds: 0 }),
        record(XID, { boot: null, bootSeconds: 20 }),
      ],
    ],
  ])('%s', (_name, records) => {
    const { records: few } = kept(records);
    expect(analysed(few)).toEqual(analysed(records));
  });
});

test('of a message that concerns no GPU no text is kept', () => {
  const { records } = kept([record('usb 1-1: SerialNumber: 1234', { boot: 'b9' }), record(XID)]);
  expect(records.map(({ text }) => text)).toEqual(['', XID]);
});

test('of a flood the newest are kept, and how many were left out is told', () => {
  const flood = Array.from({ length: 25 }, () => record(XID));
  const { records, leftOut } = kept(flood, { all: 100, source: 10 });
  expect(records.at(-1)).toEqual(flood.at(-1));
  expect(records.length + (leftOut.get('/dev/kmsg') ?? 0)).toBe(25);
  expect(records.length).toBeLessThan(20);
});

test('of each boot its ends are kept, and nothing between that concerns nobody', () => {
  const usb = (over: Partial<KernelRecord>) => record('usb 1-1: reset', over);
  const at = (bootSeconds: number) => usb({ boot: null, bootSeconds });
  const keptOf = (...records: readonly KernelRecord[]) =>
    kept(records).records.map(({ line }) => line);
  const first = usb({ boot: 'b1' });
  const second = usb({ boot: 'b2' });
  expect(
    keptOf(first, usb({ boot: 'b1' }), second, usb({ boot: 'b2' }), usb({ boot: 'b1' })),
  ).toEqual([first.line, second.line]);
  // A clock that falls by a minute has been set; by more, the machine has started anew.
  expect(keptOf(at(10), at(100), at(40), at(50))).toEqual([]);
  const [before, after] = [at(100), at(39)];
  expect(keptOf(at(10), before, after, at(40))).toEqual([before.line, after.line]);
});

test('a message is whole before the mark of the next boot', () => {
  const { records } = kept([
    record('NVRM: The NVIDIA GPU 0000:61:00.0'),
    record('NVRM: (PCI ID: 10de:2330) installed in this system has'),
    record('usb 1-1: reset', { boot: 'b2' }),
  ]);
  expect(records.map(({ boot }) => boot)).toEqual(['b1', 'b2']);
});

test('what is too much is left out: of all sources together, of one source, of one message', () => {
  const both = kept(
    ['a', 'b', 'a', 'b', 'a'].map(source => record(XID, { source })),
    { all: 3, source: 10 },
  );
  expect(both.records.map(({ source }) => source)).toEqual(['a', 'a', 'b']);
  expect(Object.fromEntries(both.leftOut)).toEqual({ a: 1, b: 1 });
  const flood = Array.from({ length: 100 }, () => record(XID));
  const newest = kept(flood, { all: 20, source: 5 });
  expect(newest.records).toEqual(flood.slice(-5));
  expect(newest.leftOut.get('/dev/kmsg')).toBe(95);
  const [long] = kept([record(`${XID} ${'x'.repeat(20_000)}`)]).records;
  expect(long?.text).toHaveLength(8_192);
});
