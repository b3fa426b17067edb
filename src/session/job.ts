import type { V1Job } from '../cluster/port.ts';
import { JOB_TTL_SECONDS, POD_LIFE_SECONDS, ROW_OWNER_TTL_SECONDS } from '../contract/limits.ts';
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

/**
 * What owns the pods of many nodes: a Job that asks for none, and so is complete at once. When its time
 * after that is over the cluster removes it, and with it, by its garbage collector, every pod that names
 * it as owner. Its template is that of the pods, for whoever reviews Jobs.
 */
export function ownerSpec(options: PodOptions): V1Job {
  const job = jobSpec(options);
  const { nodeName: _, ...anyNode } = job.spec?.template.spec ?? { containers: [] };
  return {
    ...job,
    spec: {
      completions: 0,
      parallelism: 0,
      backoffLimit: 0,
      suspend: false,
      ttlSecondsAfterFinished: ROW_OWNER_TTL_SECONDS,
      template: { ...job.spec?.template, spec: anyNode },
    },
  };
}
