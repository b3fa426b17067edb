import yargs from 'yargs';
import {
  CONNECTION,
  ConnectionFlags,
  NOT_OURS,
  printedConnection,
} from '../cluster/connection-flags.ts';
import { GpuMcpError, UsageError } from '../contract/errors.ts';
import { dashed, optionOf } from '../contract/flag.ts';
import { namesLike } from '../contract/names-like.ts';
import { withConnection } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { type Command, withFlags } from './command.ts';
import { COMMON, OUTPUT, POD, TARGET } from './flags.ts';
import { type ExitCode, type Io, STDIN_WORD, write } from './io.ts';

/** Commands by their first word; each loads only itself: a handshake must not wait for the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  triage: async () => (await import('./triage.ts')).triage,
  call: async () => (await import('./call.ts')).call,
  tools: async () => (await import('./tools.ts')).tools,
  nodes: async () => (await import('./nodes.ts')).nodes,
  explain: async () => (await import('./explain.ts')).explain,
  analyze: async () => (await import('./analyze.ts')).analyze,
  capture: async () => (await import('./capture.ts')).capture,
  diff: async () => (await import('./diff.ts')).diff,
  manifest: async () => (await import('./manifest.ts')).manifest,
  clean: async () => (await import('./clean.ts')).clean,
  version: async () => (await import('./version.ts')).version,
  reap: async () => (await import('./clean.ts')).reap,
};
/** The command without a name: what an AI client starts. */
const UNNAMED = 'serve';

const INTERRUPTED = 130;

/**
 * Runs one command line and gives its exit code. What a command throws becomes one sentence on
 * stderr here and nowhere else.
 */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<ExitCode> {
  let connection = printedConnection({});
  try {
    const chosen = await chosenBy(argv, io);
    if (!chosen) return 0;
    connection = printedConnection(ConnectionFlags.safeParse(chosen.raw).data ?? {});
    return await chosen.command.run(chosen.raw, io);
  } catch (error) {
    if (io.signal.aborted) return INTERRUPTED;
    await write(io.stderr, `${withConnection(sentence(error), connection)}\n`);
    return error instanceof GpuMcpError ? error.exit : 1;
  }
}

/** What every terminal has. */
const HELP_COLUMNS = 80;

/** Asked beside any command, whatever else that wants. */
const asksForMachines = (argv: readonly string[]): boolean =>
  argv.some(
    (word, at) => word === '--simulate=help' || (word === '--simulate' && argv[at + 1] === 'help'),
  );

interface Chosen {
  readonly command: Command;
  readonly raw: Record<string, unknown>;
}

/** The command that the words choose; undefined where they only wanted to read something. */
async function chosenBy(given: readonly string[], io: Io): Promise<Chosen | undefined> {
  if (asksForMachines(given)) {
    const { machinesText } = await import('./simulated-session.ts');
    await write(io.stdout, machinesText(HELP_COLUMNS));
    return undefined;
  }
  const argv = commandFirst(withoutLevels(given));
  let chosen: Chosen | undefined;
  let printed = '';
  const parser = withFlags(yargs(), COMMON)
    .scriptName('kubectl gpu-mcp')
    .usage('$0 TARGET...   GPU triage on a Kubernetes node; nothing is installed, nothing stays.')
    .parserConfiguration({ 'populate--': true })
    .strict()
    .exitProcess(false)
    .version(false)
    .help('help')
    .alias('help', 'h')
    .wrap(100)
    .epilogue(
      'TARGET: NAME, node/NAME, pod/NAME, -l SELECTOR, --local, --simulate NAME|FILE, --from FILE',
    )
    .fail((message: string, error: Error | undefined) => {
      // What yargs itself finds wrong has a name of its own; all else is ours.
      if (error && error.name !== 'YError') throw error;
      throw new UsageError(usageSentence(message), howTo(commands, flagIn(message)));
    });
  const commands = await commandsOf(argv);
  for (const command of commands) {
    parser.command({
      command: command.command,
      describe: command.description,
      builder: inner =>
        (command.examples ?? []).reduce(
          (all, [line, what]) => all.example(line, what),
          command.options(inner),
        ),
      handler: raw => {
        chosen = { command, raw };
      },
    });
  }
  const words = argv.map(word => STANDS_FOR[word] ?? word);
  await parser.parseAsync(words, {}, (_error, _argv, output) => {
    printed = output;
  });
  if (printed !== '') await write(io.stdout, `${printed}\n`);
  return chosen;
}

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
const TAKES_A_WORD = new Set(
  Object.entries({ ...CONNECTION, ...TARGET, ...POD, ...OUTPUT }).flatMap(([key, schema]) => {
    const { type, alias } = optionOf(schema);
    return type === 'boolean' ? [] : [`--${dashed(key)}`, ...(alias ? [`-${alias}`] : [])];
  }),
);

