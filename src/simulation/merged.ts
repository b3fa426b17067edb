/** A part of the data that cannot be laid over what it is like. */
export class MergeError extends Error {
  readonly path: readonly string[];
  constructor(path: readonly string[], message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * Records are merged member by member; a record over a list replaces items by index.
 *
 * @throws MergeError for an index that the list does not have.
 */
export function merged(base: unknown, over: unknown, path: readonly string[] = []): unknown {
  if (Array.isArray(base) && isRecord(over)) {
    const beyond = Object.keys(over).find(key => !/^\d+$/.test(key) || Number(key) >= base.length);
    if (beyond !== undefined) {
      const has = base.length === 0 ? 'none' : `0 to ${base.length - 1}`;
      throw new MergeError([...path, beyond], `the machine it is like has ${has}`);
    }
    return base.map((item, index) =>
      Object.hasOwn(over, index) ? merged(item, over[index], [...path, String(index)]) : item,
    );
  }
  if (!isRecord(base) || !isRecord(over)) return over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map(key => [
      key,
      Object.hasOwn(over, key)
        ? merged(Object.hasOwn(base, key) ? base[key] : undefined, over[key], [...path, key])
        : base[key],
    ]),
  );
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
