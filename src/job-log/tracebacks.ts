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
