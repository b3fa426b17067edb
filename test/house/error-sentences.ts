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

const isSource = (file: string) => /\.ts$/.test(file);

/** Every error of ours that the source makes, in the order of exit codes and sentences. */
export function errorSentences(): readonly ErrorSentence[] {
  const files = filesUnder('src').filter(isSource);
  const exits = exitsOf(files.map(read));
  const found = files.flatMap(file => {
    const tokens = withConstants(tokensOf(read(file)));
    return tokens.flatMap((token, at): readonly ErrorSentence[] => {
      if (token.text === 'sentence' && tokens[at + 1]?.text === ':') {
        const [first = [], ...rest] = argumentsFrom(tokens, at + 2);
        const hint = rest.find(([key]) => key?.text === 'hint')?.slice(2) ?? [];
        const exit = file.startsWith('src/cluster/') ? 3 : 4;
        return wordings(first).map(sentence => ({ sentence, hint: hintIn(hint), exit }));
      }
      const name = tokens[at + 1]?.text ?? '';
      const isMade = token.text === 'new' && tokens[at + 2]?.text === '(';
      const isFailed = token.text === 'failed' && tokens[at + 1]?.text === '(';
      const exit = isMade ? exits.get(name) : isFailed ? 4 : undefined;
      if (exit === undefined) return [];
      const [first = [], ...rest] = argumentsFrom(tokens, at + (isMade ? 3 : 2));
      return wordings(first).map(sentence => ({ sentence, hint: hintIn(rest[0] ?? []), exit }));
    });
  });
  const unique = new Map(found.map(error => [`${error.exit} ${error.sentence}`, error]));
  return [...unique.values()].sort((a, b) => a.exit - b.exit || (a.sentence < b.sentence ? -1 : 1));
}

/** The tokens, with a constant of the file that is one text in the place of its name. */
function withConstants(tokens: readonly Token[]): readonly Token[] {
  const texts = new Map<string, Token>();
  for (const [at, { text }] of tokens.entries()) {
    const [name, is, value, end] = tokens.slice(at + 1, at + 5);
    const isText = text === 'const' && is?.text === '=' && value?.kind === 'string';
    if (isText && name && value && end?.text === ';') texts.set(name.text, value);
  }
  return tokens.map((token, at) =>
    tokens[at - 1]?.text === 'const' ? token : (texts.get(token.text) ?? token),
  );
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
function wordings(tokens: readonly Token[]): readonly string[] {
  const arrow = tokens.findIndex(({ text }) => text === '=>');
  if (arrow >= 0 && tokens[0]?.text === '(') return wordings(tokens.slice(arrow + 1));
  const choices = branches(tokens);
  if (choices.length > 1) return choices.flatMap(wordings);
  const [first] = tokens;
  if (first?.kind !== 'string') return [];
  let text = '';
  let depth = 0;
  let names: string[] = [];
  for (const { kind, text: part } of tokens) {
    if (kind === 'string' && part[0] === '}' && depth === 1) {
      text += nameOf(names);
      names = [];
      depth = 0;
    }
    if (depth === 0 && kind === 'string') text += part.replace(/^[`'"}]|(?:[`'"]|\$\{)$/g, '');
    else if (kind === 'word') names.push(part);
    if (kind === 'string' && part.endsWith('${')) depth += 1;
    else if (kind === 'string' && part[0] === '}' && depth > 1) depth -= 1;
  }
  const plain = text.replaceAll("\\'", "'").replaceAll('\\n', ' ').replaceAll(/\s+/g, ' ').trim();
  return plain === '' ? [] : [plain];
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

/** What a place in a template is called: the last name in it, in capitals. */
const nameOf = (names: readonly string[]): string =>
  (names.findLast(name => /^[a-z]\w{2,}$/i.test(name)) ?? '...')
    .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
    .toUpperCase();

/** The second argument: a text, or `{ hint: ... }`. */
function hintIn(tokens: readonly Token[]): string {
  if (tokens[0]?.text !== '{') return wordings(tokens).join('; or: ');
  const at = tokens.findIndex(
    (token, index) => token.text === 'hint' && tokens[index + 1]?.text === ':',
  );
  if (at < 0) return '';
  return wordings(argumentsFrom(tokens, at + 2)[0] ?? []).join('; or: ');
}
