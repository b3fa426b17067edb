import { expect, test } from 'vitest';
import * as z from 'zod';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

export const Blamed = z.enum([
  'application',
  'environment',
  'platform',
  'hardware',
  'network',
  'unknown',
]);

/** A log, and what somebody who had not seen the reader judged it to say. */
export const Judged = z.strictObject({
  name: z.string(),
  /** Whoever judged it was. */
  unsure: z.literal(true).exactOptional(),
  log: z.array(z.string()),
  /** The first line that tells the cause; null where this log does not tell. */
  line: z.string().nullable(),
  /** Lines that tell it as well. */
  alsoRight: z.array(z.string()).exactOptional(),
  blame: Blamed,
  alsoBlame: z.array(Blamed).exactOptional(),
  cause: z.string(),
  /** The ranks that the log names as where it began. */
  ranks: z.array(z.int()).exactOptional(),
});
type Judged = z.infer<typeof Judged>;

export const LAYERS: Readonly<Record<Judged['blame'], readonly string[]>> = {
  application: ['application'],
  environment: ['configuration', 'host', 'driver'],
  platform: ['configuration', 'host'],
  hardware: ['hardware'],
  network: ['fabric'],
  unknown: ['unknown'],
};

/** Where the reader says the same, and what it must never say. */
function score({ log, line, alsoRight = [], blame, alsoBlame = [], ranks }: Judged) {
  const text = `${log.join('\n')}\n`;
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const cause = readJobLog({ ...asked, text, cut: false }).entries.find(
    ({ role }) => role === 'cause',
  );
  const at = cause ? (log[cause.line - 1] ?? null) : null;
  const layer = cause?.layer ?? 'unknown';
  return {
    line: at === line || (at !== null && alsoRight.includes(at)),
    blame: [blame, ...alsoBlame].some(one => LAYERS[one].includes(layer)),
    otherRanks: ranks ? (cause?.ranks ?? []).filter(rank => !ranks.includes(rank)) : [],
    falseHardware: layer === 'hardware' && blame !== 'hardware',
  };
}

/** The reader is right with each, but for those that are listed as wrong, and blames no hardware and no rank falsely. */
export function testsOf(cases: readonly Judged[], wrong: ReadonlySet<string>): void {
  test.each(cases)('$name', one => {
    const { line, blame, falseHardware, otherRanks } = score(one);
    expect(falseHardware).toBe(false);
    expect(otherRanks).toEqual([]);
    expect(line && blame ? 'right' : 'wrong').toBe(wrong.has(one.name) ? 'wrong' : 'right');
  });

  test('no case is listed as wrong that is not there', () => {
    const names = new Set(cases.map(({ name }) => name));
    expect([...wrong].filter(name => !names.has(name))).toEqual([]);
  });
}
