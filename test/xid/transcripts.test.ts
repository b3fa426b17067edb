import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

/** Logs as they stand in public threads, with what an engineer says of them: null is not judged. */
const Transcript = z.object({
  name: z.string(),
  source: z.string(),
  text: z.string(),
  root: z.int().nullable(),
  pci: z.string().nullable(),
  incidents: z.array(z.int()),
  actions: z.array(z.string()),
  blames: z.array(z.string()),
});

const TRANSCRIPTS = readFileSync(
  new URL('../fixtures/kernel-lines/public-transcripts.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(row => Transcript.parse(JSON.parse(row)));

test.each(TRANSCRIPTS)('$name', async ({ text, root, pci, incidents, actions, blames }) => {
  async function* input() {
    yield Buffer.from(`${text}\n`);
  }
  const analysis = createAnalysis();
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 9, 5) });
  const covered = await log.scan({}, record => analysis.see(record), new AbortController().signal);
  const found = analysis.finish();
  const [worst] = found.incidents;
  expect(incidents).toContain(found.incidents.length);
  expect(actions).toContain(worst?.action);
  expect(blames).toContain(worst?.blame);
  if (root !== null) expect(worst?.root.xid).toBe(root);
  if (pci !== null) expect(worst?.gpu).toBe(pci);
  expect(found.census.added(covered).flatMap(({ unread = [] }) => unread)).toEqual([]);
});
