import { type Answer, type LineKind, markOf } from '../contract/answer.ts';

/** How a line looks: as its kind says, and a summary that is not of a node as it is now stands out. */
export type Style = Exclude<LineKind, 'summary'> | 'simulated';

export interface StyledLine {
  readonly style: Style;
  readonly text: string;
}

export function styled({ lines, provenance }: Answer): readonly StyledLine[] {
  const ofSummary = markOf(provenance) === '' ? 'plain' : 'simulated';
  return lines.map(({ kind, text }) => ({ style: kind === 'summary' ? ofSummary : kind, text }));
}
