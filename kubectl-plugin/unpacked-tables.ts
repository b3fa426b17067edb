/** What a packed table (packed-tables.ts) is read with; both are part of each bundle that has one. */

/** A letter stands for a place in a list of values: printable ASCII that no string escapes. */
export const LETTERS = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))
  .filter(letter => !`"'\\\``.includes(letter))
  .join('');

/** Rows from columns of one length; what a column has no value for, a row does not have. */
export function table(
  keys: readonly string[],
  columns: readonly (readonly unknown[])[],
): Record<string, unknown>[] {
  const rows = Array.from({ length: columns[0]?.length ?? 0 }, (): Record<string, unknown> => ({}));
  for (const [column, key] of keys.entries()) {
    for (const [index, row] of rows.entries()) {
      const value = columns[column]?.[index];
      if (value !== undefined) row[key] = value;
    }
  }
  return rows;
}

/** A column whose values are few: each once, and for each row the letter of its own. */
export const column = (values: readonly unknown[], letters: string): unknown[] =>
  Array.from(letters, letter => values[LETTERS.indexOf(letter)]);
