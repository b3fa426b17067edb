import {
  causesOf,
  endingOf,
  inOrder,
  type Moment,
  type Occurrence,
  withCause,
  withoutWeak,
} from './ending.ts';
import type { ProgressCount } from './progress.ts';

const MAY_START_ANEW = /restart|attempt/i;
/**
 * What whoever starts the job says as it starts it once more: torchrun (elastic/agent/server/api.py, and the
 * restart_count of its rendezvous), wrappers with a number of attempts. What a program tries again, as a
 * download, is none.
 */
const STARTS_ANEW = new RegExp(
  [
    /\brestart attempts left\b|\brestarting (?:the )?(?:worker group|workers|training|job|container|processes|program|script|run)\b/,
    /\brestart[_ ]?count["']?\s?[:=]\s?[1-9]|\bcontainer (?:was |has been )?restarted\b/,
    /\b(?:start|launch|run|resum|relaunch|restart|train)\w{0,6}\b.{0,40}\battempt\s?[#:]?\s?(?:[2-9]|\d\d)\b|^\W{0,8}attempt\s?[#:]?\s?(?:[2-9]|\d\d)\b(?! failed)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
export const startsAnew = (text: string): boolean =>
  MAY_START_ANEW.test(text) && STARTS_ANEW.test(text);

/** What was found in a log, in the order of its lines. */
export interface Found {
  /** Lines with a meaning. */
  readonly occurrences: readonly Occurrence[];
  /** Lines that only look like a failure. */
  readonly failures: readonly Occurrence[];
  /** What a process said as it gave up, before others told of it and as the log ended. */
  readonly givenUp: readonly Occurrence[];
  /** Where the job was started once more. */
  readonly restarts: readonly Moment[];
}

/** Of so many attempts before the last it is told what ended them. */
const EARLIER_ATTEMPTS = 2;

/**
 * What the last attempt ended with, and behind it the causes of those before it: they ended those, and are a cause
 * of this end only where nothing else can be one.
 */
export function storyOf(
  found: Found,
  end: Moment,
  progress: ProgressCount,
): { readonly told: readonly Occurrence[]; readonly recovered: number } {
  const attempts = attemptsOf(found, end).map(attempt => endOf(attempt, progress));
  const recovered = attempts.reduce((sum, one) => sum + one.recovered, 0);
  const last = attempts.pop()?.told ?? [];
  const hasCause = causesOf(last) > 0;
  const earlier = attempts.slice(-EARLIER_ATTEMPTS).flatMap(({ told }) => {
    const cause = told.find(({ meaning }) => meaning.role === 'cause');
    return cause ? asEarlier(cause, hasCause) : [];
  });
  return { told: [...last, ...earlier], recovered };
}

function asEarlier(cause: Occurrence, hasCause: boolean): Occurrence {
  const { meaning } = cause;
  const title = `Earlier attempt: ${meaning.title}`.slice(0, 90);
  return hasCause
    ? { ...cause, meaning: { ...meaning, title, role: 'report' } }
    : { ...cause, meaning: { ...meaning, title }, lastResort: true };
}

interface Attempt extends Omit<Found, 'restarts'> {
  readonly end: Moment;
}

/** A start after which nothing more is told of a failure ended nothing. */
function attemptsOf({ restarts, ...found }: Found, end: Moment): readonly Attempt[] {
  const lastLine = Math.max(...Object.values(found).map(all => all.at(-1)?.line ?? 0));
  const ends = [...restarts.filter(({ line }) => line < lastLine), end];
  return ends.map((until, index) => {
    const from = ends[index - 1]?.line ?? 0;
    const within = (all: readonly Occurrence[]) =>
      all.filter(({ line }) => line > from && line <= until.line);
    return {
      end: until,
      occurrences: within(found.occurrences),
      failures: within(found.failures),
      givenUp: within(found.givenUp),
    };
  });
}

function endOf({ occurrences, failures, givenUp, end }: Attempt, progress: ProgressCount) {
  const ending = endingOf(occurrences, end, progress);
  const ordered = withoutWeak(inOrder(ending), end);
  const other = ending.findLast(({ meaning }) => meaning.role !== 'cause');
  const said = failures.length > 0 ? failures : givenUp;
  const last = endingOf(said, other ? { ...end, meaning: other.meaning } : end, progress);
  const recovered = causesOf(occurrences) - causesOf(ending);
  return { told: withCause(ordered, last), recovered };
}
