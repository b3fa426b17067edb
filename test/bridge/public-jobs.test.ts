import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { ClusterPod } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { type TargetJob, targetJob } from '../../src/contract/target-job.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';

const Case = z.strictObject({
  name: z.string(),
  source: z.string(),
  /** Whose fault it was, as the thread found; several where it did not settle it. */
  fault: z.array(z.string()).min(1),
  /** Where it began; null where the logs do not tell. */
  node: z.string().nullable(),
  /** What is named as the first error where the log alone proves no fault: no log accuses hardware. */
  names: z.string().optional(),
  pods: z.array(
    z.strictObject({
      node: z.string(),
      /** Seconds after the first. */
      after: z.int().optional(),
      log: z.array(z.string()).min(1),
    }),
  ),
});
const CASES = z
  .array(Case)
  .parse(JSON.parse(readFileSync(new URL('public-jobs.json', import.meta.url), 'utf8')));

const START_MS = Date.parse('2026-03-01T12:00:00Z');
const timeOf = (seconds: number) => new Date(START_MS + seconds * 1_000).toISOString();

/** The job as the cluster tells of it, with the logs of its pods; no node was read. */
function jobOf({ pods }: z.infer<typeof Case>): TargetJob {
  return targetJob.parse({
    ...{ name: 'Job/train', namespace: 'ml', gone: present([]) },
    pods: pods.map(({ node, after = 0, log }, at) => ({
      pod: podOf(`train-${at}`, node, timeOf(after + log.length + 2)),
      log: present(
        readJobLog({
          ...{ container: 'train', previous: false, requests: 1, bytes: 1_000, cut: false },
          text: `${log.map((line, number) => `${timeOf(after + number)} ${line}`).join('\n')}\n`,
        }),
      ),
    })),
  });
}

const podOf = (name: string, node: string, finishedAt: string): ClusterPod => ({
  ...{ namespace: 'ml', name, uid: name, node, phase: 'Failed', reason: '', message: '' },
  ...{ createdAt: timeOf(-600), deleting: false, gpus: { 'nvidia.com/gpu': 8 }, claims: [] },
  containers: [
    {
      ...{ name: 'train', init: false, gpus: { 'nvidia.com/gpu': 8 }, restarts: 0 },
      ...{ state: 'terminated', reason: 'Error', message: '' },
      ended: { exitCode: 1, reason: 'Error', message: '', finishedAt },
    },
  ],
});

test.each(CASES)('$source: $name', each => {
  const answer = judgeJob(
    jobOf(each),
    each.pods.map(({ node }) => ({ node, gpus: [] })),
  );
  expect(each.fault, JSON.stringify(answer.why)).toContain(answer.fault);
  if (each.node !== null) expect(answer.first?.node).toBe(each.node);
  if (each.names !== undefined) expect(answer.first?.what).toBe(each.names);
  // What a program says of its end proves no fault of a machine.
  expect(answer).not.toHaveProperty('takeOut');
  expect(answer.fault).not.toBe('hardware');
});
