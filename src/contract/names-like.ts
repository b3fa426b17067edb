const NAMES_SHOWN_MAX = 3;
/** What a person types is shorter; of a longer word nothing is near. */
const CHARACTERS_MAX = 128;

/** The known names nearest to a wrong one: those that hold it, then those few letters away. */
export function namesLike(wanted: string, known: readonly string[]): readonly string[] {
  if (wanted.length > CHARACTERS_MAX) return [];
  const distanceMax = Math.max(2, Math.floor(wanted.length / 4));
  return known
    .map(name => ({ name, distance: distanceOf(wanted, name) }))
    .filter(({ distance }) => distance <= distanceMax)
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, NAMES_SHOWN_MAX)
    .map(({ name }) => name);
}

function distanceOf(wanted: string, name: string): number {
  return wanted.length >= 3 && name.includes(wanted) ? 0 : editDistance(wanted, name);
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
