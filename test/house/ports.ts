import { type Token, tokensOf } from './scan.ts';

export interface Method {
  readonly port: string;
  readonly name: string;
}

/** The methods of a port's interfaces, also those that are members of a function's type. */
export function methodsOf(source: string): readonly Method[] {
  const tokens = tokensOf(source);
  const methods: Method[] = [];
  for (const [index, { text }] of tokens.entries()) {
    if (text !== 'interface') continue;
    const port = tokens[index + 1]?.text ?? '';
    let depth = 0;
    for (let at = index + 2; at < tokens.length; at++) {
      const token = tokens[at]?.text ?? '';
      if (depth === 1 && isMember(tokens, at)) methods.push({ port, name: token });
      if (/^[{([]$/.test(token)) depth += 1;
      if (/^[})\]]$/.test(token)) depth -= 1;
      if (depth === 0 && token === '}') break;
    }
  }
  return methods;
}

/** `name(`, `name?(`, or `name: (` as the type of a function begins. */
function isMember(tokens: readonly Token[], at: number): boolean {
  const texts = [-1, 0, 1, 2, 3].map(step => tokens[at + step]?.text ?? '');
  const [before = '', , ...after] = texts;
  if (tokens[at]?.kind !== 'word' || !/^(?:[{;}]|readonly)$/.test(before)) return false;
  return /^\??:?\(/.test(after.join(''));
}

/**
 * Whether code here calls on others for it. Whoever has a member of that name itself stands in for
 * the port: what is passed on there is no use.
 */
export function isUsedIn(source: string, name: string): boolean {
  const tokens = tokensOf(source);
  const found = tokens.flatMap(({ kind, text }, at) =>
    kind === 'word' && text === name ? [at] : [],
  );
  return found.length > 0 && !found.some(at => isOwn(tokens, at));
}

/** `a: ...`, `a(...) { ... }`, `async a(...): T { ... }` among the members of an object or a class. */
function isOwn(tokens: readonly Token[], at: number): boolean {
  const [before, next] = [tokens[at - 1]?.text ?? '', tokens[at + 1]?.text];
  if (!/^(?:[{,;}*]|async)$/.test(before)) return false;
  if (next !== '(') return next === ':';
  let depth = 0;
  for (let end = at + 1; end < tokens.length; end++) {
    const text = tokens[end]?.text ?? '';
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    if (depth === 0) return /^[{:]$/.test(tokens[end + 1]?.text ?? '');
  }
  return false;
}
