/** A row of a table and how much of a line speaks for it: the length of its longest text there. */
export interface Weighed<Row> {
  readonly row: Row;
  readonly weight: number;
}

/** Finds the rows of which a line in lower case holds a text, in their order. */
export type TextFinder<Row> = (line: string) => readonly Weighed<Row>[];

/** So many characters of each text are looked for first. */
const KEY_CHARACTERS = 4;
/** Keys of four Latin letters as one number; others share one, and are told apart by the whole text. */
const keyAfter = (key: number, code: number): number => (key << 8) | (code & 0xff);
/** A small table first: most characters of a line begin no key. */
const SLOTS = 1 << 14;
const slotOf = (key: number): number => Math.imul(key, 0x9e3779b1) >>> 18;

/**
 * A finder for the texts of all rows. A text begins where a word does, and the parts around its ` … ` have to follow
 * one another. One pass over a line finds which texts may be there: there are hundreds of texts, and lines by the ten thousand.
 */
export function textFinder<Row extends { readonly texts: readonly string[] }>(
  rows: readonly Row[],
): TextFinder<Row> {
  const texts = rows.flatMap(row =>
    row.texts.map(text => {
      const parts = text.split(' … ');
      const longest = parts.reduce((a, b) => (b.length > a.length ? b : a));
      return { row, parts, weight: text.length, keys: keysOf(longest) };
    }),
  );
  const uses = new Map<number, number>();
  for (const key of texts.flatMap(({ keys }) => keys)) uses.set(key, (uses.get(key) ?? 0) + 1);
  const byKey = Map.groupBy(texts, ({ keys }) =>
    keys.reduce((a, b) => ((uses.get(b) ?? 0) < (uses.get(a) ?? 0) ? b : a)),
  );
  const isUsed = new Uint8Array(SLOTS);
  for (const key of byKey.keys()) isUsed[slotOf(key)] = 1;
  return line => {
    const seen = new Set<number>();
    let key = 0;
    for (let at = 0; at < line.length; at += 1) {
      key = keyAfter(key, line.charCodeAt(at));
      if (isUsed[slotOf(key)] === 1 && byKey.has(key)) seen.add(key);
    }
    const weights = new Map<Row, number>();
    for (const { row, parts, weight } of [...seen].flatMap(one => byKey.get(one) ?? [])) {
      if (weight > (weights.get(row) ?? 0) && holds(line, parts)) weights.set(row, weight);
    }
    if (weights.size === 0) return [];
    return rows
      .flatMap(row => ({ row, weight: weights.get(row) ?? 0 }))
      .filter(({ weight }) => weight > 0);
  };
}

/** The keys that end within a text; of a shorter one what stands before it counts as well. */
const keysOf = (text: string): number[] => {
  let key = 0;
  const keys = [...text].map(character => {
    key = keyAfter(key, character.charCodeAt(0));
    return key;
  });
  return keys.slice(KEY_CHARACTERS - 1);
};

const WORD = /[a-z0-9_]/;
const isWordAt = (line: string, at: number): boolean => WORD.test(line[at] ?? '');
const isDigitAt = (line: string, at: number): boolean => /\d/.test(line[at] ?? '');

/** `term_load` is not in `long_term_load`, nor `error code 2` in `error code 20`; an end may go on: `libcudart`. */
const isCut = (line: string, from: number, to: number): boolean =>
  (isWordAt(line, from) && isWordAt(line, from - 1)) ||
  (isDigitAt(line, to - 1) && isDigitAt(line, to));

function holds(line: string, parts: readonly string[]): boolean {
  let from = 0;
  for (const part of parts) {
    let at = line.indexOf(part, from);
    // What stands behind … may begin within a word: only the first part has to begin one.
    while (at >= 0 && part === parts[0] && isCut(line, at, at + part.length)) {
      at = line.indexOf(part, at + 1);
    }
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}

/** The row with the most weight; undefined where there is none. */
export const heaviest = <Row>(found: readonly Weighed<Row>[]): Weighed<Row> | undefined =>
  found.reduce<Weighed<Row> | undefined>(
    (best, one) => (best && best.weight >= one.weight ? best : one),
    undefined,
  );
