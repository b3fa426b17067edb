import * as limits from '../../src/contract/limits.ts';
import { filesUnder, read } from './files.ts';
import { type Token, tokensOf } from './scan.ts';

/** An error as the source writes it: what differs from time to time stands in capitals. */
export interface ErrorSentence {
  readonly sentence: string;
  readonly hint: string;
  readonly exit: number;
}

/** Exit codes of the classes of src/contract/errors.ts; a class that extends one has its own. */
const ROOTS: Readonly<Record<string, number>> = { UsageError: 2, ClusterError: 3, SessionError: 4 };

/** What a file of a simulated machine lacks is the user's; all other starts that fail are a session's. */
const exitOfFailed = (file: string) => (file.startsWith('src/simulation/') ? 2 : 4);

const isSource = (file: string) => /\.ts$/.test(file);

/** Every error of ours that the source makes, in the order of exit codes and sentences. */
export function errorSentences(): readonly ErrorSentence[] {
  const files = filesUnder('src').filter(isSource);
  const exits = exitsOf(files.map(read));
  const found = files.flatMap(file => {
    const tokens = tokensOf(read(file));
    return tokens.flatMap((token, at): readonly ErrorSentence[] => {
      const known = (name: string) => constantIn(tokens, name, at);
      if (token.text === 'sentence' && tokens[at + 1]?.text === ':') {
        const [first = [], ...rest] = argumentsFrom(tokens, at + 2);
        const hint = rest.find(([key]) => key?.text === 'hint')?.slice(2) ?? [];
        const exit = file.startsWith('src/cluster/') ? 3 : 4;
        return wordings(first, known).map(sentence => ({
          sentence,
          hint: wordings(hint, known).join('; or: '),
          exit,
        }));
      }
      const name = tokens[at + 1]?.text ?? '';
      const isMade = token.text === 'new' && tokens[at + 2]?.text === '(';
      const isFailed = token.text === 'failed' && tokens[at + 1]?.text === '(';
      const exit = isMade ? exits.get(name) : isFailed ? exitOfFailed(file) : undefined;
      if (exit === undefined) return [];
      const [first = [], ...rest] = argumentsFrom(tokens, at + (isMade ? 3 : 2));
      const hint = hintIn(rest[0] ?? [], known);
      return wordings(first, known).map(sentence => ({ sentence, hint, exit }));
    });
  });
  // A sentence of nothing but places is another's, which stands here by itself.
  const own = found.filter(({ sentence }) => /[a-z]/.test(sentence) || /^-|^DOING/.test(sentence));
  const unique = new Map(own.map(error => [`${error.exit} ${error.sentence}`, error]));
  return [...unique.values()].sort((a, b) => a.exit - b.exit || (a.sentence < b.sentence ? -1 : 1));
}

/** What a name stands for at a place: the tokens of the `const` of that name before it. */
type Known = (name: string) => readonly Token[] | undefined;

function constantIn(
  tokens: readonly Token[],
  name: string,
  before: number,
): readonly Token[] | undefined {
  for (let at = before; at > 0; at -= 1) {
    if (tokens[at]?.text !== name || tokens[at - 1]?.text !== 'const') continue;
    const is = tokens.findIndex(({ text }, index) => index > at && text === '=');
    const [value = []] = argumentsFrom(tokens, is + 1);
    const end = value.findIndex(({ text }) => text === ';');
    return value.slice(0, end < 0 ? undefined : end);
  }
  // A constant of the whole file may stand below.
  const at = tokens.findIndex(
    ({ text }, index) => text === 'const' && tokens[index + 1]?.text === name,
  );
  const [value = []] = at < 0 ? [] : argumentsFrom(tokens, at + 3);
  const end = value.findIndex(({ text }) => text === ';');
  const own = value.slice(0, end < 0 ? undefined : end);
  return /^(?:string|number)$/.test(own[0]?.kind ?? '') ? own : undefined;
}

