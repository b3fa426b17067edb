import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Coverage } from '../../src/contract/coverage.ts';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

const XID =
  'NVRM: Xid (PCI:0001:6c:00): 119, pid=10200, name=NvmlTaskRunner, Timeout after 45s of waiting for RPC response from GPU5 GSP! Expected function 76 (GSP_RM_CONTROL) sequence 24174 (0x20801322 0x808).';
const LOST = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const SXID =
  'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error';
const TIME = '2026-04-26T23:12:26.123Z';
const NS = '1777245146123456789';
const NOW_MS = Date.UTC(2026, 3, 27, 12);

async function read(bytes: Buffer, chunkBytes = bytes.length + 1) {
  async function* input() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => NOW_MS });
  const covered = await log.scan({}, record => analysis.see(record), new AbortController().signal);
  const { events, incidents, census } = analysis.finish();
  const coverage = census.added(covered);
  return {
    events,
    incidents,
    unread: coverage.flatMap(({ unread = [] }: Coverage) => unread),
    coverage,
  };
}

const json = JSON.stringify;
const syslog = `Apr 26 23:12:26 node7 kernel: ${XID}`;
const gcp = (message: string) => ({
  insertId: '1x',
  jsonPayload: { MESSAGE: message, SYSLOG_IDENTIFIER: 'kernel', _HOSTNAME: 'gke-a' },
  resource: { type: 'k8s_node', labels: { node_name: 'gke-a' } },
  timestamp: TIME,
  receiveTimestamp: '2026-04-26T23:12:31Z',
});

