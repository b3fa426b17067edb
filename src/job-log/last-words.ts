import { plainText } from '../contract/untrusted.ts';
import { firstErrorMeaning, ONLY_COUNTED } from './by-words.ts';
import { differsAt } from './collective-wait.ts';
import { type Occurrence, withRole } from './ending.ts';
import { FAILED_FORM, givesUp, onlyEnds, quits, takenBack, voiceOf } from './failure-forms.ts';
import {
  isHarmless,
  isTriedAgain,
  onlyTellsLimit,
  tellsOfNone,
  weaknessOf,
} from './harmless-lines.ts';
import { allJobTexts, type Meaning, meaningOf } from './job-texts.ts';
import type { Line } from './log-lines.ts';
import type { ProgressCount } from './progress.ts';
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
const SAID_QUIETLY = /^(?:no-accelerator|preempted|disk-full|gpu-memory|host-memory|time-limit)$/;

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
  if (heard.length > 0) return heard;
  const tried = stillTried(lines, places);
  return tried.length > 0 ? tried : stillNoted(lines, places);
}

/** What it only notes, again and again as its log ends, of a peer that it does not reach. */
const NOTES_MIN = 5;
const shapeOf = (text: string): string => text.replaceAll(/0x[0-9a-f]{1,16}|\d{1,20}/gi, '#');
function stillNoted(lines: readonly Line[], places: readonly Place[]): readonly Occurrence[] {
  const last = lines[(places.at(-1)?.line ?? 0) - 1];
  if (last?.level !== 'quiet' || !FAILS_AGAIN.test(last.text)) return [];
  const shape = shapeOf(last.text);
  const same = places.filter(({ line }) => shapeOf(lines[line - 1]?.text ?? '') === shape);
  const [first] = same;
  if (!first || same.length < NOTES_MIN) return [];
  const failed = failureOf(last.text, first);
  return failed.meaning.layer === 'fabric' ? [failed] : [];
}
const FAILS_AGAIN = /\berror\b|\bfail\w*|\bunreachable\b|\brefused\b/i;

/** What is nobody's by its words, a program may say of its work. */
const tellsWhose = ({ meaning: { layer, action } }: Occurrence): boolean =>
  layer !== 'unknown' && (layer !== 'application' || action !== 'watch');

/** So few ordinary lines behind it, a line is among the last. */
const LAST_LINES = 2;
const isLast = ({ ordinary }: Place, places: readonly Place[]): boolean =>
  (places.at(-1)?.ordinary ?? 0) - ordinary <= LAST_LINES;

/** So often it has to have tried. */
const TRIES = 3;

/** What it tried again and again as its log ended, from the first time on. */
const stillTried = (lines: readonly Line[], places: readonly Place[]): readonly Occurrence[] => {
  const last = places.at(-1);
  const tried = places.filter(({ line }) => isTriedAgain(lines[line - 1]?.text ?? '', []));
  if (!last || !tried.includes(last) || tried.length < TRIES) return [];
  const begin = tried[0]?.line ?? 0;
  const heads = places.filter(({ line }) => line < begin && begin - line <= BELOW_LINES);
  return [...heads, ...tried].flatMap(place => {
    const text = lines[place.line - 1]?.text ?? '';
    const told = meaningOf(text);
    const failed = failureOf(text, place);
    if (told?.role === 'cause' && told.layer !== 'application') return { ...failed, meaning: told };
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
    const isWeak = weaknessOf(warned.id, line.text) !== undefined;
    if (isWeak && tellsOfNone(warned.id, warned.layer, line.text, below)) return [];
    if (onlyTellsLimit(warned.id, line.text)) return [];
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
    if (own?.level !== 'warning' || isHarmless(own.text)) return [];
    if (!WARNS_OF.test(own.text) && meaningOf(own.text)?.role !== 'cause') return [];
    if (isTriedAgain(own.text, [])) return [];
    const said = failureOf(own.text, { ...first, line: from + at + 1 });
    return /^(?:configuration|host|fabric)$/.test(said.meaning.layer) ? said : [];
  });
  return [...above.slice(-1), ...failures];
}

/** It says that the reason stands above it. */
const ABOVE =
  /\b(?:see|errors?|messages?|output|details?) (?:\w+ ){0,2}above\b|\babove for (?:more )?details\b/i;
