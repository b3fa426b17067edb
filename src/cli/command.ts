import type { Argv } from 'yargs';
import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { dashed, type Flags, optionOf } from '../contract/flag.ts';
import { COMMON, DETAILS, FLEET, OUTPUT, POD, TARGET } from './flags.ts';
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
  options(yargs: Argv): Argv;
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
    options: yargs => withFlags(yargs, flags),
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

/** The parts of a help text, the command's own flags first. */
const OWN = 'Flags:';
const GROUPED: Readonly<Record<string, Flags>> = {
  'Which node:': { ...TARGET, ...FLEET },
  'Output:': { ...OUTPUT, ...DETAILS, ...COMMON },
  'Debug pod:': POD,
  "Connection, as kubectl's own:": CONNECTION,
};
const GROUPS = [OWN, ...Object.keys(GROUPED)];

const groupOf = (key: string): string =>
  Object.entries(GROUPED).find(([, flags]) => key in flags)?.[0] ?? OWN;

/** The flags and words as yargs knows them. */
export function withFlags(yargs: Argv, flags: Flags): Argv {
  const groups = Object.entries(flags).map(([key, schema]) => ({
    key,
    schema,
    group: groupOf(key),
  }));
  const inOrder = groups.toSorted((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group));
  for (const { key, schema, group } of inOrder) {
    const {
      isWord,
      choices,
      names: _,
      offers: __,
      isRepeated: ___,
      beside: ____,
      ...option
    } = {
      ...{ group, ...optionOf(schema) },
    };
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
