import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { dashed, type Flags } from '../contract/flag.ts';
import { COMMON } from './common-flags.ts';
import type { ExitCode, Io } from './io.ts';
import { type Progress, progressOn, shownOn } from './progress.ts';

/** What a command is handed when it runs: its flags, checked once and typed by their schemas. */
export interface Invocation<Args = unknown> {
  readonly args: Args;
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
  /** Every flag and word that it takes. */
  readonly flags: Flags;
  /** @throws UsageError for a flag that is wrong, before anything is done. */
  run(raw: Readonly<Record<string, unknown>>, io: Io): Promise<ExitCode>;
}

/** Declares a command; its flags are options of yargs, checks and arguments at once. */
export function defineCommand<Own extends Flags>(
  declared: Pick<Command, 'command' | 'description' | 'examples'> & {
    readonly flags: Own;
    /** Its streams are a program's or its own screen: no line of progress moves on them. */
    readonly ownsStreams?: true;
    run(invocation: Invocation<z.output<z.ZodObject<Own>>>): Promise<ExitCode>;
  },
): Command {
  const { flags, run, ownsStreams = false, ...described } = declared;
  return {
    ...described,
    flags: { ...flags, ...COMMON },
    async run(raw, io) {
      const args = checked(z.object(flags), raw, declared.command);
      const common = checked(z.object(COMMON), raw, declared.command);
      if (ownsStreams) return run({ args, io, progress: progressOn(io, common) });
      const shown = shownOn(io, common);
      try {
        return await run({ args, io: shown.io, progress: shown.progress });
      } finally {
        shown.end();
      }
    },
  };
}

function checked<Schema extends z.ZodType>(
  schema: Schema,
  raw: Readonly<Record<string, unknown>>,
  command: string,
): z.output<Schema> {
  // A line is checked once: no code is compiled for it.
  const parsed = schema.safeParse(raw, { jitless: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const key = String(issue?.path[0] ?? '');
  const name = `--${dashed(key)}`;
  if (Array.isArray(raw[key])) {
    throw new UsageError(`${name} is wrong: ${issue?.message}`, `give ${name} once`);
  }
  const [word] = command.split(' ');
  throw new UsageError(`${name} is wrong`, `kubectl gpu-mcp ${word} --help`);
}
