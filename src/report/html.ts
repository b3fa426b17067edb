import type { Block, Document, Text } from './document.ts';
import type { StyledLine } from './style.ts';

/** One self-contained page: no script, no request to anywhere, all text escaped. */
export const htmlPage = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: #fff; color: #1b1f24;
  font: 16px/1.5 system-ui, sans-serif; }
pre, code, td { font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre.command { margin: .25rem 0; padding: .4rem .6rem; background: #f1f3f5; border-radius: 4px; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
.table { overflow-x: auto; }
.strong { font-weight: 600; } .faint, .detail { color: #5c6670; }
.critical { color: #b3261e; font-weight: 600; } .warning { color: #8a5300; font-weight: 600; }
.healthy { color: #1a6e2e; font-weight: 600; } .unknown { color: #6b3fa0; font-weight: 600; }
.info, .simulated { color: #0b5c8a; }
@media (prefers-color-scheme: dark) {
  body { background: #14171a; color: #e3e6e8; } pre.command { background: #22272b; }
  .critical { color: #ff8a80; } .warning { color: #ffcf70; } .healthy { color: #7fd894; }
  .unknown { color: #cfaef5; } .info, .simulated { color: #82cbf0; } .faint, .detail { color: #9aa4ad; }
}
</style>
</head>
<body>
${body}
</body>
</html>
`;

/** Lines that are no document, as they are. */
export const linesBody = (lines: readonly StyledLine[]): string =>
  `<pre>${lines.map(({ style, text }) => `<span class="${style}">${escaped(text)}</span>`).join('\n')}</pre>`;

export function documentBody({ headline, groups }: Document): string {
  const { verdict, node, extent, origin, isReal } = headline;
  const marks = [extent, origin].filter(words => words !== '').join(' · ');
  return [
    '<article>',
    `<h1>${inline([verdict])} ${escaped(node)}</h1>`,
    `<p class="${isReal ? 'faint' : 'simulated'}">${escaped(marks)}</p>`,
    ...groups.flatMap(group => group.map(blockHtml)),
    '</article>',
  ].join('\n');
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${inline(block.text)}</p>`;
    case 'command':
      return `<pre class="command">${escaped(block.command)}</pre>`;
    case 'section':
      return `<section><h2>${escaped(block.label)}</h2>\n${block.blocks.map(blockHtml).join('\n')}\n</section>`;
    case 'steps':
      return `<ol>\n${block.steps
        .map(
          ({ command, note }) =>
            `<li><pre class="command">${escaped(command)}</pre>${note === undefined ? '' : `<p class="faint">${escaped(note)}</p>`}</li>`,
        )
        .join('\n')}\n</ol>`;
    case 'table':
      return `<div class="table"><table>\n${block.rows
        .map(row => `<tr>${row.map(cell => `<td>${inline(cell)}</td>`).join('')}</tr>`)
        .join('\n')}\n</table></div>`;
  }
}

const inline = (pieces: Text): string =>
  pieces
    .map(piece =>
      typeof piece === 'string'
        ? escaped(piece)
        : piece.tone === undefined
          ? escaped(piece.text)
          : `<span class="${piece.tone}">${escaped(piece.text)}</span>`,
    )
    .join('');

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? character);
