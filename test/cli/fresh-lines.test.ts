import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { run } from './run.ts';

/** Lines of public threads and pages and their wrappings, each with its source and what it means. */
const FreshLine = z.looseObject({
  id: z.string(),
  format: z.string(),
  line: z.string(),
  expect: z.looseObject({
    kind: z.enum(['xid', 'sxid', 'fault', 'info', 'none']),
    pci: z.string().nullable(),
    xid: z.int().nullable(),
    sxid: z.int().nullable(),
    pid: z.int().nullable(),
    process: z.string().nullable(),
    ts: z.string().nullable(),
  }),
});

const FRESH = readFileSync(
  new URL('../fixtures/kernel-lines/fresh-lines.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(text => FreshLine.parse(JSON.parse(text)));

const Answer = z.looseObject({
  events: z.array(z.looseObject({ kind: z.string(), xid: z.int().nullable() })),
  incidents: z.array(z.unknown()),
});

async function analyzed(line: string) {
  const { stdout, code } = await run(['analyze', '-', '-o', 'json'], { input: `${line}\n` });
  expect(code).toBe(0);
  return Answer.parse(JSON.parse(stdout));
}

/** A zone by its name (CEST) tells no offset. */
const hasNamedZone = (line: string) => /\d\d:\d\d:\d\d [A-Z]{3,4}T /.test(line);

describe('an XID or SXid in whatever it is wrapped is read whole', () => {
  test.each(FRESH.filter(({ expect: { kind } }) => kind === 'xid' || kind === 'sxid'))(
    '$id: $format',
    async ({ line, expect: { pci, xid, sxid, pid, process, ts } }) => {
      const { events } = await analyzed(line);
      expect(events).toMatchObject([{ pci, xid, sxid, pid, process }]);
      if (ts === null || hasNamedZone(line)) return;
      expect(String(events[0]?.['time']).slice(0, 19)).toBe(ts.slice(0, 19));
    },
  );
});

test.each(FRESH.filter(({ expect: { kind } }) => kind === 'none'))(
  'a look-alike is claimed by nobody: $id, $format',
  async ({ line }) => {
    const { events, incidents } = await analyzed(line);
    expect(events.filter(({ xid }) => xid !== null)).toEqual([]);
    expect(incidents).toEqual([]);
  },
);
