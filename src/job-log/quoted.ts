/** Data that a job prints holds words of errors that are not its own: prompts, answers, rows of a data set. */

/** Keys of data, not of loggers: these have `message`, `error` and `reason`. */
const DATA_KEY =
  '(?:prompts?|texts?|content|questions?|answers?|completions?|instructions?|documents?|contexts?|passage|samples?|examples?|query|chosen|rejected|generated(?:_text)?|predictions?|references?|hypothesis|labels?|inputs?|targets?|user|assistant|sentence|title|body|stop_on|abort_on)';
/** `"prompt": "…"`, `text='…'`, up to the end of what was read. */
const VALUE = new RegExp(
  `(\\b${DATA_KEY}["']?(?: ?#?\\d{1,9})?\\s?[:=]\\s?)(?:"(?:[^"\\\\]|\\\\.)*(?:"|$)|'(?:[^'\\\\]|\\\\.)*(?:'|$))`,
  'gi',
);
const MAY_QUOTE = /[:=]\s?["']/;
/** A line that is such data as a whole, a question, an option in a help text, or that a shell prints before it runs it (set -x). */
const DATA_LINE =
  /^["'{[\s]{0,4}(?:(?:prompt|question|answer|completion|instruction|hypothesis|generated(?: text)?|user|human|assistant|q)(?: ?#?\d{1,9})?["']?\s?[:>\]] ?\S|(?:why|how|what|when|where|should|can) (?:do|does|is|are|can|should|would|i)\b.{0,2000}\?|--?[a-z][\w-]{0,60}(?:[ =,]\S{1,40})?\s{2,40}[a-z]|\+{1,4} (?!Exception Group)\S|Namespace\()/i;

/** As much of a Line as tells what of it is data. */
interface DataLine {
  readonly level: string;
  readonly text: string;
  readonly within?: string | undefined;
}

const OPENS = new RegExp(`\\b${DATA_KEY}["']?(?: ?#?\\d{1,9})?\\s?[:=]\\s?(["'])`, 'gi');

/** What of a line still holds for what follows in it: the sign that closes its value; '' where all of it is data. */
export function openAtEndOf({ level, text }: Omit<DataLine, 'within'>): string | undefined {
  if (level === 'error' && text.startsWith('{')) return undefined;
  if (DATA_LINE.test(text)) return '';
  OPENS.lastIndex = 0;
  for (let opened = OPENS.exec(text); opened; opened = OPENS.exec(text)) {
    const sign = opened[1] ?? '"';
    const end = endOfValue(text, OPENS.lastIndex, sign);
    if (end < 0) return sign;
    OPENS.lastIndex = end + 1;
  }
  return undefined;
}

/** Where the sign stands that closes a value, behind an even number of backslashes; -1 where none does. */
function endOfValue(text: string, from: number, sign: string): number {
  for (let at = text.indexOf(sign, from); at >= 0; at = text.indexOf(sign, at + 1)) {
    let backslashes = 0;
    while (at - 1 - backslashes >= from && text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

/** A line without the data that it quotes; empty where it is nothing else. A logger's own JSON is no data. */
export function withoutQuoted({ level, text, within }: DataLine): string {
  if (within !== undefined) {
    const end = within === '' ? -1 : endOfValue(text, 0, within);
    return end < 0 ? '' : withoutQuoted({ level, text: text.slice(end + 1) });
  }
  if (level === 'error' && text.startsWith('{')) return text;
  if (DATA_LINE.test(text)) return '';
  return MAY_QUOTE.test(text) ? text.replace(VALUE, '$1') : text;
}

/** Who asks over several lines, until somebody answers. */
const ASKS = /^(?:#{1,4} {0,2})?(?:prompt|question|user|human|instruction)\s?:/i;
const ANSWERS =
  /^(?:#{1,4} {0,2})?(?:response|answer|assistant|output|completion|generated(?: text)?|model)\s?:/i;
const ASKED_LINES_MAX = 12;

/** Without what somebody asked a model: a question that nobody answers may be the last before an end. */
export function withoutQuestions<T extends { readonly text: string }>(
  lines: readonly T[],
): readonly T[] {
  let until = -1;
  return lines.map((line, at) => {
    if (ASKS.test(line.text)) {
      const answer = lines
        .slice(at + 1, at + 1 + ASKED_LINES_MAX)
        .findIndex(({ text }) => ANSWERS.test(text));
      until = at + answer;
    }
    return at <= until ? { ...line, text: '' } : line;
  });
}
