import * as z from 'zod';
import table from './platform-words.json' with { type: 'json' };

/**
 * What a word of the platform means for who works on the node: `ends` takes the node from its pods,
 * `may-end` says that it could, `pauses` stops it for seconds, `repairs` is at work on it, `stuck` does
 * no more by itself, `starts` has not begun, `believes` only says what somebody thinks of the node.
 */
const Does = z.enum(['ends', 'may-end', 'pauses', 'repairs', 'stuck', 'starts', 'believes']);

/** A label, taint, condition, event or condition of a NodeClaim (`claim`) by which a platform or an automaton speaks of a node. */
export const PlatformWord = z.strictObject({
  on: z.enum(['label', 'taint', 'condition', 'claim', 'event']),
  /** The key of a label or taint, the type of a condition, the reason of an event. */
  key: z.string().min(3),
  /** Of a label; absent: any. */
  value: z.string().exactOptional(),
  /** The status of a condition by which it speaks. */
  bad: z.enum(['True', 'False', 'Unknown']).exactOptional(),
  /** Who wrote the event. */
  from: z.string().exactOptional(),
  who: z.string().min(3),
  /** A sentence of ours; empty where `believes` leaves it to the word itself. */
  says: z.string(),
  does: Does,
  /** After this long with the condition the platform repairs, where that is switched on. */
  repairAfterMinutes: z.int().exactOptional(),
  /** A key of the file's table of sources. */
  source: z.string(),
});
export type PlatformWord = z.infer<typeof PlatformWord>;

export const PLATFORM_SOURCES: Readonly<Record<string, string>> = table.sources;

let rows: ReadonlyMap<string, readonly unknown[]> | undefined;

/** Who speaks with the words of another: EKS Auto Mode runs Karpenter and writes its events. */
const SPEAKS_AS: readonly (readonly [writer: string, as: string])[] = [
  ['eks-auto-mode/compute', 'karpenter'],
];

/** The row of a word, checked at its use; undefined for one that the table does not have. */
export function platformWord(
  on: PlatformWord['on'],
  key: string,
  { value, from }: { readonly value?: string; readonly from?: string } = {},
): PlatformWord | undefined {
  const writer = SPEAKS_AS.find(([name]) => name === from)?.[1] ?? from;
  rows ??= Map.groupBy(table.entries, ({ on, key }) => `${on} ${key}`);
  return rows
    .get(`${on} ${key}`)
    ?.map(row => PlatformWord.parse(row))
    .find(
      row =>
        (row.value === undefined || row.value === value) &&
        (row.from === undefined || writer?.startsWith(row.from) === true),
    );
}
