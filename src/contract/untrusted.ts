/**
 * What a reader could not see, or what moves others' letters: control, bidirectional, zero-width and
 * tag characters, variation selectors and fillers (Default_Ignorable_Code_Point), what no font knows.
 *
 * Source: Unicode general categories Cc, Cf, Zl, Zp, Co, Cs, Cn and UAX #44; U+2800 is a letter
 * without ink.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Cn}\p{Default_Ignorable_Code_Point}\u2800]+/gu;
/** No script stacks more on a letter; a stack of them covers the lines above and below. */
const STACKED = /(\p{M}{2})\p{M}+/gu;
/** What most texts are made of, and where nothing is to be done. */
const PLAIN = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;

const seen = (text: string): string => text.replaceAll(UNSEEN, ' ').replaceAll(STACKED, '$1');

/** The same of several lines, which stay lines: what a terminal is given of foreign words. */
export const plainLines = (text: string): string => text.split('\n').map(seen).join('\n');

/**
 * Text from the node (process names, kernel lines, pod names) is data for readers, human or model.
 *
 * What cannot be seen is replaced, and the text is cut. The result is one line.
 */
export function plainText(text: string, charactersMax = 512): string {
  const clean = PLAIN.test(text) ? text : seen(text).trim();
  if (clean.length <= charactersMax) return clean;
  const cut = clean.slice(0, charactersMax - 1);
  // A surrogate pair is never cut in half.
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

const DATA_CHARACTERS_MAX = 65_536;
/** Deeper than anything that is read of a node or of a cluster. */
const DATA_DEPTH_MAX = 32;

/**
 * The same data with every text and key in it made plain: the one gate for what an agent, an API
 * server or a file says. What lies too deep is left out.
 */
export function plainData(value: unknown, charactersMax = DATA_CHARACTERS_MAX, depth = 0): unknown {
  if (typeof value === 'string') return plainText(value, charactersMax);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DATA_DEPTH_MAX) return undefined;
  const inside = (part: unknown) => plainData(part, charactersMax, depth + 1);
  if (Array.isArray(value)) return value.map(inside);
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [plainText(key), inside(part)]),
  );
}