const ABOVE_LINES = 6;
const TELLS =
  /\b(?:too (?:many|few|large|small|fast|long|deep)|fail\w*|errors?|ill-|invalid|illegal|cannot|can't|could not|unable|exceed\w*|unexpected|unknown|missing|unstable|not \w+|no \w+)\b/i;
const SPEAKER = /^\W{0,3}[A-Za-z][\w.-]{1,30}:/;

/** Where no line is an error by its form but one that points above it: the first that its speaker, or whoever stands there, says. */
export function withAbove(
  lines: readonly Line[],
  failures: readonly Occurrence[],
): readonly Occurrence[] {
  const index = lines.findIndex(
    ({ text }) => text.includes('above') && ABOVE.test(text) && FAILED_FORM.test(text),
  );
  if (index < 0 || failures.some(({ line }) => line <= index)) return failures;
  let begin = index - 1;
  const speaker = SPEAKER.exec(lines[begin]?.text ?? '')?.[0];
  while (
    speaker !== undefined &&
    begin > Math.max(0, index - ABOVE_LINES) &&
    lines[begin - 1]?.text.startsWith(speaker)
  ) {
    begin -= 1;
  }
  const said = lines[begin];
  if (!said || !TELLS.test(said.text) || isHarmless(said.text)) return failures;
  const { at, stream, rank, gpu } = said;
  const place = { at, stream, rank, gpu, line: begin + 1, ordinary: begin };
  return [failureOf(said.text, place), ...failures];
}

/** What a process only warns of, and has no more of as it ends. */
const RAN_OUT =
  /^(?:gpu-memory|host-memory|shared-memory|disk-full|open-files|process-limit|cuda-2)$/;

/** So many steps after what it warned of, it goes on without. */
const WENT_ON_STEPS = 2;

/** Who says that it gives up, or that its machine is taken back, before others tell that somebody has gone. */
export const quitting = (
  lines: readonly Line[],
  places: readonly Place[],
  progress: ProgressCount,
): Occurrence[] =>
  places.flatMap(place => {
    const line = ownWords(lines[place.line - 1]);
    if (!line) return [];
    if (quits(line)) return failureOf(line.text, place);
    const isWarned = line.level === 'warning' && !isTriedAgain(line.text, []);
    const warned = isWarned ? meaningOf(line.text) : undefined;
    const { steps } = progress.between(place.stream, place.line + 1, Number.POSITIVE_INFINITY);
    if (warned && RAN_OUT.test(warned.id) && steps < WENT_ON_STEPS)
      return { ...failureOf(line.text, place), meaning: { ...warned, role: 'cause' } };
    const taken = takenBack(line);
    const meaning = taken && allJobTexts().find(({ id }) => id === taken);
    return meaning ? { ...failureOf(line.text, place), meaning } : [];
  });

/** A training whose loss is lost goes on counting, and says so in no form of an error: `loss: nan`, `step_loss=nan`, `'loss': nan`; a loss of any value is one of the step. */
const LOSS =
  /\b((?:[a-z\d]{1,20}[_ -]){0,3})loss["']?\s{0,3}[:=]?\s{0,3}(?:tensor\()?(nan|-?inf|-?\d[\d.]{0,20}(?:e[-+]?\d{1,3})?)\b/gi;
/** It stands at infinity until there is a better one. */
const OF_THE_BEST = /(?:^|[_ -])(?:best|min(?:imum)?|lowest|prev(?:ious)?)[_ -]/i;
/** One of several that a line tells: a part of the whole, or of what is not trained with. */
const OF_PART = /_$|(?:^|[_ -])(?:val(?:id(?:ation)?)?|eval(?:uation)?|test|dev)[_ -]/i;
/** `reducing to 16`, `reducing loss scale to 0.0078125`, `setting loss scale to: 0.25`. */
const SCALE =
  /\boverflow\b.{0,120}\b(?:reducing|setting|decreasing|lowering) (?:the )?(?:loss[_ ]scale )?to:? {0,2}(\d[\d.]{0,20}(?:e-?\d{1,3})?)\b/i;
const NO_NUMBER = /nan|inf/i;
const MAY_TELL = /loss|overflow/i;

/** So often in a row, until the log ends. */
const TIMES = 3;
/** They start at thousands, and fall a few times on the way to a scale that holds. */
const SCALE_HELD = 64;
/** With none at all a gradient overflows all the same: it is none of the scale. */
const NO_SCALE = 1;

/** The loss that a line tells of its step, and of one that tells only of parts one that is a number. */
function lossIn(text: string): string | undefined {
  const all = [...text.matchAll(LOSS)]
    .map(([, name = '', value = '']) => ({ name, value }))
    .filter(({ name }) => !OF_THE_BEST.test(name));
  const whole = all.find(({ name }) => !OF_PART.test(name));
  return (whole ?? all.find(({ value }) => !NO_NUMBER.test(value)) ?? all[0])?.value;
}

/** The first of the lines since which no step tells of a loss that is a number, and some that it is none or too large for any scale. */
function lossLost(lines: readonly Line[], timesMin: number): Occurrence | undefined {
  let first: number | undefined;
  let times = 0;
  let isLost = false;
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const text = lines[index]?.text ?? '';
    if (!MAY_TELL.test(text)) continue;
    const loss = lossIn(text);
    const scale = Number(SCALE.exec(text)?.[1] ?? Number.POSITIVE_INFINITY);
    const isNone = loss !== undefined && NO_NUMBER.test(loss);
    if (scale <= SCALE_HELD || isNone) {
      times += 1;
      first = index;
      isLost ||= isNone || scale <= NO_SCALE;
    } else if (loss !== undefined) break;
  }
  return first === undefined || !isLost || times < timesMin
    ? undefined
    : rowAt('not-finite', lines, first);
}

/** What the line at an index says, as a row of the table has it. */
function rowAt(
  id: string,
  lines: readonly Line[],
  index: number,
  meaning: Meaning | undefined = allJobTexts().find(row => row.id === id),
): Occurrence | undefined {
  const line = lines[index];
  if (!line || !meaning) return undefined;
  const { at, stream, rank, gpu, text } = line;
  const place = { at, stream, rank, gpu, line: index + 1, ordinary: index };
  return { ...failureOf(text, place), meaning };
}

/** `memwatch: rss=255.8GiB limit=256.0GiB`, `mem: 254.1 GiB / 256 GiB`. */
const MEMORY =
  /\b(?:rss|mem(?:ory)?|ram)\b[^\d\n]{0,24}(\d{1,6}(?:\.\d{1,4})?) ?([KMGT])i?B\b.{0,12}?(?:\blimit\b|\bof\b|\bmax\b|\btotal\b|\/)[^\d\n]{0,4}(\d{1,6}(?:\.\d{1,4})?) ?([KMGT])i?B\b/i;
const UNITS = 'KMGT';
const bytesOf = (number = '', unit = ''): number =>
  Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase());
