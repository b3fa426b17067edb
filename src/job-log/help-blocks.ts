import type { Line } from './log-lines.ts';

/**
 * Open MPI, PRRTE and OpenPMIx tell a user what went wrong in a text between two rules of 74 dashes
 * (opal/util/show_help.c, pmix_show_help.c): its sentences are wrapped, and none has a form of an error.
 */
const RULE = /^-{74,80}\s*$/;
const BLOCK_LINES_MAX = 40;

/** Who writes such texts; others draw tables with as many dashes. */
const OF_LAUNCHERS =
  /\b(?:open mpi|open rte|mpi|mpi_\w+|mpirun|mpiexec|prte|prterun|prrte|pmix\w*|orte\w*|shmem|mca|btl|pml|mtl|local host|hostfile|(?:mapping|binding) policy|slots|daemons?)\b/i;
const FAILS =
  /\b(?:fail\w*|errors?|erroneous|unable|cannot|invalid|illegal|unrecognized|abort\w*|unexpected\w*|missing|exceed\w*|lacks?|refused?|more than once|wrong|not (?:\w+ ){0,2}(?:found|able|enough|available|supported|permitted|allowed|valid|exist|match|reachable|recognized|specified|executable)|(?:does|did|do|could|was|were|has|have|is|are) not (?!bound|used)|no (?:\w+ ){0,2}(?:executable|such|active|longer|available|usable|(?:were|was|could be) (?:able|found|opened|loaded|selected|available)))\b/i;
/** A table, or names and their values, as programs print of themselves: sentences have no such gaps. */
const OF_TABLE = /\S {3,}\S/;
/** It tells of what the job does all the same. */
const GOES_ON =
  /^WARNING\b|\b(?:will (?:continue|proceed)|ignor(?:ed|ing)|deprecated|discouraged|by default|fall(?:ing)? back|may (?:negatively )?(?:impact|affect|hang|result|behave)|lower performance)\b/i;

/** Its first paragraph as one line, an error where it tells of one; what was wrapped behind it is empty. */
export function withHelpBlocks(lines: readonly Line[]): readonly Line[] {
  const blocks = blocksOf(lines);
  if (blocks.length === 0) return lines;
  const changed = [...lines];
  for (const { from, to } of blocks) {
    const [head] = changed.slice(from, from + 1);
    if (!head) continue;
    const paragraph = changed.slice(from, to).map(({ text }) => text.trim());
    const value = /:$/.test(paragraph.at(-1) ?? '') ? (changed[to + 1]?.text ?? '').trim() : '';
    const text = [...paragraph, value].join(' ').trim();
    changed[from] = { ...head, text, level: levelOf(text) ?? head.level };
    for (let at = from + 1; at < to; at += 1) {
      const wrapped = changed[at];
      if (wrapped) changed[at] = { ...wrapped, text: '' };
    }
  }
  return changed;
}

const levelOf = (text: string): Line['level'] | undefined => {
  if (GOES_ON.test(text)) return 'warning';
  return FAILS.test(text) ? 'error' : undefined;
};

interface Paragraph {
  readonly from: number;
  /** Behind its last line. */
  readonly to: number;
}

/** The first paragraph of each block. */
function blocksOf(lines: readonly Line[]): readonly Paragraph[] {
  const found: Paragraph[] = [];
  let begin: number | undefined;
  lines.forEach(({ text }, at) => {
    if (!RULE.test(text)) return;
    const isBlock = begin !== undefined && at - begin > 1 && at - begin <= BLOCK_LINES_MAX;
    const paragraph = isBlock ? paragraphIn(lines, (begin ?? at) + 1, at) : undefined;
    if (paragraph) found.push(paragraph);
    begin = paragraph ? undefined : at;
  });
  return found;
}

function paragraphIn(lines: readonly Line[], begin: number, end: number): Paragraph | undefined {
  const block = lines.slice(begin, end).map(({ text }) => text);
  if (!block.some(text => OF_LAUNCHERS.test(text))) return undefined;
  const first = block.findIndex(text => text.trim() !== '');
  if (first < 0) return undefined;
  const length = block.slice(first).findIndex(text => text.trim() === '');
  const to = length < 0 ? end : begin + first + length;
  return block.slice(first, to - begin).some(text => OF_TABLE.test(text))
    ? undefined
    : { from: begin + first, to };
}

