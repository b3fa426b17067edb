import { pciKey } from '../../contract/pci.ts';
import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';

/** Steps from what the driver gives to what a reading holds. */

/** The next step of a reading that may itself come to nothing. */
export const andThen = <A, B>(reading: Reading<A>, step: (value: A) => Reading<B>): Reading<B> =>
  reading.ok ? step(reading.value) : reading;

/** Text of the driver and of firmware: plain, one line, bounded. */
export const plain = (reading: Reading<string>): Reading<string> =>
  andThen(reading, value => {
    const text = plainText(value, 96);
    return text === '' ? missing('no_data') : present(text);
  });

/** 64-bit counters as numbers; above 2^53 a number would lie. */
export const counted = (reading: Reading<bigint>): Reading<number> =>
  andThen(reading, value =>
    value > BigInt(Number.MAX_SAFE_INTEGER)
      ? missing('unreadable', `0x${value.toString(16)}`)
      : present(Number(value)),
  );

export const enabled = (reading: Reading<number>): Reading<boolean> =>
  mapReading(reading, state => state !== 0);

/** The PCI address, `dddd:bb:dd`. */
export function pciOf(info: {
  readonly busId: string;
  readonly busIdLegacy: string;
}): Reading<string> {
  const key = pciKey(info.busId) ?? pciKey(info.busIdLegacy);
  return key === undefined ? missing('unreadable', plainText(info.busId, 32)) : present(key);
}

/** A number of the driver as its word; one of tomorrow keeps its number. */
export const named = (
  reading: Reading<number>,
  names: Readonly<Record<number, string>>,
): Reading<string> => mapReading(reading, number => names[number] ?? `unknown_${number}`);

/** A set of numbers as the kernel lists them: `0-47,96-143`. */
export function listOf(places: readonly number[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const place of places) {
    const range = ranges.at(-1);
    if (range && range.last === place - 1) range.last = place;
    else ranges.push({ first: place, last: place });
  }
  return ranges
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
    .join(',');
}

/** The driver is older than the call or than the struct's version. */
export const isOlder = (reading: Reading<unknown>): boolean =>
  !reading.ok &&
  (reading.reason === 'function_not_found' || reading.reason === 'argument_version_mismatch');