function exitsOf(sources: readonly string[]): ReadonlyMap<string, number> {
  const exits = new Map(Object.entries(ROOTS));
  const classes = sources.flatMap(source => [
    ...source.matchAll(/class (\w+) extends (\w+Error|\w+) \{/g),
  ]);
  for (let before = 0; before !== exits.size; ) {
    before = exits.size;
    for (const [, name = '', parent = ''] of classes) {
      const exit = exits.get(parent);
      if (exit !== undefined) exits.set(name, exit);
    }
  }
  return exits;
}

/** The arguments of a call, from behind its bracket: tokens of each. */
function argumentsFrom(tokens: readonly Token[], from: number): readonly (readonly Token[])[] {
  const found: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens.slice(from)) {
    const opens = '([{'.includes(token.text) || token.text.endsWith('${');
    const closes = ')]}'.includes(token.text) || (token.kind === 'string' && token.text[0] === '}');
    if (closes) depth -= 1;
    if (depth < 0) break;
    if (opens) depth += 1;
    if (token.text === ',' && depth === 0) found.push([]);
    else found.at(-1)?.push(token);
  }
  return found;
}

/**
 * The sentences that an expression can be: a text, a template, or one of several of a choice. An
 * expression without a text of its own (`error.message`) is another's sentence.
 */
