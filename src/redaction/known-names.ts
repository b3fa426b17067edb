import { GpuMcpError, ServerError, type Shown, sentenceOf } from '../contract/errors.ts';
import { MANAGED_BY, NAME } from '../contract/labels.ts';
import { shellWord } from '../contract/printed-command.ts';
import type { NameKind, Names } from './names.ts';
import { withheld } from './public-words.ts';

/**
 * Names that may stand in sentences of ours, of an API server or a kubelet: what is looked at, before and
 * beside all answers. Answers themselves are redacted by their schemas.
 */
export interface KnownNames {
  learn(kind: NameKind, ...names: readonly (string | undefined)[]): void;
  /** The name of a node: it stays, also where somebody's name is a part of it. */
  keep(node: string): void;
  /** The text with a token for every name that was learnt. */
  text(words: string): string;
  /** Of a text of others, which may hold any name, what everybody knows; where a node alone was named, all of it. */
  readonly foreign: Shown;
  /** Of a word that is a name and no more: its token, where it was learnt. */
  word(name: string): string;
  /** The same of an error's words, its hint, and what caused it. */
  error(error: unknown): unknown;
}

/** Flags whose value is the reader's own, and no namespace, pod or container: his connection, his choice of a pod. */
const OWN_FLAG =
  /--(?:as(?:-group|-uid|-user-extra)?|certificate-authority|client-(?:certificate|key)|cluster|context|kubeconfig|proxy-url|server|tls-server-name|user|username|agent-archive|image|no-image|profile|runtime-class)/;
const QUOTED = /(?:[^']|'\\'')*'/;

/** Not within a word, nor behind one that a name follows, whatever that is called. */
const NO_NAME =
  /(?<![\w/-]|(?:(?: -[nc]|--(?:namespace|container))[ =]|\b(?:pod|job|container|logs) ))/;

/**
 * Names of tools, of variables: no name of Kubernetes has a `_`, but files of a kubelet join names by it,
 * behind a `/` and with digits and a `-` in them. And what NVIDIA calls its resources and labels, and
 * the namespace in which Kubernetes keeps the leases of nodes.
 */
const OF_ALL = [
  /(?<![\w/.-])[A-Za-z]+(?:_[A-Za-z]+)+(?![\w/-])/,
  /(?<![\w/.-])nvidia\.com\/(?:gpu|mig)(?:-driver-upgrade-state)?(?![\w-])/,
  /(?<![\w/.-])kube-node-lease(?![\w-])/,
].map(({ source }) => source);

/** What a printed command is made of, whatever somebody has called his container: our words, kinds and flags. */
const OURS = [
  /kubectl gpu-mcp(?: [a-z]+)?(?![\w/-])/,
  // Behind these of kubectl's verbs a kind may stand, behind the others a name.
  /kubectl(?: (?:get|delete|describe|label)(?: [a-z]+)?| [a-z]+)?(?![\w/-])/,
  /(?:pod|node|job)\//,
]
  .map(({ source }) => NO_NAME.source + source)
  .concat(
    `'${OWN_FLAG.source}=${QUOTED.source}`,
    `(?<![\\w-])${OWN_FLAG.source}[= ](?:'${QUOTED.source}|[^\\s']+)`,
    '(?<![\\w-])--?[a-z][a-z-]*',
    ...OF_ALL,
  )
  .join('|');

export function knownNames(names: Names): KnownNames {
  const tokens = new Map<string, string>();
  const nodes = new Set<string>();
  const text = (words: string): string => {
    if (tokens.size === 0) return words;
    // Of two names that begin alike the longer one is meant, and ours is one, of an image, of a container.
    const all = [...tokens.keys(), ...nodes, NAME, MANAGED_BY].toSorted(
      (a, b) => b.length - a.length,
    );
    const either = all.map(name => name.replaceAll(/[^A-Za-z0-9]/g, '\\$&')).join('|');
    const alone = new RegExp(`${OURS}|(?<![A-Za-z0-9])(?:${either})(?![A-Za-z0-9])`, 'g');
    return words.replaceAll(alone, found => tokens.get(found) ?? found);
  };
  const foreign: Shown = words =>
    tokens.size === 0 || tokens.has(words) ? words : withheld(words);
  /** What an API server says may hold any name. */
  const wordsOf = (thrown: Error): string =>
    thrown instanceof ServerError ? sentenceOf(thrown.told, foreign) : thrown.message;
  /** None where a word of others is in it that nobody has learnt. */
  const hintOf = (thrown: Error, hint: string): string | undefined => {
    const { words = [] } = thrown instanceof ServerError ? thrown.told : {};
    const ofHint = thrown instanceof ServerError ? thrown.foreign : [];
    const inIt = words.filter(word => typeof word === 'string' && hint.includes(shellWord(word)));
    const isUnknown = (word: (typeof words)[number]) =>
      typeof word === 'string' && word !== '' && !tokens.has(word);
    return tokens.size > 0 && [...inIt, ...ofHint].some(isUnknown) ? undefined : text(hint);
  };
  const error = (thrown: unknown): unknown => {
    if (!(thrown instanceof Error)) return typeof thrown === 'string' ? text(thrown) : thrown;
    const { name, stack, cause } = thrown;
    const message = wordsOf(thrown);
    // What it says is held where no copy of it has it.
    if (thrown instanceof DOMException) return new DOMException(text(message), name);
    const own = {
      ...{ message: text(message), stack: stack && text(stack), cause: error(cause) },
      ...(thrown instanceof GpuMcpError && { hint: thrown.hint && hintOf(thrown, thrown.hint) }),
      ...(thrown instanceof AggregateError && { errors: thrown.errors.map(error) }),
    };
    // Of the same class, by which others decide what to do about it.
    return Object.assign(Object.create(Object.getPrototypeOf(thrown)), thrown, own);
  };
  return {
    ...{ text, error, foreign },
    word: name => tokens.get(name) ?? name,
    keep: node => void nodes.add(node),
    learn(kind, ...learnt) {
      for (const name of learnt) if (name) tokens.set(name, names.token(kind, name));
    },
  };
}
