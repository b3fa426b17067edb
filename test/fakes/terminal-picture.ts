/**
 * A terminal as a picture: the command as it is typed, then what it prints, with its colours. SVG without
 * a script; where nothing moves, all of it is seen at once.
 */
export function terminalPicture(command: string, printed: string): string {
  const lines = printed.trimEnd().split('\n');
  const width = 80 * ADVANCE + 2 * MARGIN;
  const height = (lines.length + 3) * LINE + 2 * MARGIN;
  const row = (index: number) => MARGIN + (index + 1) * LINE;
  const text = lines.map(
    (line, index) => `<text class="o" x="${MARGIN}" y="${row(index + 2)}">${spans(line)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(command)}">`,
    `<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d4d4d4;white-space:pre}`,
    `.b{font-weight:700}.d{fill:#8b949e}.r{fill:#ff7b72}.g{fill:#7ee787}.y{fill:#f2cc60}.c{fill:#79c0ff}.m{fill:#d2a8ff}`,
    `.o{animation:o 2s step-end}@keyframes o{0%{opacity:0}99%{opacity:1}}`,
    `.k{animation:k 1.6s steps(40)}@keyframes k{from{clip-path:inset(0 100% 0 0)}to{clip-path:inset(0)}}`,
    `@media(prefers-reduced-motion:reduce){.o,.k{animation:none}}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    `<text class="k" x="${MARGIN}" y="${row(0)}"><tspan class="g">$</tspan> ${escaped(command)}</text>`,
    ...text,
    '</svg>\n',
  ].join('\n');
}

const MARGIN = 16;
const LINE = 18;
const ADVANCE = 8.43;

const CLASSES: Readonly<Record<string, string>> = {
  ...{ '1': 'b', '2': 'd', '31': 'r', '32': 'g', '33': 'y', '34': 'c', '35': 'm', '36': 'c' },
  ...{ '91': 'r', '92': 'g', '93': 'y', '94': 'c', '95': 'm', '96': 'c', '90': 'd' },
};
/** What ends a style: all of them, weight, colour. */
const ENDS: Readonly<Record<string, RegExp>> = { '0': /./, '22': /[bd]/, '39': /[rgycm]/ };

function spans(line: string): string {
  let classes: readonly string[] = [];
  return line
    .split(/(\u001b\[[\d;]*m)/)
    .map(part => {
      const codes = /^\u001b\[([\d;]*)m$/.exec(part)?.[1];
      if (codes === undefined) {
        if (part === '') return '';
        return classes.length === 0
          ? escaped(part)
          : `<tspan class="${classes.join(' ')}">${escaped(part)}</tspan>`;
      }
      for (const code of codes.split(';')) {
        const [begins, ends] = [CLASSES[code], ENDS[code === '' ? '0' : code]];
        if (begins) classes = [...classes, begins];
        if (ends) classes = classes.filter(name => !ends.test(name));
      }
      return '';
    })
    .join('');
}

const escaped = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
