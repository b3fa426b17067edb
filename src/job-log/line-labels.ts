/** What whoever collects a log puts before each of its lines: a rank, a host, a pod, a time, a stream, a mark. */

/** ` 3: ` of srun --label, as wide as the last rank, where most lines have it. */
const LABEL = /^ {0,5}(\d{1,6}): /;
/** `worker-1: ` of pdsh, as DeepSpeed starts its nodes with it, and `/container_e559_1: ` of YARN: a name with a number that is none of a step, no library, no interpreter and no slurmstepd. */
const HOST =
  /^(?!(?:step|epoch|iter|iteration|batch|rank)[ _-]?\d|[\w.+-]{1,60}\.so(?:\.\d{1,6}){0,4}: |python[\d.]{1,6}: |slurmstepd-|[\w.]{1,200}(?:Error|Exception): )(?=\/?[a-z._-]{0,60}\d)\/?[a-z][\w.-]{1,80}: |^(?:\d{1,3}\.){3}\d{1,3}: /;

/**
 * Of whoever collects the lines of several processes: `[worker-1] `, `(rank 7) `, `<worker-2> `, `worker-0> `, `[3] `, and the pod
 * and its container of stern, `job-7-abcde trainer `. Few of them each begin many lines.
 */
const COLLECTOR_LABEL =
  /^(?:\[(?=[^\]]{0,80}\d)[a-z][\w./-]{2,80}\]:?|\[(?<mpi>\d{1,4})\]|\((?:(?:global[ _])?rank|worker|node|proc|process)[ _:=]?(?<rank>\d{1,6})\):?|<[a-z][\w.-]{0,60}\d>|[a-z][\w.-]{1,60}\d>|[a-z][a-z\d.]{0,30}(?:-[a-z\d]{1,20}){1,6}-(?:[a-z\d]{5}|\d{1,4}) [a-z][\w-]{2,40})(?: |$)(?!\s{0,4}[:=])/;

/** `Rank 3 | `, `rank 3: ` */
const NAMED_RANK = /^rank[ :_-]?(?<rank>\d{1,6}) ?[:|] /i;
const CLOCK =
  /(?:(?:\d{4}[-/]\d\d[-/]\d\d[T ]|[A-Z][a-z]{2} [ \d]\d )?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d|UTC))?)/
    .source;
/**
 * `12:00:01.123 `, `[2026-11-20T12:00:01Z] `, `Nov 20 12:00:01 `, `[  1.234567] `: also before frames and empty lines.
 * Not the half of `[2026-11-20 12:00:01 TP0] `.
 */
