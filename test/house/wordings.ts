import * as limits from '../../src/contract/limits.ts';
import {
  argumentsFrom,
  callableOf,
  choiceIn,
  closeOf,
  meaningOf,
  type Place,
  splitAt,
} from './expressions.ts';
import type { Token } from './scan.ts';

/**
 * The texts that an expression of the source can be, read without running it.
 *
 * What differs from time to time is a place, its name in capitals. A choice makes a text of its own
 * for each of its branches; what may be missing stands in square brackets.
 */

/** Where an expression stands, and what its function was called with. */
interface Scope extends Place {
  readonly given?: ReadonlyMap<string, { tokens: readonly Token[]; scope: Scope }>;
  /** In a place of a template: what stands in for an absent value is a value of that place. */
  readonly isWithin?: boolean;
  /** How many names and calls were followed to get here. */
  readonly followed?: number;
}

/** A name or call in a name or call in ...: further in there are no sentences. */
const FOLLOWED_MAX = 8;

/** A place in a text, until it is known what stands around it. */
const place = (name: string) => `\u0001${name}\u0002`;

/** The sentences that an expression can be; none where all of its words are another's. */
export function wordings(tokens: readonly Token[], scope: Scope): readonly string[] {
  const texts = textsOf(tokens, scope).map(tidy);
  return [...new Set(texts)].filter(text => text !== '');
}

function tidy(text: string): string {
  return (
    text
      .replaceAll(/([A-Za-z)])\u0001/g, '$1 \u0001')
      .replaceAll(/\u0002(?=\u0001|[A-Za-z]{2}|--[a-z])/g, ' ')
      .replaceAll(/[\u0001\u0002]/g, '')
      .replaceAll("\\'", "'")
      .replaceAll('\\n', ' ')
      // A blank that may be missing with its words goes out of their brackets.
      .replaceAll(/\[ +/g, ' [')
      .replaceAll(/ +\]/g, '] ')
      .replaceAll(/\s+/g, ' ')
      .trim()
  );
}

/** Whether it has words of ours, and is no place alone. */
const hasWords = (text: string) => /[^\s[\]]/.test(text.replaceAll(/\u0001.*?\u0002/g, ''));

/** Texts of an expression, '' for what may be missing: at least one. */
function textsOf(tokens: readonly Token[], scope: Scope): readonly string[] {
  const choice = choiceIn(tokens);
  if (choice) return choice.flatMap(branch => textsOf(branch, scope));
  const either = splitAt(tokens, ['??', '||']);
  if (either.length > 1) return eitherOf(either, tokens, scope);
  const both = splitAt(tokens, ['&&']);
  if (both.length > 1) return [...textsOf(both.at(-1) ?? [], scope), ''];
  const amount = amountOf(tokens, scope);
  if (amount !== undefined) return [String(amount)];
  const sum = splitAt(tokens, ['+']);
  if (sum.length > 1) return sumOf(sum, tokens, scope);
  return operandTexts(tokens, scope);
}

/** `a ?? b`: what a can be but nothing, and b. */
function eitherOf(
  parts: readonly (readonly Token[])[],
  tokens: readonly Token[],
  scope: Scope,
): readonly string[] {
  const texts = parts.flatMap((part, at) =>
    textsOf(part, scope).filter(text => text !== '' || at === parts.length - 1),
  );
  const other = texts.find(text => text !== '' && !hasWords(text));
  if (other !== undefined && (scope.isWithin || !texts.some(hasWords))) {
    return [parts.length > 1 && !texts.some(hasWords) ? place(nameOf(tokens)) : other];
  }
  return texts;
}

function sumOf(
  parts: readonly (readonly Token[])[],
  tokens: readonly Token[],
  scope: Scope,
): readonly string[] {
  const texts = parts.map(part => textsOf(part, scope));
  const isText = parts.some(([first], at) => first?.kind !== 'number' && texts[at]?.some(hasWords));
  return isText ? joined(texts) : [place(nameOf(tokens))];
}

