import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { Blame } from '../../src/contract/finding.ts';
import { causes } from './entries.ts';

/**
 * Examples of classes that lots of logs showed to be missing, of other programs than those lots have; beside each kind
 * the nearest one that tells no cause, or another. What was expected of each was written down before it was read.
 */
const CASES = z
  .array(
    z.strictObject({
      name: z.string(),
      log: z.array(z.string()),
      /** The line that is named; null where none is. */
      line: z.string().nullable(),
      layer: Blame,
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('classes.json', import.meta.url), 'utf8')));

test.each(CASES)('$name', ({ log, line, layer }) => {
  const [cause] = causes(...log);
  expect({ line: log[(cause?.line ?? 0) - 1] ?? null, layer: cause?.layer ?? 'unknown' }).toEqual({
    line,
    layer,
  });
});

test('each has a name of its own', () => {
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
});