/**
 * The words with the command first, wherever it stands among flags, as kubectl takes it.
 *
 * @throws UsageError for a word in its place that is nearly a command: the unnamed command would
 * take it for a node and wait in silence.
 */
function commandFirst(argv: readonly string[]): readonly string[] {
  const at = argv.findIndex((word, index) => {
    const before = argv[index - 1];
    return !word.startsWith('-') && (before === undefined || !TAKES_A_WORD.has(before));
  });
  const word = argv[at];
  if (word === undefined) return argv;
  if (word in COMMANDS) return [word, ...argv.slice(0, at), ...argv.slice(at + 1)];
  const [alike] = namesLike(word, Object.keys(COMMANDS).filter(isListed));
  if (alike === undefined || !/^[a-z]{4,}$/i.test(word)) return argv;
  throw new UsageError(
    `there is no command "${plainText(word, 40)}"`,
    `did you mean ${alike}? A node of that name: kubectl gpu-mcp node/${plainText(word, 40)}`,
  );
}

const isListed = (name: string): boolean => name !== UNNAMED && name !== 'reap';

/** The named command, the unnamed one where the first word is a target, all for the help. */
async function commandsOf(argv: readonly string[]): Promise<readonly Command[]> {
  const [first = ''] = argv;
  const name = first in COMMANDS && first !== UNNAMED ? first : UNNAMED;
  const help = argv.includes('--help') || argv.includes('-h');
  const names = help && name === UNNAMED ? Object.keys(COMMANDS) : [name];
  return Promise.all(names.flatMap(other => COMMANDS[other]?.() ?? []));
}

/** How the command at hand is written; for several, where they are listed. */
function howTo([command, ...others]: readonly Command[], flag: string | undefined): string {
  if (command === undefined || others.length > 0) return 'kubectl gpu-mcp --help';
  const words = command.command.replace('$0 ', '');
  const wanted = flag === undefined ? '' : ` --${flag} ${flag.toUpperCase()}`;
  return `kubectl gpu-mcp ${words}${wanted}   (--help tells more)`;
}

/** The flag that is not there, or that has no value. */
const flagIn = (message: string): string | undefined =>
  /^(?:Missing required argument|Not enough arguments following): ([\w-]+)/.exec(message)?.[1];

/**
 * What yargs says in its own words, in ours. It names an unknown flag twice, with dashes and in camel
 * case: the second is left out.
 */
function usageSentence(message: string): string {
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(', ');
  const flag = flagIn(message);
  if (flag !== undefined) {
    return message.startsWith('Missing') ? `--${flag} is missing` : `--${flag} has no value`;
  }
  if (/^Not enough non-option arguments/.test(message)) return 'this command needs more words';
  if (!unknown) return message.replace(/\s*\n\s*/g, '; ');
  const camel = (name: string) =>
    name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase());
  const names = unknown.filter(
    name => !unknown.some(other => other !== name && camel(other) === name),
  );
  const [ofKubectl] = names.filter(name => name in NOT_OURS);
  if (ofKubectl !== undefined) return `--${ofKubectl} is refused: ${NOT_OURS[ofKubectl]}`;
  return `unknown argument ${names.map(name => `"${name}"`).join(', ')}`;
}

/** One sentence and what to try; a bug shows where it happened. */
function sentence(error: unknown): string {
  if (error instanceof GpuMcpError) {
    const hint = error.hint === undefined ? '' : `\ntry: ${error.hint}`;
    return `error: ${plainText(error.message, 2_000)}${hint}`;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `error: this is a bug of kubectl gpu-mcp, please report it: ${stack}`;
}
