import type { Action } from '../../contract/finding.ts';
import type { JobAnswer } from './job-answer.ts';

/** What is known of the job's failure, whoever told it. */
export type JobRoot = Pick<
  JobAnswer,
  'fault' | 'confidence' | 'action' | 'advice' | 'why' | 'against' | 'first' | 'takeOut'
> & { readonly pod?: string | undefined };

/** Where a pod ran that has none, or of which nothing tells. */
export const NO_NODE = 'no node';

/** Actions that take GPUs or the machine from whoever runs there. */
export const TAKES_OUT: readonly Action[] = [
  ...(['reset_gpu', 'drain', 'drain_and_reset', 'reboot_node'] as const),
  ...(['power_cycle', 'contact_support'] as const),
];

export const NOTHING_FOUND: Pick<JobRoot, 'fault' | 'confidence' | 'action' | 'advice'> = {
  ...({ fault: 'unknown', confidence: 'low', action: 'watch' } as const),
  advice: 'Read what follows of each node, and the log of the pod that ended first.',
};
