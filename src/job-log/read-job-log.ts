import type { JobLog, JobLogEntry } from '../contract/job-log.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { type Found, startsAnew, storyOf } from './attempts.ts';
import { exceptionMeaning, ofItsWords, ownFailure, waitedInVain } from './by-words.ts';
import { collectiveWaitOf } from './collective-wait.ts';
import { type Occurrence, withoutBanner, withRole } from './ending.ts';
import { isNested, looksFailed, MAY_FAIL, MAY_REPORT, passesOn, quits } from './failure-forms.ts';
import { isTriedAgain, tellsOfNone, weaknessOf } from './harmless-lines.ts';
import { CHAIN_LINES, causedBy, headed, headsTraceback, saysBelow } from './headings.ts';
import {
  withBoxes,
  withCommandOutput,
  withErrorStacks,
  withHelpBlocks,
  withLoggedStacks,
} from './help-blocks.ts';
import { type Meaning, mayReport, meaningOf } from './job-texts.ts';
import { ofStack, withoutProbes, withoutWeakProbes } from './last-resort.ts';
import {
  BELOW_LINES,
  failureOf,
  lastWords,
  type Place,
  quitting,
  withAbove,
  withForerunner,
  withWarning,
} from './last-words.ts';
import { type Line, linesOf } from './log-lines.ts';
import { addressesOf, podWordsOf, whoseWords } from './of-pods.ts';
import { ProgressCount } from './progress.ts';
import { quoteOf, TEXT_CHARACTERS_MAX } from './quote.ts';
import { withoutQuestions, withoutQuoted } from './quoted.ts';
import { rankDevicesOf } from './rank-devices.ts';
import { withoutGot } from './recovered.ts';
import { reportOf } from './reports.ts';
import { saidXidsOf } from './said-xids.ts';
import { withoutSecrets } from './secrets.ts';
import { frameBelow, Tracebacks } from './tracebacks.ts';

const ENTRIES_MAX = 12;
const RANKS_MAX = 64;

/** A text as the API server sent it, and how it was asked for. */
interface FetchedLog
  extends Pick<JobLog, 'container' | 'previous' | 'requests' | 'bytes' | 'newestUnread'> {
  /** Each line behind its RFC 3339 time where the kubelet was asked for that. */
  readonly text: string;
  readonly cut: boolean;
}

/**
 * What a container's log says of how its program ended: causes, consequences and reports in the order
 * in which they began. A cause after which the program went on is counted and left out. Pure.
 */
export function readJobLog({ text, cut, ...fetched }: FetchedLog): JobLog {
  const { lines: written, unreadCharacters } = linesOf(text);
  const own = withCommandOutput(withoutQuestions(written));
  const lines = withLoggedStacks(withErrorStacks(withBoxes(withHelpBlocks(own))));
  const { found, ordinary, progress, got } = foundIn(lines);
  const from = lines.find(({ at }) => at !== undefined)?.at;
  const to = lines.findLast(({ at }) => at !== undefined)?.at;
  const end = { ordinary, at: to, line: Number.POSITIVE_INFINITY };
  const story = storyOf(found, end, progress);
  const passed = withoutPassed(withForerunner(story.told, lines, progress), lines, progress);
  const told = ofStack(passed, lines);
  const began = told.find(({ meaning }) => meaning.role !== 'report') ?? told[0];
  const beganAt = began?.line ?? Number.POSITIVE_INFINITY;
  return {
    ...fetched,
    lines: text === '' ? 0 : (lines.at(-1)?.number ?? 0),
    ...optional({ from, to }),
    cut,
    unreadCharacters,
    ...optional({
      last: said(lines.findLast(({ text: one }) => one.trim() !== '')),
      done: said(lines[(progress.doneBefore(beganAt) ?? 0) - 1]),
      doneAfter: said(lines[(progress.doneAfter(beganAt) ?? 0) - 1]),
    }),
    entries: merged(told, lines).slice(0, ENTRIES_MAX),
    recovered: story.recovered + got,
    ...optional({ wait: collectiveWaitOf(lines), devices: rankDevicesOf(lines) }),
    ...optional({ ofPods: podWordsOf(lines, progress), addresses: addressesOf(lines) }),
    ...optional({ ownRanks: ranksOf(lines), workedAt: lines[(progress.lastStep() ?? 0) - 1]?.at }),
    ...optional({ xids: saidXidsOf(lines) }),
  };
}

