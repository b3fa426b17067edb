import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePasted } from '../../src/kernel-log/pasted.ts';
import { parsePrefix } from '../../src/kernel-log/prefixes.ts';
import { resolveStamp } from '../../src/kernel-log/stamps.ts';
import { NOW_MS, REAL_LINES } from './support.ts';

const XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const CONTEXT = { referenceMs: NOW_MS, zone: 'Europe/Berlin' };

function timeOf(line: string): string | null {
  const { stamp } = parsePrefix(line);
  const time = stamp && resolveStamp(stamp, CONTEXT);
  return time && new Date(time.timeMs).toISOString();
}

test.each(REAL_LINES)('real line $id: the message and its time', ({ line, message, ts }) => {
  const parsed = parsePasted(line);
  expect(parsed.text).toBe(message);
  expect(parsed.origin).not.toBe('other');
  if (ts?.boot_s !== undefined) expect(parsed.bootSeconds).toBe(Number(ts.boot_s));
  if (ts?.wall !== undefined) {
    const [wall] = /^.{23}/.exec(ts.wall) ?? [''];
    expect(timeOf(line)).toBe(`${wall}Z`);
  }
});

describe('every form of prefix', () => {
  const said = { origin: 'kernel', level: 4 };
  const told = { origin: 'kernel', level: null };
  const unsaid = { origin: 'unsaid', level: null };
  test.each([
    ['kmsg', '4,3973,227996636,-;', { ...said, bootSeconds: 227.996636 }, null],
    ['kmsg with caller', '4,3973,227996636,c,caller=T9;', said, null],
    ['dmesg', '[  365.969681] ', { ...unsaid, bootSeconds: 365.969681 }, null],
    ['dmesg with caller', '[ 130.456250] [ T1946] ', { ...unsaid, bootSeconds: 130.45625 }, null],
    ['dmesg -d', '[  365.969681 <    0.000012>] ', { ...unsaid, bootSeconds: 365.969681 }, null],
    ['dmesg -T', '[Sun Feb 23 16:24:18 2025] ', unsaid, '2025-02-23T15:24:18.000Z'],
    ['dmesg -e', '[Feb23 16:24] ', unsaid, '2026-02-23T15:24:00.000Z'],
    ['dmesg -e, next line', '[  +0.000012] ', unsaid, null],
    ['dmesg --raw', '<4>[  365.96] ', { ...said, bootSeconds: 365.96 }, null],
    ['dmesg -x', 'kern  :warn  : [  365.96] ', { ...said, bootSeconds: 365.96 }, null],
    [
      'dmesg -x iso',
      'kern  :warn  : 2025-01-21T04:41:44,283302+00:00 ',
      said,
      '2025-01-21T04:41:44.283Z',
    ],
    ['dmesg iso', '2025-01-21T04:41:44,283302+00:00 ', unsaid, '2025-01-21T04:41:44.283Z'],
    ['syslog', 'Aug 10 15:36:05 host kernel: ', told, '2026-08-10T13:36:05.000Z'],
    ['syslog without host', 'Aug 10 15:36:05 kernel: ', told, '2026-08-10T13:36:05.000Z'],
    ['syslog without tag', 'Aug 10 15:36:05 ', unsaid, '2026-08-10T13:36:05.000Z'],
    ['syslog, Polish', 'kwi 15 07:56:59 host kernel: ', told, null],
    ['syslog, Japanese', '4月 20 07:56:59 host kernel: ', told, null],
    [
      'syslog with boot time',
      'Aug 10 15:36:05 h kernel: [382330.121233] ',
      { ...told, bootSeconds: 382330.121233 },
      '2026-08-10T13:36:05.000Z',
    ],
    ['busybox', 'Aug 10 15:36:05 host kern.warn kernel: ', said, '2026-08-10T13:36:05.000Z'],
    [
      'rsyslog, RFC 3339',
      '2025-01-21T04:41:44.283302+01:00 host kernel: ',
      told,
      '2025-01-21T03:41:44.283Z',
    ],
    [
      'RFC 5424',
      '<4>1 2025-01-21T04:41:44.28Z host kernel - - - ',
      said,
      '2025-01-21T04:41:44.280Z',
    ],
    [
      'journalctl short-precise',
      'Aug 10 15:36:05.123456 host kernel: ',
      told,
      '2026-08-10T13:36:05.123Z',
    ],
    [
      'journalctl short-iso',
      '2025-01-21T04:41:44+0100 host kernel: ',
      told,
      '2025-01-21T03:41:44.000Z',
    ],
    [
      'journalctl short-full',
      'Sat 2024-08-10 15:36:05 CEST host kernel: ',
      told,
      '2024-08-10T13:36:05.000Z',
    ],
    ['journalctl short-unix', '1723296965.123456 host kernel: ', told, '2024-08-10T13:36:05.123Z'],
    [
      'journalctl short-monotonic',
      '[  365.969681] host kernel: ',
      { ...told, bootSeconds: 365.969681 },
      null,
    ],
    ['bare tag', 'kernel: ', told, null],
    [
      'Talos',
      '192.168.11.119: kern: warning: [2026-04-22T21:27:51.291660856Z]: ',
      said,
      '2026-04-22T21:27:51.291Z',
    ],
    [
      'container runtime',
      '2025-01-21T04:41:44.283302913Z stdout F ',
      unsaid,
      '2025-01-21T04:41:44.283Z',
    ],
    ['nothing', '', unsaid, null],
  ])('%s', (_, prefix, expected, time) => {
    const line = prefix + XID;
    expect(parsePrefix(line)).toMatchObject({ ...expected, text: XID, width: prefix.length });
    expect(timeOf(line)).toBe(time);
  });

  test('Fabric Manager’s own form gives its level', () => {
    const line =
      '[Feb 27 2025 15:10:02] [ERROR] [tid 12727] detected NVSwitch non-fatal error 12028';
    expect(parsePrefix(line)).toMatchObject({
      text: 'detected NVSwitch non-fatal error 12028',
      level: 3,
    });
    expect(timeOf(line)).toBe('2025-02-27T14:10:02.000Z');
  });

  test('rsyslog’s #012 is a line feed', () => {
    expect(parsePrefix('Aug 10 15:36:05 h kernel: NVRM: a#012NVRM: b').text).toBe(
      'NVRM: a\nNVRM: b',
    );
  });
});

