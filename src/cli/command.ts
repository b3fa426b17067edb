import type { Argv } from 'yargs';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { dashed, type Flags, optionOf } from '../contract/flag.ts';
import { COMMON } from './flags.ts';
import { type ExitCode, type Io, type Progress, progressOn } from './io.ts';

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
  options(yargs: Argv): Argv;
  /** @throws UsageError for a flag that is wrong, before anything is done. */
  run(raw: Readonly<Record<string, unknown>>, io: Io): Promise<ExitCode>;
}

/** Declares a command; its flags are options of yargs, checks and arguments at once. */
export function defineCommand<Own extends Flags>(
  declared: Pick<Command, 'command' | 'description' | 'examples'> & {
    readonly flags: Own;
    run(invocation: Invocation<z.output<z.ZodObject<Own>>>): Promise<ExitCode>;
  },
): Command {
  const { flags, run, ...described } = declared;
  return {
    ...described,
    options: yargs => withFlags(yargs, flags),
    async run(raw, io) {
      const args = checked(z.object(flags), raw, declared.command);
      return run({
        args,
        io,
        progress: progressOn(io, checked(z.object(COMMON), raw, declared.command)),
      });
    },
  };
}

/** The flags and words as yargs knows them. */
export function withFlags(yargs: Argv, flags: Flags): Argv {
  for (const [key, schema] of Object.entries(flags)) {
    const { isWord, choices, ...option } = optionOf(schema);
    const { type, ...rest } = { ...option, ...(choices && { choices: [...choices] }) };
    const isList = type === 'array';
    if (isWord) {
      const words = { ...rest, ...(isList ? { array: true } : {}) };
      yargs.positional(key, { ...words, type: 'string' });
    } else {
      yargs.option(dashed(key), {
        ...rest,
        ...(type && { type }),
        ...(isList && { string: true }),
        ...(type !== 'boolean' && { requiresArg: true }),
      });
    }
  }
  return yargs;
}

function checked<Schema extends z.ZodType>(
  schema: Schema,
  raw: Readonly<Record<string, unknown>>,
  command: string,
): z.output<Schema> {
  const parsed = schema.safeParse(raw);
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
