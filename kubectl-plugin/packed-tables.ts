import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { LETTERS, letterOf } from './unpacked-tables.ts';

/**
 * Packs the tables of src: in a list of alike objects each key is written once, and so is what a column
 * says again and again. Half of their bytes are such, 221 kB of the plugin. Those of src/xid would take each start of an
 * executable 4 to 8 ms, so that each is unpacked when it is first asked for: a number needs one of them. A
 * decompressor makes them smaller yet and takes 6 ms more. In a heap that is written down they are unpacked before.
 */
export const packedTables = ({ isLate }: { readonly isLate: boolean }): Plugin => ({
  name: 'packed-tables',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.json$/ }, ({ path }) => {
      const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
      return {
        loader: 'js',
        // Pure, so that a table that nobody asks for stays out, as an object does.
        contents: `
          import { column, late, table } from ${JSON.stringify(join(import.meta.dirname, 'unpacked-tables.ts'))};
          export default /* @__PURE__ */ (() => (${isLate ? packedFile(value) : packed(value)}))();
        `,
      };
    });
  },
});

/** The same for all of a file, whose members are unpacked one by one where there is something to unpack. */
function packedFile(value: unknown): string {
  const whole = packed(value);
  if (!isObject(value) || !/\b(?:table|column)\(/.test(whole)) return whole;
  const members = Object.entries(value).map(([key, one]) => `${keyOf(key)}:()=>(${packed(one)})`);
  return `late({${members.join()}})`;
}

/** An expression for a value of JSON, which calls `table` and `column`, as short as these make it. */
export function packed(value: unknown): string {
  if (Array.isArray(value)) return packedList(value);
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, one]) => `${keyOf(key)}:${packed(one)}`);
  return `{${members.join()}}`;
}

/** `undefined` in it is written as a hole. */
function packedList(values: readonly unknown[]): string {
  const items = values.map(value => (value === undefined ? '' : packed(value)));
  const plain = `[${items.join()}${items.at(-1) === '' ? ',' : ''}]`;
  return [plain, asTable(values), asColumn(values), asTexts(values)]
    .filter(text => text !== undefined)
    .reduce((shortest, text) => (text.length < shortest.length ? text : shortest));
}

function asTable(values: readonly unknown[]): string | undefined {
  const rows = values.filter(isObject);
  if (rows.length < 2 || rows.length < values.length) return undefined;
  const keys = keysOf(rows);
  if (keys === undefined) return undefined;
  const columns = keys.map(key => packedList(rows.map(row => row[key])));
  return `table(${JSON.stringify(keys)},[${columns.join()}])`;
}

/** The keys of all rows in an order that each row keeps; undefined where there is none. */
function keysOf(rows: readonly Record<string, unknown>[]): readonly string[] | undefined {
  const fullest = rows.map(row => Object.keys(row)).toSorted((a, b) => b.length - a.length);
  const keys = [...(fullest[0] ?? [])];
  for (const row of fullest) {
    let from = 0;
    for (const key of row) {
      const at = keys.indexOf(key);
      if (at >= 0 && at < from) return undefined;
      if (at < 0) keys.splice(from, 0, key);
      from = at < 0 ? from + 1 : at + 1;
    }
  }
  return keys.length === 0 ? undefined : keys;
}

function asColumn(values: readonly unknown[]): string | undefined {
  const texts = values.map(value => JSON.stringify(value));
  const few = new Map(texts.map((text, index) => [text, values[index]]));
  if (few.size > LETTERS || few.size === values.length) return undefined;
  const places = [...few.keys()];
  const letters = texts.map(text => letterOf(places.indexOf(text)));
  return `column(${packedList([...few.values()])},${JSON.stringify(letters.join(''))})`;
}

/** Texts in one, with a sign between them that stands in none. */
function asTexts(values: readonly unknown[]): string | undefined {
  const texts = values.filter(value => typeof value === 'string');
  const sign = [...'|~^`'].find(one => texts.every(text => !text.includes(one)));
  if (texts.length < 2 || texts.length < values.length || sign === undefined) return undefined;
  return `${JSON.stringify(texts.join(sign))}.split(${JSON.stringify(sign)})`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const keyOf = (key: string): string => (/^[a-z]\w*$/i.test(key) ? key : JSON.stringify(key));
