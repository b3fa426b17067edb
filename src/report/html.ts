import { createHash } from 'node:crypto';
import { type Block, type Group, type Text, wordsOf } from './document.ts';
import { STYLE } from './html-style.ts';
import { type Child, element, escaped, type Markup, markupOf, sequence } from './markup.ts';
import type { StyledLine } from './style.ts';

/** Nothing runs, nothing is fetched, and no style holds but ours. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** One self-contained page. */
export const htmlPage = (title: string, body: Markup): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(title.replaceAll('\n', ' '))}</title>
<style>${STYLE}</style>
</head>
<body>
${markupOf(body)}
</body>
</html>
`;

/** An answer that nobody laid out: its lines as they are. */
export const linesBody = (lines: readonly StyledLine[]): Markup =>
  element(
    'pre',
    {},
    lines.map(({ style, text }, at) => [
      at === 0 ? '' : '\n',
      element('span', { class: style }, text),
    ]),
  );

/** What stands in the words of a person where a terminal has a short label. */
const HEADINGS: Readonly<Record<string, string>> = {
  HIT: 'Who is hit',
  DO: 'What to do',
  WHY: 'Why',
  ALSO: 'Also found',
  SAW: 'What the others saw',
  NODE: 'Its nodes',
  NOTE: 'Worth knowing',
  CHECKS: 'Every check',
  CLUSTER: 'What the cluster says',
  GAPS: 'Not read',
  LOGS: 'Logs that were searched',
};

export const headingOf = (label: string): string => HEADINGS[label] ?? label;

export const groupMarkup = (group: Group, level: number): Markup =>
  sequence(group.map(block => blockMarkup(block, level)));

/** A block; a section's heading is of the given level. */
function blockMarkup(block: Block, level: number): Child {
  switch (block.kind) {
    case 'text':
      return element('p', {}, textMarkup(block.text));
    case 'command':
      return commandMarkup(block.command);
    case 'section':
      return element(
        'section',
        {},
        element(`h${level}`, {}, headingOf(block.label)),
        groupMarkup(block.blocks, level + 1),
      );
    case 'steps':
      return element(
        'ol',
        { class: 'steps' },
        block.steps.map(({ command, note }) =>
          element(
            'li',
            {},
            commandMarkup(command),
            note === undefined ? undefined : element('p', { class: 'faint' }, note),
          ),
        ),
      );
    case 'table':
      return element('table', {}, element('tbody', {}, block.rows.map(tableRow(block.flow))));
  }
}

/** The names of a row in cells of their own, and all the rest as one text: no row is wider than a phone. */
const tableRow =
  (flow: number) =>
  (row: readonly Text[]): Markup => {
    const rest = row.slice(flow).filter(cell => wordsOf(cell) !== '');
    return element(
      'tr',
      {},
      row.slice(0, flow).map(cell => element('td', { class: 'head' }, textMarkup(cell))),
      element(
        'td',
        {},
        rest.map((cell, at) => [at === 0 ? '' : ' · ', textMarkup(cell)]),
      ),
    );
  };

/** Lines end between words: an option is not cut at its hyphens. */
const commandMarkup = (command: string): Markup =>
  element(
    'pre',
    { class: 'command' },
    element(
      'code',
      {},
      command
        .split(' ')
        .map((word, at) => [at === 0 ? '' : ' ', element('span', { class: 'word' }, word)]),
    ),
  );

export const textMarkup = (pieces: Text): Child =>
  pieces.map(piece =>
    typeof piece === 'string' || piece.tone === undefined
      ? typeof piece === 'string'
        ? piece
        : piece.text
      : element('span', { class: piece.tone }, piece.text),
  );
