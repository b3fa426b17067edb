/**
 * Text from the node (process names, kernel lines, pod names) is data for readers, human or model.
 *
 * Control, bidirectional, zero-width and tag characters are replaced, and the text is cut. The
 * result is one line. Source of the set: Unicode general categories Cc, Cf, Zl, Zp.
 */
export function plainText(text: string, charactersMax = 512): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu, ' ').trim();
  if (clean.length <= charactersMax) return clean;
  const cut = clean.slice(0, charactersMax - 1);
  // A surrogate pair is never cut in half.
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
