import type { Finding } from '../../contract/finding.ts';
import { PLATFORM_ENDS_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { FailureAnswer } from './failure-answer.ts';
import { isEndedFromOutside } from './failure-verdict.ts';
import { focusOf, type JobNode } from './job-state.ts';

/** Of the findings of a node, what a cloud or an automaton does with it. */
export const PLATFORM_FINDING = 'platform-action:';

/**
 * What a platform did with the node as a pod there was ended from outside explains the end; nothing where the pod
 * ended otherwise, or at another time.
 */
export function byPlatform(of: JobNode) {
  const { node, failure } = of;
  if (!failure || !isEndedFromOutside(failure)) return undefined;
  const found = focusOf(of).own.find(
    finding => finding.id.startsWith(PLATFORM_FINDING) && isOfThatTime(finding, failure),
  );
  if (!found) return undefined;
  const { fault, confidence, why, pod, to } = failure;
  return {
    ...({ fault: 'host', action: 'restart_app' } as const),
    advice: found.advice,
    confidence: fault === 'host' ? confidence : ('medium' as const),
    why: [found.title, ...why],
    first: { node, pod: pod.pod, ...optional({ time: to }), what: found.title },
  };
}

/** A mark without a time may be of then. */
function isOfThatTime({ evidence }: Finding, { to }: FailureAnswer): boolean {
  const times = evidence.flatMap(({ time, lastTime }) => lastTime ?? time ?? []);
  return (
    to === undefined ||
    times.length === 0 ||
    times.some(time => Math.abs(Date.parse(time) - Date.parse(to)) <= PLATFORM_ENDS_MS_MAX)
  );
}
