/**
 * What shows that a program was at work: it counts on, or it says that it has done what it was started for.
 * Progress bars print their last state anew as a program fails: only what has grown is progress.
 */
export interface Progress {
  /** How often a count of steps has grown, of all lines before. */
  readonly steps: number;
  /** Lines that say that all went well. */
  readonly done: number;
}

const COUNTS = [
  /** `iteration      100/  500000`, `Epoch 3`, `"step": 7`, `global_step=7`. */
  /\b(step|iter|iteration|epoch|batch|update|global_step)s?\b["']?\]?[ :=#[(]{1,12}(\d{1,9})\b/i,
  /** tqdm: `31/67 [29:02<35:12`; Keras: `100/100 [====`, `100/100 ━━━`. */
  /(\b)(\d{1,9})\/\d{1,9} (?:\[[\d=>.?]|━)/,
];
/** One answer of a server after another. */
const SERVED = /\bHTTP\/1\.[01]" 200\b/;

const DONE = new RegExp(
  [
    /\b(?:training|fine-?tuning|job|run|evaluation|inference|experiment|program|workflow|benchmark|simulation)\b.{0,24}\b(?:completed?|finished|succeeded|is done|ended successfully)\b/,
    /\b(?:completed?|finished|succeeded|done)\b.{0,12}\b(?:training|fine-?tuning|successfully)\b|\bsuccessfully (?:completed|finished|trained|recovered|restored)\b/,
    /\bexits successfully\b|\bis a success\b|\btest passed\b|\bresult = pass\b|\b[1-9]\d* passed\b(?!.*\bfailed\b)|\bout of bounds values : 0 ok\b/,
    /\btrain_runtime\b|\btotal (?:wall time|img\/sec)\b|^(?:all )?(?:done|finished)\b[.!]*$/,
    /\bapplication startup complete\b|\buvicorn running on\b|\bstarted \w+service at\b|\bserver (?:is )?(?:ready|up|started|listening)\b|\blistening on\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
const NOT_DONE =
  /\b(?:not|un\w+ly|fail\w*|error|without|before|until|when|if|once|after|will|to be)\b/i;

/** Counts progress line by line. */
export class ProgressCount {
  #steps = 0;
  #done = 0;
  readonly #last = new Map<string, number>();

  now(): Progress {
    return { steps: this.#steps, done: this.#done };
  }

  add(stream: string, text: string): void {
    if (SERVED.test(text)) this.#steps += 1;
    for (const [index, form] of COUNTS.entries()) {
      const [, name = '', count] = form.exec(text) ?? [];
      if (count === undefined) continue;
      const key = `${index} ${name.toLowerCase()} ${stream}`;
      const before = this.#last.get(key);
      if (before !== undefined && Number(count) > before) this.#steps += 1;
      this.#last.set(key, Number(count));
    }
    const done = DONE.exec(text);
    if (done && !NOT_DONE.test(text.slice(0, done.index + done[0].length))) this.#done += 1;
  }
}
