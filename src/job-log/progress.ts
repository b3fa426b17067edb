/**
 * What shows that a program was at work: it counts on, or it says that it has done what it was started for.
 * Progress bars print their last state anew as a program fails: only what has grown is progress.
 */
export interface Progress {
  /** How often a count of steps has grown: of the process itself, and of the other one that did most. */
  readonly steps: number;
  readonly othersSteps: number;
  /** Lines of any of them that only a program prints that has come to its result. */
  readonly results: number;
  /** Those of a test that has counted what passed. */
  readonly passed: number;
}

/** What one process had done by a line. */
interface Reached {
  readonly line: number;
  readonly count: number;
}

const COUNTS = [
  /** `iteration      100/  500000`, `Epoch 3`, `"step": 7`, `global_step=7`. */
  /\b(step|iter|iteration|epoch|batch|update|global_step)s?\b(?: number)?["']?\]?[ :=#[(]{1,80}(\d{1,9})\b/i,
  /** `Processing patch           2`. */
  /\b(processing|computing|solving|rendering|simulating|generating|evaluating|encoding|decoding|analy[sz]ing|calculating) (?:[a-z]\w{1,20} ){1,2}#?[ :]{0,12}(\d{1,9})\b/i,
  /** tqdm: `31/67 [29:02<35:12`; Keras: `100/100 [====`, `100/100 ━━━`; fairseq: `100 / 5000 loss=9.1`. */
  /(\b)(\d{1,9})(?:\/\d{1,9} (?:\[[\d=>.?]|━|\(\d{1,3}%\))|\s{0,2}\/\s{1,8}\d{1,9}\b)/,
];
/** Which of them stand in few lines, and are slow to look for. */
const OF_DEEDS = 1;
const OF_BARS = 2;
/** One answer of a server after another; what is only looked up, a front end or a probe gets when nobody is at home any more. */
const SERVED = /"POST \S{1,400} HTTP\/1\.[01]" 200\b/;
/** A row of a benchmark's table has columns of numbers side by side, and one of them is measured. */
const ROW =
  /^\s{0,24}\d[\d.]{0,15}(?:\s{1,24}(?:\d[\d.e+-]{0,15}|N\/A|[a-z]\w{2,7})){1,24}\s{0,24}$/;
const ROW_BEGINS = /^\s{0,24}\d/;
const COLUMNS = /\d\s{1,24}\d{1,12}\.\d/;
/** It is the result of more than a step. */
const ROW_STEPS = 2;

/** A test that has counted. */
const PASSED = /\b[1-9]\d* passed\b(?!.*\bfailed\b)|\btest passed\b|\bresult = pass\b/i;

/** What a service has done with this is only to start. */
const SERVES =
  /\bapplication startup complete\b|\buvicorn running on\b|\bstarted \w+service at\b|\bserver (?:is )?(?:ready|up|started|listening)\b|(?<!\bstopped )\blistening on\b/i;

/**
 * A result in the words of what measured it: Hugging Face's Trainer, accelerate's test, LAMMPS, Horovod's benchmark,
 * nccl-tests, a count of tests, a server that serves, a program that tells of its own recovery.
 */
const RESULT = new RegExp(
  [
    /\btrain_runtime\b|\btotal (?:wall time|img\/sec)\b|\bout of bounds values : 0 ok\b|\btest is a success\b/,
    /\btraining completed\. do not forget to share your model\b|\bsuccessfully (?:recovered|restored)\b/,
    PASSED,
    SERVES,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

const DONE = new RegExp(
  [
    /\b(?:training|fine-?tuning|job|run|evaluation|inference|experiment|program|workflow|benchmark|simulation)\b.{0,24}\b(?:completed?|finished|succeeded|is done|ended successfully)\b/,
    /\b(?:completed?|finished|succeeded|done|exited)\b.{0,12}\b(?:training|fine-?tuning|successfully)\b|\bsuccessfully (?:completed|finished|trained|recovered|restored)\b/,
    PASSED,
    /\bprogram ended at\b|\bexits successfully\b|\bis a success\b|\bout of bounds values : 0 ok\b/,
    /\btrain_runtime\b|\btotal (?:wall time|img\/sec)\b|^(?:all )?(?:done|finished)\b[.!]*$|^\W*(?:[a-z]{1,20} ){0,2}passed\W*$/,
    SERVES,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** What is done before the work begins; a bare word says not of what. */
const OF_SETUP =
  /\b(?:down-?load|install|load|compil|prepar|warm-?up|build|built|data validation|pre-?process|tokeni[sz]|cach|nccl test|pip|dataset)\w*/i;
const BARE = /^(?:all )?(?:done|finished)\b[.!]*$/i;
/** What DONE needs, in one look. */
const MAY_BE_DONE =
  /complete|success|succeed|finish|done|ended|pass|train_runtime|total|0 ok|listening|ready|start|running on|server/i;
const NOT_DONE =
  /\b(?:not|un\w+ly|fail\w*|error|without|before|until|when|if|once|after|will|to be)\b/i;

/** Wrappers say that a job has finished, and how. */
const ENDED_BADLY =
  /\bfail\w*\b|\babort\w*\b|\bcancel\w*\b|\bkilled\b|(?<!\b(?:0|no|without) )\berrors?\b(?!\s*[:=]\s*0\b)|\b(?:exit|code|status)\b\D{0,12}[1-9]/i;

/** Who started the program tells that it has ended, not that it did its work: `Job finished at Fri Nov 28`. */
const ONLY_OVER =
  /^(?!.*\b(?:success\w*|succeeded|correctly|normally|exit code 0|program ended at)\b).{0,60}\b(?:job|run|program|workflow|script|task|step)\b.{0,24}\b(?:completed?|finished|ended|done)\b/i;

/** Some ranks print so many steps later than others. */
const LATE_STEPS = 8;

/** Counts progress line by line, by the process that makes it. */
export class ProgressCount {
  #begun = false;
  readonly #results: Reached[] = [];
  /** Lines in which the program says that it has done what it was started for. */
  readonly #doneAt: number[] = [];
  /** Those of them that a wrapper prints after every end. */
  readonly #overAt = new Set<number>();
  readonly #passed: Reached[] = [];
  readonly #steps = new Map<string, Reached[]>();
  /** The highest count of each kind, by the process that wrote it. */
  readonly #most = COUNTS.map(() => new Map<string, number>());

  /** Of the lines after the one and before the other, for what a process said in the first. */
  between(stream: string, from: number, to: number): Progress {
    let othersSteps = 0;
    for (const [other, reached] of this.#steps) {
      if (other !== stream) othersSteps = Math.max(othersSteps, grownBetween(reached, from, to));
    }
    return {
      steps: grownBetween(this.#steps.get(stream) ?? [], from, to),
      othersSteps,
      results: grownBetween(this.#results, from, to),
      passed: grownBetween(this.#passed, from, to),
    };
  }

  /** The last line in which any of them did a step. */
  lastStep(): number | undefined {
    const lines = [...this.#steps.values()].flatMap(reached => reached.at(-1)?.line ?? []);
    return lines.length === 0 ? undefined : Math.max(...lines);
  }

  /** The last line before this one in which the program said that it was done, where it did no more since. */
  doneBefore(line: number): number | undefined {
    const said = this.#doneAt.findLast(one => one < line);
    if (said === undefined) return undefined;
    const since = [...this.#steps.values()].map(reached => grownBetween(reached, said, line));
    return since.some(steps => steps > 0) ? undefined : said;
  }

  /** The last line after this one in which the program said that it was done; a wrapper's says nothing. */
  doneAfter(line: number): number | undefined {
    const said = this.#doneAt.findLast(one => !this.#overAt.has(one));
    return said !== undefined && said > line ? said : undefined;
  }

  add(stream: string, text: string, line: number): void {
    const at = { stream, line };
    if (text.includes('"POST ') && SERVED.test(text)) this.#step(1, at);
    if (ROW_BEGINS.test(text) && COLUMNS.test(text) && ROW.test(text)) this.#step(ROW_STEPS, at);
    for (const [index, form] of COUNTS.entries()) {
      if (index === OF_BARS && !text.includes('/')) continue;
      if (index === OF_DEEDS && !text.includes('ing ')) continue;
      const [, name = '', digits] = form.exec(text) ?? [];
      if (digits === undefined) continue;
      this.#step(this.#growth(index, `${name}${stream}`, Number(digits)), at);
    }
    const said = MAY_BE_DONE.test(text) ? DONE.exec(text) : undefined;
    if (!said || NOT_DONE.test(text.slice(0, said.index + said[0].length))) return;
    if (ENDED_BADLY.test(text)) return;
    if (RESULT.test(text)) reach(this.#results, line, 1);
    const isOfWork =
      !SERVES.test(text) && !OF_SETUP.test(text) && (this.#begun || !BARE.test(text));
    if (isOfWork) this.#doneAt.push(line);
    if (ONLY_OVER.test(text)) this.#overAt.add(line);
    if (PASSED.test(text)) reach(this.#passed, line, 1);
  }

  /** Who has not been at work before begins it. */
  #step(
    growth: number,
    { stream, line }: { readonly stream: string; readonly line: number },
  ): void {
    const grown = growth > 0 || this.#begun ? growth : 1;
    this.#begun = true;
    if (grown <= 0) return;
    const own = this.#steps.get(stream) ?? [];
    this.#steps.set(stream, own);
    reach(own, line, grown);
  }

  /** Ranks print the same step, some of them late; one that starts anew counts from the beginning. */
  #growth(index: number, key: string, count: number): number {
    const counts = this.#most[index];
    const most = counts?.get(key);
    const isNew = most === undefined || most - count > LATE_STEPS;
    if (isNew || count > most) counts?.set(key, count);
    return !isNew && count > most ? 1 : 0;
  }
}

const reach = (reached: Reached[], line: number, grown: number) =>
  reached.push({ line, count: (reached.at(-1)?.count ?? 0) + grown });

const grownBetween = (reached: readonly Reached[], from: number, to: number): number =>
  countBefore(reached, to) - countBefore(reached, from);

/** By halves: lines come in order. */
function countBefore(reached: readonly Reached[], line: number): number {
  let [low, high] = [0, reached.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((reached[middle]?.line ?? line) < line) low = middle + 1;
    else high = middle;
  }
  return reached[low - 1]?.count ?? 0;
}
