import { type PrefixedLine, parsePrefix } from './prefixes.ts';

/** Messages of drivers, which print no text of a user. */
const OF_A_DRIVER =
  /^(?:NVRM|nvidia|[\w-]{1,32} [0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|mce: |EDAC |DMAR: |\{\d+\}\[Hardware)/;
const INDENT_MIN = 4;
const CLOCK = /\[ *\d{1,10}\.\d{1,9}/;

/**
 * Whether a line goes on with a record that is no driver's: what a user put behind a line feed in a
 * name is no record of its own.
 *
 * `dmesg --raw`, `--force-prefix` and what reads /proc/kmsg give each line of one record the same
 * microsecond; dmesg and journalctl indent the further lines to the first one's text.
 */
export function isFurtherLine(
  line: string,
  { form, bootSeconds }: PrefixedLine,
  before: Buffer,
): boolean {
  const indent = line.length - line.trimStart().length;
  const isIndented = form === 'raw' && indent >= INDENT_MIN;
  if (bootSeconds === null && !isIndented) return false;
  // Cheap, and true of nearly every line: what stands before it has another time.
  const clock = bootSeconds === null ? null : CLOCK.exec(line)?.[0];
  if (clock === undefined || (clock !== null && !before.includes(clock))) return false;
  const lines = before.toString('utf8').replace(/\n$/, '').split('\n');
  // The first may be the rest of a line only.
  for (let at = lines.length - 1, parsed: PrefixedLine | undefined; at >= 0; at--) {
    const text = lines[at] ?? '';
    const previous = parsePrefix(text);
    if (bootSeconds === null) {
      if (previous.form === 'raw' && text.startsWith(' '.repeat(indent))) continue;
      return previous.width === indent && !OF_A_DRIVER.test(previous.text);
    }
    if (previous.bootSeconds !== bootSeconds)
      return parsed !== undefined && !OF_A_DRIVER.test(parsed.text);
    parsed = previous;
    if (at === 0) return !OF_A_DRIVER.test(previous.text);
  }
  return false;
}
