import { type Answer, type LineKind, markOf } from '../contract/answer.ts';

/** How a line looks: as its kind says, and a summary that is not of a node as it is now stands out. */
export type Style = Exclude<LineKind, 'summary' | 'command'> | 'simulated';

export interface StyledLine {
  readonly style: Style;
  readonly text: string;
  /** Of a command: how many characters stand before it. */
  readonly lead?: number;
}

export function styled({ lines, provenance }: Answer): readonly StyledLine[] {
  const ofSummary = markOf(provenance) === '' ? 'plain' : 'simulated';
  return lines.map(({ kind, text, ...more }) => {
    if (kind === 'command') return { style: 'plain', text, ...more };
    return { style: kind === 'summary' ? ofSummary : kind, text };
  });
}