/** That of a GPU is another. */
const OF_GPU = /\b(?:gpus?|cuda|hbm|device|allocated|reserved)\b|\bvram\b/i;
const FULL = 0.97;

/** The last that it told of its memory before it was killed, where there was no more. */
function memoryFull(lines: readonly Line[], told: readonly Occurrence[]): Occurrence | undefined {
  const killed = told.find(({ meaning, text }) => meaning.id === 'killed' || KILLED.test(text));
  if (!killed) return undefined;
  const index = lines
    .slice(0, killed.line)
    .findLastIndex(({ text }) => MEMORY.test(text) && !OF_GPU.test(text));
  const [, used, unit, limit, unitOfLimit] = MEMORY.exec(lines[index]?.text ?? '') ?? [];
  return bytesOf(used, unit) >= bytesOf(limit, unitOfLimit) * FULL
    ? rowAt('host-memory', lines, index)
    : undefined;
}
const KILLED = /\bexit(?:ed|code|s)?\b.{0,24}(?:\b137\b|-9\b)|\bsignal 9\b|\bSIGKILL\b/i;

/** It has no GPU, and goes on without, as far as it can. */
const LACKS_GPU =
  /\b(?:compiled|built|build|installed) without (?:gpu|cuda)\b|\b(?:gpu|cuda)[- ]enabled \w{1,20} is not installed\b|\bcpu[- ]only (?:build|version|install\w{0,6}|wheel)\b|\bno (?:\w{1,12} )?(?:gpus?|gpu\/tpu|cuda)(?: \w{1,10})? (?:was |were )?(?:found|detected|available)\b|\bcannot dlopen some gpu libraries\b|\bskipping registering gpu devices\b|\bcould not find cuda\b|\bcuda is not available\b|\bfall(?:ing|s) back to (?:the )?cpu\b/i;
/** What it then cannot have: none of them, one that is no GPU, or a function of it. */
const OF_DEVICES =
  /^(?=.*\b(?:devices?|gpus?|cuda|device_mesh|mesh_shape|accelerators?)\b).*\b(?:0|1|no(?! attribute)|not|none|zero|without|only|unavailable|invalid|cannot)\b|\bfunction '\w{1,80}' not found\b/i;