/** Each text of each part with each of all others; brackets around what may be missing. */
function joined(parts: readonly (readonly string[])[]): readonly string[] {
  return parts.reduce<readonly string[]>(
    (before, texts) => {
      const there = texts.filter(text => text !== '');
      const isOptional = there.length < texts.length;
      const shown = there.map(text => (isOptional ? `[${text}]` : text));
      return before.flatMap(text => (shown.length === 0 ? text : shown.map(next => text + next)));
    },
    [''],
  );
}

function operandTexts(tokens: readonly Token[], scope: Scope): readonly string[] {
  const [first, second] = tokens;
  if (first === undefined) return [''];
  if (first.text === '(' && tokens.some(({ text }) => text === '=>')) {
    const results = callableOf({ tokens, place: scope })?.results;
    if (results)
      return results.flatMap(each => textsOf(each.tokens, { ...scope, at: each.place.at }));
  }
  const isWhole = (from: number) => closeOf(tokens, from) === tokens.length - 1;
  if (first.text === '(' && isWhole(0)) return textsOf(tokens.slice(1, -1), scope);
  if (first.kind === 'string' && isWhole(0)) return templateTexts(tokens, scope);
  // shell`...` and told`...`: tags that quote, or tell whose word is whose.
  if (first.kind === 'word' && second?.text[0] === '`' && isWhole(1)) {
    return templateTexts(tokens.slice(1), scope);
  }
  const list = listTexts(tokens, scope);
  if (list) return list;
  if (first.kind === 'word' && first.text === 'undefined' && tokens.length === 1) return [''];
  if (first.kind === 'word' && tokens.length === 1) return namedTexts(first, tokens, scope);
  if (first.kind === 'word' && second?.text === '(' && isWhole(1)) {
    return calledTexts(first, tokens, scope);
  }
  if (first.kind === 'word' && second?.text === '[' && isWhole(1)) {
    return memberTexts(first, tokens, scope);
  }
  const each = tokens.findIndex(({ text }, at) => text === 'map' && tokens[at + 1]?.text === '(');
  if (each > 0 && tokens[closeOf(tokens, each + 1) + 2]?.text === 'join') {
    return mappedTexts(tokens, each, scope);
  }
  return [place(nameOf(tokens))];
}

/** Functions whose text is that of their first argument: they cut, clean, or mark it. */
const SAME = /^(?:plainText|ours|sentenceOf|String|shellWord)$/;

/** Functions whose text has a form of its own, which says less than what it is. */
const FORMS: Readonly<Record<string, string>> = { durationText: 'TIME' };

function calledTexts(name: Token, tokens: readonly Token[], scope: Scope): readonly string[] {
  const arguments_ = argumentsFrom(tokens, 2);
  if (SAME.test(name.text)) return textsOf(arguments_[0] ?? [], scope);
  if (name.text === 'quoted') return joined([['"'], textsOf(arguments_[0] ?? [], scope), ['"']]);
  const form = FORMS[name.text];
  if (form !== undefined) return [place(form)];
  return followed(tokens, scope, () => {
    const meaning = meaningOf(name.text, scope);
    const found = typeof meaning === 'object' ? callableOf(meaning) : undefined;
    if (!found) return undefined;
    const given = new Map(
      found.parameters.flatMap((parameter, at) =>
        parameter === undefined
          ? []
          : [[parameter, { tokens: arguments_[at] ?? [], scope }] as const],
      ),
    );
    return found.results.flatMap(result =>
      textsOf(result.tokens, { ...result.place, given, followed: followedBy(scope) }),
    );
  });
}

function namedTexts(name: Token, tokens: readonly Token[], scope: Scope): readonly string[] {
  return followed(tokens, scope, () => {
    const given = scope.given?.get(name.text);
    if (given) return textsOf(given.tokens, { ...given.scope, followed: followedBy(scope) });
    const found = meaningOf(name.text, scope);
    if (typeof found !== 'object' || found.tokens[0]?.text === 'function') return undefined;
    const { given: _, ...rest } = scope;
    const isSameFile = found.place.file === scope.file;
    return textsOf(found.tokens, {
      ...(isSameFile ? scope : rest),
      ...found.place,
      followed: followedBy(scope),
    });
  });
}

