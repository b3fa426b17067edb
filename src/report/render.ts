import { dump } from 'js-yaml';
import { type Answer, textOf } from '../contract/answer.ts';
import type { Format } from './format.ts';
import { type Style, type StyledLine, styled } from './style.ts';

/** One answer in the form asked for, ending in a newline. JSON and YAML are the facts alone. */
export function rendered(
  answer: Answer & { readonly title: string },
  options: { readonly format: Format; readonly colour: boolean },
): string {
  const { title, lines, structured } = answer;
  switch (options.format) {
    case 'text':
      return `${options.colour ? coloured(styled(answer)) : textOf(lines)}\n`;
    case 'json':
      return `${JSON.stringify(structured, null, 2)}\n`;
    case 'yaml':
      return asYaml(structured);
    case 'markdown':
      return `## ${title}\n\n~~~~text\n${textOf(lines).replaceAll('~~~~', '~~~')}\n~~~~\n`;
    case 'html':
      return htmlPage(title, styled(answer));
  }
}

/** YAML without anchors or line folding, as kubectl writes it. */
export const asYaml = (value: unknown): string => dump(value, { lineWidth: -1, noRefs: true });

/** The answer as one self-contained page: no script, no request to anywhere, all text escaped. */
function htmlPage(title: string, lines: readonly StyledLine[]): string {
  const spans = lines
    .map(({ style, text }) => `<span class="${style}">${escaped(text)}</span>`)
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: #fff; color: #1b1f24; }
pre { font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; }
.critical { color: #b3261e; font-weight: 600; } .warning { color: #8a5300; font-weight: 600; }
.healthy { color: #1a6e2e; font-weight: 600; } .unknown { color: #6b3fa0; font-weight: 600; }
.info, .simulated { color: #0b5c8a; } .detail { color: #5c6670; }
@media (prefers-color-scheme: dark) {
  body { background: #14171a; color: #e3e6e8; }
  .critical { color: #ff8a80; } .warning { color: #ffcf70; } .healthy { color: #7fd894; }
  .unknown { color: #cfaef5; } .info, .simulated { color: #82cbf0; } .detail { color: #9aa4ad; }
}
</style>
</head>
<body><pre>${spans}</pre></body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? character);

const COLOURS: Readonly<Record<Style, string | undefined>> = {
  critical: '1;31',
  warning: '1;33',
  healthy: '1;32',
  unknown: '1;35',
  info: '36',
  simulated: '1;36',
  detail: '2',
  plain: undefined,
};

/**
 * Colours the page for a terminal: the first word of a verdict or finding, whole lines of detail.
 * The text itself is unchanged; node text has lost its control characters before.
 */
const coloured = (lines: readonly StyledLine[]): string =>
  lines
    .map(({ style, text }) => {
      const colour = COLOURS[style];
      if (colour === undefined) return text;
      if (style === 'detail') return `\u001b[${colour}m${text}\u001b[0m`;
      return text.replace(/^\S+/, word => `\u001b[${colour}m${word}\u001b[0m`);
    })
    .join('\n');