/** What it then cannot reckon with. */
const OF_NUMBERS =
  /\b(?:nans?|inf(?:inite)?|non-?finite|converge|ill-conditioned|singular|eigh|svd|cholesky|probability tensor|division by zero|positive[- ]definite)\b/i;
/** It waited, or found nothing, and does not say of whom. */
const WAITED_ONLY =
  /^(?:[\w.]{1,60}\.)?(?:\w{0,30}Timeout\w{0,20}|Empty)\b|\(from versions: none\)/;

/** The first of the last tries that reached nobody, after which nothing was done. */
function triedBefore(lines: readonly Line[], progress: ProgressCount, line: number) {
  const tried = lines.slice(0, line - 1).flatMap(({ text }, index) => {
    if (!isTriedAgain(text, [])) return [];
    const layer = meaningOf(text)?.layer ?? firstErrorMeaning(text).layer;
    return layer === 'fabric' || NO_NAME.test(text) ? [index] : [];
  });
  const last = tried.at(-1);
  if (last === undefined || tried.length < 2) return undefined;
  return worksBetween(progress, last + 1, line)
    ? undefined
    : rowAt('download', lines, tried[0] ?? 0);
}
/** Whether any process made more than its first step after the one line and before the other. */
function worksBetween(progress: ProgressCount, from: number, to: number): boolean {
  const { steps, othersSteps } = progress.between('', from, to);
  return steps + othersSteps > 1;
}
const NO_NAME = /\bname resolution\b|\bname or service not known\b/i;

/** Who only counted its tries has noted why each failed: the first of the notes that the table knows. */
function notedTry(lines: readonly Line[], told: readonly Occurrence[]): Occurrence | undefined {
  const counted = told.find(({ text }) => ONLY_COUNTED.test(text));
  const from = Math.max(0, (counted?.line ?? 0) - NOTED_WITHIN_LINES);
  return lines.slice(from, counted?.line ?? 0).flatMap(({ level, text }, at) => {
    const noted = level === 'quiet' ? meaningOf(text) : undefined;
    if (noted?.role !== 'cause') return [];
    return rowAt(noted.id, lines, from + at, noted) ?? [];
  })[0];
}
const NOTED_WITHIN_LINES = 120;

/** What was told before of what its last cause came of, in no form of an error. */
export function withForerunner(
  told: readonly Occurrence[],
  lines: readonly Line[],
  progress: ProgressCount,
): readonly Occurrence[] {
  const cause = told.find(({ meaning }) => meaning.role === 'cause');
  if (!cause) {
    if (progress.doneAfter(0) !== undefined) return told;
    const before =
      lossLost(lines, TIMES) ??
      memoryFull(lines, told) ??
      calledOthers(lines) ??
      notedTry(lines, told);
    return [before ?? [], told].flat();
  }
  const before = forerunnerOf(cause, lines, progress);
  if (!before) return told;
  const report = withRole(cause, 'report');
  return [before, ...told.map(one => (one === cause ? report : one))];
}

/** By the watchdogs' own numbers the ranks were in different collectives. */
function calledOthers(lines: readonly Line[]): Occurrence | undefined {
  const index = differsAt(lines);
  return index === undefined ? undefined : rowAt('collective-mismatch', lines, index);
}

/** ``Assertion `0' failed``: what failed is printed above. */
const ASSERTS_NOTHING = /\bassertion [`'"]?(?:0|false)['"]? failed\b/i;
function saidAbove(cause: Occurrence, lines: readonly Line[]): Occurrence | undefined {
  const above = ownWords(lines[cause.line - 2]);
  if (!above || !givesUp(above)) return undefined;
  return failureOf(above.text, { ...cause, line: cause.line - 1 });
}

function forerunnerOf(cause: Occurrence, lines: readonly Line[], progress: ProgressCount) {
  const { meaning, text, line } = cause;
  if (ASSERTS_NOTHING.test(text)) return saidAbove(cause, lines);
  if (WAITED_ONLY.test(text)) return triedBefore(lines, progress, line);
  const above = lines.slice(0, line - 1);
  if (meaning.id !== 'exception' || meaning.layer !== 'application') {
    return meaning.id === 'not-finite' && !/loss/i.test(text) ? lossLost(above, 2) : undefined;
  }
  if (OF_NUMBERS.test(text)) return lossLost(above, 2);
  const index = OF_DEVICES.test(text) ? above.findIndex(one => LACKS_GPU.test(one.text)) : -1;
  // Libraries that were only imported say so, too, where the program has its GPUs and works with them.
  return index < 0 || worksBetween(progress, index + 1, line)
    ? undefined
    : rowAt('no-accelerator', lines, index);
}
