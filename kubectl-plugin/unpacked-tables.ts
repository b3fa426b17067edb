/**
 * What a packed table (packed-tables.ts) is read with; both are part of each bundle that has one. The loops
 * are plain because they run once, at a start: with iterators they took 8 ms for src/xid, and take 2.
 */

/** The letter of the first value of a column; those of the others follow it. */
const FIRST_LETTER = '#'.charCodeAt(0);
/** How many letters there are, up to `~`. */
export const LETTERS = '~'.charCodeAt(0) - FIRST_LETTER + 1;

/** Stands for a place in a list of values. */
export const letterOf = (place: number): string => String.fromCharCode(FIRST_LETTER + place);

/** Rows from columns of one length; what a column has no value for, a row does not have. */
export function table(
  keys: readonly string[],
  columns: readonly (readonly unknown[])[],
): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = [];
  const count = columns[0]?.length ?? 0;
  for (let index = 0; index < count; index += 1) {
    const row: Record<string, unknown> = {};
    for (let column = 0; column < keys.length; column += 1) {
      const value = columns[column]?.[index];
      if (value !== undefined) row[keys[column] ?? ''] = value;
    }
    rows.push(row);
  }
  return rows;
}

/** A column whose values are few: each once, and for each row the letter of its own. */
export function column(values: readonly unknown[], letters: string): unknown[] {
  const all: unknown[] = [];
  for (let index = 0; index < letters.length; index += 1) {
    all.push(values[letters.charCodeAt(index) - FIRST_LETTER]);
  }
  return all;
}

/** An object whose members are made when they are first asked for. */
export function late(makers: Readonly<Record<string, () => unknown>>): object {
  const made = {};
  for (const key of Object.keys(makers)) {
    const member = { enumerable: true, configurable: true };
    Object.defineProperty(made, key, {
      ...member,
      get() {
        const value = makers[key]?.();
        Object.defineProperty(made, key, { ...member, value, writable: true });
        return value;
      },
    });
  }
  return made;
}
