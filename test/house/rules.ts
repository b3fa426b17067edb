import { clauseEnd, importsOf, isExpressionStart, type Token, tokensOf } from './scan.ts';

/** One breach of a rule: where, and what was found there. */
export interface Breach {
  readonly line: number;
  readonly found: string;
}

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 60;

/** A rule looks at one source and names what it forbids there. */
export type Rule = (source: string) => readonly Breach[];

/** `any` as a type. */
export const anyType: Rule = source =>
  breaches(source, (token, { previous, next }) =>
    token.text === 'any' && previous !== '.' && previous !== '?.' && next !== '(' && next !== ':'
      ? 'any'
      : undefined,
  );

/** A type with a verb for a name: it tells what was done, and not what there is. */
export const verbType: Rule = source =>
  breaches(source, (token, { previous }) =>
    /^(?:Asked|Told|Said|Seen|Heard|Wanted|Odd|Struck)$/.test(token.text) &&
    /^(?:type|interface|class)$/.test(previous)
      ? token.text
      : undefined,
  );

/** A cast; `as const` is none, and neither is a name given in an import. */
export const cast: Rule = source => {
  const tokens = tokensOf(source);
  const clauses = new Set<number>();
  for (const [index, token] of tokens.entries()) {
    if (token.text !== 'import' && token.text !== 'export') continue;
    const end = clauseEnd(tokens, index) ?? bracesEnd(tokens, index);
    for (let at = index; at <= end; at++) clauses.add(at);
  }
  return tokens.flatMap((token, index) => {
    const next = tokens[index + 1];
    // `as` may also be a name; a cast stands between an expression and a type.
    const isBetween =
      !isExpressionStart(tokens[index - 1]) &&
      (next?.kind === 'word' || next?.kind === 'string' || /^[{[(]$/.test(next?.text ?? ''));
    if (token.text !== 'as' || !isBetween || clauses.has(index) || next?.text === 'const')
      return [];
    return [{ line: token.line, found: `as ${next?.text}` }];
  });
};

/** Where the braces of `export { a as b }` without a `from` close; `index` where there are none. */
function bracesEnd(tokens: readonly Token[], index: number): number {
  if (tokens[index + 1]?.text !== '{') return index;
  let at = index + 1;
  while (at < tokens.length && tokens[at]?.text !== '}') at++;
  return at;
}

/** A non-null assertion (`x!`), or a definite assignment (`x!: T`). */
export const nonNull: Rule = source => {
  const tokens = tokensOf(source);
  return tokens.flatMap((token, index) => {
    const previous = tokens[index - 1];
    if (token.text !== '!' || isExpressionStart(previous)) return [];
    // After `if (...)` or a block's end a `!` negates; an assertion is followed by what uses it.
    const next = tokens[index + 1];
    const closes = previous?.text === ')' || previous?.text === '}';
    const negates = closes && (next?.kind === 'word' || next?.text === '(');
    return negates ? [] : [{ line: token.line, found: `${previous?.text ?? ''}!` }];
  });
};

/** The console: stdout belongs to the protocol. */
export const consoleUse: Rule = source =>
  breaches(source, (token, { previous, next }) =>
    token.text === 'console' && previous !== '.' && next === '.' ? 'console' : undefined,
  );

/** What only Node's process object has; a GPU process has a pid too. */
const PROCESS_MEMBERS =
  /^(argv|argv0|cwd|chdir|env|exit|exitCode|execPath|execArgv|emitWarning|hrtime|memoryUsage|nextTick|off|on|once|platform|stderr|stdin|stdout|uptime|versions?)$/;

/** The process object: argv, environment, streams and exit come in as arguments. */
export const processUse: Rule = source => {
  const tokens = tokensOf(source);
  // Where a GPU's process goes by this name, only the members that tell the two apart count.
  const isName = tokens.some(
    ({ text }, index) =>
      text === 'process' &&
      (/^(?:const|let|of)$/.test(tokens[index - 1]?.text ?? '') ||
        /^(?:=>|:)$/.test(tokens[index + 1]?.text ?? '') ||
        (tokens[index + 1]?.text === ')' && /^(?:=>|:)$/.test(tokens[index + 2]?.text ?? ''))),
  );
  const imported = importsOf(tokens).filter(({ specifier }) =>
    /^(?:node:)?process$/.test(specifier),
  );
  const used = tokens.flatMap((token, index) => {
    const [previous, next, member] = [-1, 1, 2].map(step => tokens[index + step]?.text ?? '');
    if (token.text !== 'process' || previous === '.' || previous === '?.') return [];
    if (next !== '.' && next !== '?.' && next !== '[') return [];
    const isNodes = !isName || PROCESS_MEMBERS.test(member ?? '');
    return isNodes ? [{ line: token.line, found: `process.${member}` }] : [];
  });
  return [...imported.map(({ line, specifier }) => ({ line, found: specifier })), ...used];
};

/** The machine's clock: time comes in as an argument. */
export const clockUse: Rule = source => {
  const tokens = tokensOf(source);
  return tokens.flatMap((token, index) => {
    const after = tokens.slice(index + 1, index + 4).map(next => next.text);
    const found =
      (token.text === 'Date' && after[0] === '.' && after[1] === 'now') ||
      (token.text === 'performance' && after[0] === '.' && after[1] === 'now') ||
      (token.text === 'new' && after[0] === 'Date' && (after[1] !== '(' || after[2] === ')'));
    return found ? [{ line: token.line, found: `${token.text} ${after[0]} ${after[1]}` }] : [];
  });
};

/** What sets a machine to waiting; its last argument but a signal or options is how long. */
const WAITS = /^(?:setTimeout|setInterval|sleep|pause|timeout)$/;

/**
 * A time as a constant of a file's own, or as a number where something waits: contract/limits.ts has
 * every wait of the product.
 */
export const ownTime: Rule = source => {
  const tokens = tokensOf(source);
  return tokens.flatMap(({ text, line }, index) => {
    const previous = tokens[index - 1]?.text;
    if (previous === 'const' && /_MS(?:_MAX|_MIN)?$/.test(text)) return [{ line, found: text }];
    if (!WAITS.test(text) || tokens[index + 1]?.text !== '(') return [];
    const given = tokens.slice(index + 1, closing(tokens, index + 1, '(', ')') + 1);
    const number = given.find(
      ({ kind }, at) =>
        kind === 'number' && /^[(,]$/.test(given[at - 1]?.text ?? '') && isArgument(given, at),
    );
    return number ? [{ line, found: `${text}(${number.text})` }] : [];
  });
};

/** True for a token that stands in the outermost parentheses and is not part of a sum or product. */
function isArgument(given: readonly Token[], at: number): boolean {
  const before = given.slice(0, at).map(({ text }) => text);
  const opened = before.filter(text => /^[([{]$/.test(text)).length;
  const closed = before.filter(text => /^[)\]}]$/.test(text)).length;
  return opened - closed === 1 && /^[,)]$/.test(given[at + 1]?.text ?? '');
}

/** A file that is longer than one can hold in the head. */
export const fileLength: Rule = source => {
  const lines = source.split('\n').length - (source.endsWith('\n') ? 1 : 0);
  return lines > FILE_LINES_MAX ? [{ line: lines, found: `${lines} lines` }] : [];
};

/** A function, method or arrow whose braces stand too far apart. */
export const functionLength: Rule = source => {
  const tokens = tokensOf(source);
  const long: Breach[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.text !== '{' || token.kind !== 'punctuation' || !opensBody(tokens, index)) continue;
    const end = closing(tokens, index);
    const lines = (tokens[end]?.line ?? token.line) - token.line + 1;
    if (lines > FUNCTION_LINES_MAX) long.push({ line: token.line, found: `${lines} lines` });
  }
  return long;
};

/** True for the brace after `)`, after `=>`, or after a return type. */
function opensBody(tokens: readonly Token[], index: number): boolean {
  const previous = tokens[index - 1]?.text;
  if (previous === ')' || previous === '=>') return true;
  // A return type: walk back over what types are made of, to the colon after a parenthesis.
  let depth = 0;
  for (let at = index - 1; at > Math.max(0, index - 80); at--) {
    const text = tokens[at]?.text ?? '';
    if (['>', '}', ']'].includes(text)) depth++;
    if (['<', '{', '['].includes(text)) depth--;
    if (depth < 0 || [';', '=', '=>'].includes(text)) return false;
    if (depth === 0 && text === ':') return tokens[at - 1]?.text === ')';
  }
  return false;
}

/** Where the brace that opens at `index` closes. */
function closing(tokens: readonly Token[], index: number, open = '{', close = '}'): number {
  let depth = 0;
  for (let at = index; at < tokens.length; at++) {
    if (tokens[at]?.kind !== 'punctuation') continue;
    if (tokens[at]?.text === open) depth++;
    if (tokens[at]?.text === close) depth--;
    if (depth === 0) return at;
  }
  return tokens.length - 1;
}

function breaches(
  source: string,
  judge: (token: Token, around: { previous: string; next: string }) => string | undefined,
): readonly Breach[] {
  const tokens = tokensOf(source);
  return tokens.flatMap((token, index) => {
    const around = {
      previous: tokens[index - 1]?.text ?? '',
      next: tokens[index + 1]?.text ?? '',
    };
    const found = judge(token, around);
    return found === undefined ? [] : [{ line: token.line, found }];
  });
}