function ranksOf(lines: readonly Line[]): readonly number[] | undefined {
  const ranks = [...new Set(lines.flatMap(({ rank }) => rank ?? []))].toSorted((a, b) => a - b);
  return ranks.length === 0 ? undefined : ranks.slice(0, RANKS_MAX);
}

/** What looks like a failure only by its form is told, and ended nothing, where the program says that it has succeeded. */
const SUCCEEDED = /\bsuccess(?:fully|ful)?\b|\bsucceeded\b|^\W*(?:[a-z]{1,20} ){0,2}passed\W*$/i;
function withoutPassed(
  told: readonly Occurrence[],
  lines: readonly Line[],
  progress: ProgressCount,
): readonly Occurrence[] {
  const last = told.findLast(({ meaning }) => meaning.role === 'cause');
  if (!last?.lastResort) return told;
  const done = lines[(progress.doneAfter(last.line) ?? 0) - 1];
  const isWarned = lines[last.line - 1]?.level === 'warning';
  if (!done || !(isWarned || (last.meaning.id === 'first-error' && SUCCEEDED.test(done.text)))) {
    return told;
  }
  return told.map(({ lastResort, ...one }) => (lastResort ? withRole(one, 'report') : one));
}

const said = (line: Line | undefined) =>
  line && {
    text: plainText(withoutSecrets(line.text), TEXT_CHARACTERS_MAX),
    ...optional({ at: line.at }),
  };

/** The line above, over one that is empty. */
const headAbove = (lines: readonly Line[], index: number): string => {
  const above = lines[index - 1]?.text ?? '';
  return above.trim() === '' ? (lines[index - 2]?.text ?? '') : above;
};

const textsOf = (lines: readonly Line[]): readonly string[] => lines.map(({ text }) => text);

/** Within so many ordinary lines of its end, a program says why it gives up. */
const LAST_WORDS_LINES = 16;

/** Most lines stay as they are. */
const withText = (line: Line, text: string): Line =>
  text === line.text ? line : { ...line, text };

/** Lines with a meaning, lines that only look like a failure, and how many other lines there are. */
function foundIn(lines: readonly Line[]) {
  const occurrences: Occurrence[] = [];
  const failures: Occurrence[] = [];
  const restarts: Place[] = [];
  const lastLines: Place[] = [];
  const beforeOthers = new Set<Place>();
  const tracebacks = new Tracebacks();
  const progress = new ProgressCount();
  let ordinary = 0;
  lines.forEach((line, index) => {
    const { stream, at, rank, gpu, level } = line;
    const mayFail = (level === 'quiet' ? MAY_REPORT : MAY_FAIL).test(line.text);
    const text = mayFail ? withoutQuoted(line) : line.text;
    const read = tracebacks.read(withText(line, text));
    if (!read) return;
    const { isFrame, said: words, exception, ends, chain, during } = read;
    const next = () => lines.slice(index + 1, index + 1 + BELOW_LINES);
    const below = (count: number) => textsOf(lines.slice(index + 1, index + 1 + count));
    const own = (mayFail || exception) && meaningOfLine({ ...line, text: words }, exception, next);
    const meaning = own ? headed(own, line, next) : undefined;
    const further = meaning && saysBelow(meaning, line, next) ? 1 : 0;
    const place: Place = { at, line: index + 1 + further, ordinary, stream, rank, gpu };
    if (startsAnew(text)) restarts.push(place);
    if (!meaning) {
      if (line.text.trim() === '') return;
      progress.add(stream, text, index + 1);
      const above = headAbove(lines, index);
      // Without the data that it quotes.
      const isStill = mayFail && (text === line.text || MAY_FAIL.test(text));
      if (isFrame && !isNested(words, above)) return;
      if (
        looksFailed(withText(line, text.trimStart()), above, isStill) &&
        !isTriedAgain(text, textsOf(next())) &&
        !headsTraceback(line, next)
      ) {
        failures.push(failureOf(words, place, causedBy(below(CHAIN_LINES))));
      }
      if (!line.redrawn) ordinary += 1;
      if (!line.redrawn && lastLines.push(place) > LAST_WORDS_LINES) lastLines.shift();
      return;
    }
    if (meaning.role === 'consequence') for (const one of lastLines) beforeOthers.add(one);
    const report = reportOf(meaning.id, lines, index);
    const chained = ends || tracebacks.isChained(stream) ? chain : undefined;
    occurrences.push({
      ...{ ...place, meaning, chain: chained, during },
      rank: report?.rank ?? rank,
      gpu: report?.gpu ?? gpu,
      weak: exception === undefined ? weaknessOf(meaning.id, words) : undefined,
      ...(meaning.id === 'not-finite' && level !== 'error' && isMeasure(words) && LAST_RESORT),
      text: plainText(report?.text ?? words, TEXT_CHARACTERS_MAX),
      summed: report && true,
    });
  });
  const written = { occurrences, failures, restarts, lastLines, beforeOthers: [...beforeOthers] };
  return { ...foundOf(written, lines, progress, ordinary), ordinary, progress };
}

