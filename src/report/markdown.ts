import { type Block, type Document, type Text, wordsOf } from './document.ts';

/** A page as GitHub's Markdown: headings, lists, tables, commands to copy. All text is escaped. */
export function markdownText({ headline, groups }: Document): string {
  const { verdict, node, extent, origin } = headline;
  const marks = [extent, origin].filter(words => words !== '').join(', ');
  const blocks = groups.flatMap(group => group.map(blockText));
  return `${[`## ${escaped(`${verdict.text} ${node}`)}`, escaped(marks), ...blocks].join('\n\n')}\n`;
}

function blockText(block: Block): string {
  switch (block.kind) {
    case 'text':
      return inline(block.text);
    case 'command':
      return fenced(block.command);
    case 'section':
      return [`### ${escaped(block.label)}`, ...block.blocks.map(blockText)].join('\n\n');
    case 'steps':
      return block.steps
        .map(({ command, note }, index) => {
          const mark = `${index + 1}. `;
          const lines = [
            ...(note === undefined ? [] : [escaped(note), '']),
            ...fenced(command).split('\n'),
          ];
          return lines
            .map((line, at) =>
              at === 0 ? mark + line : line === '' ? '' : ' '.repeat(mark.length) + line,
            )
            .join('\n');
        })
        .join('\n');
    case 'table':
      return tableText(block.rows);
  }
}

function tableText(rows: readonly (readonly Text[])[]): string {
  const columns = Math.max(...rows.map(row => row.length));
  const line = (cells: readonly string[]) =>
    `| ${Array.from({ length: columns }, (_, column) => cells[column] ?? '').join(' | ')} |`;
  const empty = Array.from({ length: columns }, () => '');
  return [
    line(empty),
    line(empty.map(() => '---')),
    ...rows.map(row => line(row.map(inline))),
  ].join('\n');
}

const fenced = (command: string): string => `~~~~sh\n${command.replaceAll('~~~~', '~~~')}\n~~~~`;

const inline = (pieces: Text): string =>
  pieces
    .map(piece =>
      typeof piece !== 'string' && (piece.tone === 'critical' || piece.tone === 'strong')
        ? `**${escaped(piece.text)}**`
        : escaped(wordsOf([piece])),
    )
    .join('');

/** CommonMark takes a backslash before any ASCII punctuation; these begin something. */
const escaped = (text: string): string =>
  text.replaceAll('\u00a0', ' ').replaceAll(/[\\`*_{}[\]<>#|~&@!]/g, '\\$&');
