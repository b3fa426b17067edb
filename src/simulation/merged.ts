/** Records are merged member by member; a record over a list replaces items by index. */
export function merged(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && isRecord(over)) {
    return base.map((item, index) =>
      String(index) in over ? merged(item, over[String(index)]) : item,
    );
  }
  if (!isRecord(base) || !isRecord(over)) return over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map(key => [key, key in over ? merged(base[key], over[key]) : base[key]]),
  );
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
