import stringWidth from 'fast-string-width';

/** Columns of ` \` at the end of a line. */
const CONTINUATION = 2;

/**
 * A command on as many lines as it needs, each but the last ending in a backslash, so that all of
 * them can be pasted. It is broken before options, else between words; a word that is too wide keeps
 * its line.
 */
export function continued(command: string, width: number): string[] {
  if (stringWidth(command) <= width) return [command];
  const lines: string[] = [];
  let line = '';
  const add = (part: string): void => {
    const longer = line === '' ? part : `${line} ${part}`;
    const fits = stringWidth(longer) <= width - CONTINUATION;
    if (line !== '' && !fits) lines.push(`${line} \\`);
    line = line !== '' && !fits ? `  ${part}` : longer;
  };
  for (const unit of unitsOf(command)) {
    const isWide = stringWidth(unit.join(' ')) > width - 2 * CONTINUATION;
    for (const part of isWide ? unit : [unit.join(' ')]) add(part);
  }
  return [...lines, line];
}

/** The program with its words, then each option with its own. */
function unitsOf(command: string): readonly (readonly string[])[] {
  const units: string[][] = [];
  for (const word of command.match(WORDS) ?? [command]) {
    const last = units.at(-1);
    if (last && !/^-./.test(word)) last.push(word);
    else units.push([word]);
  }
  return units;
}

/** What stands between spaces that no quote holds together. */
const WORDS = /(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g;
