import type { Finding } from '../../contract/finding.ts';
import { JOB_CLOCKS_MS_MAX, PLATFORM_ENDS_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { FailureAnswer } from './failure-answer.ts';
import { isEndedFromOutside } from './failure-by-cluster.ts';
import { focusOf, type JobNode } from './job-state.ts';

/** Of the findings of a node, what a cloud or an automaton does with it. */
export const PLATFORM_FINDING = 'platform-action:';

/**
 * What a platform did with the node just before a pod there was ended from outside explains the end; nothing where
 * the pod ended otherwise, or at another time.
 */
export function byPlatform(of: JobNode) {
  const { node, failure } = of;
  if (!failure || !isEndedFromOutside(failure)) return undefined;
  const found = focusOf(of).own.find(
    finding => finding.id.startsWith(PLATFORM_FINDING) && isOfThatTime(finding, failure),
  );
  if (!found) return undefined;
  const { fault, confidence, why, pod, to } = failure;
  const isTimed = timesOf(found).length > 0;
  return {
    ...({ fault: 'host', action: 'restart_app' } as const),
    advice: found.advice,
    confidence: fault === 'host' ? confidence : isTimed ? ('medium' as const) : ('low' as const),
    why: [found.title, ...why],
    first: { node, pod: pod.pod, ...optional({ time: to }), what: found.title },
  };
}

/** From when until when it was told, milliseconds. */
const timesOf = ({ evidence }: Finding): readonly (readonly [fromMs: number, toMs: number])[] =>
  evidence.flatMap(({ time, lastTime }) =>
    time === undefined ? [] : [[Date.parse(time), Date.parse(lastTime ?? time)] as const],
  );

/**
 * Before the end and not after it: an autoscaler takes a node away because its pods have ended. A mark without a
 * time, which is there now, may be of an end that was just now.
 */
function isOfThatTime(finding: Finding, { to, takenAt }: FailureAnswer): boolean {
  if (to === undefined) return false;
  const endMs = Date.parse(to);
  const times = timesOf(finding);
  if (times.length === 0) return Date.parse(takenAt) - endMs <= PLATFORM_ENDS_MS_MAX;
  return times.some(
    ([fromMs, toMs]) => fromMs <= endMs + JOB_CLOCKS_MS_MAX && toMs >= endMs - PLATFORM_ENDS_MS_MAX,
  );
}
