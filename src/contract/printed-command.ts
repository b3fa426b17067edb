/** A word as a shell takes it, whatever is in it; zsh takes one that begins with `=` for the path of a program. */
export const shellWord = (word: string): string =>
  /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** A command whose words, whatever is in them, are words: all that is put into one goes through here. */
export const shell = (
  texts: TemplateStringsArray,
  ...words: readonly (string | number)[]
): string => String.raw({ raw: texts }, ...words.map(word => shellWord(String(word))));

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
  { connection, namespace, pod = [] }: CommandWords,
): string {
  return text.replace(COMMAND, (_all, plugin = '', own = '', verb = '', rest = '') => {
    if (plugin === '') return ['kubectl', ...connection.map(shellWord), verb].join(' ') + rest;
    const named = /(?:^| )(?:-n|-A|--namespace|--all-namespaces)\b/.test(rest);
    const ofPod = /^(serve|triage|call|capture|doctor)$/.test(own) ? pod : [];
    const flags = [...connection, ...(named ? [] : namespace), ...ofPod].map(shellWord).join(' ');
    const has = flags === '' || rest.startsWith(` ${flags}`);
    return `kubectl gpu-mcp ${own}${has ? '' : ` ${flags}`}${rest}`;
  });
}

/**
 * A command as its reader can run it; undefined where that cannot be: where no node of a cluster was
 * read, only what asks the machine or the bundle again works.
 */
export function printedCommand(command: string, words: CommandWords): string | undefined {
  const { instead } = words;
  if (instead === undefined) return withConnection(command, words);
  if (!/^kubectl\b/.test(command)) return command;
  // A bundle is captured already.
  const isBundle = instead.some(word => word.startsWith('--from'));
  const again = /^(kubectl gpu-mcp (?:call|triage|capture)) (?:[^\s']|'[^']*')+(.*)$/s.exec(
    command,
  );
  if (isBundle && again?.[1]?.endsWith('capture')) return undefined;
  return again ? [again[1], ...instead.map(shellWord)].join(' ') + (again[2] ?? '') : undefined;
}

/** A step as its reader can run it; of what is no node of a cluster, as it is on one. */
export function printedStep(command: string, words: CommandWords): string | undefined {
  const printed = printedCommand(command, words);
  const isCapture = command.startsWith('kubectl gpu-mcp capture');
  return printed ?? (isCapture ? undefined : command);
}

/** Keys of facts whose texts are ours and name commands. */
const OURS = ['advice', 'command', 'hint', 'otherwise'];

/** Facts with every command of ours in them as their reader can run it; what a node said stays. */
export function withCommands<Facts>(facts: Facts, words: CommandWords): Facts;
export function withCommands(facts: unknown, words: CommandWords): unknown {
  if (Array.isArray(facts)) return facts.map(item => withCommands(item, words));
  if (typeof facts !== 'object' || facts === null) return facts;
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => {
      if (typeof value === 'string' && OURS.includes(key)) {
        return [key, words.instead ? value : withConnection(value, words)];
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
}

function stepWith(step: unknown, words: CommandWords): unknown[] {
  if (typeof step !== 'object' || step === null || !('command' in step)) return [step];
  const command = printedStep(String(step.command), words);
  return command === undefined ? [] : [{ ...step, command }];
}
