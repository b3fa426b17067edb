import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/**
 * Logs that people pasted into public threads, judged by a reader of the whole thread before the table
 * of texts was looked at. First figure, of 106: the line right in 71, the blame in 60, both in 56; one
 * fault of the hardware that there was none.
 */

const Case = z.strictObject({
  name: z.string(),
  source: z.url(),
  log: z.array(z.string()),
  /** The first line that tells the cause; null where this log does not tell. */
  line: z.string().nullable(),
  /** Lines that tell it as well. */
  alsoRight: z.array(z.string()).exactOptional(),
  blame: z.enum(['application', 'environment', 'platform', 'hardware', 'network', 'unknown']),
  cause: z.string(),
  ranks: z.array(z.int()).exactOptional(),
});
const CASES = z
  .array(Case)
  .parse(JSON.parse(readFileSync(new URL('blind-cases.json', import.meta.url), 'utf8')));

const LAYERS: Readonly<Record<z.infer<typeof Case>['blame'], readonly string[]>> = {
  application: ['application'],
  environment: ['configuration', 'host'],
  platform: ['configuration', 'host'],
  hardware: ['hardware'],
  network: ['fabric'],
  unknown: ['unknown'],
};

const scores = CASES.map(({ name, log, line, alsoRight = [], blame }) => {
  const text = `${log.join('\n')}\n`;
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const found = readJobLog({ ...asked, text, cut: false });
  const cause = found.entries.find(({ role }) => role === 'cause');
  const at = cause ? (log[cause.line - 1] ?? null) : null;
  const layer = cause?.layer ?? 'unknown';
  return {
    name,
    line: at === line || (at !== null && alsoRight.includes(at)),
    blame: LAYERS[blame].includes(layer),
    falseHardware: layer === 'hardware' && blame !== 'hardware',
  };
});

test('the first figure', () => {
  const count = (right: (score: (typeof scores)[number]) => boolean) => scores.filter(right).length;
  expect({
    cases: scores.length,
    line: count(({ line }) => line),
    blame: count(({ blame }) => blame),
    both: count(({ line, blame }) => line && blame),
    falseHardware: count(({ falseHardware }) => falseHardware),
  }).toEqual({ cases: 106, line: 71, blame: 60, both: 56, falseHardware: 1 });
});
