import type { Occurrence } from './ending.ts';
import { allJobTexts } from './job-texts.ts';
import { failureOf } from './last-words.ts';
import type { Line } from './log-lines.ts';

/** A training whose loss is lost goes on counting, and says so in no form of an error. */

/** `loss: nan`, `step_loss=nan`, `'loss': nan`; a loss of any value is one of the step. */
const LOSS =
  /\b(?:\w{1,20}_)?loss["']?\s{0,3}[:=]?\s{0,3}(?:tensor\()?(nan|-?inf|-?\d[\d.]{0,20}(?:e[-+]?\d{1,3})?)\b/i;
/** `reducing to 16`, `reducing loss scale to 0.0078125`, `setting loss scale to: 0.25`. */
const SCALE =
  /\boverflow\b.{0,120}\b(?:reducing|setting|decreasing|lowering) (?:the )?(?:loss[_ ]scale )?to:? {0,2}(\d[\d.]{0,20}(?:e-?\d{1,3})?)\b/i;
const NO_NUMBER = /nan|inf/i;
const MAY_TELL = /loss|overflow/i;

/** So often in a row, until the log ends. */
const TIMES = 3;
/** They start at thousands, and fall a few times on the way to a scale that holds. */
const SCALE_HELD = 64;

/** The first of the lines since which no step tells of a loss that is a number, and some that it is none or too large for any scale. */
export function lossLost(lines: readonly Line[]): readonly Occurrence[] {
  let run: Line[] = [];
  for (const line of lines) {
    if (!MAY_TELL.test(line.text)) continue;
    const loss = LOSS.exec(line.text)?.[1];
    const scale = Number(SCALE.exec(line.text)?.[1] ?? Number.POSITIVE_INFINITY);
    if (scale <= SCALE_HELD || (loss !== undefined && NO_NUMBER.test(loss))) run.push(line);
    else if (loss !== undefined) run = [];
  }
  const [first] = run;
  const meaning = allJobTexts().find(({ id }) => id === 'not-finite');
  if (!first || !meaning || run.length < TIMES) return [];
  const { at, stream, rank, gpu, text } = first;
  const line = lines.indexOf(first) + 1;
  return [{ ...failureOf(text, { at, stream, rank, gpu, line, ordinary: line }), meaning }];
}
