import type { Blame, Confidence } from '../contract/finding.ts';

/** `4 minutes`, `2 hours`, `21 days`: one unit, as a person says it. */
export function roughly(ms: number): string {
  const seconds = Math.max(0, ms / 1_000);
  if (seconds < 90) return counted(Math.round(seconds), 'second');
  const minutes = seconds / 60;
  if (minutes < 90) return counted(Math.round(minutes), 'minute');
  const hours = minutes / 60;
  return hours < 48 ? counted(Math.round(hours), 'hour') : counted(Math.round(hours / 24), 'day');
}

/** `1 pod`, `2 pods`; the number and its noun stay on one line. */
export const counted = (count: number, noun: string, many = `${noun}s`): string =>
  `${count}\u00a0${count === 1 ? noun : many}`;

/** `12:00:00 UTC`, with the day where it is not that of now. */
export function clockTime(time: string, now: string): string {
  const [day = '', clock = ''] = time.split('T');
  const hours = clock.replace(/(?:\.\d+)?Z$/, '');
  return now.startsWith(day) ? hours : `${day} ${hours}`;
}

/** `11:55:58.4`: to the tenth of a second, for what follows one another. */
export function stepTime(time: string, now: string): string {
  const tenth = /\.(\d)/.exec(time)?.[1];
  return `${clockTime(time, now)}${tenth === undefined ? '' : `.${tenth}`}`;
}

const FAULTS: Readonly<Record<Blame, string>> = {
  hardware: 'Hardware fault',
  driver: 'Driver fault',
  application: 'Fault of the application',
  fabric: 'Fabric fault',
  host: 'Fault of the host',
  configuration: 'Configuration fault',
  unknown: 'Cause not known',
};

export const faultWords = (blame: Blame, confidence: Confidence): string =>
  `${FAULTS[blame]}, ${confidence} confidence`;

/** Our own words as a sentence: a capital, unless a name comes first, and one full stop. */
export function sentence(words: string): string {
  const begun = /^[a-z]+(?:[ ,:;-]|\.?$)/.test(words)
    ? words.slice(0, 1).toUpperCase() + words.slice(1)
    : words;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** `0-2, 4-7` of whole numbers. */
export function rangesText(numbers: readonly number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const runs: { from: number; to: number }[] = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last && number === last.to + 1) last.to = number;
    else runs.push({ from: number, to: number });
  }
  return runs
    .map(({ from, to }) =>
      from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from}-${to}`,
    )
    .join(', ');
}

/** Whether a sentence says nothing that a headline beside it does not say. */
export function isToldBy(headline: string, words: string): boolean {
  const told = new Set(wordsIn(headline));
  return wordsIn(words).every(word => told.has(word));
}

const wordsIn = (text: string): readonly string[] =>
  text.toLowerCase().match(/[\p{L}\p{N}%°.:/_-]*[\p{L}\p{N}%°]/gu) ?? [];

/** What an answer took of the API server. */
export const costText = ({
  requests,
  bytes,
}: {
  readonly requests: number;
  readonly bytes: number;
}): string => `${counted(requests, 'request')}, ${counted(bytes, 'byte')}`;
