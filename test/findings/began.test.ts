import { describe, expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { factsFor } from '../fakes/facts.ts';
import { machineOf } from '../fakes/instruments.ts';

const HOURS_6 = 21_600;
const text = (pci: string, words: string) => `NVRM: Xid (PCI:${pci}): ${words}`;

/** With what the worst finding of a machine began that logged these lines six hours before. */
async function beganOn(name: string, earlier: readonly string[]) {
  const machine = machineOf(name);
  const lines = [
    ...machine.kernelLog.lines,
    ...earlier.map(words => ({ secondsAgo: HOURS_6, level: 4, text: words })),
  ].toSorted((a, b) => b.secondsAgo - a.secondsAgo);
  const facts = await factsFor({ ...machine, kernelLog: { ...machine.kernelLog, lines } });
  return diagnose(facts).findings[0]?.began;
}

const OLDER = (pci: string) =>
  [
    ['a program of its own', [text(pci, '31, pid=77, name=old, Ch 00000008, intr 00000000')]],
    ['contained memory errors', [text(pci, "94, pid='<unknown>', name=<unknown>, Contained: SM")]],
    ['an NVLink', [text(pci, '74, pid=77, name=old, NVLink: fatal error detected on link 6(0x1)')]],
  ] as const;

describe('what a GPU had six hours before began nothing of what it has now', () => {
  test.each(OLDER('0000:61:00'))('a lost GPU after %s', async (_, earlier) => {
    const began = await beganOn('lost-gpu', []);
    expect(began?.code).toBe('XID 79');
    expect(await beganOn('lost-gpu', earlier)).toEqual(began);
  });

  test.each(OLDER('0000:0f:00').filter(([what]) => !what.includes('memory')))(
    'a row that waits for a reset after %s',
    async (_, earlier) => {
      const began = await beganOn('ecc-row-remap', []);
      expect(began?.code).toBe('XID 48');
      expect(await beganOn('ecc-row-remap', earlier)).toEqual(began);
    },
  );
});

test('what came before of the same cause is where it began', async () => {
  const [, [, lines]] = OLDER('0000:61:00');
  const again = lines.map(line => line.replace('94, ', '79, '));
  const now = await beganOn('lost-gpu', []);
  const began = await beganOn('lost-gpu', again);
  expect(began?.code).toBe('XID 79');
  expect(Date.parse(began?.time ?? '')).toBeLessThan(Date.parse(now?.time ?? ''));
});
