import fc from 'fast-check';
import { expect, test } from 'vitest';
import { heaviest, textFinder } from '../../src/xid/text-finder.ts';

const rowOf = (id: number, ...texts: string[]) => ({ id, texts });

test('a row weighs what its longest text in the line is long, and the first of equals wins', () => {
  const rows = [rowOf(1, 'lost', 'link lost'), rowOf(2, 'peer … gone'), rowOf(3, 'down')];
  const find = textFinder(rows);
  expect(find('link lost as peer 7 has gone')).toEqual([
    { row: rows[0], weight: 9 },
    { row: rows[1], weight: 11 },
  ]);
  expect(find('gone is the peer')).toEqual([]);
  expect(heaviest(find('down, lost'))?.row.id).toBe(1);
  expect(heaviest([])).toBeUndefined();
});

test('one pass finds what a search for each text would find', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', ' ', 'ŝ'),
    minLength: 4,
    maxLength: 7,
  });
  const text = fc.array(word, { minLength: 1, maxLength: 2 }).map(parts => parts.join(' … '));
  const table = fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { maxLength: 6 });
  const line = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'ŝ', 'š'), maxLength: 80 });
  fc.assert(
    fc.property(table, line, (texts, said) => {
      const rows = texts.map((of, id) => rowOf(id, ...of));
      const slow = rows.flatMap(row => {
        const lengths = row.texts.flatMap(one => {
          const [first = '', second = ''] = one.split(' … ');
          const at = said.indexOf(first);
          return at >= 0 && said.includes(second, at + first.length) ? one.length : [];
        });
        const weight = Math.max(0, ...lengths);
        return weight > 0 ? { row, weight } : [];
      });
      expect(textFinder(rows)(said)).toEqual(slow);
    }),
  );
});
