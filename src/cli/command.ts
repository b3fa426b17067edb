import type { Argv } from 'yargs';
import type { Arguments } from './arguments.ts';
import type { ExitCode, Io, Progress } from './io.ts';

/** What a command is handed when it runs. */
export interface Invocation {
  readonly args: Arguments;
  /** The arguments as yargs gave them, for commands with more of their own. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly io: Io;
  readonly progress: Progress;
}

/** One command of the command line; one a file. */
export interface Command {
  /** As yargs wants it: `triage [target..]`. */
  readonly command: string;
  /** false hides it from the help. */
  readonly description: string | false;
  readonly examples?: readonly (readonly [string, string])[];
  options(yargs: Argv): Argv;
  run(invocation: Invocation): Promise<ExitCode>;
}
