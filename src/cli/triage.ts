import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { Verdict } from '../contract/finding.ts';
import { GLANCE_MS_MAX, TRIAGE_WATCH_MS_MIN } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { triageGpuNode } from '../tools/catalog/triage-gpu-node.ts';
import { askAll, exitOf, inContexts } from './ask-nodes.ts';
import { defineCommand } from './command.ts';
import {
  CONTEXTS,
  DETAILS,
  FLEET,
  failOn,
  interval,
  moment,
  NODES,
  OUTPUT,
  POD,
  TARGET,
} from './flags.ts';
import { SUMMARIES } from './summaries.ts';

/** The report for a person. */
export const triage = defineCommand({
  ...SUMMARIES.triage,
  examples: [
    ['$0 triage gpu-node-3', 'one node'],
    ['$0 triage job/train -n ml', 'why a job failed, and which node to take out of it'],
    ['$0 triage gpu-node-3 --since 7d --fail-on critical', 'for scripts: exit code 1 on a finding'],
    ['$0 triage gpu-node-3 --watch 10s', 'then a line for each change, while a job is tried again'],
    ['$0 triage --simulate lost-gpu', 'see a report without any cluster'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...CONTEXTS,
    ...TARGET,
    ...POD,
    ...FLEET,
    ...OUTPUT,
    ...DETAILS,
    since: moment('How far back incidents are told: 7d or an ISO time; the last 24h decide'),
    watch: interval(
      'watch',
      'Asks again so often: 10s; after the first page what changes is a line. Ctrl-C ends it, with the exit code of the last state',
      { minMs: TRIAGE_WATCH_MS_MIN, maxMs: GLANCE_MS_MAX },
    ),
    failOn: failOn('Exit code 1 when the verdict is this or worse'),
  },
  async run(invocation) {
    const { since, failOn: limit, watch: everyMs } = invocation.args;
    const asked = inContexts(invocation);
    const input = optional({ since });
    const outcome =
      everyMs === undefined
        ? await askAll(asked, triageGpuNode.name, input, 'sick')
        : await (await import('./watch.ts')).watchNodes(
            asked,
            triageGpuNode.question(input),
            everyMs,
          );
    const failed = outcome.answers.some(({ structured }) => atLeast(structured, limit));
    return exitOf(outcome, failed ? 1 : 0);
  },
});

const Judged = z.looseObject({ verdict: Verdict });

function atLeast(structured: unknown, limit: 'critical' | 'warning' | undefined): boolean {
  if (limit === undefined) return false;
  const { verdict } = Judged.parse(structured);
  // "unknown" is no all-clear: who asks for an exit code wants to hear of it.
  if (verdict === 'healthy') return false;
  return limit === 'warning' || verdict !== 'warning';
}