/** What logs, stores, tools and people put a message into, and whether its time is known with it. */
const WRAPPED: readonly (readonly [name: string, text: string, dated: boolean])[] = [
  ['host .local', `Apr 26 23:12:26 gpu1.local kernel: ${XID}`, false],
  ['host .lan', `Apr 26 23:12:26 gpu1.lan kernel: [  12.345678] ${XID}`, false],
  ['host .corp', `2026-04-26T23:12:26.123456+00:00 srv.corp kernel: ${XID}`, true],
  ['host .prod', `2026-04-26T23:12:26.123456Z db.prod kernel: [   12.345678] ${XID}`, true],
  ['host with two words', `Apr 26 23:12:26 master.internal kernel: ${XID}`, false],
  ['host FQDN', `Apr 26 23:12:26 node-7.rack-2.dc1.example.com kernel: ${XID}`, false],
  ['host IPv4', `Apr 26 23:12:26 10.0.1.5 kernel: ${XID}`, false],
  ['host IPv6', `Apr 26 23:12:26 2001:db8::7 kernel: ${XID}`, false],
  ['host IPv6 that ends in colons', `Apr 26 23:12:26 2001:db8:: kernel: ${XID}`, false],
  ['host alone', `gpu1.local kernel: ${XID}`, false],
  ['host and no tag', `Apr 26 23:12:26 node7 ${XID}`, false],
  ['RFC 3164 with its priority', `<4>Apr 26 23:12:26 gpu1.local kernel: ${XID}`, false],
  ['RFC 5424', `<4>1 ${TIME} gpu1.local kernel - - - ${XID}`, true],
  ['busybox', `Apr 26 23:12:26 gpu1 kern.warn kernel: ${XID}`, false],
  ['Talos', `gpu1.local: kern: warning: [${TIME}]: ${XID}`, true],
  ['short-monotonic', `[  365.969681] gpu1.local kernel: ${XID}`, false],
  ['Cloud Logging', json(gcp(XID)), true],
  ['Cloud Logging, pretty', JSON.stringify(gcp(XID), null, 2), true],
  ['Cloud Logging, array', JSON.stringify([gcp('nothing'), gcp(XID)], null, 2), true],
  ['Cloud Logging, compact array', json([gcp('nothing'), gcp(XID), gcp('nothing')]), true],
  ['textPayload', json({ textPayload: `[1234.890123] ${XID}`, timestamp: TIME }), true],
  ['Loki, line', json({ line: syslog, timestamp: NS, fields: { host: 'a' } }), true],
  [
    'Loki, download',
    JSON.stringify([{ line: XID, timestamp: NS, labels: { job: 'kern' } }], null, 2),
    true,
  ],
  [
    'Loki, API',
    json({
      status: 'success',
      data: { resultType: 'streams', result: [{ stream: { host: 'a' }, values: [[NS, XID]] }] },
    }),
    true,
  ],
  ['logcli', `${TIME} {host="node7", job="kern"} ${syslog}`, true],
  [
    'docker',
    json({ log: `${XID}\n`, stream: 'stdout', time: '2026-04-26T23:12:26.123456789Z' }),
    true,
  ],
  ['docker of JSON', json({ log: `${json({ msg: XID, level: 'warn' })}\n`, time: TIME }), true],
  ['CRI of JSON', `2026-04-26T23:12:26.123456789Z stdout F ${json({ message: XID })}`, true],
  ['fluent-bit', json({ date: 1777245146.123456, log: syslog, kubernetes: { host: 'a' } }), true],
  ['Azure', json({ TimeGenerated: TIME, Facility: 'kern', SyslogMessage: XID }), true],
  [
    'Azure, rows',
    json({
      tables: [{ columns: [{ name: 'TimeGenerated' }], rows: [[TIME, 'node7', 'kern', XID]] }],
    }),
    true,
  ],
  ['Datadog', json({ timestamp: 1777245146123, service: 'kernel', message: XID }), true],
  [
    'CloudWatch',
    JSON.stringify(
      { events: [{ timestamp: 1777245146123, message: syslog, ingestionTime: 1 }] },
      null,
      4,
    ),
    true,
  ],
  ['CloudWatch, tail', `${TIME} i-0abc123 ${syslog}`, true],
  [
    'Elasticsearch',
    json({ hits: { hits: [{ _source: { '@timestamp': TIME, message: XID } }] } }),
    true,
  ],
  ['Splunk', json({ preview: false, result: { _raw: syslog, _time: TIME } }), true],
  ['Kibana', `"@timestamp",message\n"Apr 26, 2026 @ 23:12:26.123","${XID}"`, true],
  ['CSV', `${TIME},node7,kernel,"${XID}"`, true],
  ['TSV', `${TIME}\tnode7\tkernel\t${XID}`, true],
  ['logfmt', `time="${TIME}" level=warning host=node7 msg="${XID}"`, true],
  [
    'HyperPod',
    json({ level: 'info', ts: '2026-04-26T23:12:26Z', details: { reason: 'Xid', message: XID } }),
    true,
  ],
  ['node-problem-detector', `I0426 23:12:26.123456       1 log_monitor.go:160] ${XID}`, false],
  ['Python', `2026-04-26 23:12:26,123 - gpu_watch - WARNING - ${XID}`, true],
  ['Modal', `[gpu-health] [WARN] GPU-e11dfcca-7c93: XID: ${XID}`, false],
  [
    'journald with few fields',
    json({ __REALTIME_TIMESTAMP: '1777245146123456', _TRANSPORT: 'kernel', MESSAGE: XID }),
    true,
  ],
  [
    'journald with bytes',
    json({
      __REALTIME_TIMESTAMP: '1777245146123456',
      _TRANSPORT: 'kernel',
      MESSAGE: [...Buffer.from(XID)],
    }),
    true,
  ],
  ['colours of dmesg', `\x1b[32m[   12.345678] \x1b[0m\x1b[33mNVRM: \x1b[0m${XID.slice(6)}`, false],
  ['entities', `${syslog.replace('(', '&#40;').replaceAll("'", '&#39;')}`, false],
  ['a page', `<pre>${syslog}</pre>`, false],
  ['a quote', `> > ${syslog}`, false],
  ['a list', `  - ${syslog}`, false],
  ['code', `\`${syslog}\``, false],
  ['a table', `| ${syslog} |`, false],
  ['grep', `kern.log:${syslog}`, false],
  ['grep -n', `/var/log/kern.log:12:${syslog}`, false],
  ['grep -C', `kern.log-${syslog}`, false],
  ['grep -n without a name', `12:${syslog}`, false],
  ['clush', `node-7: ${syslog}`, false],
  ['ansible', `node-7 | ${syslog}`, false],
  ['a pod', `[pod/gpu-watch-x1/main] ${TIME} ${syslog}`, true],
  ['a byte order mark', `\ufeff${syslog}`, false],
  ['CR LF', `${syslog}\r`, false],
  ['hand-typed', `[   12.345678] ${XID.replace('NVRM: ', 'NVRM ').replace('):', ') :')}`, false],
  ['redacted', `kernel: ${XID.replace('0001:6c:00', '...')}`, false],
  [
    'broken after the word',
    'Apr 26 23:12:26 node7 kernel: NVRM: Xid\n(PCI:0001:6c:00): 119, pid=10200',
    false,
  ],
  [
    'broken after the tag',
    'Apr 26 23:12:26 node7 kernel: NVRM:\nXid (PCI:0001:6c:00): 119, pid=10200',
    false,
  ],
  [
    'broken in the address',
    '[  12.345678] NVRM: Xid (PCI:0001:6c:00):\n119, pid=10200, name=x',
    false,
  ],
  [
    'broken in a quote',
    '> Apr 26 23:12:26 node7 kernel: NVRM: Xid\n> (PCI:0001:6c:00): 119, pid=10200',
    false,
  ],
  ['a run of NULs', `${'\0'.repeat(70_000)}${syslog}`, false],
  [
    'a log in a string',
    json({ output: `[   12.345678] a\n[   12.345999] ${XID}\n`, time: TIME }),
    true,
  ],
  ['text before JSON', `$ gcloud logging read\n${JSON.stringify([gcp(XID)], null, 2)}`, false],
];

