import { FAILED_FORM, OF_JAVA, PANICKED, QUOTES } from './failure-forms.ts';
import { type Meaning, meaningOf } from './job-texts.ts';
import type { Line } from './log-lines.ts';
import { TRACEBACK } from './tracebacks.ts';

/** Lines that only head what the next one tells. */

type Next = () => readonly Line[];

/** What is short and stands right above a traceback of its process: that says more. */
const HEAD_CHARACTERS_MAX = 80;
export const headsTraceback = (line: Line, next: Next): boolean =>
  line.text.length <= HEAD_CHARACTERS_MAX &&
  (isAboveTraceback(line, next) || isAboveException(line, next));

/** `ERROR Executor: Exception in task 3.0 in stage 7.0`. */
const isAboveException = ({ text }: Line, next: Next): boolean =>
  /\b(?:exception|error|failed)\b/i.test(text) && OF_JAVA.test(next()[0]?.text ?? '');

const isAboveTraceback = ({ stream }: Line, next: Next): boolean => {
  const [below] = next();
  return below?.stream === stream && below.text.endsWith(TRACEBACK);
};

/** `AssertionError: `, and `RuntimeError: Ninja build failed. Ninja output:` above an error by its form. */
const BARE = /^[\w.]{1,200}:\s*$/;
/** GROMACS names the condition in the line below. */
const BARE_CHECK = /^\W*assertion failed:\s*$/i;
const withoutMessage = ({ id, role }: Meaning, line: Line, next: Next): string | undefined => {
  const [below] = next();
  if (id === 'assertion' && BARE_CHECK.test(line.text))
    return below?.text.trim() ? below.text : undefined;
  if (id !== 'exception' || role !== 'cause') return undefined;
  if (below?.stream !== line.stream || below.text.endsWith(TRACEBACK)) return undefined;
  const isHead =
    (BARE.test(line.text.trim()) && /\w/.test(below.text)) ||
    (QUOTES.test(line.text) && FAILED_FORM.test(below.text));
  return isHead ? below.text : undefined;
};

/** Whether it is quoted from the line below. */
export const saysBelow = (meaning: Meaning, line: Line, next: Next): boolean =>
  withoutMessage(meaning, line, next) !== undefined;

/** anyhow and eyre of Rust head with this the chain of what led to an error, the next one first. */
const CAUSED_BY = /^\s*Caused by:\s*$/;
export const CHAIN_LINES = 6;

/** What an error says in the lines below of what it came of; undefined where it says nothing. */
export function causedBy(below: readonly string[]): string | undefined {
  const head = below.findIndex(text => text.trim() !== '');
  if (head < 0 || !CAUSED_BY.test(below[head] ?? '')) return undefined;
  return below.slice(head + 1).join(' ');
}

/** Open MPI: `[n:7] *** Process received signal ***`, and `[n:7] Signal: Segmentation fault (11)` below. */
const SIGNAL_HEAD = /\*\*\* Process received signal \*\*\*\s*$/;
const SIGNAL = /^\S{0,80}\s?Signal: \w/;

/**
 * `EngineCore failed to start.` above a traceback, a panic of Rust and an exception above a text that is known
 * only head what they tell.
 */
export function headed(meaning: Meaning, line: Line, next: Next): Meaning {
  const said = withoutMessage(meaning, line, next);
  const isHead =
    (said !== undefined && meaningOf(said)?.role === 'cause') ||
    (meaning.id === 'crash' && PANICKED.test(line.text) && (next()[0]?.text ?? '').trim() !== '') ||
    (SIGNAL_HEAD.test(line.text) && SIGNAL.test(next()[0]?.text ?? '')) ||
    (meaning.id === 'engine-dead' && isAboveTraceback(line, next));
  return isHead ? { ...meaning, role: 'report' } : meaning;
}
