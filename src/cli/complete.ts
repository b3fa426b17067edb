import { CONNECTION, ConnectionFlags } from '../cluster/connection-flags.ts';
import { WORKLOAD_WORDS } from '../cluster/workloads.ts';
import { dashed, type Flags, type NameKind, optionOf } from '../contract/flag.ts';
import { COMPLETION_MS_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Command } from './command.ts';
import { type ExitCode, type Io, write } from './io.ts';
import { keyOf, optionIn, slotsOf, takesValue } from './plain-line.ts';
import { SUMMARIES } from './summaries.ts';

/**
 * Completion: what may stand in the place of an unfinished word, from the tables of the parser.
 *
 * It prints what kubectl and the scripts of `completion` read: a word a line, a tab and what it
 * means, and last what the shell is to do: Cobra's directives (spf13/cobra, completions.go).
 */
const NO_SPACE = 2;
const NO_FILES = 4;

/** What can be offered in a place. */
interface Offer {
  readonly words: readonly Candidate[];
  /** A file may stand there: without a word of ours the shell offers its own. */
  readonly isFile?: boolean;
  /** The word goes on behind what is offered. */
  readonly goesOn?: boolean;
}
type Candidate = readonly [word: string, meaning?: string | undefined];

/** What the command line knows of itself. */
export interface Grammar {
  readonly commands: Readonly<Record<string, () => Promise<Command>>>;
  readonly unnamed: string;
  /** Where the command stands among the words; -1 where none does. */
  commandAt(words: readonly string[]): Promise<number>;
}

/** The hidden command: prints the words that may stand in the place of the last one. */
export async function complete(
  given: readonly string[],
  grammar: Grammar,
  io: Io,
): Promise<ExitCode> {
  const typed = given.slice(0, -1);
  const unfinished = given.at(-1) ?? '';
  const {
    words,
    isFile = false,
    goesOn = false,
  } = await offerOf({ typed, unfinished }, grammar, {
    io,
    signal: AbortSignal.any([io.signal, AbortSignal.timeout(COMPLETION_MS_MAX)]),
  });
  const fitting = words.filter(([word]) => word.startsWith(unfinished));
  const lines = fitting.map(([word, meaning]) =>
    meaning === undefined ? word : `${word}\t${meaning}`,
  );
  const directive = (isFile ? 0 : NO_FILES) + (goesOn ? NO_SPACE : 0);
  await write(io.stdout, [...lines, `:${directive}\n`].join('\n'));
  return 0;
}

interface Line {
  readonly typed: readonly string[];
  readonly unfinished: string;
}

interface World {
  readonly io: Io;
  readonly signal: AbortSignal;
}

async function offerOf(line: Line, grammar: Grammar, world: World): Promise<Offer> {
  const { typed, unfinished } = line;
  if (typed.includes('--')) return { words: [] };
  if (typed[0] === 'help') return { words: typed.length === 1 ? COMMANDS : [] };
  if (typed.length === 0 && !unfinished.startsWith('-')) {
    // The first word of all: no command is to be loaded for it.
    const nowhere = { values: {}, words: [], open: undefined, flags: {}, unfinished };
    const { words, ...how } = await target(nowhere, world);
    return { ...how, words: [...COMMANDS, ...words] };
  }
  const at = await grammar.commandAt(typed);
  const word = typed[at] ?? '';
  const isNamed = Object.hasOwn(grammar.commands, word);
  const command = await grammar.commands[isNamed ? word : grammar.unnamed]?.();
  if (command === undefined) return { words: [] };
  const rest = isNamed ? typed.filter((_, index) => index !== at) : typed;
  const place = { ...walked(rest, command.flags), flags: command.flags };
  const value = valueAsked(unfinished, place);
  if (value) {
    const { key, written, begun } = value;
    const offer = await valuesOf(key, { ...place, unfinished: begun }, world);
    return { ...offer, words: offer.words.map(([of, what]) => [`${written}${of}`, what]) };
  }
  if (unfinished.startsWith('-')) return { words: flagsOf(place) };
  const before = isNamed || at >= 0 ? [] : COMMANDS;
  const offer = await wordsOf(command, { ...place, unfinished }, world);
  return { ...offer, words: [...before, ...offer.words] };
}

const COMMANDS = Object.entries(SUMMARIES).map(
  ([name, { description }]): Candidate => [name, description],
);

/** What stands before the unfinished word. */
interface Before {
  /** By the name in the table; a flag without a value has none. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  readonly words: readonly string[];
  /** The flag that the unfinished word is the value of. */
  readonly open: string | undefined;
}
type Place = Before & { readonly flags: Flags };
type Unfinished = Place & { readonly unfinished: string };

