import {
  causesOf,
  endingOf,
  inOrder,
  type Moment,
  type Occurrence,
  withoutWeak,
} from './ending.ts';
import { passesOn } from './failure-forms.ts';
import { withCause } from './last-resort.ts';
import type { Line } from './log-lines.ts';
import type { ProgressCount } from './progress.ts';

const MAY_START_ANEW = /restart|attempt|reset workers|checkpoint|RESCHEDULING/i;
/** `WARNING: `, `2024-05-01 10:00:00,123 INFO `, `[launcher] `: what a wrapper's logger puts before its words. */
const LOGGED =
  /^[\d\s:.,TZ-]{0,32}(?:\[[\w .:-]{1,60}\] ?){0,2}(?:(?:INFO|NOTICE|WARN|WARNING|ERROR)\b[\s:-]{0,4})?\W{0,12}/;
const RUN =
  '(?:the )?(?:training|job|run|program|script|container|worker group|all workers|workers)';
const NUMBER = 'attempt\\s?[#:]?\\s?(?:[2-9]|\\d\\d)';
const wrapped = (words: string) => new RegExp(`${LOGGED.source}(?:${words})\\W{0,12}$`);

/**
 * What whoever starts the job says as it starts it once more, to the word: that an attempt has failed, that none is
 * left, how often one may, and what a program tries again is no start. Kubernetes itself writes none into a
 * container's log; whoever follows its events may.
 */
