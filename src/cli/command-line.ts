import { GpuMcpError } from '../contract/errors.ts';
import { dashed, optionOf } from '../contract/flag.ts';
import { ANY_IMAGE, EPHEMERAL } from '../contract/labels.ts';
import { type CommandWords, shell, withConnection } from '../contract/printed-command.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import type { Command } from './command.ts';
import { helpColumns, helpText } from './help.ts';
import { type ExitCode, Interrupted, type Io, STDIN_WORD, write } from './io.ts';
import { plainArguments } from './plain-line.ts';
import { SUMMARIES } from './summaries.ts';
import { isNearly, noCommand } from './usage.ts';
import type { Chosen } from './yargs-line.ts';

const loadServe = async (): Promise<Command> => (await import('./serve.ts')).serve;

/** Commands by their first word; each loads only itself: a handshake must not wait for the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: loadServe,
  triage: async () => (await import('./triage.ts')).triage,
  call: async () => (await import('./call.ts')).call,
  top: async () => (await import('./top.ts')).top,
  tools: async () => (await import('./tools.ts')).tools,
  nodes: async () => (await import('./nodes.ts')).nodes,
  doctor: async () => (await import('./doctor.ts')).doctor,
  explain: async () => (await import('./explain.ts')).explain,
  analyze: async () => (await import('./analyze.ts')).analyze,
  capture: async () => (await import('./capture.ts')).capture,
  diff: async () => (await import('./diff.ts')).diff,
  manifest: async () => (await import('./manifest.ts')).manifest,
  'verify-record': async () => (await import('./verify-record.ts')).verifyRecord,
  clean: async () => (await import('./clean.ts')).clean,
  config: async () => (await import('./config.ts')).config,
  completion: async () => (await import('./completion.ts')).completion,
  options: async () => (await import('./options.ts')).options,
  version: async () => (await import('./version.ts')).version,
  reap: async () => (await import('./clean.ts')).reap,
} satisfies Record<keyof typeof SUMMARIES | 'reap', () => Promise<Command>>;
/** The command without a name: what an AI client starts. */
const UNNAMED = 'serve';
const HIDDEN = ['reap'];
const LISTED = Object.keys(COMMANDS).filter(name => name !== UNNAMED && !HIDDEN.includes(name));

/** The hidden word before the words that a shell wants completed; what Cobra calls it. */
const COMPLETE = '__complete';

const isCommand = (word: string | undefined): word is string =>
  word !== undefined && Object.hasOwn(COMMANDS, word);

const INTERRUPTED = 130;

/**
 * Runs one command line and gives its exit code. What a command throws becomes one sentence on
 * stderr here and nowhere else.
 */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<ExitCode> {
  if (argv[0] === COMPLETE) {
    const { complete } = await import('./complete.ts');
    const grammar = { commands: COMMANDS, unnamed: UNNAMED, commandAt };
    return complete(argv.slice(1), grammar, io);
  }
  let chosen: Chosen | undefined;
  try {
    chosen = await chosenBy(argv, io);
    if (!chosen) return 0;
    return await chosen.command.run(chosen.raw, io);
  } catch (error) {
    if (io.signal.aborted) {
      if (!argv.includes('-q') && !argv.includes('--quiet'))
        await write(io.stderr, `${error instanceof Interrupted ? error.message : 'interrupted'}\n`);
      return INTERRUPTED;
    }
    const shown = withConnection(sentence(error, chosen), await printedWords(chosen?.raw ?? {}));
    const words = plainLines(shown);
    await write(io.stderr, `${words}\n`);
    return error instanceof GpuMcpError ? error.exit : 1;
  }
}

/** What every terminal has, and what is read well. */
const HELP_COLUMNS = 80;

/** The words as a command: kubectl's own habits, and on a terminal nothing is a question. */
function askedFor(given: readonly string[], io: Io): readonly string[] {
  const [first, ...rest] = given;
  if (first === undefined) return io.stdinIsTerminal ? ['--help'] : given;
  if (first === '--version' && rest.length === 0) return ['version'];
  if (first !== 'help') return given;
  const [about] = rest;
  if (about !== undefined && !isCommand(about)) throw noCommand(about, LISTED);
  return [...rest, '--help'];
}

/** Asked beside any command, whatever else that wants. */
const asksForMachines = (argv: readonly string[]): boolean =>
  argv.some(
    (word, at) => word === '--simulate=help' || (word === '--simulate' && argv[at + 1] === 'help'),
  );

/** The command that the words choose; undefined where they only wanted to read something. */
export async function chosenBy(given: readonly string[], io: Io): Promise<Chosen | undefined> {
  if (asksForMachines(given)) {
    const { machinesText } = await import('./simulated-session.ts');
    await write(io.stdout, machinesText(HELP_COLUMNS));
    return undefined;
  }
  const argv = await commandFirst(askedFor(withoutLevels(given).map(spelled), io));
  if (asksForHelp(argv) && !isCommand(argv[0])) {
    await write(io.stdout, `${helpText(Object.values(SUMMARIES), helpColumns(io.columns))}\n`);
    return undefined;
  }
  const command = await commandOf(argv);
  const words = argv.map(word => STANDS_FOR[word] ?? word);
  const raw = plainArguments(isCommand(argv[0]) ? words.slice(1) : words, command);
  if (raw !== undefined) return { command, raw };
  const { chosenByYargs } = await import('./yargs-line.ts');
  return chosenByYargs(words, command, io);
}

