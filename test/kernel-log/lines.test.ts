import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnchorSet } from '../../src/kernel-log/anchors.ts';
import { LineScanner, type SeenLine } from '../../src/kernel-log/lines.ts';

const ANCHORS = ['NVRM:', 'nvidia', 'AER: ', 'SXid'];

const words = fc.array(
  fc.constantFrom(
    ...ANCHORS,
    'NVRM',
    'nvidi',
    'AER:',
    '\n',
    '\r\n',
    ' ',
    'x',
    'é',
    'NVNVRM:',
    '\0',
  ),
  { maxLength: 60 },
);

function scan(chunks: readonly Buffer[], anchors: AnchorSet, lineBytesMax?: number) {
  const shown: { text: string; number: number; cut: boolean }[] = [];
  const visit = ({ bytes, number, cut }: SeenLine) => {
    shown.push({ text: bytes.toString('utf8'), number, cut });
    return 0;
  };
  const scanner = new LineScanner(anchors, visit, lineBytesMax);
  for (const chunk of chunks) scanner.push(chunk);
  scanner.end();
  return { shown, lines: scanner.lines, cut: scanner.cut };
}

function splitAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length));
}

describe('anchors', () => {
  test('the first hit is the one that a search for each anchor finds', () => {
    const set = new AnchorSet(ANCHORS);
    fc.assert(
      fc.property(words, fc.nat(40), (parts, from) => {
        const bytes = Buffer.from(parts.join(''));
        const hits = ANCHORS.map(anchor => bytes.indexOf(anchor, from)).filter(at => at >= 0);
        const expected = from > bytes.length || hits.length === 0 ? -1 : Math.min(...hits);
        expect(set.find(bytes, from, bytes.length)).toBe(expected);
      }),
    );
  });

  test('an anchor that reaches over the end is no hit', () => {
    const bytes = Buffer.from('..nvidia');
    expect(new AnchorSet(ANCHORS).find(bytes, 0, 7)).toBe(-1);
    expect(new AnchorSet(ANCHORS).find(bytes, 3, 8)).toBe(-1);
    expect(new AnchorSet(ANCHORS).find(bytes, 2, 8)).toBe(2);
  });

  test('without anchors every line matters', () => {
    const { shown } = scan([Buffer.from('a\n\nb\n')], new AnchorSet([]));
    expect(shown.map(({ text, number }) => `${number}:${text}`)).toEqual(['1:a', '2:', '3:b']);
  });

  test.each(['x', 'two\nlines'])('%j can be no anchor', anchor => {
    expect(() => new AnchorSet([anchor])).toThrow(RangeError);
  });
});

describe('lines', () => {
  test('wherever the chunks are split, the same lines come with the same numbers', () => {
    const set = new AnchorSet(ANCHORS);
    fc.assert(
      fc.property(words, fc.array(fc.nat(), { maxLength: 8 }), (parts, places) => {
        const text = parts.join('');
        const all = text.split('\n');
        if (all.at(-1) === '') all.pop();
        const expected = all.flatMap((line, index) =>
          ANCHORS.some(anchor => line.includes(anchor))
            ? [{ text: line.replace(/\r$/, ''), number: index + 1, cut: false }]
            : [],
        );
        const found = scan(splitAt(Buffer.from(text), places), set);
        expect(found).toEqual({ shown: expected, lines: all.length, cut: 0 });
      }),
    );
  });

  test('a line over the limit is cut there and counted, wherever the chunks are split', () => {
    const set = new AnchorSet(ANCHORS);
    const early = `nvidia ${'y'.repeat(40)}`;
    const late = `${'y'.repeat(30)} nvidia`;
    const text = `NVRM: a\n${early}\n${late}\nNVRM: b\n`;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 8 }), places => {
        expect(scan(splitAt(Buffer.from(text), places), set, 20)).toEqual({
          shown: [
            { text: 'NVRM: a', number: 1, cut: false },
            { text: early.slice(0, 20), number: 2, cut: true },
            { text: 'NVRM: b', number: 4, cut: false },
          ],
          lines: 4,
          cut: 2,
        });
      }),
    );
  });

  test('a stream without one line feed shows at most one line of the limit’s size', () => {
    const chunk = Buffer.alloc(1024 * 1024, 'nvidia ');
    let bytes = 0;
    const scanner = new LineScanner(new AnchorSet(ANCHORS), line => {
      bytes += line.bytes.length;
      return 0;
    });
    for (let count = 0; count < 64; count++) scanner.push(chunk);
    scanner.end();
    expect({ bytes, lines: scanner.lines, cut: scanner.cut }).toEqual({
      bytes: 64 * 1024,
      lines: 1,
      cut: 1,
    });
  });
});
