import { type Recorded, recorded } from '../../contract/finding.ts';
import { durationText } from '../../contract/time.ts';

export const GIB = 1024 ** 3;

/** `2026-11-23T08:20:43Z, 4 min 12 s ago`. */
export function when(time: string | undefined | null, nowMs: number): string | undefined {
  if (time === undefined || time === null) return undefined;
  const age = nowMs - Date.parse(time);
  return age < 2_000 ? time : `${time}, ${durationText(age)} ago`;
}

/** The same of what was recorded several times: from when to when, and how long ago the last was. */
export function whenRecorded(evidence: Recorded, nowMs: number): string | undefined {
  const times = recorded(evidence);
  if (times === undefined) return undefined;
  const age = nowMs - Date.parse(evidence.lastTime ?? evidence.time ?? '');
  return age < 2_000 ? times : `${times}, ${durationText(age)} ago`;
}

/** `12.5 GiB`, `640 MiB`. */
export const bytesText = (bytes: number): string =>
  bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;

/** `1 pod`, `2 pods`. */
export const plural = (amount: number, one: string, many = `${one}s`): string =>
  `${amount} ${amount === 1 ? one : many}`;
