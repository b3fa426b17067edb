import type { StyledLine } from './style.ts';

/** The answer as one self-contained page: no script, no request to anywhere, all text escaped. */
export function htmlPage(title: string, lines: readonly StyledLine[]): string {
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
