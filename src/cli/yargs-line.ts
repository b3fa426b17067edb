import yargs, { type Argv } from 'yargs';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { dashed, type Flags, optionOf } from '../contract/flag.ts';
import type { Command } from './command.ts';
import { COMMON } from './common-flags.ts';
import { DETAILS, FLEET, OUTPUT, POD, TARGET } from './flags.ts';
import { helpColumns } from './help.ts';
import { type Io, write } from './io.ts';
import { usageError } from './usage.ts';

export interface Chosen {
  readonly command: Command;
  readonly raw: Record<string, unknown>;
}

/** Ends the parser once it has found the command. */
const CHOSEN = new Error('a command was chosen');

/** The command with what any line gives it: what is wrong with it is said, and `--help` is printed. */
export async function chosenByYargs(
  words: readonly string[],
  command: Command,
  io: Io,
): Promise<Chosen | undefined> {
  let chosen: Chosen | undefined;
  let printed = '';
  const parser = yargs()
    .scriptName('kubectl gpu-mcp')
    .parserConfiguration({ 'populate--': true, 'greedy-arrays': false })
    .strict()
    .exitProcess(false)
    .version(false)
    .help('help')
    .alias('help', 'h')
    .group('help', 'Output:')
    .wrap(helpColumns(io.columns))
    .fail((message: string, error: Error | undefined) => {
      // What yargs itself finds wrong has a name of its own; all else is ours.
      if (error && error.name !== 'YError') throw error;
      throw usageError(message, command, words);
    });
  parser.command({
    command: command.command,
    describe: command.description,
    builder: inner =>
      (command.examples ?? []).reduce(
        (all, [line, what]) => all.example(line, what),
        withFlags(withFlags(inner, ownFlags(command)), COMMON),
      ),
    handler: raw => {
      chosen = { command, raw };
      // Behind a command yargs lays its help out, which nobody asked for: 10 ms of every start.
      throw CHOSEN;
    },
  });
  try {
    await parser.parseAsync(words, {}, (_error, _argv, output) => {
      printed = output;
    });
  } catch (error) {
    if (error !== CHOSEN) throw error;
  }
  if (printed !== '') await write(io.stdout, `${printed}\n`);
  return chosen;
}

const ownFlags = ({ flags }: Command): Flags =>
  Object.fromEntries(Object.entries(flags).filter(([key]) => !(key in COMMON)));

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
function withFlags(yargs: Argv, flags: Flags): Argv {
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