/** `--no-image` takes a word only behind its equals sign. */
const spelled = (word: string): string => (word === '--no-image' ? `${word}=${ANY_IMAGE}` : word);

const STANDS_FOR: Readonly<Record<string, string>> = {
  '-': STDIN_WORD,
  '--no-color': '--color=never',
};

/** kubectl's levels of its log, `-v=6` and `--v 6`, as our one: progress with its seconds. */
function withoutLevels(argv: readonly string[]): readonly string[] {
  return argv.flatMap((word, at) => {
    const isLevel = /^\d+$/.test(word) && /^--?v$/.test(argv[at - 1] ?? '');
    if (isLevel) return [];
    const level = /^--?v(?:=(\d+))?$/.exec(word);
    if (!level) return word;
    const next = argv[at + 1] ?? '';
    return Number(level[1] ?? (/^\d+$/.test(next) ? next : 1)) > 0 ? '--verbose' : [];
  });
}

/** Flags of several commands that take the word behind them: `-n`, `--context`. */
async function takeAWord(): Promise<ReadonlySet<string>> {
  const { CONNECTION } = await import('../cluster/connection-flags.ts');
  const { OUTPUT, POD, TARGET } = await import('./flags.ts');
  const shared = Object.entries({ ...CONNECTION, ...TARGET, ...POD, ...OUTPUT });
  const names = shared.flatMap(([key, schema]) => {
    const { type, alias } = optionOf(schema);
    return type === 'boolean' ? [] : [`--${dashed(key)}`, ...(alias ? [`-${alias}`] : [])];
  });
  return new Set(names);
}

/**
 * The words with the command first, wherever it stands among flags, as kubectl takes it.
 *
 * @throws UsageError for a word in its place that is nearly a command: the unnamed command would
 * take it for a node and wait in silence.
 */
async function commandFirst(argv: readonly string[]): Promise<readonly string[]> {
  const at = await commandAt(argv);
  const word = argv[at];
  if (word === undefined) return argv;
  if (word === UNNAMED && !asksForHelp(argv)) return [...argv.slice(0, at), ...argv.slice(at + 1)];
  if (isCommand(word)) return [word, ...argv.slice(0, at), ...argv.slice(at + 1)];
  if (isNearly(word, LISTED)) throw noCommand(word, LISTED);
  return argv;
}

/** Where the first word stands that is neither a flag nor the value of one; -1 where none does. */
async function commandAt(argv: readonly string[]): Promise<number> {
  // Nearly always it is the first of all: no table of flags is loaded for it.
  const first = argv.findIndex(word => !word.startsWith('-'));
  if (first <= 0) return first;
  const takers = await takeAWord();
  return argv.findIndex(
    (word, index) => !word.startsWith('-') && !takers.has(argv[index - 1] ?? ''),
  );
}

/** The named command, the unnamed one where the first word is a target. */
const commandOf = ([first = '']: readonly string[]): Promise<Command> =>
  ((isCommand(first) && COMMANDS[first]) || loadServe)();

const asksForHelp = (argv: readonly string[]): boolean =>
  argv.includes('--help') || argv.includes('-h');

/** What the commands of a hint carry; no name where none is to be told. */
async function printedWords(raw: Chosen['raw']): Promise<CommandWords> {
  const { ChosenPod, ConnectionFlags, printedConnection } = await import(
    '../cluster/connection-flags.ts'
  );
  const connection = ConnectionFlags.safeParse(raw).data ?? {};
  const pod = ChosenPod.safeParse(raw).data ?? {};
  const { namespace: _, ...rest } = connection;
  const { container: __, ...without } = pod;
  return raw['redactNames']
    ? printedConnection({ ...rest, ...without })
    : printedConnection({ ...connection, ...pod });
}

/** One sentence and what to try; a bug shows where it happened. */
function sentence(error: unknown, chosen: Chosen | undefined): string {
  if (error instanceof GpuMcpError) {
    const tries = [error.hint, chosen && doctorHint(error, chosen)].filter(Boolean).join('; ');
    return `error: ${plainText(error.message, 2_000)}${tries && `\ntry: ${tries}`}`;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `error: this is a bug of kubectl gpu-mcp, please report it: ${stack}`;
}

/** What was refused at the start of a session may not be the only thing. */
function doctorHint({ exit }: GpuMcpError, { command, raw }: Chosen): string | undefined {
  const opensSessions = 'lifetime' in command.flags && !command.command.startsWith('doctor');
  const isElsewhere = ['local', 'simulate', 'from'].some(flag => raw[flag]);
  // It looks at what a session with a pod of its own takes.
  if (raw['profile'] === EPHEMERAL) return undefined;
  if (![3, 4].includes(exit) || !opensSessions || isElsewhere) return undefined;
  const [node, more] = [raw['target'] ?? raw['words'] ?? []].flat().map(String);
  const isTold = !raw['redactNames'] || node?.includes('/') === false;
  const isOne = node !== undefined && isTold && (more === undefined || 'words' in raw);
  return `kubectl gpu-mcp doctor${isOne ? shell` ${node}` : ''} checks all that a session needs`;
}