const TIME = new RegExp(`^(?:${CLOCK}|\\[(?:${CLOCK}| {0,8}\\d{1,12}\\.\\d{1,9})\\]):?(?: |$)`);
/** `#12 3.456 ` of docker build, and no frame of gdb (`#1  0x7f in abort ()`), `train[7]: ` of syslog without its time. */
const STEP = /^#\d{1,4} (?! |0x|\/)(?:\d{1,6}\.\d{1,3}(?: |$))?/;
const PROCESS = /^[a-z][\w.-]{0,60}\[\d{1,10}\]: /i;
/** `stderr: `, `[SLURM STDERR] `, `<out> `, `E | `, `> `, `** `, `- `: the same before each line, and no word that a program says of an end or of a GPU's fault. */
const MARK =
  /^(?!\S{0,40}(?:err(?!:|\W{0,2} |\d)|fatal|crit|fail|except|warn|panic|abort|sever)|\[[^\]]{0,60}\b(?:s?xid|oom|kill\w{0,3}|sig[a-z]{3,4}|time-?out|nan|hang|hung|stall\w{0,3}|lost|dead|preempt\w{0,3}|evict\w{0,3}|ecc)\b)(?:(?:std)?(?:out|err|log):|\[[^[\]]{1,60}\]:?|<(?:std)?(?:out|err)>:?|\{[\w .-]{1,40}\}|[\w.-]{1,40} {0,20}[|│](?! {0,4}(?:Pass|Fail|Warn|Skip)\b)|[\w.-]{0,40}>|[|>*#·]{1,3}|-)(?: |$)/i;

/** A number of a step is none of a process: it stands before no second line. */
const FEW: readonly RegExp[] = [COLLECTOR_LABEL, MARK, PROCESS];
const ofFew = (texts: readonly string[], form: RegExp): boolean => {
  const labels = texts.flatMap(text => form.exec(text)?.[0] ?? []);
  return new Set(labels).size * 2 <= labels.length;
};

/** A number that only grows from line to line counts steps: `100: loss 2.3`. Ranks write more than a line each, or in any order. */
const STEPS_MIN = 9;
function countsSteps(texts: readonly string[]): boolean {
  const numbers = texts.flatMap(text => LABEL.exec(text)?.[1] ?? []).map(Number);
  const grows = numbers.every((one, at) => at === 0 || one > (numbers[at - 1] ?? one));
  return grows && numbers.length >= STEPS_MIN;
}

/** Forms that a line of a program has as well: it has to be four of five lines that begin so. */
const COMMON: readonly RegExp[] = [TIME, STEP, PROCESS, MARK];
const PARTS = 5;
const LINES_LOOKED_AT = 400;
const LINES_MIN = 3;

/** The same before a frame of a traceback and its head, or before several: what logs each line that another program wrote. */
const FRAME = /^(\S.{0,100}?) {2}File "[^"]{1,400}", line \d/;
const HEAD = 'Traceback (most recent call last):';
const FRAMES_MIN = 2;
function carrying(texts: readonly string[]): RegExp | undefined {
  const times = new Map<string, number>();
  for (const [index, text] of texts.entries()) {
    const label = text.includes('  File "') ? FRAME.exec(text)?.[1] : undefined;
    if (label === undefined) continue;
    const isBelowHead = texts[index - 1] === `${label}${HEAD}`;
    times.set(label, (times.get(label) ?? 0) + (isBelowHead ? FRAMES_MIN : 1));
  }
  const most = [...times].toSorted(([, one], [, other]) => other - one)[0];
  if (!most || most[1] < FRAMES_MIN) return undefined;
  return new RegExp(`^${most[0].replaceAll(/[^\w\s]/g, '\\$&')}`);
}

/** Blanks before all lines, as what is pasted into a list has them. */
function indented(texts: readonly string[]): RegExp | undefined {
  const [first = '', ...others] = texts.filter(text => text.trim() !== '');
  const own = others.length + 1 >= LINES_MIN ? (/^[ \t]{1,40}/.exec(first)?.[0] ?? '') : '';
  const isShared = own !== '' && others.every(text => text.startsWith(own));
  return isShared ? new RegExp(`^${own}`) : undefined;
}

/** A form, and which labels of it are taken off: a word before a line may be of what it says. */
export interface Label {
  readonly form: RegExp;
  readonly isOne: (label: string) => boolean;
}

/** A label by what it is of: ranks, processes and times differ. */
const kindOf = (label: string): string => label.replaceAll(/\d{1,12}/g, '#');

/** Of forms that programs write, too, a label is what stands before several lines. */
function repeated(texts: readonly string[], form: RegExp): Label['isOne'] {
  const times = new Map<string, number>();
  for (const text of texts) {
    const label = form.exec(text)?.[0];
    if (label !== undefined) times.set(kindOf(label), (times.get(kindOf(label)) ?? 0) + 1);
  }
  return label => (times.get(kindOf(label)) ?? 0) > 1;
}
const OF_PROGRAMS: readonly RegExp[] = [MARK, PROCESS];

/** A host, an address or a pod by its name: `gpu-node-03`, `10.0.0.4`, `train-1-xyz12`. */
const NAME =
  /^\W{0,2}(?!(?:gpus?|cuda|ranks?|local[_-]?rank|default|step|epoch|iter\w{0,6}|batch|std\w{3}|tid|pid)[ _:-]?\d{1,6}(?![\w.-]))(?=[a-z.-]{0,60}\d)([a-z\d][\w.-]{0,100}\w)/i;
/** Whom a label names that is no rank, no GPU and no time. */
export function nameIn(label: string): string | undefined {
  const name = NAME.exec(label)?.[1];
  return name === undefined || !/[a-z]/i.test(name) ? ADDRESS.exec(label)?.[1] : name;
}
const ADDRESS = /^\W{0,2}(\d{1,3}(?:\.\d{1,3}){3})\b/;

/** The form in which most of these lines are labelled. */
export function labelOf(texts: readonly string[]): Label | undefined {
  const form = formOf(texts);
  if (!form) return undefined;
  return { form, isOne: OF_PROGRAMS.includes(form) ? repeated(texts, form) : () => true };
}

function formOf(texts: readonly string[]): RegExp | undefined {
  const every = Math.max(1, Math.ceil(texts.length / LINES_LOOKED_AT));
  const some = texts.filter((text, index) => index % every === 0 && text !== '');
  const count = (form: RegExp) => some.filter(text => form.test(text)).length;
  return (
    [LABEL, HOST, COLLECTOR_LABEL, NAMED_RANK].find(
      form =>
        count(form) * 2 > some.length &&
        (form !== COLLECTOR_LABEL || ofFew(some, form)) &&
        (form !== LABEL || !countsSteps(some)),
    ) ??
    COMMON.find(form => {
      const labelled = count(form);
      return (
        labelled >= LINES_MIN &&
        labelled * PARTS >= some.length * (PARTS - 1) &&
        (!FEW.includes(form) || ofFew(some, form))
      );
    }) ??
    carrying(texts) ??
    indented(texts)
  );
}
