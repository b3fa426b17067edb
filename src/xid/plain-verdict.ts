import type { Verdict } from './verdict.ts';

/** A verdict of ours on a line that no catalogue lists. */
export const ours = (
  parts: Pick<Verdict, 'action' | 'severity' | 'blame' | 'title' | 'meaning' | 'advice'> &
    Partial<Verdict>,
): Verdict => ({
  confidence: 'medium',
  source: "this project's reading of the driver's message",
  disagreement: [],
  ...parts,
});

/** A line that is worth an event and asks for nothing. */
export const note = (title: string, meaning: string): Verdict =>
  ours({
    action: 'none',
    severity: 'info',
    blame: 'unknown',
    title,
    meaning,
    advice: 'Nothing to do.',
  });
