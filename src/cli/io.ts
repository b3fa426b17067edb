import type { Readable, Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Clock } from '../contract/time.ts';

/** The world as the commands see it; main.ts is the only place that takes it from `process`. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdoutIsTerminal: boolean;
  /** Where progress may be a line that moves. */
  readonly stderrIsTerminal?: boolean;
  /** A person types, and no program. */
  readonly stdinIsTerminal?: boolean;
  /** Columns of that terminal. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Where a command may take the whole screen; absent where keys or screen are no terminal. */
  readonly terminal?: Terminal;
  /** Aborts at the first signal from the user or the system. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly program: Program;
}

/** A terminal that can be taken as a whole, and must be given back however the process ends. */
export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  /** Runs when the process ends, in order or by a crash, unless the returned function is called before. */
  atExit(run: () => void): () => void;
  /** What Ctrl-C does where keys come as they are typed. */
  interrupt(): void;
}

/** How this program can start itself and its agent again. */
export interface Program {
  /** Our own entry file; the same as `executable` where all is in one. */
  readonly plugin: string;
  /** The agent's entry file: the bundle beside ours, or the source; of one executable its word for it. */
  readonly agent: string;
  /** What it was built from; absent from sources. */
  readonly commit?: string | undefined;
  /** The version of Node that runs it. */
  readonly node?: string;
  /** The program of Node, and its word for the system. */
  readonly executable?: string;
  readonly platform?: string;
  /** The folder in which it was started. */
  readonly folder?: string;
}

/** A command ends with the exit code of the command line (0 done ... 130 interrupted). */
export type ExitCode = number;

/** A command that a signal ended; its message says what was removed. */
export class Interrupted extends Error {
  constructor(removed: string) {
    super(`interrupted; ${removed}`);
  }
}

/** What stands for `-` after parsing: yargs makes an empty word of a lone dash. */
export const STDIN_WORD = '<stdin>';

/** Writes all of it, waiting while the reader is slow; a reader that is gone is no error. */
export function write(stream: Writable, text: string | Buffer): Promise<void> {
  return new Promise(resolve => {
    stream.write(text, () => resolve());
  });
}
