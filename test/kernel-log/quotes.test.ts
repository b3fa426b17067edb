import { describe, expect, test } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { tree } from './support.ts';

const XID =
  "NVRM: Xid (PCI:0000:4e:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
const SXID = 'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 20034, Fatal, Link 30 LTSSM Fault Up';
const json = (text: string) =>
  JSON.stringify({ level: 'warn', line: text })
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e');

async function read(lines: readonly string[]) {
  async function* input() {
    yield Buffer.from(`${lines.join('\n')}\n`);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 9, 5) });
  const covered = await log.scan({}, record => analysis.see(record), new AbortController().signal);
  const { events, census } = analysis.finish();
  const [source] = census.added(covered);
  return { events: events.length, unread: source?.unread, untrusted: source?.untrusted };
}

const at = (time: string, who: string, text: string) => `Sep 14 ${time} node7 ${who}: ${text}`;

describe('what another program repeats of the kernel', () => {
  test.each([
    ['as it stands', XID],
    [
      'in what node-problem-detector says',
      `New status generated: &{Message:${XID}}] Conditions:[]}`,
    ],
    ['in the JSON of a program in Go', json(XID)],
  ])('%s hides nothing', async (_, text) => {
    for (const time of ['12:34:40', '12:34:56', '12:40:00']) {
      const lines = [at('12:34:56', 'kernel', XID), at(time, 'gpud[9]', text)];
      expect(await read(lines)).toEqual({ events: 1, unread: undefined, untrusted: 1 });
      expect(await read(lines.toReversed())).toEqual({
        events: 1,
        unread: undefined,
        untrusted: 1,
      });
    }
  });

  test('of a switch hides nothing', async () => {
    const lines = [at('12:34:56', 'kernel', SXID), at('12:34:57', 'dcgm[9]', SXID)];
    expect(await read(lines)).toEqual({ events: 1, unread: undefined, untrusted: 1 });
  });

  test.each([
    ['of another GPU', at('12:34:57', 'gpud[9]', XID.replace('4e', '4f'))],
    ['with another number', at('12:34:57', 'gpud[9]', XID.replace('79', '48'))],
    ['cut before its end', at('12:34:57', 'gpud[9]', XID.slice(0, -30))],
    ['an hour later', at('13:34:57', 'gpud[9]', XID)],
  ])('%s is said to be unread', async (_, quote) => {
    const { unread } = await read([at('12:34:56', 'kernel', XID), quote]);
    expect(unread).toEqual([
      { reason: 'another program wrote it, not the kernel', count: 1, lines: [2] },
    ]);
  });

  test('without the original is said to be unread', async () => {
    const { events, unread } = await read([at('12:34:57', 'gpud[9]', XID)]);
    expect(events).toBe(0);
    expect(unread).toMatchObject([{ count: 1, lines: [1] }]);
  });
});

describe('what another program repeats in another file of one answer', () => {
  const iso = (time: string, who: string, text: string) =>
    `2026-09-14T${time}Z node7 ${who}: ${text}\n`;
  const folder = async (files: Readonly<Record<string, string>>) => {
    const root = tree(files);
    const analysis = createAnalysis();
    const log = createFileLog({ input: root, name: 'logs', nowMs: () => Date.UTC(2026, 9, 5) });
    const see = (record: KernelRecord) => analysis.see(record);
    const covered = await log.scan({}, see, new AbortController().signal);
    const unread = analysis
      .finish()
      .census.added(covered)
      .flatMap(each => each.unread ?? []);
    return unread.reduce((sum, { count }) => sum + count, 0);
  };
  const kernel = iso('12:34:56', 'kernel', XID);
  const quote = iso('12:35:10', 'gpud[9]', XID);

  test.each([
    ['before it', { a: kernel, b: quote }],
    ['after it', { a: quote, b: kernel }],
  ])('is folded where text and time prove it, %s', async (_, files) => {
    expect(await folder(files)).toBe(0);
  });

  test.each([
    ['an hour later', { a: kernel, b: iso('13:35:10', 'gpud[9]', XID) }],
    ['of another GPU', { a: kernel, b: quote.replace('4e', '4f') }],
    ['without a time', { a: kernel, b: `gpud[9]: ${XID}\n` }],
    ['in a zone that nobody tells', { a: kernel, b: at('12:35:10', 'gpud[9]', XID) }],
  ])('is said to be unread %s', async (__, files) => {
    expect(await folder(files)).toBe(1);
  });
});