describe('the innermost message and its time', () => {
  test.each(WRAPPED)('%s', async (_, text, dated) => {
    const { events, unread } = await read(Buffer.from(`${text}\n`));
    expect(unread).toEqual([]);
    expect(events).toMatchObject([{ xid: 119 }]);
    if (dated) expect(events[0]?.time?.slice(0, 19)).toBe(TIME.slice(0, 19));
  });

  test.each(WRAPPED.filter(([name]) => !/redacted|broken|typed/.test(name)))(
    'a switch: %s',
    async (_, text) => {
      const { events } = await read(
        Buffer.from(`${text.replaceAll(XID, SXID).replace(XID.slice(6), SXID)}\n`),
      );
      if (text.includes(XID)) expect(events).toMatchObject([{ sxid: 12028 }]);
    },
  );
});

describe('who speaks', () => {
  test.each([
    ['another program in JSON', json({ SYSLOG_IDENTIFIER: 'sshd', MESSAGE: XID })],
    ['another transport', json({ _TRANSPORT: 'syslog', MESSAGE: XID })],
    ['another facility', json({ facility: 'user', message: XID })],
    ['a name in JSON', json({ message: 'started', comm: XID })],
    ['a key of JSON', json({ [XID]: 1 })],
    [
      'a crash in JSON',
      json({ message: `1[25188]: segfault at 0 ip 4 sp 7 error 6 in ${XID}[8d]` }),
    ],
    ['an audit line', `audit: type=1701 pid=7 comm="${XID}" exe="/tmp/x"`],
    ['a crash whose file looks like CSV', `1[25188]: segfault at 0 error 6 in a,"${XID}",[8d,40]`],
    [
      'a crash whose file looks like JSON',
      `{"a":"[2]: segfault at 0 error 6 in ","msg":"${XID}"[8d]`,
    ],
    ['a device', `usb 1-1: Product: a,"${XID}"`],
    ['an interface', `eth0: ${XID}`],
    ['words', `x y z ${XID}`],
    ['a tag that begins a line of another program', `Apr 26 23:12:26 h app[7]: kernel: ${XID}`],
  ])('%s is not read and not silent', async (_, text) => {
    const { events, unread } = await read(Buffer.from(`${text}\n`));
    expect(events).toEqual([]);
    expect(unread.reduce((sum, { count }) => sum + count, 0)).toBe(1);
  });
});

test.each([
  ['_TRANSPORT', { _TRANSPORT: 'kernel' }, 'hardware', 'high'],
  [
    '_TRANSPORT and names',
    { _TRANSPORT: 'kernel', SYSLOG_IDENTIFIER: 'kernel' },
    'hardware',
    'high',
  ],
  ['SYSLOG_IDENTIFIER alone', { SYSLOG_IDENTIFIER: 'kernel' }, 'hardware', 'low'],
  [
    'facility of the kernel',
    { SYSLOG_IDENTIFIER: 'kernel', SYSLOG_FACILITY: '0' },
    'hardware',
    'low',
  ],
])(
  'a journal entry with %s is the kernel’s, and who proves it is told',
  async (_, who, blame, sure) => {
    const entry = { __REALTIME_TIMESTAMP: '1777245146123456', ...who, MESSAGE: LOST };
    const { incidents, coverage } = await read(Buffer.from(`${json(entry)}\n`));
    expect(incidents).toMatchObject([{ root: { xid: 79 }, blame, confidence: sure }]);
    const isDoubted = incidents[0]?.counterEvidence.some(text => text.includes('_TRANSPORT'));
    expect([isDoubted, coverage[0]?.notes.length]).toEqual(sure === 'low' ? [true, 1] : [false, 0]);
  },
);