/** VASP (src/tutor.F) draws a box around why it gives up, below the word ERROR in large letters. */
const ADO = 'I REFUSE TO CONTINUE WITH THIS SICK JOB';
const BOXED = /^\|?\s{0,80}(.{0,300}?)\s{0,80}\|?\s{0,4}$/;
const BANNER = /^[|\s#ERO]{0,200}$/;
const BOX_LINES_MAX = 24;

/** Of each such box the first line that says something is an error. */
export function withBoxes(lines: readonly Line[]): readonly Line[] {
  const ados = lines.flatMap(({ text }, at) => (text.includes(ADO) ? [at] : []));
  if (ados.length === 0) return lines;
  const changed = [...lines];
  for (const end of ados) {
    const begin = Math.max(0, end - BOX_LINES_MAX);
    const rule = lines.slice(begin, end).findLastIndex(({ text }) => /^\s?-{20,90}\s*$/.test(text));
    const from = begin + rule + 1;
    const at = lines.slice(from, end).findIndex(({ text }) => !BANNER.test(text));
    const line = at < 0 ? undefined : lines[from + at];
    if (line)
      changed[from + at] = {
        ...line,
        level: 'error',
        text: BOXED.exec(line.text)?.[1] ?? line.text,
      };
  }
  return changed;
}

/**
 * MPICH and what is built from it write `Fatal error in PMPI_Init: Other MPI error, error stack:` and below it who
 * called whom, the innermost last (src/mpi/errhan/errutil.c): that one tells the reason.
 */
const STACK_HEADING = /\berror stack:\s*$/;
const STACK_FRAME = /^\w{1,80}\(\d{1,6}\)\.{0,80} ?:/;

/** HDF5 (H5Eint.c) prints its own likewise, further in: `  #001: H5Fint.c line 1498 in H5F_open(): unable to open file`. */
const HDF5_FRAME = /^\s{1,8}#\d{3}: \S{1,200} line \d{1,7} in \w{1,80}\(\): (?=\S)/;
const HDF5_PART = /^\s{1,12}(?:#\d{3}|major|minor): /;

/** Of each such stack the calls are quiet, and the reason is an error. */
export function withErrorStacks(lines: readonly Line[]): readonly Line[] {
  let isStack = false;
  return lines.map((line, at) => {
    if (HDF5_PART.test(line.text)) {
      const below = lines.slice(at + 1, at + 4).filter(({ text }) => HDF5_PART.test(text));
      const isLast = HDF5_FRAME.test(line.text) && !below.some(({ text }) => HDF5_FRAME.test(text));
      return isLast
        ? { ...line, level: 'error', text: line.text.trim() }
        : { ...line, level: 'quiet' };
    }
    isStack = (isStack && STACK_FRAME.test(line.text)) || STACK_HEADING.test(line.text);
    if (!isStack || !STACK_FRAME.test(line.text)) return line;
    const isCall = STACK_FRAME.test(lines[at + 1]?.text ?? '');
    return { ...line, level: isCall ? 'quiet' : 'error' };
  });
}

/** What a workflow shows of the command that it ran is indented below this: Nextflow, `Command error:`. */
const SHOWS_OUTPUT =
  /^\s{0,8}(?:command (?:error|output|stderr|stdout)|(?:captured )?stderr(?: output)?):\s*$/i;
const INDENT = /^ {2,12}(?=\S)/;

/** Why it failed, by its own word, stands so as well. */
const OF_WORKFLOW = /\bError executing process\b/;
const showsOutput = (lines: readonly Line[], at: number): boolean =>
  SHOWS_OUTPUT.test(lines[at]?.text ?? '') ||
  (/^Caused by:\s*$/.test(lines[at]?.text ?? '') &&
    lines.slice(Math.max(0, at - 2), at).some(({ text }) => OF_WORKFLOW.test(text)));

/** Such lines as the command wrote them. */
export function withCommandOutput(lines: readonly Line[]): readonly Line[] {
  let indent = '';
  return lines.map((line, at) => {
    if (showsOutput(lines, at - 1)) indent = INDENT.exec(line.text)?.[0] ?? '';
    else if (line.text.trim() !== '' && !line.text.startsWith(indent)) indent = '';
    return indent === '' ? line : { ...line, text: line.text.slice(indent.length) };
  });
}

/** Java's exceptions, and what of them a logger writes below the line that tells of them. */
const JAVA_EXCEPTION = /^(?:[a-z_]\w{0,40}\.){2,10}[A-Z][\w$]{0,80}(?:: |\s*$)/;
const JAVA_FRAME = /^\s+at [\w$.]{1,300}[(/]/;
const JAVA_STACK = /^(?:\s+at |Caused by: |\s+\.{3} \d{1,6} (?:more|common))/;

/** What a logger of Java only warns or notes of has its stack below it: that is no louder. */
export function withLoggedStacks(lines: readonly Line[]): readonly Line[] {
  let isQuiet = false;
  return lines.map((line, at) => {
    const above = lines[at - 1]?.level;
    const begins =
      (above === 'warning' || above === 'quiet') &&
      JAVA_EXCEPTION.test(line.text) &&
      JAVA_FRAME.test(lines[at + 1]?.text ?? '');
    isQuiet = begins || (isQuiet && JAVA_STACK.test(line.text));
    return isQuiet ? { ...line, level: 'quiet' } : line;
  });
}
