import * as z from 'zod';
import { apiUse, clusterEvent, clusterPod, part, sentence, time, word } from './cluster-view.ts';
import { jobLog } from './job-log.ts';
import { publicText, textOf } from './names-in-text.ts';
import type { Fixed } from './reading-schema.ts';

/** That a job failed, in its controller's words. */
const ownerEnd = z.object({
  /** `JobSet/train`. */
  owner: textOf('owner'),
  /** DeadlineExceeded, FailedJobs, BackoffLimitExceeded, ... */
  reason: word,
  message: sentence,
  at: time.exactOptional(),
  /** How often all of it was started anew. */
  restarts: z.int().exactOptional(),
  /** Of a Job its pods that failed, of a JobSet its Jobs. */
  failed: z.int().exactOptional(),
});
export type OwnerEnd = Fixed<z.infer<typeof ownerEnd>>;

/** What a target of a command line is made of: the pods of a job, of another workload, or one pod. */
export const targetJob = z.object({
  /** `JobSet/train`, `Pod/train-0`. */
  name: textOf('owner'),
  namespace: textOf('namespace'),
  pods: z.array(
    z.object({
      pod: clusterPod,
      /** Why it has no node yet, in the scheduler's words. */
      waitsFor: sentence.exactOptional(),
      /**
       * Of its container that failed; where none did, the last words of the one that runs or has ended well. Absent
       * where it was not asked for, and of those that did not fail where they are many.
       */
      log: part(jobLog).exactOptional(),
      /** Pods of one group do the same work; its index among them, by its name. Only where names are withheld. */
      place: z.object({ group: z.int(), index: z.int().exactOptional() }).exactOptional(),
      /** Last words of its other containers, of a few pods: what stands in them may be of the node. */
      beside: z.array(jobLog).exactOptional(),
    }),
  ),
  /** Pods of it that are gone, as far as events still tell, where they ran, and what events say of their ends. */
  gone: part(
    z.array(
      z.object({
        pod: textOf('pod'),
        node: publicText.exactOptional(),
        /** Newest first. */
        events: z.array(clusterEvent).exactOptional(),
      }),
    ),
  ),
  /** What those that made its pods say of its end, the outermost first; absent where none says that it failed. */
  ends: z.array(ownerEnd).exactOptional(),
  /** Why what its Jobs say of it was not read; absent where it was, and where there are none. */
  jobsUnread: publicText.exactOptional(),
  /** What else its controller says of it that explains pods that are gone. */
  controller: z.enum(['ended_well', 'suspended']).exactOptional(),
  /** For finding it, its pods and their events, without logs; absent where no API server was asked. */
  asked: apiUse.exactOptional(),
});
export type TargetJob = Fixed<z.infer<typeof targetJob>>;
