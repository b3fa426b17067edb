import { type LineKind, lineKind } from './lines.ts';

const COLOURS: Readonly<Record<LineKind, string | undefined>> = {
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
export function coloured(text: string): string {
  return text
    .split('\n')
    .map(line => {
      const kind = lineKind(line);
      const colour = COLOURS[kind];
      if (colour === undefined) return line;
      if (kind === 'detail') return `\u001b[${colour}m${line}\u001b[0m`;
      return line.replace(/^\S+/, word => `\u001b[${colour}m${word}\u001b[0m`);
    })
    .join('\n');
}
