/** What whoever collects the lines of others puts before each of them. */

export interface Label {
  readonly characters: number;
  /** Whose lines have it. */
  readonly of: string;
  readonly rank: number | undefined;
}
export type Labelled = (text: string) => Label | undefined;

/** ` 3: ` of srun --label, as wide as the last rank, where most lines have it. */
const LABEL = /^ {0,5}(\d{1,6}): /;
/** `worker-1: ` of pdsh, as DeepSpeed starts its nodes with it, and `/container_e559_1: ` of YARN: a name with a number that is none of a step. */
const HOST =
  /^(?!(?:step|epoch|iter|iteration|batch|rank)[ _-]?\d)(?=\/?[a-z._-]{0,60}\d)\/?[a-z][\w.-]{1,80}: /;

/**
 * Of whoever collects the lines of several processes: `[worker-1] `, `(rank 7) `, `<worker-2> `, `worker-0> `, `[3] `, and the pod
 * and its container of stern, `job-7-abcde trainer `. Few of them each begin many lines.
 */
const COLLECTOR_LABEL =
  /^(?:\[(?=[^\]]{0,80}\d)[a-z][\w./-]{2,80}\]:?|\[(?<mpi>\d{1,4})\]|\((?:(?:global[ _])?rank|worker|node|proc|process)[ _:=]?(?<rank>\d{1,6})\):?|<[a-z][\w.-]{0,60}\d>|[a-z][\w.-]{1,60}\d>|[a-z][a-z\d.]{0,30}(?:-[a-z\d]{1,20}){1,6}-(?:[a-z\d]{5}|\d{1,4}) [a-z][\w-]{2,40})(?: |$)(?!\s{0,4}[:=])/;
/** A number of a step is none of a process: it stands before no second line. */
const isOfFew = (texts: readonly string[]): boolean => {
  const labels = texts.flatMap(text => COLLECTOR_LABEL.exec(text)?.[0] ?? []);
  return new Set(labels).size * 2 <= labels.length;
};

/**
 * Any other: brackets, a time, names before `:`, `|` or `>`, marks of a list, the stream of a container. That they stand before
 * another program's lines, these show themselves.
 */
