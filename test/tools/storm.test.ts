import { describe, expect, test } from 'vitest';
import { incidentLines } from '../../src/tools/support/finding-lines.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { record } from '../xid/fixtures.ts';

const FAULT = (at: number) =>
  `NVRM: Xid (PCI:0000:1b:00): 31, pid=${1_000 + (at % 90)}, name=python3, Ch 0000000${at % 8}, intr 00000000. MMU Fault`;
const BEGAN_MS = Date.parse('2026-03-01T11:00:00Z');

/** So many lines of one code on one GPU, each so long after the one before; others amid them. */
function stormOf(lines: number, everyMs: number, others: Readonly<Record<number, string>> = {}) {
  const analysis = createAnalysis();
  for (let at = 0; at < lines; at += 1) {
    const timeMs = BEGAN_MS + at * everyMs;
    analysis.see(record(others[at] ?? FAULT(at), at + 1, { timeMs, bootSeconds: at * 0.02 }));
  }
  return analysis.finish().incidents;
}
const linesOf = (incidents: ReturnType<typeof stormOf>) =>
  incidents.map(
    incident =>
      incidentLines(incident, BEGAN_MS).flatMap(line => {
        const text = typeof line === 'string' ? line : line.text;
        return /^ {4}when/.test(text) ? text.split('; ')[1] : [];
      })[0],
  );

describe('a storm of one code on one GPU', () => {
  test('is one incident with its count and how fast it came', () => {
    const incidents = stormOf(9_000, 20);
    expect(incidents).toMatchObject([{ root: { xid: 31 }, count: 9_000 }]);
    expect(linesOf(incidents)).toEqual(['9000 lines, 50 a second']);
    expect(linesOf(stormOf(500, 2_000))).toEqual(['500 lines, 30 a minute']);
    expect(linesOf(stormOf(500, 0))).toEqual(['500 lines, all at once']);
  });

  test('of few lines, or over days, has no rate', () => {
    expect(linesOf(stormOf(60, 20))).toEqual(['60 lines']);
    expect(linesOf(stormOf(500, 20_000))).toEqual(['500 lines']);
  });

  test('hides no other code of that GPU, nor of another one, whenever it comes', () => {
    for (const at of [0, 4_500, 8_999]) {
      const own =
        'NVRM: Xid (PCI:0000:1b:00): 48, pid=7, name=x, An uncorrectable double bit error';
      const other = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
      expect(stormOf(9_000, 20, { [at]: own })[0]).toMatchObject({
        ...{ root: { xid: 48 }, severity: 'critical', count: 9_000 },
      });
      const incidents = stormOf(9_000, 20, { [at]: other });
      expect(incidents.map(({ root }) => root.xid)).toEqual([79, 31]);
      expect(incidents.map(({ count }) => count)).toEqual([1, 8_999]);
    }
  });
});
