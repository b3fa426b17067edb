import { plainText } from '../contract/untrusted.ts';
import { firstErrorMeaning } from './by-words.ts';
import type { Occurrence } from './ending.ts';
import { givesUp, isTakenBack, onlyEnds, quits, voiceOf } from './failure-forms.ts';
import { isHarmless, isTriedAgain } from './harmless-lines.ts';
import { allJobTexts, meaningOf } from './job-texts.ts';
import type { Line } from './log-lines.ts';
import { TEXT_CHARACTERS_MAX } from './quote.ts';
import { withoutQuoted } from './quoted.ts';

/** What a program says as it gives up, where nothing else of its log tells why. */

/** So many lines below, another says the same again, or says more. */
export const BELOW_LINES = 2;

export type Place = Omit<Occurrence, 'meaning' | 'text'>;

/** Who says why in lines below is judged by them, too, and quoted from its own. */
export const failureOf = (said: string, place: Place, why = ''): Occurrence => ({
  ...{ ...place, meaning: firstErrorMeaning(`${said} ${why}`.trimEnd()), lastResort: true },
  text: plainText(said, TEXT_CHARACTERS_MAX),
});

const ownWords = (line: Line | undefined): Line | undefined =>
  line && { ...line, text: withoutQuoted(line) };

/** What is a cause though it is logged as no more than a note. */
const SAID_QUIETLY = /^(?:no-accelerator|preempted)$/;

/** It may try once more, but not before all its patience was at an end. */
const WAITED = /\btimed out after \d/;

/** What a program that nobody knows says last; of what it only complains of, the first in the loudest voice. */
export function lastWords(lines: readonly Line[], places: readonly Place[]): readonly Occurrence[] {
  const said = givenUpIn(lines, places);
  if (!said.every(({ text }) => onlyEnds(text))) return said;
  const complaints = places.flatMap(place => {
    const line = ownWords(lines[place.line - 1]);
    const below = lines.slice(place.line, place.line + BELOW_LINES).map(({ text }) => text);
    const voice = line && !isTriedAgain(line.text, below) ? voiceOf(line) : undefined;
    const said = line && voice !== undefined ? failureOf(line.text, place) : undefined;
    const isHeard = said && (tellsWhose(said) || isLast(place, places));
    return said && voice !== undefined && isHeard ? { voice, said } : [];
  });
  const loudest = Math.max(...complaints.map(({ voice }) => voice));
  const heard = complaints.filter(({ voice }) => voice === loudest).map(one => one.said);
  const begin = said[0]?.line ?? Number.POSITIVE_INFINITY;
  const before = heard.filter(({ line }) => line < begin);
  if (said.length > 0) return before.length > 0 ? before : said;
  return heard.length > 0 ? heard : stillTried(lines, places);
}

/** What is nobody's by its words, a program may say of its work. */
const tellsWhose = ({ meaning: { layer, action } }: Occurrence): boolean =>
  layer !== 'unknown' && (layer !== 'application' || action !== 'watch');

/** So few ordinary lines behind it, a line is among the last. */
const LAST_LINES = 2;
const isLast = ({ ordinary }: Place, places: readonly Place[]): boolean =>
  (places.at(-1)?.ordinary ?? 0) - ordinary <= LAST_LINES;

/** So often it has to have tried. */
const TRIES = 3;

/** What it tried again and again as its log ended. */
const stillTried = (lines: readonly Line[], places: readonly Place[]): readonly Occurrence[] => {
  const last = places.at(-1);
  const tried = places.filter(({ line }) => isTriedAgain(lines[line - 1]?.text ?? '', []));
  if (!last || !tried.includes(last) || tried.length < TRIES) return [];
  return tried.flatMap(place => {
    const text = lines[place.line - 1]?.text ?? '';
    const failed = failureOf(text, place);
    return failed.meaning.layer === 'fabric' ? failed : [];
  });
};

/** What a program says as it gives up, and what kept it from its peer while it still tried. */
const givenUpIn = (lines: readonly Line[], places: readonly Place[]): Occurrence[] =>
  places.flatMap(place => {
    const line = ownWords(lines[place.line - 1]);
    const below = lines.slice(place.line, place.line + BELOW_LINES).map(({ text }) => text);
    if (!line || isTriedAgain(line.text, [])) return [];
    const told = givesUp(line) ? undefined : meaningOf(line.text);
    if (line.level === 'error' && told?.layer === 'fabric' && WAITED.test(line.text)) {
      return { ...failureOf(line.text, place), meaning: { ...told, role: 'cause' } };
    }
    if (isTriedAgain(line.text, below)) return [];
    if (givesUp(line)) return failureOf(line.text, place);
    const isTold =
      line.level === 'warning' || (line.level === 'quiet' && SAID_QUIETLY.test(told?.id ?? ''));
    const warned = isTold ? told : undefined;
    if (warned?.role !== 'cause' || isHarmless(line.text)) return [];
    return { ...failureOf(line.text, place), meaning: warned };
  });

/** It failed to make something, and says no more. */
const SAYS_NO_MORE =
  /\b(?:failed to|could not|couldn't|unable to|cannot) (?:create|initiali[sz]e|start|load|open|build|make|set ?up|construct|instantiate|launch)\b[^:]{0,80}$|\b(?:creation|initiali[sz]ation|set ?up|start-?up) (?:has )?failed\W*$/i;
const WARNS_OF =
  /\bno such \w|\b(?:cannot|could not|couldn't|failed to|unable to) (?:open|load|find|locate|dlopen|import|connect|reach|resolve|access|allocate)\b|\bnot (?:found|available|supported|permitted|installed)\b|\b(?:denied|refused|missing|incompatible|mismatch)\b/i;
const WARNED_WITHIN_LINES = 4;

/** What was warned of right before the first failure, where that says no more than that something failed. */
export function withWarning(
  lines: readonly Line[],
  failures: readonly Occurrence[],
): readonly Occurrence[] {
  const [first] = failures;
  if (!first || !SAYS_NO_MORE.test(first.text)) return failures;
  const from = Math.max(0, first.line - 1 - WARNED_WITHIN_LINES);
  const above = lines.slice(from, first.line - 1).flatMap((line, at) => {
    const own = ownWords(line);
    if (own?.level !== 'warning' || !WARNS_OF.test(own.text) || isHarmless(own.text)) return [];
    if (isTriedAgain(own.text, [])) return [];
    const said = failureOf(own.text, { ...first, line: from + at + 1 });
    return /^(?:configuration|host|fabric)$/.test(said.meaning.layer) ? said : [];
  });
  return [...above.slice(-1), ...failures];
}

/** What a process only warns of, and has no more of as it ends. */
const RAN_OUT =
  /^(?:gpu-memory|host-memory|shared-memory|disk-full|open-files|process-limit|cuda-2)$/;

/** Who says that it gives up, or that its machine is taken back, before others tell that somebody has gone. */
export const quitting = (lines: readonly Line[], places: readonly Place[]): Occurrence[] =>
  places.flatMap(place => {
    const line = ownWords(lines[place.line - 1]);
    if (!line) return [];
    if (quits(line)) return failureOf(line.text, place);
    const warned =
      line.level === 'warning' && !isTriedAgain(line.text, []) ? meaningOf(line.text) : undefined;
    if (warned && RAN_OUT.test(warned.id))
      return { ...failureOf(line.text, place), meaning: { ...warned, role: 'cause' } };
    const meaning = isTakenBack(line) && allJobTexts().find(({ id }) => id === 'preempted');
    return meaning ? { ...failureOf(line.text, place), meaning } : [];
  });
