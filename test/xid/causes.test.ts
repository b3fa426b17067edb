import { describe, expect, test } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { Incident } from '../../src/xid/events.ts';
import { record, records } from './fixtures.ts';

type Row = readonly [seconds: number, text: string];
const xid = (bus: string, rest: string) => `NVRM: Xid (PCI:0000:${bus}:00): ${rest}`;
const LOST = "79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
const fault = (pid: number, name: string) =>
  `31, pid=${pid}, name=${name}, Ch 00000003, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f24_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ`;
const LOAD =
  'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  575.51.03  Release Build  (builder)';

function incidents(all: readonly KernelRecord[]) {
  const analysis = createAnalysis();
  for (const each of all) analysis.see(each);
  const found = analysis.finish();
  for (const incident of found.incidents) Incident.parse(incident);
  return found;
}
const of = (rows: readonly Row[]) => incidents(records(rows)).incidents;

describe('a PCIe error of the same device before', () => {
  test('a page fault is the root, and no program is blamed', () => {
    const found = of([
      [
        100,
        'pcieport 0000:00:01.2: AER: Uncorrectable (Non-Fatal) error received from 0000:63:00.0',
      ],
      [100.4, xid('63', fault(77, 'python3'))],
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      root: { kind: 'aer', pci: '0000:63:00', xid: null },
      title: 'Uncorrected PCIe error, then XID 31: GPU memory page fault',
      blame: 'host',
      action: 'watch',
      codes: [31],
    });
  });

  test('a lost GPU is the root, and the node is rebooted all the same', () => {
    const found = of([
      [100, 'pcieport 0000:3a:00.0: AER: Uncorrected (Fatal) error received: 0000:3b:00.0'],
      [101, xid('3b', LOST)],
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      root: { kind: 'aer', pci: '0000:3b:00' },
      title: 'Uncorrected PCIe error, then XID 79: GPU has fallen off the bus',
      action: 'reboot_node',
      blame: 'hardware',
      gpu: '0000:3b:00',
    });
  });

  test('a corrected one is a witness and no root', () => {
    const found = of([
      [100, 'pcieport 0000:3a:00.0: AER: Corrected error received: 0000:3b:00.0'],
      [101, xid('3b', LOST)],
    ]);
    expect(found[0]?.root).toMatchObject({ xid: 79 });
  });

  test('the port above a lost GPU reports the same incident', () => {
    const found = of([
      [74889.542, 'pcieport 0000:00:02.0: AER: Uncorrected (Fatal) error received: id=0010'],
      [74889.64, xid('02', LOST)],
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ root: { xid: 79, pci: '0000:02:00' }, gpu: '0000:02:00' });
    expect(found[0]?.why).toMatch(/aer came first in time/);
  });

  test('ports that lost their device are named beside a lost GPU', () => {
    const found = of([
      [10, 'pcieport 0000:00:07.0: pciehp: Slot(0): Link Down'],
      [10.1, xid('04', LOST)],
    ]);
    expect(found[0]?.counterEvidence.join(' ')).toMatch(/host reported errors.*slot down/);
  });
});

describe('the same fault of several processes', () => {
  const rows = (bus: (index: number) => string): Row[] =>
    [1, 2, 3].map(index => [index * 3_600, xid(bus(index), fault(index, 'python3'))]);

  test('on one GPU makes the GPU the suspect', () => {
    const found = of(rows(() => '3b'));
    expect(found).toHaveLength(3);
    for (const incident of found) {
      expect(incident).toMatchObject({ action: 'drain', blame: 'unknown', confidence: 'low' });
      expect(incident.advice).toMatch(/dcgmi diag/);
    }
  });

  test('at one moment is one fault of those who share the GPU', () => {
    const together: Row[] = [1, 2, 3].map(index => [index, xid('3b', fault(index, 'python3'))]);
    const found = of(together);
    expect(found).toMatchObject([{ action: 'restart_app', blame: 'application' }]);
    expect(found[0]?.why).toMatch(/It names 3 processes: pids 1, 2, 3\./);
  });

  test('that only end together is told with its number, and one program is not', () => {
    const ended = (pid: number) => xid('3b', `43, pid=${pid}, name=python3, Ch 00000008`);
    const crowd = Array.from({ length: 20 }, (_, index): Row => [index / 10, ended(100 + index)]);
    expect(of(crowd)[0]?.why).toMatch(
      /It names 16 or more processes: pids 100, 101, 102, 103, 104, 105, 106, 107, \.\.\.\./,
    );
    const alone = of([
      [1, xid('3b', fault(7, 'python3'))],
      [2, ended(7)],
      [40, xid('3b', fault(7, 'python3'))],
    ]);
    expect(alone).toMatchObject([{ action: 'restart_app', blame: 'application' }]);
    expect(alone[0]?.why).not.toMatch(/processes: pids/);
  });

  test('on several GPUs follows the program', () => {
    const found = of(rows(index => `${index}b`));
    expect(found.map(({ action, blame }) => [action, blame])).toEqual(
      Array.from({ length: 3 }, () => ['restart_app', 'application']),
    );
  });

  test('of XID 13 counts at one place of the GPU only', () => {
    const at = (pid: number, tpc: number): string =>
      xid(
        '3b',
        `13, pid=${pid}, name=p${pid}, Graphics SM Warp Exception on (GPC 1, TPC ${tpc}, SM 0): x`,
      );
    expect(
      of([
        [1, at(1, 0)],
        [5_000, at(2, 4)],
      ]).map(({ action }) => action),
    ).toEqual(['restart_app', 'restart_app']);
    expect(
      of([
        [1, at(1, 4)],
        [5_000, at(2, 4)],
      ]).map(({ action }) => action),
    ).toEqual(['drain', 'drain']);
  });
});

