import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

/**
 * Forms in which logs, stores, consoles, chats and trackers hold an XID, written down with what an
 * engineer reads in them before they were read once.
 */
const Form = z.strictObject({
  id: z.string(),
  form: z.string(),
  text: z.string(),
  expect: z.strictObject({
    /** event: read; told: read, or said to be unread; none: nothing is claimed. */
    must: z.enum(['event', 'told', 'none']),
    codes: z.array(z.int()),
    pcis: z.array(z.string()),
    /** When it was; `any` where the form leaves it open, null where it does not tell. */
    time: z.string().nullable(),
  }),
});
const FORMS = readFileSync(
  new URL('../fixtures/kernel-lines/fresh-forms.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(row => Form.parse(JSON.parse(row)));

async function read(text: string) {
  async function* input() {
    yield Buffer.from(text);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 2, 20) });
  const covered = await log.scan({}, record => analysis.see(record), new AbortController().signal);
  const { events, census } = analysis.finish();
  const unread = census.added(covered).flatMap(each => each.unread ?? []);
  const numbered = events.flatMap(({ xid, sxid, pci, time }) =>
    xid === null && sxid === null ? [] : [{ code: xid ?? sxid, pci, time }],
  );
  return { numbered, isTold: numbered.length > 0 || unread.length > 0 };
}

test.each(FORMS.map(each => [each.id, each.form, each] as const))(
  '%s %s',
  async (_, __, { text, expect: { must, codes, pcis, time } }) => {
    const { numbered, isTold } = await read(text);
    if (must === 'told') expect(isTold).toBe(true);
    if (must === 'none') expect(numbered).toEqual([]);
    if (must !== 'event') return;
    expect(numbered.map(({ code, pci }) => [code, pci])).toEqual(
      codes.map((code, at) => [code, pcis[at]]),
    );
    if (time === 'any') return;
    const seconds = (moment: string | null) =>
      moment === null ? null : Math.floor(Date.parse(moment) / 1_000);
    expect(numbered.map(each => seconds(each.time))).toEqual(codes.map(() => seconds(time)));
  },
);
