/** Digits that are always the same for a seed; FNV-1a, a round a digit. */
export function hexOf(seed: string, digits: number): string {
  let hash = 0x811c_9dc5;
  const mix = (code: number) => {
    hash = Math.imul(hash ^ code, 0x0100_0193) >>> 0;
  };
  for (const character of seed) mix(character.charCodeAt(0));
  return Array.from({ length: digits }, (_, place) => {
    mix(place + 1);
    return ((hash >>> 13) & 0xf).toString(16);
  }).join('');
}