/** The typed words as flags and their values, and the words between them. */
function walked(typed: readonly string[], flags: Flags): Before {
  const values: Record<string, string[]> = {};
  const words: string[] = [];
  let open: string | undefined;
  for (const word of typed) {
    if (open !== undefined) {
      values[open]?.push(word);
      open = undefined;
      continue;
    }
    const [, name, value] = /^(--?[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) words.push(word);
    const key = keyOf(name, flags);
    if (key === undefined) continue;
    values[key] = [...(values[key] ?? []), ...(value === undefined ? [] : [value])];
    if (value === undefined && takesValue(flags, key)) open = key;
  }
  return { values, words, open };
}

/** The flag whose value is unfinished: behind it, or in `--flag=val`. */
function valueAsked(unfinished: string, { open, flags }: Place) {
  if (open !== undefined) return { key: open, written: '', begun: unfinished };
  const [, written = '', name, begun = ''] = /^((--?[^=]+)=)(.*)$/s.exec(unfinished) ?? [];
  const key = keyOf(name, flags);
  return takesValue(flags, key) ? { key, written, begun } : undefined;
}

/** The flags that may still be given. */
function flagsOf({ flags, values, words }: Place): readonly Candidate[] {
  const left = Object.entries(flags).filter(([key, schema]) => {
    const { isWord, type, isRepeated, beside } = optionOf(schema);
    if (isWord) return false;
    if (beside && !words.some(word => word in beside)) return false;
    return !(key in values) || type === 'array' || isRepeated === true;
  });
  const candidates = left.map(
    ([key, schema]): Candidate => [`--${dashed(key)}`, optionOf(schema).description],
  );
  return [...candidates, ['--help', 'Show help']];
}

function valuesOf(key: string, place: Unfinished, world: World): Promise<Offer> | Offer {
  const { choices, offers, names, beside } = optionIn(place.flags, key);
  if (names !== undefined) return namesOf(names, place, world);
  const ofWord = place.words.flatMap(word => beside?.[word] ?? []);
  return { words: [...(choices ?? offers ?? []), ...ofWord].map(word => [word]) };
}

/** The words of `manifest <kind> [node]`, by their place. */
async function wordsOf(command: Command, place: Unfinished, world: World): Promise<Offer> {
  const slots = slotsOf(command);
  const { key, isList } = slots[place.words.length] ?? slots.at(-1) ?? {};
  const isOver = place.words.length >= slots.length && isList !== true;
  return key === undefined || isOver ? { words: [] } : valuesOf(key, place, world);
}

async function namesOf(kind: NameKind, place: Unfinished, world: World): Promise<Offer> {
  const of = async (names: Promise<readonly string[]>): Promise<Offer> => ({
    words: (await orNone(names)).filter(isPlain).map(name => [name]),
  });
  switch (kind) {
    case 'file':
      return { words: [], isFile: true };
    case 'node_or_file':
      return { ...(await of(clusterNames('node', place, world))), isFile: true };
    case 'machine':
      return { ...(await machines()), isFile: true };
    case 'zone':
      return { words: Intl.supportedValuesOf('timeZone').map(zone => [zone]) };
    case 'context':
    case 'cluster':
    case 'user': {
      const { kubeConfigNames } = await import('../cluster/settings.ts');
      return of(kubeConfigNames(connectionOf(place, world), world.io.environment, kind));
    }
    case 'target':
      return target(place, world);
    case 'target_or_tool':
      return targetOrTool(place, world);
    case 'namespace':
    case 'container':
    case 'node':
    case 'pod':
    case 'session':
      return of(clusterNames(kind, place, world));
  }
}

async function machines(): Promise<Offer> {
  const { machineTitles } = await import('./simulated-session.ts');
  const known = machineTitles().map(({ name, title }): Candidate => [name, title]);
  return { words: [['help', 'lists them'], ...known] };
}

/** A node by its name, or what has pods as `KIND/NAME`; none where the flags say which. */
async function target(place: Unfinished, world: World): Promise<Offer> {
  const { unfinished, words } = place;
  if (isHere(place)) return { words: [] };
  const [, kind = '', rest] = /^([a-z.]+)\/(.*)$/.exec(unfinished) ?? [];
  const isNode = rest === undefined || /^(?:nodes?|no)$/.test(kind);
  const left = (await orNone(targetsOf(isNode ? 'node' : kind, place, world))).filter(
    word => isPlain(word) && !words.includes(word),
  );
  const named = (rest !== undefined && isNode ? left.map(name => `${kind}/${name}`) : left).map(
    (word): Candidate => [word],
  );
  const kinds = rest === undefined && unfinished !== '' ? ['pod', ...WORKLOAD_WORDS] : [];
  const begun = kinds.filter(word => `${word}/`.startsWith(unfinished));
  if (begun.length === 0) return { words: named };
  const offered = begun.map(
    (word): Candidate => [
      `${word}/`,
      word === 'pod' ? 'the node that it runs on' : 'the nodes of its pods',
    ],
  );
  return { words: [...offered, ...named], goesOn: true };
}

/** Nodes by their names, and what else a target may be as `KIND/NAME`. */
async function targetsOf(
  kind: string,
  place: Unfinished,
  world: World,
): Promise<readonly string[]> {
  if (kind === 'node') return clusterNames('node', place, world);
  if (/^(?:pods?|po)$/.test(kind)) {
    const pods = await clusterNames('pod', place, world);
    return pods.map(name => `${kind}/${name.replace(/^.*\//, '')}`);
  }
  const there = await clusterNames('workload', place, world);
  return there.filter(word => word.startsWith(`${kind}/`));
}

/** A shell that waits for a word is no place for an error. */
const orNone = (names: Promise<readonly string[]>): Promise<readonly string[]> =>
  names.catch(() => []);

/** What would be another word once it is cleaned is not offered. */
const isPlain = (name: string): boolean => name !== '' && plainText(name) === name;

const HERE = ['local', 'simulate', 'from'];

/** Whether flags say which node is asked. */
const isHere = ({ values }: Place): boolean => HERE.some(key => key in values);

const isChosen = ({ values }: Place): boolean => 'selector' in values || 'allGpuNodes' in values;

/** `call TARGET... TOOL`: the last word is the tool. */
async function targetOrTool(place: Unfinished, world: World): Promise<Offer> {
  const { TOOLS } = await import('../tools/index.ts');
  const tools = TOOLS.map(({ name, title }) => [name, title] as const);
  const isDone = tools.some(([name]) => name === place.words.at(-1));
  if (isDone) return { words: [] };
  if (isHere(place) || isChosen(place)) return { words: tools };
  const targets = await target(place, world);
  return place.words.length === 0 ? targets : { words: [...tools, ...targets.words] };
}

/** The connection that the typed words name. */
function connectionOf({ values }: Place, { io }: World): ConnectionFlags {
  const home = io.environment['HOME'] ?? '~';
  const raw = Object.entries(values).map(([key, given]) => {
    // The shell has not yet put the home in its place.
    const value = given.at(-1)?.replace(/^~(?=\/)/, () => home);
    const { type } = optionIn(CONNECTION, key);
    return [key, type === 'boolean' ? true : type === 'array' ? given : value];
  });
  return ConnectionFlags.parse(Object.fromEntries(raw));
}

/** Names that only the cluster knows, asked with the user's own rights; nothing is created. */
async function clusterNames(
  kind: 'container' | 'namespace' | 'node' | 'pod' | 'session' | 'workload',
  place: Unfinished,
  world: World,
): Promise<readonly string[]> {
  const { connect } = await import('../cluster/kubernetes-cluster.ts');
  const { signal } = world;
  const { environment, clock } = world.io;
  const flags = connectionOf(place, world);
  const cluster = await connect({ flags, environment, clock, isUnattended: true });
  const { namespace } = cluster.access;
  switch (kind) {
    case 'namespace':
      return cluster.listNamespaces(signal);
    case 'pod': {
      const pods = await cluster.listPods({ namespace }, signal);
      return pods.map(pod => `${pod.namespace}/${pod.name}`);
    }
    case 'container': {
      const [, name] = place.words.flatMap(word => /^(?:pods?|po)\/(.+)$/.exec(word) ?? []);
      const pod =
        name === undefined ? undefined : await cluster.targetPod({ namespace, name }, signal);
      return [...(pod?.containers ?? []), ...(pod?.sidecars ?? [])].map(each => each.name);
    }
    case 'workload':
      return cluster.workloads(signal);
    case 'session': {
      const all = 'allNamespaces' in place.values ? null : namespace;
      return (await cluster.listOwn(all, signal)).map(({ name }) => name);
    }
    case 'node': {
      const { hasGpus } = await import('./node-sessions.ts');
      const nodes = await cluster.listNodes('', signal);
      const withGpus = nodes.filter(hasGpus);
      // Where no node says that it has GPUs, any may.
      return (withGpus.length > 0 ? withGpus : nodes).map(({ name }) => name);
    }
  }
}