/** The same without what ended nothing, and with the last words of a program that tells nothing else. */
function foundOf(
  written: {
    readonly occurrences: readonly Occurrence[];
    readonly failures: readonly Occurrence[];
    readonly restarts: readonly Place[];
    readonly lastLines: readonly Place[];
    readonly beforeOthers: readonly Place[];
  },
  lines: readonly Line[],
  progress: ProgressCount,
  ordinary: number,
) {
  const { restarts, lastLines, beforeOthers } = written;
  const all = bounded(withoutWeakProbes(written.occurrences, ordinary));
  const occurrences = withoutGot(all, lines, progress);
  const failures = withAbove(lines, withoutGot(written.failures, lines, progress));
  const givenUp = isSilent(occurrences, failures)
    ? withoutBanner(withoutProbes(lastWords(lines, lastLines), ordinary), occurrences)
    : quitting(lines, beforeOthers, progress);
  const found: Found = {
    ...{ occurrences, restarts, givenUp: withoutGot(givenUp, lines, progress) },
    failures: withWarning(lines, withoutMet(withoutProbes(failures, ordinary), lines)),
  };
  return { found, got: all.length - occurrences.length };
}

/** A value of a step that is none ended nothing by itself, where nobody says so. */
const MEASURE =
  /(?:\b|_)(?:loss|norm|gnorm|ppl|perplexity)["']?\s{0,3}[:=]\s{0,3}["']?-?(?:nan|inf)\b/i;
const isMeasure = (text: string): boolean => MEASURE.test(text) && !quits({ level: 'plain', text });
const LAST_RESORT = { lastResort: true } as const;

/** Whether nothing tells why, and its last words have to. */
const isSilent = (occurrences: readonly Occurrence[], failures: readonly Occurrence[]): boolean =>
  occurrences.every(
    ({ meaning, text }) => meaning.role === 'report' || (meaning.id === 'crash' && passesOn(text)),
  ) && failures.every(({ text }) => passesOn(text));

/** NCCL warns of much that it does without: its processes have met all the same. */
const OF_NCCL = /\bNCCL WARN\b/;
const MET = /\bNCCL INFO .*(?:Init COMPLETE|Connected (?:all|after \d{1,9} retries))\b/;
function withoutMet(failures: readonly Occurrence[], lines: readonly Line[]) {
  if (!failures.some(({ text }) => OF_NCCL.test(text))) return failures;
  const met = lines.findLastIndex(({ text }) => MET.test(text)) + 1;
  return failures.filter(({ text, line }) => line > met || !OF_NCCL.test(text));
}

/** Of a storm of errors its beginning and its end are looked at: each is compared with others. */
const OCCURRENCES_MAX = 2_000;
const bounded = (all: readonly Occurrence[]): readonly Occurrence[] =>
  all.length <= OCCURRENCES_MAX
    ? all
    : [...all.slice(0, OCCURRENCES_MAX / 2), ...all.slice(-OCCURRENCES_MAX / 2)];

/** What one line means by its own level, by the table of texts and by its words; undefined where it tells of no failure. */
function meaningOfLine(
  { level, text }: Line,
  exception: string | undefined,
  next: () => readonly Line[],
): Meaning | undefined {
  if (level === 'quiet' && !mayReport(text)) return undefined;
  const found = meaningOf(byShell(text) ?? text, exception);
  if (level === 'quiet' && !(found?.role === 'report')) return undefined;
  if (level === 'warning' && (!found || (mayPass(found, next()) && !ENDS_TRYING.test(text)))) {
    return undefined;
  }
  const below = () => next().map(one => one.text);
  const own = found?.id === 'launcher-report' ? ownFailure(text, exception) : undefined;
  if (own) return own;
  if (found) {
    const isNone = tellsOfNone(found.id, found.layer, text, below());
    return isNone ? undefined : ofItsWords(found, text, below());
  }
  if (exception === undefined) return level === 'error' ? waitedInVain(text) : undefined;
  const title = `Exception ${plainText(exception, 60)}`;
  // What it says may begin in the line below.
  const words = /:\s*$/.test(text) ? [text, ...below()].join(' ') : text;
  const raised = exceptionMeaning(exception, title, words);
  const isOfBuild = raised.layer === 'application' && BUILD_ENDS.test(below()[0] ?? '');
  return isOfBuild ? { ...raised, ...OF_BUILD } : raised;
}

/** pip shows so what the build of a package wrote: the package, and not the program, raised it. */
const BUILD_ENDS = /^\s*\[end of output\]/;
const OF_BUILD = {
  ...{ layer: 'configuration', action: 'fix_configuration' },
  advice: 'A package could not be built: install one that is built for this Python and this CUDA.',
} satisfies Partial<Meaning>;

/** What a shell says of a program that a signal ended: `Killed`, `run.sh: line 3:    77 Terminated   python`. */
const BY_SHELL =
  /^(?:\S{1,200}: line \d{1,9}: {1,8}\d{1,10} )?(Killed|Terminated|Floating point exception|Bad system call)(?: {2,}|\s*$)/;
/** The same in words of the table. */
function byShell(text: string): string | undefined {
  if (text.endsWith(': not found') && OF_DASH.test(text)) return 'command not found';
  const word = BY_SHELL.exec(text)?.[1];
  return word && (OF_SHELL[word] ?? `${word} (`);
}
/** dash: `/bin/sh: 1: torchrun: not found`. */
const OF_DASH = /^\S{1,200}: \d{1,6}: (?:exec: )?[^\s:]{1,200}: not found$/;
const OF_SHELL: Readonly<Record<string, string>> = {
  Killed: ' killed ',
  Terminated: 'received sigterm',
};

/** What is no warning of what may come: dask has ended a worker, pip has tried for the last time. */
const ENDS_TRYING = /\bmemory budget\b.{0,20}\brestarting\b|\bRetry\(total=0,/i;

/** Launchers only warn of the signal that ends them. */
const OF_SIGNALS = /^(?:session-ended|cancelled)$/;

/** Libraries warn of much that ends nothing; not of what an error below says again, or of what others did. */
const mayPass = ({ id, role, layer }: Meaning, next: readonly Line[]): boolean =>
  (role === 'cause' || layer === 'fabric') &&
  !OF_SIGNALS.test(id) &&
  !next.some(({ level, text }) => level === 'error' && meaningOf(text)?.id === id);

const CRASHES = /^(?:crash|bus-error)$/;
/** Below the first of them that has a stack. */
function frameOf(group: readonly Occurrence[], lines: readonly Line[]): string | undefined {
  for (const { line } of group.slice(0, RANKS_MAX)) {
    const frame = frameBelow(lines, line - 1);
    if (frame !== undefined) return plainText(withoutSecrets(frame), TEXT_CHARACTERS_MAX);
  }
  return undefined;
}

/** Equal ones as one entry, at the place of the first. */
function merged(occurrences: readonly Occurrence[], lines: readonly Line[]): JobLogEntry[] {
  const groups = Map.groupBy(
    occurrences,
    ({ meaning: { id, role, title }, lastResort = '' }) => `${id} ${role} ${lastResort} ${title}`,
  );
  return [...groups.values()].flatMap(group => {
    const [first] = group;
    if (!first) return [];
    const { id, title, role, layer, action, advice } = first.meaning;
    const ranks = [...new Set(group.flatMap(({ rank }) => rank ?? []))].toSorted((a, b) => a - b);
    const line = lines[first.line - 1];
    return {
      ...{ id, title, role, layer, action, advice },
      ...optional({ at: first.at, lastResort: first.lastResort }),
      line: lines[first.line - 1]?.number ?? first.line,
      // The parts of a line overlap.
      count: new Set(group.map(({ line }) => lines[line - 1]?.number)).size,
      // The first to say it stands first.
      ranks: [
        ...(first.rank === undefined ? [] : [first.rank]),
        ...ranks.filter(rank => rank !== first.rank),
      ].slice(0, RANKS_MAX),
      ...optional({ gpu: first.gpu, of: line && (line.of ?? whoseWords(line)) }),
      ...optional({ frame: CRASHES.test(id) ? frameOf(group, lines) : undefined }),
      text: first.summed
        ? withoutSecrets(first.text)
        : quoteOf(lines[first.line - 1]?.text ?? '', first.meaning),
    };
  });
}
