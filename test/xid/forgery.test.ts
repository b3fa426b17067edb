import { expect, test } from 'vitest';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { record } from './fixtures.ts';
import { FORGED_FORMS, FORGED as MESSAGES } from './forged.ts';

const FORGED = 'NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus.';

test.each([
  `usb 1-1: Product: ${FORGED}`,
  `audit: type=1400 audit(1:2): comm="${FORGED}"`,
  `systemd[1]: ${FORGED}`,
  `myapp: ${FORGED}`,
  `(${FORGED})`,
  `name=${FORGED}`,
  `the log said "${FORGED}"`,
  `Bluetooth: hci0: ${FORGED}`,
  `“${FORGED}”`,
  `usb 1-1: Product: nvidia-nvswitch0: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 48 x`,
  `audit: comm="oom-kill:constraint=X,task_memcg=/a,task=b,pid=1,uid=0"`,
])('text in another message is never an XID: %s', text => {
  expect(parseMessage(text)).toBeUndefined();
});

test('the forms are at least sixty', () => {
  expect(FORGED_FORMS).toBeGreaterThanOrEqual(60);
});

test.each(MESSAGES)(
  "a user's text is no word of the driver: $form, $text, $message",
  ({ message }) => {
    const line = parseMessage(message);
    if (!line) return;
    expect(line).toMatchObject({ xid: null, sxid: null });
    expect(line.kind).not.toMatch(/xid|driver_load|lost|fallen|nic_/);
    expect(line.verdict.blame).not.toMatch(/hardware|fabric/);
  },
);

const NAMES = [
  FORGED,
  'NVRM: Xid (PCI:',
  'GPU has fallen',
  'reset all GPUs!',
  'a, Ch 00000001',
  'a, Contained: b',
  '79, x',
  '): 79, GPU has',
  'pid=1, name=x',
] as const;

const TEXTS = [
  [13, 'Graphics SM Warp Exception on (GPC 1, TPC 0): Out Of Range Address'],
  [43, 'Ch 00000010'],
  [95, 'Contained: SM (0x1). RST: No, D-RST: No'],
  [31, 'Ch 00000003, engmask 00000101, intr 10000000'],
] as const;

test.each(NAMES.flatMap(name => TEXTS.map(([xid, text]) => [name, xid, text] as const)))(
  'a process called %s changes only its own field of an XID %i',
  (name, xid, text) => {
    const of = (process: string) =>
      parseMessage(`NVRM: Xid (PCI:0000:3b:00): ${xid}, pid=7, name=${process}, ${text}`);
    expect(of(name)).toEqual({ ...of('python3'), process: name });
  },
);

test('a process named like an XID that crashes is a crash', () => {
  const text =
    'NVRM: Xid (PCI:[12]: segfault at 0 ip 7f sp 7f error 4 in libnccl.so.2[7f7c7ac00000+d3d3000]';
  expect(parseMessage(text)).toMatchObject({ kind: 'segfault', process: 'NVRM: Xid (PCI:' });
});

test('hostile characters do not reach an event', () => {
  const analysis = createAnalysis();
  const name = 'a\u202eb\u0007c\u{e0041}';
  analysis.see(record(`NVRM: Xid (PCI:0000:3b:00): 43, pid=7, name=${name}, Ch 00000010`, 1));
  const { events } = analysis.finish();
  expect(JSON.stringify(events)).not.toMatch(/[\u202e\u0007\u{e0041}]/u);
  expect(events[0]?.process).toBe('a b c');
});
