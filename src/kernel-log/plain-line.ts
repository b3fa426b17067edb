/** Colours and other controls of terminals (ECMA-48), also as rsyslog and `cat -v` write ESC. */
const CONTROLS = /(?:\x1b|#033|\^\[)(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g;
const INVISIBLE = /[\0\ufeff\u200b\u2060]/g;
const TAGS =
  /<\/?(?:a|b|br|code|div|em|i|li|mark|p|pre|span|strong|td|tr)(?:\s[^<>]{0,256})?\/?>/gi;
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi;
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lpar: '(',
  rpar: ')',
  colon: ':',
  comma: ',',
};

/** A line without what a terminal, an editor or a web page put into it. */
export function plainLine(line: string): string {
  let plain = line;
  if (/[\x1b\0\ufeff\u200b\u2060\u00a0]|#033|\^\[/.test(plain)) {
    plain = plain.replaceAll(CONTROLS, '').replaceAll(INVISIBLE, '').replaceAll('\u00a0', ' ');
  }
  if (plain.includes('&')) plain = plain.replaceAll(ENTITY, decoded);
  if (plain.includes('>')) plain = plain.replaceAll(TAGS, '');
  return plain.endsWith('\r') ? plain.slice(0, -1) : plain;
}

function decoded(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  return code >= 0x20 && code <= 0x10_ffff ? String.fromCodePoint(code) : ' ';
}
