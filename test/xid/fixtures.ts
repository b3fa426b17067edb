import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';

/** The real lines of test/fixtures/kernel-lines, each with its source and what is expected. */
const RealLine = z.object({
  id: z.string(),
  line: z.string(),
  format: z.string(),
  source_url: z.string(),
  message: z.string(),
  expect: z.looseObject({
    kind: z.string(),
    pci: z.string().nullable(),
    sub: z.record(z.string(), z.unknown()),
    ts: z
      .looseObject({ boot_s: z.string().optional(), wall_text: z.string().optional() })
      .nullable(),
  }),
  verdict: z.looseObject({
    class: z.string(),
    action: z.string(),
    acceptable_classes: z.array(z.string()),
  }),
});
export type RealLine = z.infer<typeof RealLine>;

const RealIncident = z.object({
  name: z.string(),
  lines: z.array(z.string()),
  root: z.object({ xid: z.int(), pci: z.string() }),
  incidents: z.int(),
  action: z.string(),
});

const read = (name: string): unknown[] =>
  readFileSync(new URL(`../fixtures/kernel-lines/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map(text => JSON.parse(text));

export const REAL_LINES = z.array(RealLine).parse(read('real-kernel-lines.jsonl'));
export const REAL_INCIDENTS = z.array(RealIncident).parse(read('real-incidents.jsonl'));

export function realLine(id: string): RealLine {
  const found = REAL_LINES.find(line => line.id === id);
  if (!found) throw new Error(`no real line ${id}`);
  return found;
}

/** A kernel record with only a text and a place, and what else the test gives it. */
export const record = (
  text: string,
  line: number,
  more: Partial<KernelRecord> = {},
): KernelRecord => ({
  source: 'test.log',
  line,
  text,
  level: null,
  boot: null,
  bootSeconds: null,
  timeMs: null,
  timeUncertaintyMs: null,
  ...more,
});

/** Records of `[seconds, text]`, numbered from 1. */
export const records = (lines: readonly (readonly [seconds: number, text: string])[]) =>
  lines.map(([seconds, text], index) => record(text, index + 1, { bootSeconds: seconds }));
