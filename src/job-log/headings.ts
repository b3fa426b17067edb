import { OF_JAVA, PANICKED } from './failure-forms.ts';
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

/** An exception whose message begins in the line below: `AssertionError: `. */
const withoutMessage = ({ id, role }: Meaning, line: Line, next: Next): string | undefined => {
  if (id !== 'exception' || role !== 'cause' || !/^[\w.]{1,200}:\s*$/.test(line.text.trim()))
    return undefined;
  const [below] = next();
  const isMessage = below?.stream === line.stream && /\w/.test(below.text);
  return isMessage && !below.text.endsWith(TRACEBACK) ? below.text : undefined;
};

/** Whether it is quoted from the line below. */
export const saysBelow = (meaning: Meaning, line: Line, next: Next): boolean =>
  withoutMessage(meaning, line, next) !== undefined;

/**
 * `EngineCore failed to start.` above a traceback, a panic of Rust and an exception above a text that is known
 * only head what they tell.
 */
export function headed(meaning: Meaning | undefined, line: Line, next: Next): Meaning | undefined {
  if (!meaning) return undefined;
  const said = withoutMessage(meaning, line, next);
  const isHead =
    (said !== undefined && meaningOf(said)?.role === 'cause') ||
    (meaning.id === 'crash' && PANICKED.test(line.text) && (next()[0]?.text ?? '').trim() !== '') ||
    (meaning.id === 'engine-dead' && isAboveTraceback(line, next));
  return isHead ? { ...meaning, role: 'report' } : meaning;
}