const STARTS_ANEW = new RegExp(
  [
    // torch/distributed/elastic/agent/server/api.py, and the same agent of DeepSpeed and DLRover; what it tells of the rendezvous.
    /\b[1-9]\d{0,5}\/\d{1,6} attempts left;\s+will restart worker group\b|\bnew nodes from group_rank=\d{1,6}; will restart worker group\b/,
    /^\s{0,8}restart_count=[1-9]\d{0,5}\s*$/,
    // NVIDIA/nvidia-resiliency-ext, fault_tolerance/launcher.py.
    /\b[1-9]\d{0,5}\/\d{1,6} restart attempts left; restarting worker group\b/,
    // Ray Train, v2/_internal/state/state_manager.py; before it Tune, of the trial that it is.
    /\[State Transition\] [A-Z]{3,20} -> (?:RESTARTING|RESCHEDULING)\b|^Restored on \S{1,128} from checkpoint: Checkpoint\(/,
    // horovod/runner/elastic/registration.py.
    /(?:^|[\s:])reset workers: \d{1,6}\s*$/,
    // kubernetes/pkg/kubelet: kuberuntime_manager.go, kuberuntime_container.go.
    /\bBack-off restarting failed container\b|\bContainer \S{1,63} failed (?:liveness|startup) probe, will be restarted\b/,
    wrapped(
      `(?:(?:re)?(?:start|launch|run)ing|resuming|retrying)(?: ${RUN})?[,:]? ?\\(?${NUMBER}(?: ?(?:of|\\/) ?\\d{1,3})?`,
    ),
    wrapped(
      `(?:re(?:start|launch)ing) ${RUN}(?: after (?:a|the) (?:failure|crash|error)| from (?:the )?(?:last |latest )?checkpoint)?`,
    ),
    wrapped('restart[_ ]count[:=]? ?[1-9]\\d{0,5}'),
    new RegExp(`^[=#*>-]{2,80} ?${NUMBER} ?(?:of|\\/) ?\\d{1,3}\\W{0,80}$`),
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
/** So many steps of any process, an attempt has left behind what ended those before it. */
const WORKED_ON_STEPS = 10;

/**
 * What the last attempt ended with, and behind it the causes of those before it: they ended those, and are a cause
 * of this end only where nothing else can be one, and where no attempt since has worked on.
 */
export function storyOf(
  found: Found,
  end: Moment,
  progress: ProgressCount,
): { readonly told: readonly Occurrence[]; readonly recovered: number } {
  const attempts = attemptsOf(found, end).map(attempt => ({
    ...endOf(attempt, progress),
    worked: hasWorked(attempt, progress),
  }));
  let recovered = attempts.reduce((sum, one) => sum + one.recovered, 0);
  const last = attempts.at(-1)?.told ?? [];
  const hasCause = causesOf(last) > 0;
  const lastWorked = attempts.findLastIndex(({ worked }) => worked);
  const earlier = attempts.slice(0, -1).flatMap(({ told }, index) => {
    const cause = told.find(({ meaning }) => meaning.role === 'cause');
    if (!cause) return [];
    if (hasCause || index >= lastWorked) return asEarlier(cause, hasCause);
    recovered += 1;
    return [];
  });
  return { told: [...last, ...earlier.slice(-EARLIER_ATTEMPTS)], recovered };
}

function hasWorked({ from, end }: Attempt, progress: ProgressCount): boolean {
  const { steps, othersSteps } = progress.between('', from, end.line);
  return steps >= WORKED_ON_STEPS || othersSteps >= WORKED_ON_STEPS;
}

function asEarlier(cause: Occurrence, hasCause: boolean): Occurrence {
  const { meaning } = cause;
  const title = `Earlier attempt: ${meaning.title}`.slice(0, 90);
  return hasCause
    ? { ...cause, meaning: { ...meaning, title, role: 'report' } }
    : { ...cause, meaning: { ...meaning, title }, lastResort: true };
}

interface Attempt extends Omit<Found, 'restarts'> {
  /** The line of its start. */
  readonly from: number;
  readonly end: Moment;
}

/** A start after which nothing more is told of a failure ended nothing. */
function attemptsOf({ restarts, ...found }: Found, end: Moment): readonly Attempt[] {
  const lastLine = Math.max(...Object.values(found).map(all => all.at(-1)?.line ?? 0));
  const ends = [...restarts.filter(({ line }) => line < lastLine), end];
  const parts = {
    occurrences: partsOf(found.occurrences, ends),
    failures: partsOf(found.failures, ends),
    givenUp: partsOf(found.givenUp, ends),
  };
  return ends.map((until, index) => ({
    from: ends[index - 1]?.line ?? 0,
    end: until,
    occurrences: parts.occurrences[index] ?? [],
    failures: parts.failures[index] ?? [],
    givenUp: parts.givenUp[index] ?? [],
  }));
}

/** What lies up to each of the ends and behind the one before, in one pass: all come in order. */
function partsOf(all: readonly Occurrence[], ends: readonly Moment[]): readonly Occurrence[][] {
  let next = 0;
  return ends.map(({ line }) => {
    const from = next;
    while (next < all.length && (all[next]?.line ?? 0) <= line) next += 1;
    return all.slice(from, next);
  });
}

function endOf({ occurrences, failures, givenUp, end }: Attempt, progress: ProgressCount) {
  const ending = endingOf(occurrences, end, progress);
  const ordered = withoutWeak(inOrder(ending), end);
  const other = ending.findLast(({ meaning }) => meaning.role !== 'cause');
  const hasReason = failures.some(({ text }) => !passesOn(text));
  const said = hasReason ? failures : [...givenUp, ...failures].toSorted((a, b) => a.line - b.line);
  const last = endingOf(said, other ? { ...end, meaning: other.meaning } : end, progress);
  const recovered = causesOf(occurrences) - causesOf(ending);
  return { told: withCause(ordered, last), recovered };
}

/* What a program was refused at first and got, by itself or from whoever places it: it ended nothing. */

/** What it may ask for less of: memory of a GPU, or of the machine. */
const OF_MEMORY = /^(?:gpu-memory|host-memory|cuda-2)$/;
const OUT_OF_MEMORY = /\bout[ _-]of[ _-](?:\w+ )?memory\b|\boom\b/i;
/** It goes on with less, or with the next of what it tries out. */
const SMALLER = new RegExp(
  [
    /(?<!\b(?:try|consider|suggest|recommend|by|or|and|please|needs?|means|of|for) )\b(?:decreasing|reducing|lowering|halving|shrinking|splitting|retrying|trying|falling back|switching|using|(?:is |was |has been )?(?:decreased|reduced|lowered|halved|split))\b.{0,60}\b(?:batch(?:[ _]?size)?|mbs|micro[- ]?batch|til(?:e|ed|es|ing)|chunks?|resolution|max_bin|blocks?|sequence|workspace|crop|beam|smaller|less|fewer)\b/,
    /\b(?:retrying|trying) (?:with |again with )?\d/,
    /\b(?:next|another) (?:trial|candidate|config(?:uration)?|experiment|exp)\b/,
    /^\W{0,4}(?:\[?autotun\w{1,4}\]?|trial|exp(?:eriment)?|candidate|config)\b.{0,60}\b(?:finished|succeeded|completed?|best|starting|running|ok)\b/,
    /\b(?:best|optimal|found|selected|chosen|determined|largest)\b.{0,40}\b(?:batch(?:[ _]?size)?|config(?:uration)?|mbs)\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
const SMALLER_WITHIN_LINES = 4;
/** It has no less to try. */
const NO_LESS =
  /\b(?:giving up|gave up|no (?:executable|more|smaller)|cannot (?:be )?(?:reduce|decrease|lower)|reached (?:zero|the minimum)|batch size (?:of |is )?[01]\b(?! ?\.))/i;

/** Who places a job has no place for it yet. */
const WAITS_FOR_PLACE = new RegExp(
  [
    /\b(?:cannot|can't|could not|can not) be (?:scheduled|placed|satisfied|fulfilled|started)\b/,
    /\b(?:pending|queued|idle|suspended|not running|waits?|waiting|blocked|held)\b.{0,120}\b(?:insufficient|resources?|quota|capacity|nodes?|gpus?|slots?|machines?|licen[cs]es?|requirements|request|priority|dispatch)\b/,
    /\b(?:insufficient|resources?|quota|capacity|nodes?|gpus?|slots?|machines?|worker|licen[cs]es?)\b.{0,120}\b(?:pending|queued|idle|suspended|waits?|waiting|blocked)\b/,
    /\b\d+\/\d+ nodes are available\b|\bno (?:node|machine|worker|host|slot)s? (?:is |are )?(?:available|free|matches)\b|\bhas not accepted any resources\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** It has got one. */
const PLACED =
  /\b(?:has been |was |were |is |are )?(?:allocated|granted|admitted|assigned|scheduled|provisioned|dispatched|placed)\b(?! (?:memory|yet))|\bresized to \d|\bplacement group (?:\w+ )?(?:created|ready)\b|<<starting on \S|\bjob (?:run|executing|started|begins?)\b|\bstarting task \d|\bregister(?:ed)? worker\b|\b(?:nodes?|workers?|instances?) (?:are |is |have |has )?(?:ready|joined|created|up|started)\b|\b(?:training|job) (?:has )?(?:started|begins?|starting)\b/i;
const NOT_YET = /\b(?:not|cannot|can't|never|no|fail\w*|until|waiting|once|when|if)\b/i;

/** Something is said after it that is no failure. */
const goesOn = ({ level, text }: Line): boolean =>
  level !== 'error' && /[a-z]{2}/i.test(text) && !OUT_OF_MEMORY.test(text);

/** What of one log comes after a refusal. */
class Aftermath {
  readonly #lines: readonly Line[];
  readonly #progress: ProgressCount;
  #lastPlaced: number | undefined;
  #lastNoLess: number | undefined;

  constructor(lines: readonly Line[], progress: ProgressCount) {
    this.#lines = lines;
    this.#progress = progress;
  }

  /** It went on with less. */
  isTriedSmaller({ line, text, meaning }: Occurrence): boolean {
    if (!OF_MEMORY.test(meaning.id) && !OUT_OF_MEMORY.test(text)) return false;
    const at = this.#lines
      .slice(line - 1, line + SMALLER_WITHIN_LINES)
      .findIndex(one => SMALLER.test(one.text) && !NO_LESS.test(one.text));
    if (at < 0 || !this.#lines.slice(line + at).some(goesOn)) return false;
    this.#lastNoLess ??= this.#lines.findLastIndex(one => NO_LESS.test(one.text));
    return this.#lastNoLess < line - 1;
  }

  /** It got the place that it waited for. */
  isPlaced({ line, text, meaning }: Occurrence): boolean {
    if (/^(?:hardware|driver)$/.test(meaning.layer) || !WAITS_FOR_PLACE.test(text)) return false;
    const { steps, othersSteps } = this.#progress.between('', line, Number.POSITIVE_INFINITY);
    this.#lastPlaced ??= this.#lines.findLastIndex(
      one => PLACED.test(one.text) && !NOT_YET.test(one.text),
    );
    return steps + othersSteps > 0 || this.#lastPlaced >= line;
  }
}

/** Those that may have ended something, without what was got in the end. */
export function withoutGot(
  found: readonly Occurrence[],
  lines: readonly Line[],
  progress: ProgressCount,
): readonly Occurrence[] {
  const after = new Aftermath(lines, progress);
  return found.filter(
    one => one.meaning.role !== 'cause' || !(after.isTriedSmaller(one) || after.isPlaced(one)),
  );
}
