import type { Line } from './log-lines.ts';

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
/** A line that is such data as a whole, or that a shell prints before it runs it (set -x). */
const DATA_LINE =
  /^["'{[\s]{0,4}(?:(?:prompt|question|answer|completion|instruction|hypothesis|generated(?: text)?|user|assistant)(?: ?#?\d{1,9})?["']?\s?: ?\S|\+{1,4} \S|Namespace\()/i;

/** A line without the data that it quotes; empty where it is nothing else. A logger's own JSON is no data. */
export function withoutQuoted({ level, text }: Pick<Line, 'level' | 'text'>): string {
  if (level === 'error' && text.startsWith('{')) return text;
  if (DATA_LINE.test(text)) return '';
  return MAY_QUOTE.test(text) ? text.replace(VALUE, '$1') : text;
}
