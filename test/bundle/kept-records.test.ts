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
