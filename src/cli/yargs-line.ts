import yargs from 'yargs';
import { type Command, withFlags } from './command.ts';
import { COMMON } from './flags.ts';
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
      throw usageError(message, command);
    });
  parser.command({
    command: command.command,
    describe: command.description,
    builder: inner =>
      (command.examples ?? []).reduce(
        (all, [line, what]) => all.example(line, what),
        withFlags(command.options(inner), COMMON),
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