describe('never silent', () => {
  const looks = (text: string) =>
    text
      .split('\n')
      .filter(line => /NVRM: Xid|SXid|nvidia-nvswitch\d|fallen off the bus/i.test(line)).length;
  const told = async (bytes: Buffer, chunkBytes?: number) => {
    const { events, unread } = await read(bytes, chunkBytes);
    const faults = events.filter(
      ({ xid, sxid, kind }) => xid !== null || sxid !== null || /lost|fallen/.test(kind),
    );
    return faults.length + unread.reduce((sum, { count }) => sum + count, 0);
  };

  const cases = fc.constantFrom<(text: string) => string>(
    text => text,
    text => text.toLowerCase(),
    text => text.toUpperCase(),
    text => text.replaceAll(/\b[a-z]/g, letter => letter.toUpperCase()),
  );
  const ends = fc.constantFrom('\n', '\r\n', ' \n> ', '\\\n', '\n    ', '=\n', '\0');

  test('a wrapping in any case, broken anywhere, cut at both ends, is read or said', async () => {
    const wrapped = fc.constantFrom(syslog, SXID, LOST, ...WRAPPED.map(([, text]) => text));
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    const breaks = fc.array(fc.tuple(part, ends), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        wrapped,
        cases,
        breaks,
        part,
        part,
        async (text, inCase, broken, from, to) => {
          let whole = inCase(text);
          for (const [where, end] of broken) {
            const at = Math.floor(whole.length * where);
            whole = `${whole.slice(0, at)}${end}${whole.slice(at)}`;
          }
          const start = Math.floor((whole.length * from) / 2);
          const given = whole.slice(start, start + Math.ceil(whole.length * to));
          fc.pre(looks(given) > 0);
          expect([given, await told(Buffer.from(given))]).not.toEqual([given, 0]);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  test.each([SXID, LOST, syslog])(
    '%s, cut at each byte and broken there, is read or said',
    async line => {
      for (let at = 1; at < line.length; at++) {
        for (const given of [line.slice(0, at), `${line.slice(0, at)}\n${line.slice(at)}`]) {
          if (looks(given) > 0)
            expect([given, await told(Buffer.from(given))]).not.toEqual([given, 0]);
        }
      }
    },
  );

  test('a wrapping cut at any byte is read or said', async () => {
    const wrapped = fc.constantFrom(...WRAPPED.map(([, text]) => text));
    await fc.assert(
      fc.asyncProperty(wrapped, fc.double({ min: 0, max: 1, noNaN: true }), async (text, part) => {
        const cut = text.slice(0, Math.floor(text.length * part));
        fc.pre(looks(cut) > 0);
        expect([cut.slice(-200), await told(Buffer.from(cut))]).not.toEqual([cut.slice(-200), 0]);
      }),
      { numRuns: 200 },
    );
  });

  test('a wrapping in a wrapping, after anything, is read or said', async () => {
    const outer = fc.constantFrom<(text: string) => string>(
      text => json({ message: text }),
      text => json([{ a: [text] }]),
      text => JSON.stringify({ deep: { deeper: [{ x: text }] } }, null, 1),
      text => `"a","${text.replaceAll('"', '""')}"`,
      text => `> ${text}`,
      text => `Apr 26 23:12:26 h app[7]: ${text}`,
      text => `x ${text}`,
      text => `(${text})`,
      text => `name=${text}`,
      text => `\x1b[1m${text}\x1b[0m`,
      text => text,
    );
    const inner = fc.constantFrom(XID, SXID, syslog, ...WRAPPED.map(([, text]) => text));
    const before = fc.constantFrom('', 'words\n', '{\n', '[1.5] other\n', '\0\0', '}\n');
    await fc.assert(
      fc.asyncProperty(
        outer,
        outer,
        inner,
        before,
        fc.integer({ min: 1, max: 90 }),
        async (a, b, text, head, size) => {
          const whole = `${head}${a(b(text))}\n`;
          fc.pre(looks(whole) > 0);
          expect([whole, await told(Buffer.from(whole), size)]).not.toEqual([whole, 0]);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