const PIECE =
  /^(?:\[[^[\]\n]{1,80}\]:?|\([^()\n]{1,80}\):?|<[^<>\n]{1,60}>|#\d{1,4} \d{1,6}\.\d{1,3}|[A-Z][a-z]{2} {1,2}\d{1,2}|\d[\d:.,/TZ+-]{4,40}|[A-Za-z][\w./@-]{0,60}(?:\[\d{1,10}\])?[:|>]|[A-Za-z][\w.-]{0,40} {0,20}[|>]|std(?:out|err)(?: [FP])?|\*{1,3}|[=-]{0,2}>|\|)(?: {1,4}|\t)/;
/** journald's host stands without a sign before the name of a program. */
const JOURNAL_HOST = /^[\w.-]{1,63} (?=[\w.@-]{1,63}(?:\[\d{1,10}\])?: )/;
const PIECES_MAX = 5;
/** A level is what the line says itself, and so is an exception. */
const OF_LINE =
  /^\W{0,2}(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|CRITICAL|FATAL|[DIWEF]|trace|debug|info|warn(?:ing)?|error|fatal)\b|^(?:[\w.]{1,100})?(?:Error|Exception|Warning|Interrupt)\W|\b[Rr]ank[ =:_]?\d|^\[\d{1,4},\d{1,4}\]|^(?:srun|sbatch|slurmstepd|bash|sh|curl|wget|pip|wandb|nvcc|make|loss|step|epoch|iter\w{0,6}|libfabric|terminate)\b/;
/** The beginning of a line that says by its form what it is. */
const BEGINS_LINE =
  /^(?:Traceback \(most recent call last\):|\s{1,12}File "[^"]{1,400}", line \d|(?:[a-z_]\w{0,40}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception)(?:: |$)|(?:[Ff]atal )?[Ee]rror\b|ERROR\b|CRITICAL\b|FATAL\b|[WEF]\d{4} |(?:srun|sbatch|slurmstepd\S{0,60}): |terminate called |CMake Error|\s{1,4}what\(\): |\[(?:default|rank)\d|\S{1,40}: line \d{1,6}: |Segmentation fault|Killed\b|Aborted\b)/;
/** The kernel's own time: it tells of many runs. */
const OF_KERNEL = /^\[(?:[A-Z][a-z]{2} [A-Z]| {0,6}\d{1,10}\.\d{6}\])/;

/** Where such pieces end, one after the other. */
function endsIn(text: string): readonly number[] {
  const ends: number[] = [];
  if (OF_KERNEL.test(text)) return ends;
  while (ends.length < PIECES_MAX) {
    const at = ends.at(-1) ?? 0;
    const rest = text.slice(at, at + REST_CHARACTERS);
    if (OF_LINE.test(rest)) return ends;
    const piece = PIECE.exec(rest) ?? (at > 0 ? JOURNAL_HOST.exec(rest) : null);
    if (!piece) return ends;
    ends.push(at + piece[0].length);
  }
  return ends;
}
const REST_CHARACTERS = 200;

const TIME = /\d[\d:.,/TZ+-]*[:.]\d[\d:.,TZ+-]*/g;
const shapeOf = (pieces: string): string =>
  pieces.replaceAll(/\d+/g, '0').replaceAll(/ {2,}/g, ' ');
/** So many lines are looked at from either end. */
const LOOKED_AT = 200;
const LINES_MIN = 3;
const SHARE = 0.6;
/** So many of those that have a piece have the next one, too, where both are of the label. */
const SHARE_OF_NEXT = 0.9;

/** The longest that most lines begin with. */
function commonShape(texts: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const end of endsIn(text)) {
      const shape = shapeOf(text.slice(0, end));
      counts.set(shape, (counts.get(shape) ?? 0) + 1);
    }
  }
  const most = Math.max(0, ...counts.values());
  if (texts.length < LINES_MIN || most < texts.length * SHARE) return undefined;
  const common = [...counts].filter(([, count]) => count >= most * SHARE_OF_NEXT);
  return common.toSorted(([a], [b]) => b.length - a.length)[0]?.[0];
}

/** The same with any numbers. */
const formOf = (shape: string): RegExp =>
  new RegExp(
    `^${shape
      .replaceAll(/[^\w ]/g, '\\$&')
      .replaceAll('0', '\\d{1,20}')
      .replaceAll(' ', '[ \\t]{1,8}')}`,
  );

function anyLabel(texts: readonly string[]): Labelled | undefined {
  const written = texts.filter(text => text.trim() !== '');
  const isLong = written.length > 2 * LOOKED_AT;
  const ends = [...written.slice(0, LOOKED_AT), ...written.slice(-LOOKED_AT)];
  const shape = commonShape(isLong ? ends : written);
  if (shape === undefined) return undefined;
  const form = formOf(shape);
  const labelled = (text: string): Label | undefined => {
    const label = form.exec(text)?.[0];
    if (label === undefined) return undefined;
    return { characters: label.length, of: label.replaceAll(TIME, ''), rank: undefined };
  };
  const isOfOthers = written.some(text => {
    const label = labelled(text);
    return label !== undefined && BEGINS_LINE.test(text.slice(label.characters));
  });
  return isOfOthers ? labelled : undefined;
}

const isOfMost = (texts: readonly string[], label: RegExp): boolean =>
  texts.filter(text => label.test(text)).length * 2 > texts.length;

/** What finds the label of a line, where most lines of a log have one. */
export function labelsOf(texts: readonly string[]): Labelled | undefined {
  const form = [LABEL, HOST, COLLECTOR_LABEL].find(
    one => isOfMost(texts, one) && (one !== COLLECTOR_LABEL || isOfFew(texts)),
  );
  if (!form) return anyLabel(texts);
  return text => {
    const found = form.exec(text);
    if (!found) return undefined;
    const rank = found.groups ? (found.groups['rank'] ?? found.groups['mpi']) : found[1];
    const label = found[0];
    return {
      ...{ characters: label.length, of: label },
      rank: rank === undefined ? undefined : Number(rank),
    };
  };
}
