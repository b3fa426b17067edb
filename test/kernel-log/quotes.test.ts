import { describe, expect, test } from 'vitest';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

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
