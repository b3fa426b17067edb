import type { V1Job } from '../cluster/port.ts';
import { JOB_TTL_SECONDS, POD_LIFE_SECONDS } from '../contract/limits.ts';
import { type PodOptions, podMarks, podSpec } from './pod-spec.ts';

/** The Job ends a little after its pod would have ended itself. */
const JOB_LIFE_SECONDS = POD_LIFE_SECONDS + 60;

/**
 * The pod in a Job, so that the cluster itself removes both: when the agent has ended, however it
 * did, `ttlSecondsAfterFinished` deletes Job and pod; `activeDeadlineSeconds` ends one that hangs.
 */
export function jobSpec(options: PodOptions): V1Job {
  const pod = podSpec(options);
  const { labels, annotations } = podMarks(options);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: options.name, namespace: options.namespace, labels, annotations },
    spec: {
      completions: 1,
      parallelism: 1,
      // One try: a second pod would start after our stream is gone.
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      suspend: false,
      activeDeadlineSeconds: JOB_LIFE_SECONDS,
      ttlSecondsAfterFinished: JOB_TTL_SECONDS,
      template: {
        metadata: { labels, annotations },
        ...(pod.spec && { spec: pod.spec }),
      },
    },
  };
}
