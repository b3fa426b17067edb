import * as z from 'zod';
import type { Line } from '../../contract/answer.ts';
import { Coverage } from '../../contract/coverage.ts';
import { optional } from '../../contract/optional.ts';
import { durationText, isoTime } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { ReadingCount } from '../../findings/support/readings.ts';
import { unlisted } from '../head.ts';
import { plural } from './wording.ts';

/** What a negative statement about the kernel log rests on. */
export const Searched = z.strictObject({
  since: z.string(),
  until: z.string().optional(),
  /** From when on lines decided, whatever part of the log is shown. */
  judgedSince: z.string().optional(),
  kernelLog: z.array(Coverage.meta({ listedKeys: ['source', 'available', 'from', 'lost'] })),
  /** Where it was looked for who had a GPU at the time of its events; absent where none asked. */
  pods: z.array(unlisted(Coverage)).optional(),
});

/** What was searched: a line a source for the events, and one line for their pods. */
export function searchedLines(searched: z.infer<typeof Searched>, nowMs: number): Line[] {
  // Most nodes have one of the places where the kubelet's and the runtime's lines may be.
  const places = (searched.pods ?? []).filter(({ unavailable }) => unavailable !== 'not_found');
  const pods = searched.pods && (places.length > 0 ? coverageLines(places, nowMs) : ['nowhere']);
  const { since, judgedSince = since } = searched;
  return [
    ...(judgedSince === since ? [] : [detail(`judged by lines since ${judgedSince}`)]),
    ...searchedLog(searched.kernelLog, nowMs),
    ...(pods ? [detail(`searched for pods: ${pods.join(' | ')}`)] : []),
  ];
}

/** What was searched for events: a line a source. */
export const searchedLog = (coverage: readonly Coverage[], nowMs: number): Line[] =>
  coverageLines(coverage, nowMs).map(text => detail(`searched ${text}`));

/** Answers of earlier readings; absent where all was asked for now. */
export const Kept = z.array(unlisted(z.strictObject({ what: z.string(), readAt: z.string() })));

/** How much of the driver could be read, and which answers are older than this reading. */
export const Readings = unlisted(
  z.strictObject({
    tried: z.int(),
    got: z.int(),
    kept: Kept.exactOptional(),
  }),
);
type Readings = z.infer<typeof Readings>;

export const readingsOf = (facts: NodeFacts, count: ReadingCount): Readings => ({
  ...count,
  ...keptOf(facts),
});

export const keptOf = ({ driver }: NodeFacts): { readonly kept?: z.infer<typeof Kept> } =>
  optional({
    kept: driver.kept?.map(({ what, readAtMs }) => ({ what, readAt: isoTime(readAtMs) })),
  });

export const readLine = ({ got, tried }: Readings): Line =>
  detail(`read ${got} of ${tried} driver readings`);

/** A line for each answer of an earlier reading. */
export const keptLines = (kept: z.infer<typeof Kept> | undefined, nowMs: number) =>
  (kept ?? []).map(({ what, readAt }) =>
    detail(`kept from ${readAt} (${durationText(nowMs - Date.parse(readAt))} before): ${what}`),
  );

const detail = (text: string) => ({ kind: 'detail', text }) as const;

/** One line a source: what was searched, how far back, what is missing from it. Few nodes have all. */
export function coverageLines(coverage: readonly Coverage[], nowMs: number): string[] {
  const absent = coverage.filter(({ unavailable }) => unavailable === 'not_found');
  const names = absent.map(({ source }) => source).join(', ');
  return [
    ...sourceLines(
      coverage.filter(source => !absent.includes(source)),
      nowMs,
    ),
    ...(absent.length > 0 ? [`and not there: ${names}`] : []),
  ];
}

const sourceLines = (coverage: readonly Coverage[], nowMs: number): string[] =>
  coverage.map(source => {
    if (!source.available) return `${source.source}: not read (${source.unavailable ?? 'unknown'})`;
    const span =
      source.from === undefined
        ? 'no times'
        : `from ${source.from} (${durationText(nowMs - Date.parse(source.from))} back)`;
    const flaws = [
      source.lost > 0 ? `${plural(source.lost, 'record')} lost` : '',
      source.malformed > 0 ? `${source.malformed} malformed` : '',
      source.untrusted > 0 ? `${source.untrusted} not from the kernel, ignored` : '',
      ...(source.unread ?? []).map(
        ({ reason, count }) => `${count} like an XID not read: ${reason}`,
      ),
      ...source.notes,
    ].filter(text => text !== '');
    return `${source.source}: ${plural(source.records, 'record')}, ${span}${flaws.length > 0 ? `; ${flaws.join('; ')}` : ''}`;
  });

/** The part of `searched` that tells where the pods of events were looked for. */
export const searchedPods = ({ history }: NodeFacts): Pick<z.infer<typeof Searched>, 'pods'> =>
  history ? { pods: [...history.coverage] } : {};

/**
 * What a negative statement rests on, in half a sentence: `in 4120 records of /dev/kmsg since 2026-...`.
 * "Since" is what was asked for; a log that begins later says so.
 */
export function searchedText(coverage: readonly Coverage[], sinceMs?: number): string {
  const read = coverage.filter(source => source.available);
  if (read.length === 0) return 'but no kernel log could be read: this is no all-clear';
  const records = read.reduce((sum, source) => sum + source.records, 0);
  const lost = read.reduce((sum, source) => sum + source.lost, 0);
  const names = read.map(source => source.source).join(', ');
  const unread = unreadText(coverage);
  return `in ${plural(records, 'record')} of ${names}${spanText(read, sinceMs)}${lost > 0 ? `, ${plural(lost, 'record was', 'records were')} lost` : ''}${unread ? `, but ${unread}` : ''}`;
}

/** A log that begins this much later than asked is not said to begin later. */
const BEGINS_MS = 60_000;

function spanText(read: readonly Coverage[], sinceMs: number | undefined): string {
  const from = read.flatMap(source => source.from ?? []).toSorted()[0];
  const to = read
    .flatMap(source => source.to ?? [])
    .toSorted()
    .at(-1);
  if (sinceMs === undefined) return from && to ? ` with times from ${from} to ${to}` : '';
  const isLater = from !== undefined && Date.parse(from) > sinceMs + BEGINS_MS;
  return ` since ${isoTime(sinceMs)}${isLater ? `, which begin at ${from}` : ''}`;
}

/** `3 lines look like XIDs and were not read: ...`; undefined where nothing does. */
export function unreadText(coverage: readonly Coverage[]): string | undefined {
  const places = coverage.flatMap(({ source, unread = [] }) =>
    unread.map(each => ({ ...each, source })),
  );
  const total = places.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  const reasons = places.map(({ reason, count, lines, source }) => {
    const more = count > lines.length ? ', ...' : '';
    return `${count} because ${reason} (${source} ${lines.join(', ')}${more})`;
  });
  const look =
    total === 1 ? '1 line looks like an XID and was' : `${total} lines look like XIDs and were`;
  return `${look} not read: ${reasons.join('; ')}`;
}

/** The same as a sentence of its own, after what was found. */
export function unreadSentence(coverage: readonly Coverage[]): string {
  const text = unreadText(coverage);
  return text === undefined ? '' : ` But ${text}.`;
}
