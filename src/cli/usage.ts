import { UsageError } from '../contract/errors.ts';
import { dashed, optionOf } from '../contract/flag.ts';
import { namesLike } from '../contract/names-like.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Command } from './command.ts';

/** What is wrong with a command line, as an error of ours: a sentence, and what was probably meant. */

/** A first word that is nearly a command is not taken for a node. */
export const isNearly = (word: string, commands: readonly string[]): boolean =>
  /^[a-z]{4,}$/i.test(word) && namesLike(word, commands).length > 0;

export function noCommand(word: string, commands: readonly string[]): UsageError {
  const [alike] = namesLike(word, commands);
  const shown = plainText(word, 40);
  return new UsageError(
    `there is no command "${shown}"`,
    alike === undefined
      ? `there are ${commands.join(', ')}`
      : `did you mean ${alike}? A node of that name: kubectl gpu-mcp triage ${shown}`,
  );
}

/** What yargs says in its own words of a line, in ours. */
export function usageError(
  message: string,
  command: Command | undefined,
  line: readonly string[],
): UsageError {
  const flags = Object.keys(command?.flags ?? {}).map(dashed);
  const unknown = unknownArguments(message, line);
  const [kubectlFlag] = unknown.filter(name => name in NOT_OURS);
  if (kubectlFlag !== undefined) {
    return new UsageError(`--${kubectlFlag} is refused: ${NOT_OURS[kubectlFlag]}`, howTo(command));
  }
  const unexpected = unknown.filter(name => isWord(name, line));
  if (unexpected.length > 0) {
    const words = unexpected.map(word => `"${plainText(word, 40)}"`).join(', ');
    const named = plainText(words, 120);
    return new UsageError(
      unexpected.length === 1 ? `unexpected argument ${named}` : `unexpected arguments ${named}`,
      howTo(command),
    );
  }
  if (unknown.length > 0) {
    const named = unknown.map(name => `--${name}`).join(', ');
    const [alike] = unknown.flatMap(name => namesLike(name, flags));
    const sentence = `there is no flag ${plainText(named, 120)}`;
    if (alike === undefined) return new UsageError(sentence, howTo(command));
    return new UsageError(sentence, `did you mean --${alike}? ${howTo(command)}`);
  }
  const invalid = invalidChoice(message);
  if (invalid) {
    const { flag, given, choices } = invalid;
    const [alike] = namesLike(given, choices);
    const meant = alike === undefined ? 'it' : `did you mean ${alike}? It`;
    const named = command?.flags[flag];
    const shown = named && optionOf(named).isWord ? flag.toUpperCase() : `--${flag}`;
    return new UsageError(
      `${shown} cannot be "${plainText(given, 40)}"`,
      `${meant} is one of ${choices.join(', ')}`,
    );
  }
  const flag = /^(?:Missing required argument|Not enough arguments following): ([\w-]+)/.exec(
    message,
  )?.[1];
  if (flag !== undefined) {
    const words = message.startsWith('Missing') ? 'is missing' : 'has no value';
    return new UsageError(`--${flag} ${words}`, howTo(command, flag));
  }
  const lacking = /^Not enough non-option arguments/.test(message)
    ? 'this command needs more words'
    : message.replace(/\s*\n\s*/g, '; ');
  return new UsageError(lacking, howTo(command));
}

/** yargs names a word that has no place as it names a flag that is none. */
const isWord = (name: string, line: readonly string[]): boolean =>
  line.includes(name) && !line.some(word => word.startsWith(`--${name}`));

/** yargs names an unknown flag twice, with dashes and in camel case: the second is left out, where nobody wrote it. */
function unknownArguments(message: string, line: readonly string[]): readonly string[] {
  const names = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(', ') ?? [];
  const camel = (name: string) =>
    name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase());
  const isEcho = (name: string) => names.some(other => other !== name && camel(other) === name);
  return names.filter(name => isWord(name, line) || !isEcho(name));
}

function invalidChoice(message: string) {
  const [, flag, given = '', listed = ''] =
    /Argument: ([\w-]+), Given: (.*), Choices: (.*)$/m.exec(message) ?? [];
  if (flag === undefined) return undefined;
  const bare = (word: string) => word.replace(/^"|"$/g, '');
  return { flag, given: bare(given), choices: listed.split(', ').map(bare) };
}

/** Flags of kubectl for any command that are not ours, each with the reason that a user is told. */
const NOT_OURS: Readonly<Record<string, string>> = {
  'cache-dir': 'nothing is cached here: no discovery is done',
  'disable-compression': 'answers are never compressed here',
  kuberc: 'preferences of kubectl commands have no meaning here',
  'log-flush-frequency': 'nothing is logged here; -v tells what is done',
  'match-server-version':
    'this plugin has a version of its own, and works with every server from 1.30 on',
  profile: 'this is no Go program; npm run bench measures it',
  'profile-output': 'this is no Go program; npm run bench measures it',
  vmodule: 'nothing is logged here; -v tells what is done',
  'warnings-as-errors':
    'warnings of the API server are not shown here, so they cannot fail a command',
};

/** How the command at hand is written. */
function howTo(command: Command | undefined, flag?: string): string {
  if (command === undefined) return 'kubectl gpu-mcp --help';
  const words = command.command.replace('$0 ', '');
  const wanted = flag === undefined ? '' : ` --${flag} ${flag.toUpperCase()}`;
  return `kubectl gpu-mcp ${words}${wanted}   (--help tells more)`;
}