/** `TABLE[key]`: every text of the table. */
function memberTexts(name: Token, tokens: readonly Token[], scope: Scope): readonly string[] {
  return followed(tokens, scope, () => {
    const table = meaningOf(name.text, scope);
    if (typeof table !== 'object' || table.tokens[0]?.text !== '{') return undefined;
    const members = argumentsFrom(table.tokens, 1).filter(member => member[1]?.text === ':');
    return members.flatMap(member =>
      textsOf(member.slice(2), { ...table.place, followed: followedBy(scope) }),
    );
  });
}

/** `names.map(name => `--${name}`).join(', ')`: one of them. */
function mappedTexts(tokens: readonly Token[], map: number, scope: Scope): readonly string[] {
  const own = tokens.slice(map + 2, closeOf(tokens, map + 1));
  const results = callableOf({ tokens: own, place: scope })?.results ?? [];
  const texts = results.flatMap(each => textsOf(each.tokens, { ...scope, isWithin: true }));
  return texts.some(hasWords) ? texts : [place(nameOf(tokens))];
}

const followedBy = ({ followed: before = 0 }: Scope) => before + 1;

/** What a name or call stands for, where that has words of ours in it; else it is a place. */
function followed(
  tokens: readonly Token[],
  scope: Scope,
  texts: () => readonly string[] | undefined,
): readonly string[] {
  const found = followedBy(scope) > FOLLOWED_MAX ? undefined : texts();
  const unique = found && [...new Set(found)];
  return unique?.some(hasWords) ? unique : [place(nameOf(tokens))];
}

/** `[a, ...(b ? [] : [c])].join('; ')`. */
function listTexts(tokens: readonly Token[], scope: Scope): readonly string[] | undefined {
  const end = tokens[0]?.text === '[' ? closeOf(tokens, 0) : -1;
  const done = tokens.slice(end + 1).map(({ text }) => text);
  const isShort = done.slice(0, 5).join('') === '.filter(Boolean)';
  const [dot, method, , separator = "','", close] = isShort ? done.slice(5) : done;
  if (end < 0 || dot !== '.' || method !== 'join' || close !== ')') return undefined;
  const between = separator.slice(1, -1);
  const parts = argumentsFrom(tokens, 1).filter(part => part.length > 0);
  return joined(
    parts.map((part, at) => {
      const isSpread = part[0]?.text === '...';
      const texts = isSpread ? spreadTexts(part.slice(1), scope) : textsOf(part, scope);
      return texts.map(text => (text === '' || at === 0 ? text : between + text));
    }),
  );
}

function spreadTexts(tokens: readonly Token[], scope: Scope): readonly string[] {
  const inner = tokens[0]?.text === '(' ? tokens.slice(1, -1) : tokens;
  return (choiceIn(inner) ?? [inner]).flatMap(branch =>
    branch[0]?.text === '[' ? textsOf(branch.slice(1, -1), scope) : [place(nameOf(branch))],
  );
}

/** A text, or a template with what stands in its places. */
function templateTexts(tokens: readonly Token[], scope: Scope): readonly string[] {
  const parts: (readonly string[])[] = [];
  let depth = 0;
  let within: Token[] = [];
  for (const token of tokens) {
    const isPart = token.kind === 'string';
    if (isPart && token.text[0] === '}') {
      if (depth === 1) {
        parts.push(unquoted(textsOf(within, { ...scope, isWithin: true })));
        within = [];
      }
      depth -= 1;
    }
    if (depth > 0) within.push(token);
    else if (isPart) parts.push([token.text.slice(1, token.text.endsWith('${') ? -2 : -1)]);
    if (isPart && token.text.endsWith('${')) depth += 1;
  }
  return joined(parts.map(texts => (texts.length === 1 && texts[0] === '' ? [] : texts)));
}