describe('other speakers', () => {
  test.each([
    `Aug 10 15:36:05 host sshd[1]: ${XID}`,
    `Aug 10 15:36:05 host sshd: ${XID}`,
    `Aug 10 15:36:05 sshd[1]: ${XID}`,
    `2025-01-21T04:41:44.283302+00:00 host app[7]: ${XID}`,
    `[  365.969681] host app[7]: ${XID}`,
    `app[7]: ${XID}`,
    `12,3973,227996636,-;${XID}`,
    `<12>[  365.96] ${XID}`,
    `<12>${XID}`,
    `user  :warn  : [  365.96] ${XID}`,
    `<12>1 2025-01-21T04:41:44.28Z host app - - - ${XID}`,
    `Aug 10 15:36:05 host user.notice kernel: ${XID}`,
    `10.0.0.1: user: warning: [2026-04-22T21:27:51.291660856Z]: ${XID}`,
  ])('not the kernel: %s', line => {
    expect(parsePasted(line).origin).toBe('other');
  });

  test.each([
    `foo "${XID}"`,
    `Out of memory: Killed process 8 (${XID})`,
    `x=[  12.3] ${XID}`,
    `usb 1-1: Product: ${XID}`,
    `usb 1-1: Product: [  12.3] ${XID}`,
    `usb 1-1: Product: kernel: ${XID}`,
    `input: [  12.3] ${XID} as /devices/pci0000:00`,
    `input: ${XID} as /devices/pci0000:00`,
    `${'word '.repeat(40)}${XID}`,
  ])('the message is not looked for inside another text: %s', line => {
    expect(parsePasted(line)).toMatchObject({ form: 'raw', text: line });
  });

  test.each([
    'EDAC MC3: 1 UE memory read error on CPU_SrcID#0',
    'pt_main_thread[2536443]: segfault at 7f797fe00000 ip 00007f7c7ac69996',
    'pcieport 0000:00:03.0:   device [1b36:000c] error status/mask=00000040/0000e000',
    '{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1',
  ])('kernel text that looks like a tag stays whole: %s', text => {
    expect(parsePasted(text)).toMatchObject({ text, origin: 'unsaid' });
    expect(parsePasted(`[   12.5] ${text}`)).toMatchObject({ text, bootSeconds: 12.5 });
  });
});

describe('junk of tickets', () => {
  test.each([
    ['diff:371;', {}],
    [' 24 Jul  3 10:10:10 host kernel: ', { origin: 'kernel' }],
    ['123:Aug 10 15:36:05 host kernel: [    5.5] ', { origin: 'kernel', bootSeconds: 5.5 }],
    ['node-7: [  12.3] ', { bootSeconds: 12.3 }],
    ['/var/log/kern.log:12:Aug 10 15:36:05 host kernel: ', { origin: 'kernel' }],
    ['    [  12.3] ', { bootSeconds: 12.3 }],
    ['> ', {}],
    ['| `', {}],
  ])('%s', (junk, expected) => {
    expect(parsePasted(junk + XID)).toMatchObject({ text: XID, width: junk.length, ...expected });
  });

  test('another program’s line behind junk stays another program’s', () => {
    expect(parsePasted(`node-7: Aug 10 15:36:05 host sshd[1]: ${XID}`).origin).toBe('other');
  });
});

test('any line is taken apart without throwing, and its text is an end of it', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('[ 1.2] ', 'kernel: ', 'Aug 10 15:36:05 ', '<4>', 'host ', XID, '4,1,2,-;'),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), pieces => {
      const line = pieces.join('').replaceAll('\\x', '').replaceAll('#0', '');
      const parsed = parsePasted(line);
      expect(line.endsWith(parsed.text)).toBe(true);
      expect(parsed.width).toBe(line.length - parsed.text.length);
    }),
  );
});
