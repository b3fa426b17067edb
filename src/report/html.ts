import { createHash } from 'node:crypto';
import { type Block, type Group, type Text, wordsOf } from './document.ts';
import { type Child, element, escaped, type Markup, markupOf, sequence } from './markup.ts';
import type { StyledLine } from './style.ts';

/** How a report looks: on a screen by day and by night, on a phone, on paper. */
const STYLE = `
:root { color-scheme: light dark; --page: #f6f7f8; --card: #fff; --ink: #1a1f24; --faint: #57606a; --rule: #d9dee3;
  --soft: #eef1f4; --link: #0a58a6; --critical: #b3261e; --critical-soft: #fdecea; --warning: #845100;
  --warning-soft: #fdf3e1; --healthy: #1b6b35; --healthy-soft: #e8f4ec; --unknown: #6b3fa0; --unknown-soft: #f2ebfa; }
@media (prefers-color-scheme: dark) {
  :root { --page: #101418; --card: #181d22; --ink: #e4e8eb; --faint: #a0abb5; --rule: #323a42; --soft: #232a31;
    --link: #82bdf5; --critical: #ff9a90; --critical-soft: #3a1d1b; --warning: #f4c56b; --warning-soft: #352914;
    --healthy: #82d39b; --healthy-soft: #17301f; --unknown: #cdb1f5; --unknown-soft: #2b2139; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%; }
.page { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1, h2, h3, h4 { margin: 0; line-height: 1.25; font-weight: 600; text-wrap: balance; }
h1 { font-size: 1.6rem; letter-spacing: -.01em; } h2 { font-size: 1.1rem; } h3, h4 { font-size: .95rem; }
p { margin: .35rem 0; } figure { margin: .75rem 0; } a { color: var(--link); }
pre, code, .time { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
pre { margin: .5rem 0; padding: .6rem .75rem; background: var(--soft); border-radius: 6px; white-space: pre-wrap; }
pre.command .word { display: inline-block; max-width: 100%; } pre.command { margin: .3rem 0; padding: .4rem .65rem; user-select: all; }
.faint, small, figcaption { color: var(--faint); } small, .faint { font-size: .85rem; }
.strong, b { font-weight: 600; }
.critical, .bad { color: var(--critical); } .warning { color: var(--warning); } .healthy { color: var(--healthy); }
.unknown { color: var(--unknown); } .simulated, .info { color: var(--link); } .detail { color: var(--faint); }
td .critical, td .warning, td .unknown, p > .critical, p > .warning, summary .critical, summary .warning { font-weight: 600; }

.report { color: var(--ink); margin: 0 0 2.5rem; }
.report > header, .report > section, .report .act > div, .index { background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; padding: 1.1rem 1.25rem; }
.report > section { margin-top: 1rem; } .report > section > h2, .report > section > h3 { margin-bottom: .6rem; }
.report > header { border-left: 5px solid var(--rule); }
.report.critical > header { border-left-color: var(--critical); } .report.warning > header { border-left-color: var(--warning); }
.report.healthy > header { border-left-color: var(--healthy); } .report.unknown > header { border-left-color: var(--unknown); }
header .title { margin: .5rem 0 .4rem; font-size: 1.6rem; }
.title .strong { font-weight: 600; }
.mark { margin: 0; } .origin { float: right; color: var(--faint); font-size: .85rem; padding-left: 1rem; }
.origin.simulated { color: var(--link); font-weight: 600; }
.badge { display: inline-block; padding: .05rem .55rem; margin-right: .35rem; border-radius: 999px; font-size: .8rem;
  font-weight: 700; letter-spacing: .04em; border: 1px solid currentColor; }
.badge.critical { background: var(--critical-soft); } .badge.warning { background: var(--warning-soft); }
.badge.healthy { background: var(--healthy-soft); } .badge.unknown { background: var(--unknown-soft); }

.act { display: grid; gap: 1rem; margin-top: 1rem; }
@media (min-width: 48rem) { .act > .hit ~ .do { grid-column: 2; } .act:has(> .hit) { grid-template-columns: minmax(0, 1fr) minmax(0, 1.9fr); } }
.act h2, .act h3 { margin-bottom: .4rem; }
.shell { margin-top: .9rem; padding-top: .6rem; border-top: 1px solid var(--rule); font-size: .9rem; }
ol.steps { margin: .6rem 0; padding: 0; list-style: none; counter-reset: step; }
ol.steps > li { position: relative; padding-left: 2rem; margin: .55rem 0; counter-increment: step; }
ol.steps > li::before { content: counter(step); position: absolute; left: 0; top: .3rem; width: 1.35rem; height: 1.35rem;
  border-radius: 50%; background: var(--soft); font-size: .8rem; line-height: 1.35rem; text-align: center; font-weight: 600; }

table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--rule); }
thead th, thead td { border-top: 0; color: var(--faint); font-weight: 500; font-size: .8rem; }
th[scope=row] { font-weight: 500; } tr > :last-child { padding-right: 0; }
td small { display: block; } .head { width: 1%; min-width: 6.2rem; } .head + .head { min-width: 4.7rem; } th { overflow-wrap: normal; } .events .time { min-width: 6.2rem; } .events td:nth-child(2) { min-width: 3.6rem; }

svg text { font: 11px system-ui, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--ink); }
.timeline { display: block; overflow: visible; width: calc(100% - 52px); margin-left: 52px; } svg .side { text-anchor: end; }
.lane { stroke: var(--rule); } .axis { stroke: var(--faint); }
.now { stroke: var(--faint); stroke-dasharray: 2 3; }
svg .tick, svg .gap { fill: var(--faint); } svg .gap { text-anchor: middle; font-style: italic; }
.mark > path { fill: var(--faint); stroke: var(--card); stroke-width: 1.5; }
.mark.critical > path { fill: var(--critical); } .mark.warning > path { fill: var(--warning); }
.mark > text { font-size: 9.5px; font-weight: 600; }

.gpus { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14.5rem), 1fr)); margin: .75rem 0 0; padding: 0;
  list-style: none; }
.gpus > li { border: 1px solid var(--rule); border-radius: 8px; padding: .6rem .75rem; color: var(--ink); font-size: .9rem; }
.gpus > li.critical { border-color: var(--critical); background: var(--critical-soft); }
.gpus > li.warning { border-color: var(--warning); background: var(--warning-soft); }
.gpus h3, .gpus h4 { display: flex; justify-content: space-between; gap: .5rem; } .gpus p { margin: .1rem 0; }
.state { font-size: .8rem; font-weight: 600; }
.gpus dl { margin: .35rem 0 0; } .gpus dl > div { display: grid; grid-template-columns: 1fr auto; gap: .4rem; align-items: center; }
.gpus dt { color: var(--faint); font-size: .85rem; } .gpus dd { display: flex; gap: .5rem; align-items: center; margin: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar, .spark { width: 56px; height: 14px; } .rest { fill: var(--rule); } .part { fill: var(--faint); }
.spark path { fill: none; stroke: var(--link); stroke-width: 1.4; stroke-linejoin: round; } .spark circle { fill: var(--link); }

.joined { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); align-items: start; }
.topology { display: block; width: 100%; max-width: 25rem; height: auto; }
.topology text { font-size: 9px; fill: var(--faint); } svg .name { font-size: 11px; font-weight: 600; fill: var(--ink); }
svg .bad { fill: var(--critical); font-weight: 700; }
.box { fill: var(--soft); stroke: var(--rule); } .box.lost { fill: var(--critical-soft); stroke: var(--critical); stroke-dasharray: 4 2; }
.link { fill: none; stroke: var(--faint); stroke-width: 1.2; } .link.broken { stroke: var(--critical); stroke-dasharray: 4 3; stroke-width: 1.6; }
.cross { fill: none; stroke: var(--critical); stroke-width: 2.4; }
svg .on { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.broken { padding-left: 1.1rem; margin: .35rem 0 .75rem; } .broken > li { font-weight: 600; }

details { border-top: 1px solid var(--rule); padding: .35rem 0; } summary { cursor: pointer; padding: .2rem 0; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
details > section, details > .faint + pre { margin: .75rem 0; } .ticket { user-select: all; } .raw pre { font-size: 11px; }
footer { margin-top: 1.5rem; }
.index { margin-bottom: 1.5rem; } .index h1 { margin-bottom: .75rem; }
.nodes { list-style: none; margin: 0; padding: 0; font-size: .93rem; }
.nodes > li { gap: .1rem .75rem; padding: .45rem 0; border-top: 1px solid var(--rule); }
.nodes .verdict, .nodes .node { font-weight: 600; } .nodes .of, .nodes .step { color: var(--faint); } .nodes span { display: block; } .nodes .verdict, .nodes .node { display: inline-block; padding-right: .75rem; } .nodes .verdict { white-space: nowrap; }
.nodes details { border: 0; padding: 0; font-size: .85rem; }
@media (min-width: 48rem) {
  .nodes > li { display: grid; grid-template-columns: 5.6rem minmax(8rem, 13rem) 9rem 1fr 9rem; }
  .nodes details { grid-column: 2 / -1; }
}
.folded > .report { margin: 1rem 0; }

@media (max-width: 30rem) {
  .page { padding: .75rem .6rem 2rem; } .report > header, .report > section, .report .act > div, .index { padding: .85rem .8rem; }
  header .title, h1 { font-size: 1.3rem; } .origin { float: none; display: block; padding: .2rem 0 0; }
  th, td { padding-right: .5rem; }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --faint: #444; --rule: #bbb; --soft: #f2f2f2; --link: #000; --critical: #a11; --critical-soft: #fff;
    --warning: #740; --warning-soft: #fff; --healthy: #151; --healthy-soft: #fff; --unknown: #528; --unknown-soft: #fff; }
  body { font-size: 10pt; } .page { max-width: none; padding: 0; } .raw { display: none; }
  .report > header, .report > section, .report .act > div { border-radius: 0; padding: .5rem .75rem; }
  header, .gpus > li, tr, figure, ol.steps > li { break-inside: avoid; } h2, h3 { break-after: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
}
`;

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