/** `BYTES_MAX / 1024 ** 2`: products and quotients of numbers and constants. */
function amountOf(tokens: readonly Token[], scope: Scope): number | undefined {
  const [first, ...rest] = tokens;
  const is = (at: number, sign: string) => tokens[at]?.text === sign;
  const isPower = (at: number) => is(at, '*') && is(at + 1, '*');
  const by = tokens.findLastIndex(
    (_, at) => is(at, '/') || (is(at, '*') && !isPower(at) && !isPower(at - 1)),
  );
  const power = by > 0 ? -1 : tokens.findIndex((_, at) => isPower(at));
  const sign = Math.max(by, power);
  if (sign > 0) {
    const left = amountOf(tokens.slice(0, sign), scope);
    const right = amountOf(tokens.slice(sign + (power > 0 ? 2 : 1)), scope);
    if (left === undefined || right === undefined) return undefined;
    if (power > 0) return left ** right;
    return is(by, '/') ? left / right : left * right;
  }
  if (!first || rest.length > 0) return undefined;
  if (first.kind === 'number') return Number(first.text.replaceAll('_', ''));
  const limit: unknown = Object.entries(limits).find(([name]) => name === first.text)?.[1];
  if (typeof limit === 'number') return limit;
  if (!/^[A-Z][A-Z_]+$/.test(first.text)) return undefined;
  const found = meaningOf(first.text, scope);
  return typeof found === 'object' ? amountOf(found.tokens, found.place) : undefined;
}

/** What is done with what stands in a place, and is no name of it. */
const DONE =
  /^(?:slice|join|length|trim|map|filter|first|plainText|toUpperCase|toFixed|quoted|shellWord|shown|word|words|String|this)$/;

/** Constants that differ from release to release. */
const PLACES = ['VERSION'];

/**
 * What a place in a template is called: the last name in it, in capitals.
 *
 * @throws where it hides what a reader has to know: words of ours in a form that is not read here, or
 * a constant whose value was not found.
 */
function nameOf(tokens: readonly Token[]): string {
  const key = keyIn(tokens);
  if (key !== undefined) return key.replaceAll('_', '-').toUpperCase();
  const hidden = tokens.find(
    ({ kind, text }, at) =>
      kind === 'string' &&
      /[a-z]{2}.* |[^ ] +.*[a-z]{2}/.test(text) &&
      tokens[at - 2]?.text !== 'join',
  );
  if (hidden) throw new Error(`a place would hide ${hidden.text} of line ${hidden.line}`);
  const names = tokens.flatMap(({ kind, text }) => (kind === 'word' ? text.replace('#', '') : []));
  if (names.at(-1) === 'length') return 'NUMBER';
  const long = names.filter(each => /^[a-z]\w{2,}$/i.test(each));
  const isConstant = (each: string) => /^[A-Z][A-Z\d_]+$/.test(each) && !PLACES.includes(each);
  const own = long.findLast(each => !DONE.test(each) && !isConstant(each));
  const name = own ?? (names.at(-1) === 'join' ? 'names' : long.at(-1)) ?? names.at(-1) ?? '...';
  if (isConstant(name)) throw new Error(`what does ${name} stand for in a sentence?`);
  if (/(?:Ms|^ms)(?:Max)?$/.test(name)) return 'TIME';
  return name.replaceAll(/([a-z])([A-Z])/g, '$1-$2').toUpperCase();
}

/** `code` of `textOf(cause, 'code')` and of `cause['code']`. */
function keyIn(tokens: readonly Token[]): string | undefined {
  const at = tokens.findLastIndex(
    ({ kind, text }) => kind === 'string' && /^'[\w.-]+'$/.test(text),
  );
  const before = tokens[at - 1]?.text;
  const isKey = before === '[' || (before === ',' && tokens[0]?.text === 'textOf');
  return at > 0 && isKey ? tokens[at]?.text.slice(1, -1).split('.').at(-1) : undefined;
}

/** A value that stands in quotes in some cases is one and the same. */
const unquoted = (texts: readonly string[]) =>
  texts.filter(text => !/^".*"$/.test(text) || !texts.includes(text.slice(1, -1)));
