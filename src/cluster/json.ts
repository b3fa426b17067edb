import { plainData } from '../contract/untrusted.ts';

/** Narrowing helpers for foreign JSON and YAML: a wrong type reads as absent. */

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object under the path of keys, or {} where something else stands. */
export function objectAt(value: unknown, ...path: readonly string[]): Json {
  let at = value;
  for (const key of path) at = isObject(at) ? at[key] : undefined;
  return isObject(at) ? at : {};
}

export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const last = path.at(-1);
  const found = last === undefined ? value : objectAt(value, ...path.slice(0, -1))[last];
  return Array.isArray(found) ? found : [];
}

/** The text under a key, or ''. */
export function textOf(value: unknown, key: string): string {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === 'string' ? found : '';
}

export function numberOf(value: unknown, key: string): number | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === 'number' ? found : undefined;
}

/** The entries of an object whose values are texts. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  const pairs = Object.entries(objectAt(value)).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  );
  return Object.fromEntries(pairs);
}

/** What an API server, or whoever answers in its place, says: its texts made plain, all of them. */
export const answeredJson = (text: string): unknown => plainData(parseJson(text));

/** JSON, or undefined where the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the caller decides what that means.
    return undefined;
  }
}
