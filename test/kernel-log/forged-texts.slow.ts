import { describe, expect, test } from 'vitest';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { FORGED } from '../xid/forged.ts';

const TRUE_XID = 'NVRM: Xid (PCI:0000:3b:00): 48, pid=7, name=x, An uncorrectable double bit error';

/** How a record with line feeds in it stands in a text: each line with the prefix, or indented. */
const repeated = (prefix: string) => (message: string) =>
  message
    .split('\n')
    .map(line => `${prefix}${line}`)
    .join('\n');
const indented = (prefix: string) => (message: string) =>
  `${prefix}${message.replaceAll('\n', `\n${' '.repeat(prefix.length)}`)}`;
const escaped = (prefix: string) => (message: string) =>
  `${prefix}${message.replaceAll('\n', '#012')}`;

const FORMS: readonly (readonly [name: string, print: (message: string) => string])[] = [
  ['dmesg', indented('[  547.054018] ')],
  ['dmesg --force-prefix', repeated('[  547.054018] ')],
  ['dmesg --raw', repeated('<6>[  547.054018] ')],
  ['dmesg -x', indented('kern  :info  : [  547.054018] ')],
  ['dmesg -T', indented('[Thu Nov 26 10:00:00 2026] ')],
  ['dmesg with a caller', indented('[  547.054018] [ T4242] ')],
  ['rsyslog of /proc/kmsg', repeated('Nov 26 10:00:00 node-7 kernel: [  547.054018] ')],
  ['rsyslog of the journal', escaped('Nov 26 10:00:00 node-7 kernel: ')],
  ['rsyslog, RFC 3339', escaped('2026-11-26T10:00:00.123456+00:00 gpu1.local kernel: ')],
  ['journalctl', indented('Nov 26 10:00:00 node-7 kernel: ')],
  ['journalctl -o short-monotonic', indented('[  547.054018] node-7 kernel: ')],
  ['kmsg', message => `6,339,547054018,-;${message.replaceAll('\n', String.raw`\x0a`)}`],
  ['dmesg -J', message => JSON.stringify({ dmesg: [{ pri: 6, time: 547.054018, msg: message }] })],
  [
    'journalctl -o json',
    message =>
      JSON.stringify({
        __REALTIME_TIMESTAMP: '1790200000000001',
        _TRANSPORT: 'kernel',
        SYSLOG_FACILITY: '0',
        MESSAGE: message,
      }),
  ],
  [
    'Cloud Logging',
    message =>
      JSON.stringify({
        timestamp: '2026-11-26T10:00:00Z',
        jsonPayload: { MESSAGE: message, _TRANSPORT: 'kernel' },
      }),
  ],
  [
    'docker',
    message => JSON.stringify({ log: `[  547.054018] ${message}\n`, time: '2026-11-26T10:00:00Z' }),
  ],
  [
    'journalctl -o verbose',
    message =>
      [
        'Mon 2026-09-14 12:34:56.123456 UTC [s=0d5f;i=1a2;b=4b6c;m=5d1;t=62a;x=9f]',
        '    _TRANSPORT=kernel',
        `    MESSAGE=${message.replaceAll('\n', `\n${' '.repeat(12)}`)}`,
      ].join('\n'),
  ],
  [
    'YAML',
    message =>
      `---\njsonPayload:\n  MESSAGE: |-\n    ${message.replaceAll('\n', '\n    ')}\n  _TRANSPORT: kernel`,
  ],
  ['dmesg --time-format iso', indented('2026-11-26T10:00:00,123456+00:00 ')],
  ['bare', message => message.split('\n')[0] ?? ''],
];

async function analyzed(text: string) {
  async function* input() {
    yield Buffer.from(text);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 10, 27) });
  await log.scan({}, record => analysis.see(record), new AbortController().signal);
  return analysis.finish();
}

describe("a user's text in a record is no word of the driver", () => {
  test.each(FORMS)('%s', async (_, print) => {
    for (const { message } of FORGED) {
      const { events, boundaries } = await analyzed(`${print(message)}\n`);
      const claims = events.filter(
        ({ xid, sxid, kind, blame }) =>
          xid !== null ||
          sxid !== null ||
          /xid|driver_load|lost|fallen|nic_/.test(kind) ||
          /hardware|fabric/.test(blame),
      );
      expect([message, claims, boundaries]).toEqual([message, [], []]);
    }
  });

  test('nor does it end a true incident', async () => {
    const prefix = '[  500.000001] ';
    for (const { message } of FORGED) {
      const { incidents } = await analyzed(
        `${prefix}${TRUE_XID}\n[  547.054018] ${message.replaceAll('\n', '\n[  547.054018] ')}\n`,
      );
      expect([message, incidents[0]]).toMatchObject([
        message,
        { root: { xid: 48 }, sinceThen: null },
      ]);
    }
  });
});
