import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { Verdict } from '../contract/finding.ts';
import { optional } from '../contract/optional.ts';
import { askAll, exitOf, inContexts } from './ask-nodes.ts';
import { defineCommand } from './command.ts';
import { CONTEXTS, DETAILS, FLEET, failOn, moment, NODES, OUTPUT, POD, TARGET } from './flags.ts';
import { SUMMARIES } from './summaries.ts';

/** The report for a person. */
export const triage = defineCommand({
  ...SUMMARIES.triage,
  examples: [
    ['$0 triage gpu-node-3', 'one node'],
    ['$0 triage gpu-node-3 --since 7d --fail-on critical', 'for scripts: exit code 1 on a finding'],
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
    failOn: failOn('Exit code 1 when the verdict is this or worse'),
  },
  async run(invocation) {
    const { since, failOn: limit } = invocation.args;
    const outcome = await askAll(
      inContexts(invocation),
      'triage_gpu_node',
      optional({ since }),
      'sick',
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
