import type { Style, StyledLine } from './style.ts';

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
export const coloured = (lines: readonly StyledLine[]): string =>
  lines
    .map(({ style, text }) => {
      const colour = COLOURS[style];
      if (colour === undefined) return text;
      if (style === 'detail') return `\u001b[${colour}m${text}\u001b[0m`;
      return text.replace(/^\S+/, word => `\u001b[${colour}m${word}\u001b[0m`);
    })
    .join('\n');
