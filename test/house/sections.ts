/** The page with what stands between its markers replaced. */
export function withSection(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`the page has no section ${begin} ... ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}

export const cell = (text: string) => text.replaceAll('|', '\\|');

/** Texts of which one is said, in one: what they share once, what differs in brackets. */
export function folded(texts: readonly string[]): string {
  const [first, ...rest] = texts;
  if (first === undefined) return '';
  const alike = rest.filter(text => foldedAlike([first, text]) !== undefined);
  const whole = alike.length > 0 ? foldedAlike([first, ...alike]) : undefined;
  const [own, others] = [
    whole ?? first,
    rest.filter(text => whole === undefined || !alike.includes(text)),
  ];
  return [own, folded(others)].filter(Boolean).join('; or: ');
}

/** Texts that share fewer words than these, or differ in more, stand each for itself. */
const SHARED_WORDS_MIN = 4;
const OTHER_WORDS_MAX = 4;

function foldedAlike(texts: readonly string[]): string | undefined {
  const words = texts.map(text => text.split(' '));
  const [first = []] = words;
  const shared = (lists: readonly (readonly string[])[]) => {
    const end = first.findIndex((_, at) => lists.some(list => list[at] !== lists[0]?.[at]));
    return end < 0 ? first.length : end;
  };
  const before = shared(words);
  const after = shared(words.map(list => list.slice(before).toReversed()));
  const middles = words.map(list => list.slice(before, list.length - after));
  const isAlike = before + after >= SHARED_WORDS_MIN;
  if (!isAlike || middles.some(({ length }) => length > OTHER_WORDS_MAX)) return undefined;
  const own = middles.filter(({ length }) => length > 0).map(middle => middle.join(' '));
  const choice = own.join(' / ');
  const shown = own.length < middles.length ? `[${choice}]` : `(${choice})`;
  return [...first.slice(0, before), shown, ...first.slice(first.length - after)].join(' ');
}
