import { WHAT } from './failure-forms.ts';
import type { Line } from './log-lines.ts';

export const TRACEBACK = 'Traceback (most recent call last):';
/** Within a traceback or a C++ stack: code and frames, not what happened. */
const FRAME = /^(?:\s|[│╭╰]|frame #|Exception raised from|\+ ?-|\| )/;
/** Code and frames of a traceback whose head was cut off: the exception itself comes below. */
const RAISE = /^\s*raise \w[\w.]{0,80}(?:\(|$| from )/;
/** A logger that begins its lines with a blank writes no frames. */
const LEVELLED = /^\s[\d[][^"]{0,80}\b(?:ERROR|CRITICAL|FATAL)\b/;
/** Fortran begins what it prints with one blank. */
const FORTRAN = /^ [A-Za-z*][^"]{0,400}$/;
const PYTHON_FRAME = /^\s+File "[^"]{1,400}", line \d/;
/** What a traceback ends with: the class of the exception, whatever its name; TensorFlow names the node of a graph. */
const RAISED = /^(?!Node: ')(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::(?: |$)|$)/;
const EXCEPTION =
  /^(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Timeout))(?:: |:?$)/;
/** TensorFlow 1 puts it behind the class. */
const SEEN_ABOVE = /^([\w.]{1,100}) \(see above for traceback\)(?=: )/;
/** A metric by the name of an exception: `MeanSquaredError: 0.03`. */
const MEASURED = /^(?!KeyError)\w{1,80}: [-+]?\d{0,9}\.\d{1,20}(?:e[-+]?\d{1,4})?%?\s*$/;

/** What Python puts between two tracebacks of which the second came of the first. */
const CHAINED =
  /^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception)/;

/** An object could not be taken down; Python prints the traceback and goes on. */
const IGNORED = /^Exception ignored in/;

/** What a line begins with or holds that is anything to a traceback. */
const MAY_TELL =
  /^(?:\s|[│╭╰+|]|frame #|raise |what\(\)|during handling|the above exception)|error|exception|interrupt|exit|failure|timeout|see above/i;

/** What a line is to the tracebacks around it. */
interface TracebackLine {
  /** A frame of a stack, whatever else it may look like. */
  readonly isFrame: boolean;
  /** The line without what C++ puts before it. */
  readonly said: string;
  /** The class of the exception that it names. */
  readonly exception: string | undefined;
  /** The last line of a traceback. */
  readonly ends: boolean;
  /** The same for exceptions of which one was raised from the other. */
  readonly chain: number;
  /** It was raised while the one before was handled, not from it. */
  readonly during: true | undefined;
}

const FRAME_INDENT = 2;
/** The head stands behind a key: `  traceback : Traceback (most recent call last):`. */
const BY_FRAMES = -1;
const indentOf = (text: string): number =>
  text.endsWith(TRACEBACK) && text.trim() !== TRACEBACK && /^\s/.test(text)
    ? BY_FRAMES
    : text.length - text.trimStart().length;

/** Where the processes of a log stand in their tracebacks. */
export class Tracebacks {
  /** How far the head of the open one of a stream is indented: what another program passes on is. */
  readonly #open = new Map<string, number>();
  /** Whether the next one of the stream was raised while the one before was handled. */
  readonly #chained = new Map<string, boolean>();
  readonly #ignored = new Set<string>();
  #chain = 0;

  /** Undefined for what lies within a traceback, and for what ends one that ended nothing. */
  read({ stream, text: whole }: Line): TracebackLine | undefined {
    if (whole.endsWith(TRACEBACK)) {
      this.#open.set(stream, indentOf(whole));
      return undefined;
    }
    if (!this.#open.has(stream) && !MAY_TELL.test(whole)) {
      const during = this.#chained.get(stream) === true ? true : undefined;
      const plain = { isFrame: false, said: whole, exception: undefined, ends: false };
      return { ...plain, chain: this.#chain, during };
    }
    const text = this.#dedented(stream, whole);
    const isCode = RAISE.test(text);
    const isFrame =
      isCode ||
      (FRAME.test(text) &&
        !WHAT.test(text) &&
        !LEVELLED.test(text) &&
        (this.#open.has(stream) || !FORTRAN.test(text)));
    if (isFrame && PYTHON_FRAME.test(text) && !this.#open.has(stream)) this.#open.set(stream, 0);
    if (isFrame && (this.#open.has(stream) || isCode)) return undefined;
    if (CHAINED.test(text)) {
      this.#chained.set(stream, text.startsWith('During'));
      return undefined;
    }
    const ends = this.#open.delete(stream);
    const during = this.#chained.get(stream) === true ? true : undefined;
    if (ends && !this.#chained.delete(stream)) this.#chain += 1;
    if (IGNORED.test(text)) this.#ignored.add(stream);
    else if (ends && this.#ignored.delete(stream)) return undefined;
    const said = text.replace(WHAT, '').replace(SEEN_ABOVE, '$1');
    const isMeasured = !ends && MEASURED.test(said);
    const exception = isMeasured ? undefined : (ends ? RAISED : EXCEPTION).exec(said)?.[1];
    return { isFrame, said, exception, ends, chain: this.#chain, during };
  }

  /** Without the indentation of the traceback that it belongs to; behind a key that is the one of its frames. */
  #dedented(stream: string, text: string): string {
    const base = this.#open.get(stream);
    if (base === undefined || base === 0 || !/^\s/.test(text)) return text;
    const own = indentOf(text);
    if (base === BY_FRAMES) {
      if (!PYTHON_FRAME.test(text)) return text;
      this.#open.set(stream, own - FRAME_INDENT);
      return text.slice(own - FRAME_INDENT);
    }
    return own >= base ? text.slice(base) : text;
  }

  /** Whether a line that means something, in a log without frames, is of a chain. */
  isChained(stream: string): boolean {
    return this.#chained.delete(stream);
  }
}

/** So far below a crash its stack is looked for. */
const STACK_LINES = 48;
/**
 * Frames as they are printed: `[ 2] /a/libnccl.so.2(ncclGroupEnd+0x3)[0x7f]` of Open MPI and glibc, `#3  0x7f in f () from
 * /a/b.so` and `#4  main (argc=1) at a.cpp:12` of gdb, `frame #1: f + 0x5 (0x7f in /a/b.so)` of PyTorch, `# C  [b.so+0x1]  f+0x2`
 * of Java, `#2  0x40 in solve_` of gfortran, `f at /a/b.so (unknown line)` of Julia, `  File "a.py", line 3 in f` of Python, and forrtl's table.
 */
const FRAMES: readonly RegExp[] = [
  /(?:^|[\s\]])(?<file>\/?[\w./+-]{1,300})\((?<name>[\w:~.@$]{0,200})(?:\+0x[0-9a-f]{1,16})?\) ?\[0x[0-9a-f]{1,16}\]/,
  /^\s{0,4}#\d{1,4} {1,4}(?:0x[0-9a-f]{1,16} in )?(?<name>[\w:~.$?]{1,200})(?:<[^>]{0,200}>)? ?\([^)]{0,400}\)(?: (?:from|at) (?<file>[\w./+-]{1,300}))?/,
  /^\s{0,4}#\d{1,4} {1,4}0x[0-9a-f]{1,16} in (?<name>[A-Za-z_]\w{0,100})\s*$/,
  /^frame #\d{1,4}: (?<name>[\w:~.$<> ]{1,300}?)(?:\(.{0,400}\))? \+ 0x[0-9a-f]{1,16} \(0x[0-9a-f]{1,16} in (?<file>[\w./+-]{1,300})\)/,
  /^(?:# )?[CVJjv] {1,4}\[(?<file>[\w./+-]{1,200})\+0x[0-9a-f]{1,16}\](?: {1,4}(?<name>[\w:~.$]{1,200}))?/,
  /^(?<name>[\w.!]{1,200}) at (?<file>\/[\w./+-]{1,300})(?::\d{1,7}| \(unknown line\))$/,
  /^\s{1,8}File "(?<file>[^"]{1,300})", line (?<line>\d{1,7}) in (?<name>\w{1,100})$/,
  /^(?<file>[\w.+-]{1,40}) {2,24}[0-9A-F]{8,16} {1,4}(?<name>\w{1,60}) {2,40}(?:\d{1,7}|Unknown) {1,4}\S/,
];
/** What a process runs once it has crashed, and before it began. */
const OF_CRASH =
  /^(?:_{0,2}(?:GI_)?(?:raise|abort|gsignal|restore_rt|kill(?:pg)?|assert_fail\w{0,8}|sigaction|sigtramp|pthread_kill\w{0,16})|_start|__libc_\w{1,40}|for__\w{1,40}|ucs_(?:debug|handle|error)\w{0,60}|Unknown|\?\?|__gnu_cxx\w{0,60}|std::terminate\w{0,8}|c10::Error\S{0,80}|funlockfile)$/;
const OF_SYSTEM =
  /^(?:libc|libpthread|ld|ld-linux[\w-]{0,20}|linux-vdso|libgcc_s|libasan|libubsan)(?:[-.]|$)/;

/** The first function or library of the stack below a crash that is none of the crash itself: `ncclGroupEnd in libnccl.so.2`. */
export function frameBelow(lines: readonly Line[], index: number): string | undefined {
  const stream = lines[index]?.stream;
  for (const line of lines.slice(index + 1, index + 1 + STACK_LINES)) {
    if (line.stream !== stream) continue;
    const frame = FRAMES.map(form => form.exec(line.text)?.groups).find(groups => groups);
    if (!frame) continue;
    const { file = '', name = '', line: at } = frame;
    const short = file.slice(file.lastIndexOf('/') + 1);
    if (OF_CRASH.test(name) || (OF_SYSTEM.test(short) && at === undefined)) continue;
    if (name === '' || short === '') return name || short || undefined;
    return `${name} in ${short}${at === undefined ? '' : `:${at}`}`;
  }
  return undefined;
}
