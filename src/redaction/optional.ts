/** One key with its value, or nothing where there is no value. */
export function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): Partial<Record<Key, Value>> {
  const pair: Partial<Record<string, Value>> = value === undefined ? {} : { [key]: value };
  return pair;
}
