import { type Finding, gpusOf } from '../../contract/finding.ts';
import { JOB_CLOCKS_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { OF_THE_MACHINE } from './failure-facts.ts';
import { causeIn, timeOf } from './first-cause.ts';
import { type JobRoot, TAKES_OUT } from './job-root.ts';
import { failedPods, focusOf, hasFailed, type JobNode, runsWhole } from './job-state.ts';
import { plural } from './wording.ts';

/**
 * A pod hangs on a GPU of its own that failed while it ran, and the others ended waiting: no container of it has ended,
 * so explain_failure tells nothing of it. That the GPU failed its node shows; that they waited for it, their order.
 */
export function byStandingFault(job: TargetJob, nodes: readonly JobNode[]): JobRoot | undefined {
  const failed = failedPods(job);
  const firstMs = Math.min(
    ...failed.map(({ end, log }) =>
      Math.min(timeOf(end.finishedAt), timeOf(log?.ok ? log.value.entries[0]?.at : undefined)),
    ),
  );
  const hasOwn = failed.some(({ log }) => log?.ok && causeIn(log.value) !== undefined);
  if (failed.length === 0 || hasOwn) return undefined;
  const [first] = nodes
    .flatMap(each => {
      // Beside a monitor of the job it is the one on GPUs; of two nobody knows whose it was.
      const [one, ...others] = job.pods.filter(
        ({ pod }) =>
          pod.node === each.node && (Object.keys(pod.gpus).length > 0 || pod.claims.length > 0),
      );
      const isAlone = one && others.length === 0 && runsWhole(one.pod) && !hasFailed(one.pod);
      if (!isAlone || focusOf(each).indexes.length === 0) return [];
      return focusOf(each)
        .own.filter(finding => isGrave(finding))
        .map(finding => ({ pod: one.pod, finding, atMs: timeOf(finding.began?.time) }))
        .filter(({ pod, atMs }) => atMs >= Date.parse(pod.startedAt ?? ''))
        .filter(({ atMs }) => atMs <= firstMs + JOB_CLOCKS_MS_MAX);
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  if (!first) return undefined;
  const { pod, finding } = first;
  const { blame, action, advice, title, began, counterEvidence } = finding;
  return {
    ...({ fault: blame, confidence: 'medium', action, advice, takeOut: pod.node } as const),
    why: [
      `${title}, since ${began?.time}: pod ${pod.name} runs on it and has not ended, and ${plural(failed.length, 'pod')} failed after that with no error of ${failed.length === 1 ? 'its' : 'their'} own`,
    ],
    against: [...counterEvidence.slice(0, 1)],
    pod: pod.name,
    first: {
      ...{ node: pod.node, pod: pod.name, what: title, ...began },
      ...optional({ gpu: gpusOf(finding)[0]?.pci }),
    },
  };
}

/** Of a GPU, shown by its driver or the kernel log, and so that nothing goes on there. */
const isGrave = (finding: Finding): boolean =>
  finding.severity === 'critical' &&
  finding.confidence !== 'low' &&
  OF_THE_MACHINE.includes(finding.blame) &&
  TAKES_OUT.includes(finding.action) &&
  gpusOf(finding).length > 0;