describe('an incident that is over', () => {
  test('says so, and orders no reboot any more', () => {
    const [incident] = of([
      [1, xid('3b', LOST)],
      [500, LOAD],
    ]);
    expect(incident).toMatchObject({ over: true, action: 'watch', severity: 'warning' });
    expect(incident?.advice).toMatch(
      /^It is over as far as the log tells: the driver was loaded again/,
    );
    expect(incident?.advice).toMatch(/If it comes back: Drain and reboot the node/);
  });

  test.each([
    xid('3b', LOST),
    'NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x62:0x40:2168)',
    'NVRM: _kgspRpcRecvPoll: GSP RM heartbeat timed out',
  ])('is not over where the device failed again: %s', text => {
    const found = of([
      [1, xid('3b', LOST)],
      [500, LOAD],
      [900, text],
    ]);
    expect(found.map(({ over }) => over)).toEqual([undefined, undefined]);
    expect(found[1]).toMatchObject({ root: { xid: 79 }, action: 'reboot_node' });
  });
});

describe('the worst of several incidents', () => {
  test('is the one with the heavier step', () => {
    const found = of([
      [1, xid('86', LOST)],
      [400, xid('3b', '48, An uncorrectable double bit error (DBE) has been detected on GPU.')],
    ]);
    expect(found.map(({ root }) => root.xid)).toEqual([79, 48]);
  });

  test('is of one spell what began it, and of several the newest', () => {
    const halt = '62, 1d6e(35f8) 00000000 00000000';
    const near = of([
      [1, xid('3b', halt)],
      [200, xid('86', halt)],
    ]);
    expect(near.map(({ gpu }) => gpu)).toEqual(['0000:3b:00', '0000:86:00']);
    const far = of([
      [1, xid('3b', halt)],
      [20_000, xid('86', halt)],
    ]);
    expect(far.map(({ gpu }) => gpu)).toEqual(['0000:86:00', '0000:3b:00']);
  });
});