function wordings(tokens: readonly Token[], known: Known): readonly string[] {
  const arrow = tokens.findIndex(({ text }) => text === '=>');
  if (arrow >= 0 && tokens[0]?.text === '(') return wordings(tokens.slice(arrow + 1), known);
  const choices = branches(tokens);
  if (choices.length > 1) return choices.flatMap(choice => wordings(choice, known));
  const [first] = tokens;
  // shell`...`: a command put together by the quoting function.
  if (first?.kind === 'word' && tokens[1]?.text[0] === '`') return wordings(tokens.slice(1), known);
  if (first?.kind === 'word' && tokens.length === 1) {
    return wordings(known(first.text) ?? [], known);
  }
  if (first?.kind !== 'string') return [];
  let text = '';
  let depth = 0;
  let within: Token[] = [];
  for (const token of tokens) {
    const { kind, text: part } = token;
    if (kind === 'string' && part[0] === '}') {
      if (depth === 1) {
        text +=
          constantOf(within, known) ??
          `${/[A-Za-z)]$/.test(text) ? ' ' : ''}${shownOf(within, known)}`;
        within = [];
      }
      depth -= 1;
    }
    if (depth === 0 && kind === 'string') text += part.replace(/^[`'"}]|(?:[`'"]|\$\{)$/g, '');
    else within.push(token);
    if (kind === 'string' && part.endsWith('${')) depth += 1;
  }
  const plain = text.replaceAll("\\'", "'").replaceAll('\\n', ' ').replaceAll(/\s+/g, ' ').trim();
  // What may stand before a word, and after it a blank of its own.
  const parted = plain.replaceAll(/([A-Z][A-Z-]{2,}?[A-Z])(?=[A-Z][a-z]|[a-z]{2}|--[a-z])/g, '$1 ');
  return parted === '' ? [] : [parted];
}

/** A command that is put together in a place is shown whole, all else by its name. */
function shownOf(within: readonly Token[], known: Known): string {
  const isShell = within.some(({ kind, text }) => kind === 'word' && text === 'shell');
  return (isShell ? wordings(within, known)[0] : undefined) ?? nameOf(within);
}

/** `a ? b : c` as b and c; all else as it is. */
function branches(tokens: readonly Token[]): readonly (readonly Token[])[] {
  let depth = 0;
  let question: number | undefined;
  for (const [at, { kind, text }] of tokens.entries()) {
    if (')]}'.includes(text) || (kind === 'string' && text[0] === '}')) depth -= 1;
    if ('([{'.includes(text) || (kind === 'string' && text.endsWith('${'))) depth += 1;
    if (depth !== 0 || kind !== 'punctuation') continue;
    if (text === '?') question ??= at;
    if (text === ':' && question !== undefined) {
      return [tokens.slice(question + 1, at), tokens.slice(at + 1)];
    }
  }
  return [tokens];
}

/** What stands in a template for good: a text, or a limit in the unit of its sentence. */
function constantOf(tokens: readonly Token[], known: Known): string | undefined {
  const [first] = tokens;
  if (tokens.length === 1 && /^[A-Z][A-Z_]+$/.test(first?.text ?? '')) {
    const [text] = wordings(known(first?.text ?? '') ?? [], known);
    if (text !== undefined) return text;
  }
  return amountOf(tokens, known)?.toString();
}

/** `BYTES_MAX / 1024 ** 2`: products and quotients of numbers and constants. */
function amountOf(tokens: readonly Token[], known: Known): number | undefined {
  const [first, ...rest] = tokens;
  const is = (at: number, sign: string) => tokens[at]?.text === sign;
  const isPower = (at: number) => is(at, '*') && is(at + 1, '*');
  const by = tokens.findLastIndex(
    (_, at) => is(at, '/') || (is(at, '*') && !isPower(at) && !isPower(at - 1)),
  );
  const power = by > 0 ? -1 : tokens.findIndex((_, at) => isPower(at));
  const sign = Math.max(by, power);
  if (sign > 0) {
    const left = amountOf(tokens.slice(0, sign), known);
    const right = amountOf(tokens.slice(sign + (power > 0 ? 2 : 1)), known);
    if (left === undefined || right === undefined) return undefined;
    if (power > 0) return left ** right;
    return is(by, '/') ? left / right : left * right;
  }
  if (!first || rest.length > 0) return undefined;
  if (first.kind === 'number') return Number(first.text.replaceAll('_', ''));
  const limit: unknown = Object.entries(limits).find(([name]) => name === first.text)?.[1];
  if (typeof limit === 'number') return limit;
  return /^[A-Z][A-Z_]+$/.test(first.text) ? amountOf(known(first.text) ?? [], known) : undefined;
}

/** What is done with what stands in a place, and is no name of it. */
const DONE =
  /^(?:slice|join|length|trim|map|filter|first|plainText|toUpperCase|toFixed|quoted|shellWord|shown|word|words)$/;

/** Constants that differ from release to release. */
const PLACES = ['VERSION', 'SCHEMA'];

/**
 * What a place in a template is called: the last name in it, in capitals.
 *
 * @throws where that is a constant whose value was not found: its name says nothing to a reader.
 */
function nameOf(tokens: readonly Token[]): string {
  const names = tokens.flatMap(({ kind, text }) => (kind === 'word' ? text : []));
  if (names.at(-1) === 'length') return 'NUMBER';
  const long = names.filter(each => /^[a-z]\w{2,}$/i.test(each));
  const isConstant = (each: string) => /^[A-Z][A-Z\d_]+$/.test(each) && !PLACES.includes(each);
  const own = long.findLast(each => !DONE.test(each) && !isConstant(each));
  const name = own ?? (names.at(-1) === 'join' ? 'names' : long.at(-1)) ?? '...';
  if (isConstant(name)) throw new Error(`what does ${name} stand for in a sentence?`);
  if (/(?:Ms|^ms)(?:Max)?$/.test(name)) return 'TIME';
  return name.replaceAll(/([a-z])([A-Z])/g, '$1-$2').toUpperCase();
}

/** The second argument: a text, or `{ hint: ... }`. */
function hintIn(tokens: readonly Token[], known: Known): string {
  if (tokens[0]?.text !== '{') return wordings(tokens, known).join('; or: ');
  const at = tokens.findIndex(
    ({ text }, index) => text === 'hint' && /^[:,}]$/.test(tokens[index + 1]?.text ?? ''),
  );
  if (at < 0) return '';
  const isNamed = tokens[at + 1]?.text === ':';
  const hint = isNamed ? argumentsFrom(tokens, at + 2)[0] : tokens.slice(at, at + 1);
  return wordings(hint ?? [], known).join('; or: ');
}
