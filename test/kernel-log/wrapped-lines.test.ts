import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

/**
 * Lines of public threads and of tools' forms, written down with what they mean before they were
 * read: `read` as told by `events`; `unread`: claimed by nobody and said to be unread; `either` of
 * both; `both`: two messages, read or said; `none`: a look-alike.
 */
const Row = z.object({
  id: z.string(),
  source: z.string(),
  format: z.string(),
  text: z.string(),
  kind: z.enum(['read', 'unread', 'either', 'both', 'none']),
  events: z.array(z.looseObject({ time: z.string().optional() })),
});

const ROWS = readFileSync(
  new URL('../fixtures/kernel-lines/wrapped-lines.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(row => Row.parse(JSON.parse(row)));

async function read(text: string) {
  async function* input() {
    yield Buffer.from(`${text}\n`);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 9, 5) });
  const covered = await log.scan({}, record => analysis.see(record), new AbortController().signal);
  const { events, incidents, census } = analysis.finish();
  const unread = census.added(covered).flatMap(source => source.unread ?? []);
  return {
    xids: events.filter(({ xid, sxid }) => xid !== null || sxid !== null),
    incidents,
    unread: unread.reduce((sum, { count }) => sum + count, 0),
  };
}

test.each(ROWS)('$id, $kind: $format', async ({ text, kind, events }) => {
  const { xids, incidents, unread } = await read(text);
  if (kind === 'read') {
    expect(xids).toMatchObject(events.map(({ time: _, ...event }) => event));
    for (const [index, { time }] of events.entries()) {
      if (time !== undefined) expect(xids[index]?.time?.slice(0, time.length)).toBe(time);
    }
    expect(unread).toBe(0);
  } else if (kind === 'either' || kind === 'both') {
    expect(xids.length + unread).toBeGreaterThanOrEqual(kind === 'both' ? 2 : 1);
  } else {
    expect(xids).toEqual([]);
    expect(incidents).toEqual([]);
    expect(unread).toBe(kind === 'unread' ? 1 : 0);
  }
});