describe('clocks', () => {
  const both = (line: number, at: readonly [time: string, seconds: number], text: string) =>
    record(text, line, { timeMs: Date.parse(at[0]), bootSeconds: at[1], timeUncertaintyMs: 1_000 });
  const DBE = xid('3b', '48, An uncorrectable double bit error (DBE) has been detected on GPU.');
  const CONTAINED = xid('3b', '94, pid=7, name=x, Contained: SM (0x1). RST: No, D-RST: No');

  test.each([
    ['an hour that comes twice in autumn', '2026-10-25T00:59:59Z', '2026-10-25T00:00:10Z'],
    ['a clock that NTP put back', '2026-03-01T10:00:00Z', '2026-03-01T09:12:00Z'],
  ])('%s does not turn the order round', (_, before, after) => {
    const { incidents: found } = incidents([
      both(1, [before, 1_000], DBE),
      both(2, [after, 1_011], CONTAINED),
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ root: { xid: 48 }, first: { xid: 48 }, lines: [1, 2] });
  });

  test('a night of suspend lies between two faults', () => {
    const { incidents: found } = incidents([
      both(1, ['2026-03-01T20:00:00Z', 1_000], DBE),
      both(2, ['2026-03-02T08:00:00Z', 1_011], DBE),
    ]);
    expect(found).toHaveLength(2);
  });

  const dmesg = (line: number, seconds: number, text: string) =>
    record(text, line, { bootSeconds: seconds });
  const journal = (line: number, time: string, text: string) =>
    record(text, line, { timeMs: Date.parse(time), timeUncertaintyMs: 1_000 });

  test.each([
    ['dmesg first', (a: KernelRecord[], b: KernelRecord[]) => [...a, ...b]],
    ['the journal first', (a: KernelRecord[], b: KernelRecord[]) => [...b, ...a]],
  ])('one event in dmesg and in the journal is one, with its time: %s', (_, order) => {
    const { incidents: found, events } = incidents(
      order(
        [dmesg(15, 100, xid('3b', LOST)), dmesg(16, 160, xid('86', LOST))],
        [
          journal(900, '2026-03-01T10:00:00Z', xid('3b', LOST)),
          journal(901, '2026-03-01T10:01:00Z', xid('86', LOST)),
        ],
      ),
    );
    expect(found.map(({ gpu, firstTime, count }) => [gpu, firstTime, count])).toEqual([
      ['0000:3b:00', '2026-03-01T10:00:00.000Z', 1],
      ['0000:86:00', '2026-03-01T10:01:00.000Z', 1],
    ]);
    expect(events.map(({ time }) => time)).toEqual([
      '2026-03-01T10:00:00.000Z',
      '2026-03-01T10:01:00.000Z',
    ]);
  });

  test('an older boot’s journal dates no line of this boot', () => {
    const { incidents: found } = incidents([
      dmesg(1, 100, xid('86', LOST)),
      journal(900, '2026-03-01T10:00:00Z', xid('86', LOST)),
      dmesg(902, 150, xid('3b', LOST)),
      journal(2903, '2026-02-01T10:00:00Z', xid('3b', LOST)),
    ]);
    const own = found.filter(({ gpu }) => gpu === '0000:3b:00');
    expect(own.map(({ firstTime }) => firstTime).sort()).toEqual([
      '2026-02-01T10:00:00.000Z',
      '2026-03-01T10:00:50.000Z',
    ]);
  });
});

describe('MIG', () => {
  test('the instance is named, and a reset is said to end all of them', () => {
    const [incident] = of([
      [
        1,
        'NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 95, pid=7, name=x, Uncontained: FBHUB. RST: Yes, D-RST: No',
      ],
    ]);
    expect(incident).toMatchObject({
      title: 'XID 95: Uncontained memory error, MIG instance 5',
      mig: { gpuInstance: 5 },
      action: 'reset_gpu',
    });
    expect(incident?.advice).toMatch(/every MIG instance/);
  });

  test('a memory error long after a program’s fault is an incident of its own', () => {
    const found = of([
      [1, xid('3b', fault(7, 'a'))],
      [90, xid('3b', '43, pid=7, name=a, Ch 00000003')],
      [95, xid('3b', '95, pid=7, name=b, Uncontained: FBHUB. RST: Yes, D-RST: No')],
    ]);
    expect(found.map(({ root }) => root.xid)).toEqual([95, 31]);
  });
});

test('an XID 154 that the driver would have printed and did not is missed', () => {
  const [incident] = of([
    [1, LOAD],
    [100, xid('3b', '109, pid=5, name=x, Ch 00000008, errorString CTX SWITCH TIMEOUT, Info 0x1')],
  ]);
  expect(incident?.counterEvidence.join(' ')).toMatch(
    /No XID 154 is near, although drivers from R570/,
  );
});

describe('a number that NVIDIA lists for other GPUs', () => {
  const found = (device: string) =>
    incidents([
      record(`pci 0000:3b:00.0: [10de:${device}] type 00 class 0x030200 PCIe Endpoint`, 1),
      record(
        xid(
          '3b',
          '145, RLW_RXPIPE Fatal XC0 i0 Link 13 (0x0409a0c2 0x00000008 0x00000001 0x00000000 0x00100000 0x00000004)',
        ),
        2,
      ),
    ]);

  test('is doubted where the kernel said what the GPU is', () => {
    const { events, incidents: all } = found('2330');
    expect(events).toHaveLength(1);
    expect(all[0]?.confidence).toBe('low');
    expect(all[0]?.counterEvidence).toContain(
      'NVIDIA lists this number for B100, GB200, and the kernel found a GPU of the kind H100 at this address: number or address may be wrong.',
    );
  });

  test.each(['2901', '26b5'])(
    'is not doubted on a GPU of its own kind or of none known: %s',
    device => {
      const [incident] = found(device).incidents;
      expect(incident?.confidence).not.toBe('low');
      expect(incident?.counterEvidence.join()).not.toMatch(/NVIDIA lists/);
    },
  );
});
