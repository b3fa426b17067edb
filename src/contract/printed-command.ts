import { optional } from './optional.ts';

/** A word as a shell takes it, whatever is in it; zsh takes one that begins with `=` for the path of a program. */
export const shellWord = (word: string): string =>
  /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * A command whose words, whatever is in them, are words: all that is put into one goes through here, and
 * what kubectl is to find in an object: zsh and fish look for files of a name like `{.items[*].spec}`.
 */
export const shell = (
  texts: TemplateStringsArray,
  ...words: readonly (string | number)[]
): string =>
  String.raw(
    { raw: texts.map(text => text.replaceAll(BRACED, shellWord)) },
    ...words.map(word => shellWord(String(word))),
  );

/** A word of ours as `jsonpath={.spec}`; where it stands in quotes already, no blank is before it. */
const BRACED = /(?<![^ ])[a-z-]+=\{[^\s';|]*/g;

/** What a printed command carries, so that it asks where its reader asked. */
export interface CommandWords {
  /** For every kubectl: `--context=prod`, `--as=bob`. */
  readonly connection: readonly string[];
  /** For `kubectl gpu-mcp` alone, where it names no namespace of its own. */
  readonly namespace: readonly string[];
  /** For those of them that start a pod: what their reader chose it to be. */
  readonly pod?: readonly string[];
  /** What stands in a node's place where no node of a cluster was read: `--simulate=lost-gpu`. */
  readonly instead?: readonly string[];
  /** Where a pod was read from within: it stands in its node's place, and the node is somebody else's. */
  readonly within?: { readonly pod: string; readonly node: string };
}

/**
 * Each command of ours that asks a cluster, and each of kubectl's that we print, with its words: what
 * reads like a command in a quoted one is a name, and stays.
 */
const COMMAND =
  /\bkubectl (?:(gpu-mcp) (serve|triage|call|capture|clean|nodes|doctor|manifest)|(apply|auth|cluster-info|config|cordon|create|debug|delete|describe|drain|get|label|logs|taint|uncordon))(?![\w-])((?:'[^']*'|\\'|[^;|)\n'])*)/g;

/** The text with its reader's own connection in every command of it; once, however often it is asked for. */
export function withConnection(
  text: string,
  { connection, namespace, pod = [], within }: CommandWords,
): string {
  const inPlace = (rest: string): string =>
    within && (rest === ` ${within.node}` || rest.startsWith(` ${within.node} `))
      ? ` ${shellWord(within.pod)}${rest.slice(within.node.length + 1)}`
      : rest;
  return text.replace(COMMAND, (_all, plugin = '', own = '', verb = '', rest = '') => {
    if (plugin === '') return ['kubectl', ...connection.map(shellWord), verb].join(' ') + rest;
    const named = /(?:^| )(?:-n|-A|--namespace|--all-namespaces)\b/.test(rest);
    const isOfPod = /^(serve|triage|call|capture|doctor)$/.test(own) && !/ --profile\b/.test(rest);
    const ofPod = isOfPod ? pod : [];
    const flags = [...connection, ...(named ? [] : namespace), ...ofPod].map(shellWord).join(' ');
    const has = flags === '' || rest.startsWith(` ${flags}`);
    return `kubectl gpu-mcp ${own}${has ? '' : ` ${flags}`}${inPlace(rest)}`;
  });
}

/**
 * A command as its reader can run it; undefined where that cannot be: where no node of a cluster was
 * read, only what asks the machine or the bundle again works.
 */
export function printedCommand(command: string, words: CommandWords): string | undefined {
  const { instead, within } = words;
  if (instead === undefined) {
    if (!within) return withConnection(command, words);
    // A pod's own word is not by which name its node is asked again.
    const named = command.replace(ASKS_AGAIN, (_all, asks: string) => `${asks} ${within.node}`);
    return ofOwner(withConnection(named, words));
  }
  if (!/^kubectl\b/.test(command)) return within ? ofOwner(command) : command;
  // A bundle is captured already.
  const isBundle = instead.some(word => word.startsWith('--from'));
  const again = /^(kubectl gpu-mcp (?:call|triage|capture)) (?:[^\s']|'[^']*')+(.*)$/s.exec(
    command,
  );
  if (isBundle && again?.[1]?.endsWith('capture')) return undefined;
  return again ? [again[1], ...instead.map(shellWord)].join(' ') + (again[2] ?? '') : undefined;
}

const ASKS_AGAIN =
  /^(kubectl gpu-mcp (?:call|triage|capture)) (?:[^\s'-]|'[^']*')(?:[^\s']|'[^']*')*/;

/** Said of what is done on a node, or to it, where its reader owns a pod there and no more. */
export const BY_OWNER = 'by who owns the node';

const IS_OF_NODE =
  /^(?!kubectl )|^kubectl (?:-\S+ |'-[^']*' )*(?:cordon|uncordon|drain|taint|label node|debug node\/)/;

/** A command that its reader can only hand on says so in its comment; once. */
function ofOwner(command: string): string {
  if (!IS_OF_NODE.test(command)) return command;
  const { bare, comment = '' } = commented(command);
  if (comment.startsWith(BY_OWNER)) return command;
  return `${bare}  # ${[BY_OWNER, comment].filter(Boolean).join(', ')}`;
}

const COMMENTED = /^((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^'"\\])+?) {2}# (.*)$/s;

/** A command and the comment behind it; within quotes none begins. */
export function commented(line: string): { readonly bare: string; readonly comment?: string } {
  const [, bare = line, comment] = COMMENTED.exec(line) ?? [];
  return { bare, ...optional({ comment }) };
}

/** A step as its reader can run it; of what is no node of a cluster, as it is on one. */
export function printedStep(command: string, words: CommandWords): string | undefined {
  const printed = printedCommand(command, words);
  const isCapture = command.startsWith('kubectl gpu-mcp capture');
  const { instead: _, ...live } = words;
  return printed ?? (isCapture ? undefined : printedCommand(command, live));
}

/** Keys of facts whose texts are ours and name commands. */
const OURS = ['advice', 'command', 'hint', 'otherwise'];

/** Facts with every command of ours in them as their reader can run it; what a node said stays. */
export function withCommands<Facts>(facts: Facts, words: CommandWords): Facts;
export function withCommands(facts: unknown, words: CommandWords): unknown {
  if (Array.isArray(facts)) return facts.map(item => withCommands(item, words));
  if (typeof facts !== 'object' || facts === null) return facts;
  const carried = Object.fromEntries(
    Object.entries(facts).map(([key, value]) => {
      if (typeof value === 'string' && OURS.includes(key)) {
        const carried = withConnection(value, words);
        return [key, key === 'command' && words.within ? ofOwner(carried) : carried];
      }
      if (key === 'commands' && Array.isArray(value)) {
        return [key, value.flatMap(command => printedCommand(String(command), words) ?? [])];
      }
      if (key === 'steps' && Array.isArray(value)) {
        return [key, value.flatMap(step => stepWith(step, words))];
      }
      return [key, withCommands(value, words)];
    }),
  );
  return words.within ? handedOn(carried) : carried;
}

/** What a pod's own word is worth to who owns the node. */
export const HAND_ON = 'Hand this on to who owns the node, who reads the node itself first.';

/** What is to be done on a node, with steps that its reader cannot take. */
function handedOn(facts: Readonly<Record<string, unknown>>): unknown {
  const { advice, steps } = facts;
  if (typeof advice !== 'string' || !Array.isArray(steps) || advice.startsWith(HAND_ON))
    return facts;
  const areOfOwner = steps.some(({ note }) => String(note).startsWith(BY_OWNER));
  return areOfOwner ? { ...facts, advice: `${HAND_ON} ${advice}` } : facts;
}

function stepWith(step: unknown, words: CommandWords): unknown[] {
  if (typeof step !== 'object' || step === null || !('command' in step)) return [step];
  const printed = printedStep(String(step.command), words);
  if (printed === undefined) return [];
  if (!words.within) return [{ ...step, command: printed }];
  // A step has its comment beside it.
  const { bare, comment } = commented(printed);
  const own = 'note' in step ? String(step.note) : '';
  const note = own.startsWith(BY_OWNER) ? own : [comment, own].filter(Boolean).join(', ');
  return [{ ...step, command: bare, ...(note !== '' && { note }) }];
}
