import { styleText } from 'node:util';
import stringWidth from 'fast-string-width';
import { wrapAnsi } from 'fast-wrap-ansi';
import { commented } from '../contract/printed-command.ts';
import type { Block, Document, Span, Text, Tone } from './document.ts';

export interface Paper {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
  /** Rows of the terminal, where it is one. */
  readonly rows?: number | undefined;
}

/** Longer lines are hard to read, however wide the terminal is. */
const LINE_COLUMNS_MAX = 120;
const LINE_COLUMNS_MIN = 40;

/** A page as lines of text, none wider than the paper. */
export function terminalText(document: Document, { width, colour, rows }: Paper): string {
  const paper = { colour, width: Math.max(LINE_COLUMNS_MIN, Math.min(width, LINE_COLUMNS_MAX)) };
  const lines = [
    ...headlines(document, paper),
    ...document.groups
      .filter(group => group.length > 0)
      .flatMap(group => ['', ...group.flatMap(block => linesOf(block, paper))]),
  ];
  // The prompt takes a row.
  if (rows !== undefined && lines.length >= rows) lines.push('', ...lastWords(document, paper));
  return lines.map(line => line.replaceAll('\u00a0', ' ').trimEnd()).join('\n');
}

/** The verdict once more, where the head of the page has scrolled away. */
function lastWords({ headline, groups }: Document, paper: Paper): string[] {
  const [first] = groups.flat();
  const what: Text = first?.kind === 'text' ? first.text : [];
  return wrapped(
    `${toned([headline.verdict], paper)}  ${headline.node}: ${toned(what, paper)}`,
    paper.width,
  );
}

/** Lines that were written elsewhere, wrapped under themselves where they are too wide. */
export function wrappedLine(line: string, width: number): string {
  const indent = /^ */.exec(line)?.[0] ?? '';
  if (stringWidth(line) <= width) return line;
  const hang = `${indent}    `;
  const [first = '', ...rest] = wrapped(line.slice(indent.length), width - hang.length);
  return [indent + first, ...rest.map(part => hang + part)].join('\n').replaceAll('\u00a0', ' ');
}

/** A line that is a command behind its lead: pasted, whatever of it is broken is one command again. */
export function commandLines(text: string, lead: number, width: number): readonly string[] {
  const pad = ' '.repeat(lead);
  const lines = continued(text.slice(lead), Math.max(LINE_COLUMNS_MIN, width) - lead);
  return lines.map((line, index) => (index === 0 ? text.slice(0, lead) : pad) + line);
}

function headlines({ headline }: Document, paper: Paper): string[] {
  const { verdict, node, extent, origin, isReal } = headline;
  const left = `${toned([verdict], paper)}  ${toned([{ text: node, tone: 'strong' }], paper)}${extent === '' ? '' : `   ${extent}`}`;
  const right = toned([{ text: origin, tone: isReal ? 'faint' : 'simulated' }], paper);
  const free = paper.width - stringWidth(left) - stringWidth(right);
  if (free >= 2) return [left + ' '.repeat(free) + right];
  return [...wrapped(left, paper.width), ...wrapped(right, paper.width)];
}

function linesOf(block: Block, paper: Paper): string[] {
  switch (block.kind) {
    case 'text':
      return wrapped(toned(block.text, paper), paper.width);
    case 'command':
      return continued(block.command, paper.width);
    case 'section': {
      const label = toned([{ text: block.label, tone: 'strong' }], paper);
      return beside(label, Math.max(LABEL_COLUMNS, stringWidth(label) + 2), paper, inner =>
        block.blocks.flatMap(each => linesOf(each, inner)),
      );
    }
    case 'steps':
      return block.steps.flatMap((step, index) =>
        beside(`${index + 1}`, STEP_COLUMNS, paper, inner => stepLines(step, inner)),
      );
    case 'table':
      return tableLines(block.rows, block.flow, paper);
  }
}

const LABEL_COLUMNS = 6;
const STEP_COLUMNS = 3;

/** Lines with a mark at the left of the first one. */
function beside(
  mark: string,
  columns: number,
  paper: Paper,
  lines: (inner: Paper) => readonly string[],
): string[] {
  const pad = ' '.repeat(columns);
  return lines({ ...paper, width: paper.width - columns }).map((line, index) =>
    index === 0 ? mark + ' '.repeat(columns - stringWidth(mark)) + line : pad + line,
  );
}

/** The note beside its command where both fit on a line, else below it. */
function stepLines({ command, note }: { command: string; note?: string }, paper: Paper): string[] {
  const lines = continued(command, paper.width);
  if (note === undefined) return lines;
  const [only = ''] = lines;
  const beyond = `${only}   ${toned([{ text: note, tone: 'faint' }], paper)}`;
  if (lines.length === 1 && stringWidth(beyond) <= paper.width) return [beyond];
  const below = wrapped(toned([{ text: note, tone: 'faint' }], paper), paper.width - 3);
  return [...lines, ...below.map(line => `   ${line}`)];
}

