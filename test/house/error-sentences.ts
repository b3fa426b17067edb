import { argumentsFrom, type Place, sourceOf, splitAt } from './expressions.ts';
import { filesUnder } from './files.ts';
import { type Token, tokensOf } from './scan.ts';
import { wordings } from './wordings.ts';

/** An error as the source writes it; see `wordings` for what stands in it. */
export interface ErrorSentence {
  readonly sentence: string;
  /** What to try, one of them; none where the source gives none. */
  readonly hints: readonly string[];
  readonly exit: number;
}

/** Exit codes of the classes of src/contract/errors.ts; a class that extends one has its own. */
const ROOTS: Readonly<Record<string, number>> = { UsageError: 2, ClusterError: 3, SessionError: 4 };

/** What a file of a simulated machine lacks is the user's; all other starts that fail are a session's. */
const exitOfFailed = (file: string) => (file.startsWith('src/simulation/') ? 2 : 4);

/** Every error of ours that the source makes, in the order of exit codes and sentences. */
export function errorSentences(
  files: readonly string[] = filesUnder('src').filter(file => file.endsWith('.ts')),
): readonly ErrorSentence[] {
  const exits = exitsOf(files.map(sourceOf));
  const found = files.flatMap(file =>
    tokensOf(sourceOf(file)).flatMap((_, at) => errorAt({ file, at }, exits)),
  );
  // A sentence of nothing but places is another's, which stands here by itself.
  const own = found.filter(({ sentence }) => /[a-z]/.test(sentence) || /^-|^DOING/.test(sentence));
  // One sentence of several places has the hints of all.
  const byRow = Map.groupBy(own, ({ exit, sentence }) => `${exit} ${sentence}`);
  const unique = [...byRow.values()].flatMap(([first, ...rest]) => {
    if (!first) return [];
    return { ...first, hints: [...new Set([first, ...rest].flatMap(({ hints }) => hints))] };
  });
  return unique.sort((a, b) => a.exit - b.exit || (a.sentence < b.sentence ? -1 : 1));
}

/** The error that is made at a token, once for each of its sentences. */
function errorAt(
  { file, at }: Place,
  exits: ReadonlyMap<string, number>,
): readonly ErrorSentence[] {
  const tokens = tokensOf(sourceOf(file));
  const text = (index: number) => tokens[at + index]?.text ?? '';
  const made = (from: number, exit: number | undefined) => {
    if (exit === undefined) return [];
    const [first = [], second = []] = argumentsFrom(tokens, at + from);
    const place = { file, at: at + from };
    const hints = hintsIn(second, place);
    return wordings(first, place).map(sentence => ({ sentence, hints, exit }));
  };
  const isSign = /^src\/(?:cluster|session)\//.test(file);
  if (isSign && text(0) === 'sentence' && text(1) === ':') {
    const [first = [], ...rest] = argumentsFrom(tokens, at + 2);
    const hint = rest.find(([key]) => key?.text === 'hint') ?? [];
    const place = { file, at };
    const exit = file.startsWith('src/cluster/') ? 3 : 4;
    const hints = hintsIn(hint.slice(hint.length > 1 ? 2 : 0), place);
    return wordings(first, place).map(sentence => ({ sentence, hints, exit }));
  }
  if (text(0) === 'new' && text(2) === '(') {
    return made(3, exits.get(text(1)) ?? exitIn(argumentsFrom(tokens, at + 3)[1] ?? []));
  }
  if (text(0) === 'super' && text(1) === '(') {
    const extended = tokens.findLastIndex((token, index) => index < at && token.text === 'extends');
    return made(2, exits.get(tokens[extended + 1]?.text ?? ''));
  }
  if (text(0) === 'failed' && text(1) === '(' && text(2) !== 'new')
    return made(2, exitOfFailed(file));
  return [];
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

/** `exit: 5` among the options of an error that has no class of its own. */
function exitIn(options: readonly Token[]): number | undefined {
  const at = options.findIndex(
    ({ text }, index) => text === 'exit' && options[index + 1]?.text === ':',
  );
  const { kind, text = '' } = options[at + 2] ?? {};
  return at >= 0 && kind === 'number' ? Number(text) : undefined;
}

/** The second argument: a text, or `{ hint: ... }`; nothing where it is another's. */
function hintsIn(tokens: readonly Token[], place: Place): readonly string[] {
  const hints = splitAt(tokens, ['??']).flatMap(part => {
    if (part[0]?.text !== '{') return wordings(part, place);
    const own = part.findIndex(
      ({ text }, at) => text === 'hint' && /^[:,}]$/.test(part[at + 1]?.text ?? ''),
    );
    if (own < 0) return [];
    const isNamed = part[own + 1]?.text === ':';
    const hint = isNamed ? argumentsFrom(part, own + 2)[0] : part.slice(own, own + 1);
    return wordings(hint ?? [], place);
  });
  return hints.filter(hint => !/^[A-Z-]+$/.test(hint));
}
