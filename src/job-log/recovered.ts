import type { Occurrence } from './ending.ts';
import type { Line } from './log-lines.ts';
import type { ProgressCount } from './progress.ts';

/** What a program was refused at first and got, by itself or from whoever places it: it ended nothing. */

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