function tableLines(rows: readonly (readonly Text[])[], flow: number, paper: Paper): string[] {
  const cells = rows.map(row => row.map(cell => toned(cell, paper)));
  const widths = widthsOf(cells);
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total <= paper.width) return cells.map(row => rowText(row, widths));
  const joined = cells.map(row => [
    ...row.slice(0, flow),
    row
      .slice(flow)
      .filter(cell => cell !== '')
      .join('  '),
  ]);
  const fixed = widthsOf(joined).slice(0, flow);
  const margin = fixed.reduce((sum, width) => sum + width + 2, 0);
  // What is left beside the names may be too little for words.
  const isNarrow = paper.width - margin < paper.width / 3;
  return joined.flatMap(row => {
    const head = row.slice(0, flow);
    const tail = row[flow] ?? '';
    const room = isNarrow ? paper.width - 4 : paper.width - margin;
    const lines = tail === '' ? [] : wrapped(tail, room);
    if (isNarrow) {
      const under = lines.map(line => `    ${line}`);
      return [...wrapped(head.filter(cell => cell !== '').join('  '), paper.width), ...under];
    }
    const [first = '', ...rest] = lines;
    return [rowText([...head, first], fixed), ...rest.map(line => ' '.repeat(margin) + line)];
  });
}

const widthsOf = (rows: readonly (readonly string[])[]): readonly number[] =>
  rows.reduce<readonly number[]>(
    (widths, row) =>
      Array.from({ length: Math.max(widths.length, row.length) }, (_, column) =>
        Math.max(widths[column] ?? 0, stringWidth(row[column] ?? '')),
      ),
    [],
  );

const rowText = (row: readonly string[], widths: readonly number[]): string =>
  row
    .map(
      (cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stringWidth(cell))),
    )
    .join('  ');

const wrapped = (words: string, width: number): string[] =>
  wrapAnsi(words.replaceAll(BOUND, '\u00a0'), width, { hard: true }).split('\n');

/** Between a number and its unit, and between a name and its number, no line ends. */
const BOUND =
  /(?<=\d) (?=(?:°C|W|%|GiB|MiB|MHz|ms|s|min|h|d)(?!\w))|(?<=\b(?:S?XID|SXid|GPU)) (?=\d)/g;

const STYLES = {
  critical: ['bold', 'red'],
  warning: ['bold', 'yellow'],
  healthy: ['bold', 'green'],
  unknown: ['bold', 'magenta'],
  simulated: ['cyan'],
  strong: ['bold'],
  faint: ['dim'],
} as const satisfies Record<Tone, readonly string[]>;

/** A text with the colours of its pieces. */
export const toned = (pieces: Text, { colour }: Pick<Paper, 'colour'>): string =>
  pieces.map(piece => (typeof piece === 'string' ? piece : tonedSpan(piece, colour))).join('');

function tonedSpan({ text, tone }: Span, colour: boolean): string {
  if (!colour || tone === undefined || text === '') return text;
  return styleText([...STYLES[tone]], text, { validateStream: false });
}

/** Columns of ` \` at the end of a line. */
const CONTINUATION = 2;

/**
 * A command on as many lines as it needs, each but the last ending in a backslash, so that all of
 * them can be pasted. It is broken before options, else between words; a word that is too wide keeps
 * its line.
 */
function continued(all: string, width: number): string[] {
  if (stringWidth(all) <= width) return [all];
  // A shell joins no line to a comment.
  const { bare: command, comment } = commented(all);
  if (comment !== undefined) {
    const under = wrapped(comment, width - 2).map(line => `# ${line.replaceAll('\u00a0', ' ')}`);
    return [...continued(command, width), ...under];
  }
  // A quote that does not end: what is not understood is not broken.
  if (command.replaceAll(WORDS, '').trim() !== '') return [command];
  const lines: string[] = [];
  let line = '';
  const add = (part: string): void => {
    const longer = line === '' ? part : `${line} ${part}`;
    const fits = stringWidth(longer) <= width - CONTINUATION;
    if (line !== '' && !fits) lines.push(`${line} \\`);
    line = line !== '' && !fits ? `  ${part}` : longer;
  };
  for (const unit of unitsOf(command.match(WORDS) ?? [])) {
    const isWide = stringWidth(unit.join(' ')) > width - 2 * CONTINUATION;
    for (const part of isWide ? unit : [unit.join(' ')]) add(part);
  }
  return [...lines, line];
}

/** The program with its words, then each option with its own. */
function unitsOf(words: readonly string[]): readonly (readonly string[])[] {
  const units: string[][] = [];
  for (const word of words) {
    const last = units.at(-1);
    if (last && !/^-./.test(word)) last.push(word);
    else units.push([word]);
  }
  return units;
}

/** What stands between spaces that no quote holds together. */
const WORDS = /(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g;
