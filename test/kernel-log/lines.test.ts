import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnchorSet } from '../../src/kernel-log/anchors.ts';
import { BLOCK_BYTES, BlockFilter } from '../../src/kernel-log/block-filter.ts';
import { LINE_BYTES_MAX, LineScanner, type SeenLine } from '../../src/kernel-log/lines.ts';

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

  test('a word of any case is found in every case, and no other anchor is', () => {
    const set = new AnchorSet(['NVRM:', 'nvidia'], ['sxid', 'fallen off']);
    const find = (text: string) => set.find(Buffer.from(text), 0, text.length);
    expect(['..SXid', '..sxid', '..SXID', '..sXiD', '..Fallen Off'].map(find)).toEqual([
      2, 2, 2, 2, 2,
    ]);
    expect(['..nvrm:', '..NVIDIA', '..SX\u0009d', '..fallen\u0000off', '..{xid'].map(find)).toEqual(
      [-1, -1, -1, -1, -1],
    );
  });

  test('the filter of blocks shows no place too late, and counts the lines', () => {
    const WORDS = ['NVRM:', 'SXid', 'fallen off the bus', 'AER: ', 'nvme nvme'];
    const filter = BlockFilter.for(WORDS.map(word => Buffer.from(word)));
    const piece = fc.oneof(
      fc.constantFrom(...WORDS, ...WORDS.map(word => word.toUpperCase()), '\n', 'nvm', ' off'),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(400), (pieces, skipped) => {
        const bytes = Buffer.from(pieces.join(''));
        const text = bytes.toString('latin1').toLowerCase();
        const from = Math.min(skipped, bytes.length);
        filter?.load(bytes);
        const places = WORDS.map(word => text.indexOf(word.toLowerCase(), from)).filter(
          at => at >= 0,
        );
        const found = filter?.next(from, bytes.length);
        if (places.length > 0) {
          expect(found).toBeGreaterThanOrEqual(from);
          const [first = ''] = WORDS.filter(
            word => text.indexOf(word.toLowerCase(), from) === Math.min(...places),
          );
          expect(found).toBeLessThan(Math.min(...places) + first.length);
        }
        expect(filter?.lines(from, bytes.length)).toBe(text.slice(from).split('\n').length - 1);
      }),
      { numRuns: 2_000 },
    );
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

  test.each([
    ['with the filter of blocks', ['NVRM:', 'nvidia']],
    ['without it, for an anchor that is too short', ['NVRM:', 'nvidia', '~~']],
  ])('blocks of many lines, and lines longer than a block, keep their numbers %s', (_, anchors) => {
    const set = new AnchorSet(anchors, ['sxid']);
    expect(set.blocks === undefined).toBe(anchors.includes('~~'));
    const line = fc.tuple(
      fc.constantFrom('x', 'nvidia', 'a SXID b', 'y z'),
      fc.integer({ min: 0, max: 9 }),
    );
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        (made, places) => {
          const lines = made.map(
            ([word, size]) =>
              `${word}${'-'.repeat(size > 8 ? 3 * BLOCK_BYTES : size * size * 200)}`,
          );
          const found = scan(splitAt(Buffer.from(`${lines.join('\n')}\n`), places), set);
          expect([found.lines, found.cut]).toEqual([
            lines.length,
            lines.filter(text => text.length > LINE_BYTES_MAX).length,
          ]);
          expect(found.shown.map(({ number }) => number)).toEqual(
            lines.flatMap((text, at) => (/nvidia|sxid/i.test(text) ? [at + 1] : [])),
          );
        },
      ),
      { numRuns: 60 },
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
