import { posix } from 'node:path';
import { read } from './files.ts';
import { type Token, tokensOf } from './scan.ts';

/** Expressions of the source as tokens: their parts, and what a name in them stands for. */

/** A place in the source: what is seen from there is what a name means. */
export interface Place {
  readonly file: string;
  /** Index of a token of the file. */
  readonly at: number;
}

export interface Expression {
  readonly tokens: readonly Token[];
  readonly place: Place;
}

const isOpening = ({ kind, text }: Token) =>
  kind === 'string' ? text.endsWith('${') : '([{'.includes(text);
const isClosing = ({ kind, text }: Token) =>
  kind === 'string' ? text[0] === '}' : ')]}'.includes(text);

/** Index of the token that closes what the one at `from` opens; itself, where it opens nothing. */
export function closeOf(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token && isClosing(token)) depth -= 1;
    if (token && isOpening(token)) depth += 1;
    if (depth === 0) return at;
  }
  return tokens.length;
}

/** Parts between signs that stand in no bracket. */
export function splitAt(
  tokens: readonly Token[],
  signs: readonly string[],
): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (isClosing(token)) depth -= 1;
    if (isOpening(token)) depth += 1;
    if (depth === 0 && token.kind === 'punctuation' && signs.includes(token.text)) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** What an expression or a list of them has up to the bracket or `;` that ends it. */
export function expressionFrom(tokens: readonly Token[], from: number): readonly Token[] {
  let depth = 0;
  for (let at = from; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (!token) break;
    if (isClosing(token)) depth -= 1;
    if (depth < 0 || (depth === 0 && token.text === ';')) return tokens.slice(from, at);
    if (isOpening(token)) depth += 1;
  }
  return tokens.slice(from);
}

/** The arguments of a call, or members of a list, from behind its bracket. */
export const argumentsFrom = (tokens: readonly Token[], from: number) =>
  splitAt(expressionFrom(tokens, from), [',']);

/** `a ? b : c` as b and c; undefined for all else. */
export function choiceIn(tokens: readonly Token[]): readonly (readonly Token[])[] | undefined {
  let depth = 0;
  let questions = 0;
  let first = -1;
  for (const [at, token] of tokens.entries()) {
    if (isClosing(token)) depth -= 1;
    if (isOpening(token)) depth += 1;
    if (depth !== 0 || token.kind !== 'punctuation') continue;
    if (token.text === '?') {
      questions += 1;
      if (first < 0) first = at;
    }
    if (token.text === ':' && questions > 0) {
      questions -= 1;
      if (questions === 0) return [tokens.slice(first + 1, at), tokens.slice(at + 1)];
    }
  }
  return undefined;
}

const sources = new Map<string, string>();

/** A source, read once: every name in it is looked up there. */
export function sourceOf(file: string): string {
  const source = sources.get(file) ?? read(file);
  sources.set(file, source);
  return source;
}

/** What a name stands for: an expression, a function, or what is given anew each time. */
export type Meaning = Expression | 'given' | undefined;

/** The meaning of a name where it stands: of its block, of those around it, of its file, of an import. */
export function meaningOf(name: string, { file, at }: Place): Meaning {
  const tokens = tokensOf(sourceOf(file));
  return localOf(name, tokens, { file, at }) ?? topOf(name, file);
}

/** Looks back from the place, out of one block after the other. */
function localOf(name: string, tokens: readonly Token[], { file, at: from }: Place): Meaning {
  let isSameStatement = true;
  for (let at = from - 1; at >= 0; at -= 1) {
    const token = tokens[at];
    if (!token) return undefined;
    if (isClosing(token) && !isOpening(token)) {
      const open = openOf(tokens, at);
      const group = tokens.slice(open + 1, at);
      const [before, after] = [tokens[open - 1]?.text ?? '', tokens[at + 1]?.text ?? ''];
      const isPattern = after === '=' && /^(?:const|let)$/.test(before);
      const isParameters = isSameStatement && after === '=>' && token.text === ')';
      if ((isPattern || isParameters) && isNamed(group, name)) return 'given';
      at = open;
    } else if (token.text === '{' || (isOpening(token) && !isClosing(token))) {
      if (token.text === '{' && isGivenTo(tokens, at, name)) return 'given';
      isSameStatement = true;
    } else if (token.text === ';' || token.text === ',') isSameStatement = false;
    else if (token.text === name && token.kind === 'word') {
      if (isSameStatement && tokens[at + 1]?.text === '=>') return 'given';
      const found = declaredAt(tokens, at, file);
      if (found) return found;
    }
  }
  return undefined;
}

function openOf(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at -= 1) {
    const token = tokens[at];
    if (token && isClosing(token)) depth += 1;
    if (token && isOpening(token)) depth -= 1;
    if (depth === 0) return at;
  }
  return 0;
}

