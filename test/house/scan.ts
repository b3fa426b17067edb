/** A light scanner of TypeScript: enough to tell code from comments, strings and expressions. */

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'regex' | 'punctuation';
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

const PUNCTUATION = /^(?:\?\?=|\.\.\.|===|!==|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.|[^\s\w])/;

/** After these a slash begins a regular expression, and an exclamation mark negates. */
const BEFORE_EXPRESSION = new Set(
  'return typeof case in of do else void delete await yield new throw instanceof extends'.split(
    ' ',
  ),
);

const scanned = new Map<string, readonly Token[]>();

/**
 * The tokens of a source; a template's text is one string, the code inside its braces is tokens.
 * A dozen rules look at each source: it is scanned once.
 */
export function tokensOf(source: string): readonly Token[] {
  const tokens = scanned.get(source) ?? scan(source);
  scanned.set(source, tokens);
  return tokens;
}

function scan(source: string): readonly Token[] {
  const tokens: Token[] = [];
  // How deep the braces stand in each template literal that is open around the current place.
  const templates: number[] = [];
  let at = 0;
  let line = 1;

  const take = (kind: Token['kind'] | undefined, text: string) => {
    if (kind) tokens.push({ kind, text, line });
    line += text.split('\n').length - 1;
    at += text.length;
  };
  const match = (pattern: RegExp) => pattern.exec(source.slice(at, at + 20_000))?.[0];

  while (at < source.length) {
    const rest = source.slice(at, at + 2);
    const depth = templates.at(-1);
    const space = match(/^\s+/);
    if (space) take(undefined, space);
    else if (rest === '//' || (at === 0 && rest === '#!'))
      take(undefined, match(/^.[^\n]*/) ?? rest);
    else if (rest === '/*') {
      const end = source.indexOf('*/', at);
      take(undefined, source.slice(at, end < 0 ? source.length : end + 2));
    } else if (rest[0] === '`' || (rest[0] === '}' && depth === 0)) {
      if (rest[0] === '}') templates.pop();
      const text = match(/^[`}](?:\\[\s\S]|\$(?!\{)|[^\\`$])*(?:`|\$\{)/) ?? rest;
      if (text.endsWith('${')) templates.push(0);
      take('string', text);
    } else if (rest[0] === "'" || rest[0] === '"') {
      take('string', match(/^(['"])(?:\\[\s\S]|(?!\1)[^\\])*\1/) ?? rest);
    } else if (rest[0] === '/' && isExpressionStart(tokens.at(-1))) {
      take('regex', match(/^\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[\n])+\/[a-z]*/) ?? rest);
    } else {
      const word = match(/^[\p{L}_$#@][\p{L}\p{N}_$]*/u);
      const number = match(/^\d[\w.]*/);
      const punctuation = match(PUNCTUATION) ?? rest.slice(0, 1);
      if (word) take('word', word);
      else if (number) take('number', number);
      else {
        if (punctuation === '{' && depth !== undefined) templates.push((templates.pop() ?? 0) + 1);
        if (punctuation === '}' && depth !== undefined) templates.push((templates.pop() ?? 0) - 1);
        take('punctuation', punctuation);
      }
    }
  }
  return tokens;
}

/** True where an operand is expected next, so that `/` is no division and `!` no assertion. */
export function isExpressionStart(previous: Token | undefined): boolean {
  if (!previous) return true;
  if (previous.kind === 'word') return BEFORE_EXPRESSION.has(previous.text);
  if (previous.kind === 'string') return previous.text.endsWith('${');
  if (previous.kind !== 'punctuation') return false;
  return ![')', ']', '}'].includes(previous.text);
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `type` leaves no trace at run time; `url` is a file named by new URL('./x', import.meta.url). */
  readonly kind: 'value' | 'type' | 'dynamic' | 'url';
}

/** Everything a source names of other modules. */
export function importsOf(tokens: readonly Token[]): readonly Import[] {
  const imports: Import[] = [];
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    const specifier = (at: number) => tokens[at]?.text.slice(1, -1) ?? '';
    if (token.text === 'URL' && next?.text === '(' && tokens[index + 2]?.kind === 'string') {
      const found = specifier(index + 2);
      if (tokens[index + 4]?.text === 'import' && found.startsWith('.')) {
        imports.push({ specifier: found, line: token.line, kind: 'url' });
      }
    }
    if (token.kind !== 'word' || tokens[index - 1]?.text === '.') continue;
    if (token.text === 'import' && next?.text === '(' && tokens[index + 2]?.kind === 'string') {
      imports.push({ specifier: specifier(index + 2), line: token.line, kind: 'dynamic' });
    } else if (token.text === 'import' || token.text === 'export') {
      const clause = clauseFrom(tokens, index);
      if (clause) imports.push({ ...clause, line: token.line });
    }
  }
  return imports;
}

/** The clause of an import or re-export that begins at `index`; undefined for other statements. */
function clauseFrom(
  tokens: readonly Token[],
  index: number,
): { specifier: string; kind: 'value' | 'type' } | undefined {
  const end = clauseEnd(tokens, index);
  if (end === undefined) return undefined;
  const clause = tokens.slice(index + 1, end).map(token => token.text);
  // `import { type A, type B }` is erased too, once every name in it is a type.
  const names = clause.join(' ').match(/[{,] *[^,{}]+/g) ?? [];
  const onlyTypes = names.length > 0 && names.every(name => /^[{,] *type /.test(name));
  return {
    specifier: tokens[end]?.text.slice(1, -1) ?? '',
    kind: clause[0] === 'type' || (onlyTypes && clause[0] === '{') ? 'type' : 'value',
  };
}

/** Where the specifier of the import or re-export stands that begins at `index`. */
export function clauseEnd(tokens: readonly Token[], index: number): number | undefined {
  const isImport = tokens[index]?.text === 'import';
  if (isImport && tokens[index + 1]?.kind === 'string') return index + 1;
  for (let at = index + 1; at < tokens.length; at++) {
    const token = tokens[at];
    if (token?.kind === 'string') return tokens[at - 1]?.text === 'from' ? at : undefined;
    const inClause = token?.kind === 'word' || ['{', '}', ',', '*'].includes(token?.text ?? '');
    if (!inClause || (!isImport && at === index + 1 && !/^(\{|\*|type)$/.test(token?.text ?? ''))) {
      return undefined;
    }
  }
  return undefined;
}
