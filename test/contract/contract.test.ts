import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pciKey } from '../../src/contract/pci.ts';
import { durationText, momentMs } from '../../src/contract/time.ts';
import { plainText } from '../../src/contract/untrusted.ts';

describe('pciKey', () => {
  test.each([
    ['00000000:3B:00.0', '0000:3b:00'],
    ['0000:3b:00.0', '0000:3b:00'],
    ['PCI:0000:3b:00', '0000:3b:00'],
    ['0000000B:00:00.0', '000b:00:00'],
    ['00012345:01:00.0', '12345:01:00'],
    ['0000:10:1c', '0000:10:1c'],
  ])('%s and %s are one GPU', (address, key) => expect(pciKey(address)).toBe(key));

  test.each(['', 'GPU-4e391288', '3b:00.0', '0000:3b:00.9'])('%s is no address', text =>
    expect(pciKey(text)).toBeUndefined(),
  );
});

describe('plainText', () => {
  test('takes out control, escape, bidirectional and zero-width characters', () => {
    expect(plainText('a\u001b[31mred\u202Eevil\u200b\nline')).toBe('a [31mred evil line');
  });

  test('never gives more than asked for, never a broken pair, never a control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 2, max: 40 }), (text, max) => {
        const plain = plainText(text, max);
        expect(plain.length).toBeLessThanOrEqual(max);
        expect(plain).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      }),
    );
  });
});

describe('momentMs', () => {
  const now = Date.parse('2026-08-20T12:00:00Z');
  test.each([
    ['30m', '2026-08-20T11:30:00Z'],
    ['24h', '2026-08-19T12:00:00Z'],
    ['7d', '2026-08-13T12:00:00Z'],
    ['last 2 Hours', '2026-08-20T10:00:00Z'],
    ['5 minutes ago', '2026-08-20T11:55:00Z'],
    ['1w', '2026-08-13T12:00:00Z'],
    ['2026-08-20T03:11:00Z', '2026-08-20T03:11:00Z'],
  ])('%s is %s', (text, iso) => expect(momentMs(text, now)).toBe(Date.parse(iso)));

  test.each(['', 'yesterday', '10', '5 fortnights', '-3h'])(
    '"%s" is refused with what to write',
    text => expect(() => momentMs(text, now)).toThrow('is not a time'),
  );
});

test.each([
  [4_000, '4 s'],
  [252_000, '4 min 12 s'],
  [11_520_000, '3 h 12 min'],
  [1_051_200_000, '12 d 4 h'],
])('%d ms reads as %s', (ms, text) => expect(durationText(ms)).toBe(text));