/** Whether the block that opens there is of a function or loop that gives the name a value. */
function isGivenTo(tokens: readonly Token[], brace: number, name: string): boolean {
  for (let at = brace - 1; at >= 0; at -= 1) {
    const { text = '' } = tokens[at] ?? {};
    if (text === ';' || text === '{' || text === '}') return false;
    if (text !== ')') continue;
    const open = openOf(tokens, at);
    const group = tokens.slice(open + 1, at);
    const keyword = tokens[open - 1]?.text ?? '';
    if (/^(?:if|while|switch)$/.test(keyword)) return false;
    if (keyword === 'for')
      return isNamed(expressionFrom(group, 1), name) && group[0]?.text === 'const';
    return isNamed(group, name);
  }
  return false;
}

const isNamed = (group: readonly Token[], name: string) =>
  group.some(({ kind, text }) => kind === 'word' && text === name);

/** `const name = ...` and `function name(...)` at the name. */
function declaredAt(tokens: readonly Token[], at: number, file: string): Meaning {
  const keyword = tokens[at - 1]?.text;
  if (keyword === 'let') return 'given';
  if (keyword === 'function') return { tokens: tokens.slice(at - 1), place: { file, at: at - 1 } };
  if (keyword !== 'const') return undefined;
  let is = at + 1;
  while (is < tokens.length && tokens[is]?.text !== '=') is += 1;
  return { tokens: expressionFrom(tokens, is + 1), place: { file, at: is + 1 } };
}

/** A name of the whole file, or one that it imports. */
function topOf(name: string, file: string): Meaning {
  const source = sourceOf(file);
  const tokens = tokensOf(source);
  const at = tokens.findIndex(
    ({ text }, index) =>
      text === name && /^(?:const|function)$/.test(tokens[index - 1]?.text ?? ''),
  );
  if (at >= 0 && depthAt(tokens, at) === 0) return declaredAt(tokens, at, file);
  for (const [, names = '', from = ''] of source.matchAll(/import \{([^}]*)\} from '(\.[^']+)'/g)) {
    const own = names.split(',').find(each => each.trim().split(/ as /).at(-1) === name);
    const [theirs] = own?.trim().split(/ as /) ?? [];
    if (theirs !== undefined) return topOf(theirs, posix.join(posix.dirname(file), from));
  }
  return undefined;
}

const depthAt = (tokens: readonly Token[], end: number) =>
  tokens
    .slice(0, end)
    .reduce((depth, token) => depth + Number(isOpening(token)) - Number(isClosing(token)), 0);

/** A function as its parameters and all that it can return. */
export interface Callable {
  readonly parameters: readonly (string | undefined)[];
  readonly results: readonly Expression[];
}

export function callableOf({ tokens, place }: Expression): Callable | undefined {
  const isFunction = tokens[0]?.text === 'function';
  const open = isFunction ? tokens.findIndex(({ text }) => text === '(') : 0;
  const close = closeOf(tokens, open);
  const parameters = (from: readonly Token[]) =>
    splitAt(from, [',']).map(([first]) => (first?.kind === 'word' ? first.text : undefined));
  const isShort = tokens[1]?.text === '=>' && tokens[0]?.kind === 'word';
  if (isShort)
    return { parameters: parameters(tokens.slice(0, 1)), results: resultsFrom(tokens, 2, place) };
  if (tokens[open]?.text !== '(') return undefined;
  const named = parameters(tokens.slice(open + 1, close));
  const sign = isFunction ? '{' : '=>';
  // What follows is the body, the type of what it returns, or nothing: brackets that are no function.
  const isTyped = tokens[close + 1]?.text === ':';
  if (!isTyped && tokens[close + 1]?.text !== sign) return undefined;
  let body = close + (isTyped && tokens[close + 2]?.text === '{' ? 2 : 1);
  if (isTyped) body = closeOf(tokens, body) + 1;
  while (body < tokens.length && tokens[body]?.text !== sign) body = closeOf(tokens, body) + 1;
  if (body >= tokens.length) return undefined;
  return { parameters: named, results: resultsFrom(tokens, isFunction ? body : body + 1, place) };
}

function resultsFrom(tokens: readonly Token[], body: number, place: Place): readonly Expression[] {
  const at = (index: number) => ({ ...place, at: place.at + index });
  if (tokens[body]?.text !== '{') {
    return [{ tokens: expressionFrom(tokens, body), place: at(body) }];
  }
  const found: Expression[] = [];
  const end = closeOf(tokens, body);
  for (let index = body + 1; index < end; index += 1) {
    // A function within returns for itself.
    if (tokens[index]?.text === '{' && tokens[index - 1]?.text === '=>')
      index = closeOf(tokens, index);
    if (tokens[index]?.text !== 'return') continue;
    found.push({ tokens: expressionFrom(tokens, index + 1), place: at(index + 1) });
  }
  return found;
}
