import * as z from 'zod';
import type { Line } from '../../contract/answer.ts';
import { Coverage } from '../../contract/coverage.ts';
import { durationText } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { unlisted } from '../head.ts';

/** What a negative statement about the kernel log rests on. */
export const Searched = z.strictObject({
  since: z.string(),
  until: z.string().optional(),
  kernelLog: z.array(Coverage.meta({ listedKeys: ['source', 'available', 'from', 'lost'] })),
  /** Where it was looked for who had a GPU at the time of its events; absent where none asked. */
  pods: z.array(unlisted(Coverage)).optional(),
});

/** What was searched: a line a source for the events, and one line for their pods. */
export function searchedLines(searched: z.infer<typeof Searched>, nowMs: number): Line[] {
  // Most nodes have one of the places where the kubelet's and the runtime's lines may be.
  const places = (searched.pods ?? []).filter(({ unavailable }) => unavailable !== 'not_found');
  const pods = searched.pods && (places.length > 0 ? coverageLines(places, nowMs) : ['nowhere']);
  return [
    ...searchedLog(searched.kernelLog, nowMs),
    ...(pods ? [detail(`searched for pods: ${pods.join(' | ')}`)] : []),
  ];
}

/** What was searched for events: a line a source. */
export const searchedLog = (coverage: readonly Coverage[], nowMs: number): Line[] =>
  coverageLines(coverage, nowMs).map(text => detail(`searched ${text}`));

/** How much of the driver could be read. */
export const readLine = (readings: { readonly got: number; readonly tried: number }): Line =>
  detail(`read ${readings.got} of ${readings.tried} driver readings`);

const detail = (text: string): Line => ({ kind: 'detail', text });

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
      source.lost > 0 ? `${source.lost} records lost` : '',
      source.malformed > 0 ? `${source.malformed} malformed` : '',
      source.untrusted > 0 ? `${source.untrusted} not from the kernel, ignored` : '',
      ...source.notes,
    ].filter(text => text !== '');
    return `${source.source}: ${source.records} records, ${span}${flaws.length > 0 ? `; ${flaws.join('; ')}` : ''}`;
  });

/** The part of `searched` that tells where the pods of events were looked for. */
export const searchedPods = ({ history }: NodeFacts): Pick<z.infer<typeof Searched>, 'pods'> =>
  history ? { pods: [...history.coverage] } : {};

/** What a negative statement rests on, in half a sentence: `in 4120 records since 2026-...`. */
export function searchedText(coverage: readonly Coverage[]): string {
  const read = coverage.filter(source => source.available);
  if (read.length === 0) return 'but no kernel log could be read: this is no all-clear';
  const records = read.reduce((sum, source) => sum + source.records, 0);
  const from = read
    .flatMap(source => source.from ?? [])
    .toSorted()
    .at(0);
  const lost = read.reduce((sum, source) => sum + source.lost, 0);
  return `in ${records} records of ${read.map(source => source.source).join(', ')}${from ? ` since ${from}` : ''}${lost > 0 ? `, ${lost} records were lost` : ''}`;
}
