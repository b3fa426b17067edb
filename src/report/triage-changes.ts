import * as z from 'zod';
import { Action, Severity, Verdict } from '../contract/finding.ts';
import { plainText } from '../contract/untrusted.ts';
import type { FaultStep } from '../tools/support/fault-timeline.ts';

/** What of a triage is compared with the next one. */
export const Watched = z.object({
  verdict: Verdict,
  findings: z.array(
    z.object({ id: z.string(), severity: Severity, title: z.string(), action: Action }),
  ),
});
type WatchedFinding = z.infer<typeof Watched>['findings'][number];

/** A node at one moment: its triage, and what its kernel said since the watch began. */
export interface WatchedNode {
  readonly facts: z.infer<typeof Watched>;
  readonly events: readonly FaultStep[];
}

/** What changed of a node; one is one line. */
export type Change =
  | { readonly change: 'verdict'; readonly from: Verdict; readonly to: Verdict }
  | { readonly change: 'new' | 'gone' | 'worse' | 'better'; readonly finding: WatchedFinding }
  | { readonly change: 'event'; readonly event: FaultStep }
  | { readonly change: 'unread'; readonly error: string }
  | { readonly change: 'read'; readonly verdict: Verdict };

/** From one moment to the next. Pure. */
export function changesOf(before: WatchedNode, now: WatchedNode): readonly Change[] {
  const { verdict: from, findings: earlier } = before.facts;
  const { verdict: to, findings } = now.facts;
  const same = (a: WatchedFinding) => (b: WatchedFinding) => a.id === b.id;
  const events = now.events.filter(event => !before.events.some(isSame(event)));
  return [
    ...(from === to ? [] : [{ change: 'verdict' as const, from, to }]),
    ...events.map(event => ({ change: 'event' as const, event })),
    ...findings.flatMap((finding): Change[] => {
      const known = earlier.find(same(finding));
      if (!known) return [{ change: 'new', finding }];
      if (known.severity === finding.severity) return [];
      return [{ change: rank(finding) < rank(known) ? 'worse' : 'better', finding }];
    }),
    ...earlier
      .filter(finding => !findings.some(same(finding)))
      .map(finding => ({ change: 'gone' as const, finding })),
  ];
}

const rank = ({ severity }: WatchedFinding): number => Severity.options.indexOf(severity);

/** What repeats is told again. */
const isSame =
  (a: FaultStep) =>
  (b: FaultStep): boolean =>
    a.time === b.time &&
    a.gpu === b.gpu &&
    a.code === b.code &&
    a.what === b.what &&
    a.count === b.count;

/** `12:00:10  gpu-node-3  new critical: GPU 3 is lost`. */
export function changeLine(time: string, node: string, change: Change): string {
  return `${time.slice(11, 19)}  ${plainText(node, 128)}  ${plainText(wordsOf(change), 400)}`;
}

function wordsOf(change: Change): string {
  switch (change.change) {
    case 'verdict':
      return `verdict ${change.from} -> ${change.to}`;
    case 'event': {
      const { gpu, code, what, count, time } = change.event;
      const times = count === undefined ? '' : `, ${count} times`;
      return `kernel at ${time.slice(11, 19)}: ${[gpu, code, what].filter(Boolean).join(' ')}${times}`;
    }
    case 'unread':
      return `could not be read: ${change.error}`;
    case 'read':
      return `read again: ${change.verdict}`;
    default:
      return `${change.change} ${change.finding.severity}: ${change.finding.title}`;
  }
}
