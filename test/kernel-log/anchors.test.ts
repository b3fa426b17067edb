import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { KERNEL_ANCHORS } from '../../src/kernel-log/anchors.ts';
import { ANCHORS } from '../../src/xid/anchors.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { REAL_LINES } from '../xid/fixtures.ts';

/** The law keeps the two rooms apart, so each has its list: what one lets pass the other must know. */
const passes = (text: string): boolean => KERNEL_ANCHORS.some(anchor => text.includes(anchor));

const Fresh = z.object({ message: z.string() });
const fresh = readFileSync(
  new URL('../fixtures/kernel-lines/fresh-messages.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(row => Fresh.parse(JSON.parse(row)).message);

test('a file shows every real line that means something to us', () => {
  const lines = [...REAL_LINES.map(({ message }) => message), ...fresh];
  const meant = lines.filter(line => parseMessage(line) !== undefined);
  expect(meant.length).toBeGreaterThan(100);
  expect(meant.filter(line => !passes(line))).toEqual([]);
});

/** Anchors of messages that pass by another anchor, which stands in each of their forms. */
const BY_ANOTHER: Readonly<Record<string, string>> = {
  'DPC: ': 'pcieport 0000:00:01.0: DPC: containment event, status:0x1f01 source:0x0000',
  'pciehp: ': 'pcieport 0000:00:1c.0: pciehp: Slot(8): Link Down',
};

test('what the parser looks for, a file shows', () => {
  const lost = ANCHORS.filter(anchor => {
    const around = BY_ANOTHER[anchor] ?? `${anchor} `;
    return !passes(around) && !passes(`${anchor}: `);
  });
  expect(lost).toEqual([]);
});
