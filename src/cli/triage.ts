import * as z from 'zod';
import { CONNECTION, printedConnection } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { Verdict } from '../contract/finding.ts';
import { toggle } from '../contract/flag-values.ts';
import { GLANCE_MS_MAX, TRIAGE_WATCH_MS_MIN } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { triageGpuNode } from '../tools/catalog/triage-gpu-node.ts';
import { triageRow } from '../tools/triage-row.ts';
import { askAll, exitOf, inContexts } from './ask-nodes.ts';
import { withCluster } from './cluster.ts';
import { defineCommand } from './command.ts';
import type { OutputFlags, TargetFlags } from './flags.ts';
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
    [
      '$0 triage pod/train-0 -n ml --profile ephemeral',
      'from within the pod, for who may not read its node',
    ],
    ['$0 triage gpu-node-3 --since 7d --fail-on critical', 'for scripts: exit code 1 on a finding'],
    ['$0 triage gpu-node-3 --watch 10s', 'then a line for each change, while a job is tried again'],
    ['$0 triage --all-gpu-nodes --fleet', 'hundreds of nodes: a row of each, and nobody attaches'],
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
    fleet: toggle(
      'A row of each node alone, for hundreds: pods that read once and end, and nobody attaches',
    ),
    event: toggle(
      'Leaves an Event on each node: who asked, the verdict, our version; it stays as long as events do',
    ),
    failOn: failOn('Exit code 1 when the verdict is this or worse'),
  },
  async run(invocation) {
    const { since, failOn: limit, watch: everyMs, fleet, event } = invocation.args;
    const asked = inContexts(invocation);
    const input = optional({ since });
    if (event) refuseEvent(asked.args);
    if (fleet) refuseBeside(asked.args);
    const question = (fleet ? triageRow : triageGpuNode).question(input);
    const outcome =
      everyMs === undefined
        ? await askAll(asked, question, fleet ? 'rows' : 'sick')
        : await (await import('./watch.ts')).watchNodes(asked, question, everyMs);
    if (event) {
      const { leaveEvents } = await import('./leave-events.ts');
      await withCluster(asked, cluster =>
        leaveEvents(outcome, cluster, invocation, printedConnection(asked.args)),
      );
    }
    const failed = outcome.answers.some(({ structured }) => atLeast(structured, limit));
    return exitOf(outcome, failed ? 1 : 0);
  },
});

/** An event is of a node of the one cluster that is asked, as it is at the end. */
function refuseEvent(args: TargetFlags & { readonly watch?: number | undefined }) {
  const { local, simulate, from, watch, contexts = [] } = args;
  refuseFirst('--event', {
    '--local': local === true,
    '--simulate': simulate !== undefined,
    '--from': from !== undefined,
    '--watch': watch !== undefined,
    'a second --context': contexts.length > 1,
  });
}

/** A row is what a pod's last words hold: no page, no stream to ask again, and no folder to mount first. */
function refuseBeside(args: TargetFlags & OutputFlags & { readonly watch?: number | undefined }) {
  const { local, simulate, from, watch, output, profile } = args;
  refuseFirst('--fleet', {
    '--local': local === true,
    '--simulate': simulate !== undefined,
    '--from': from !== undefined,
    '--watch': watch !== undefined,
    '-o html': output === 'html',
    '--profile mounted': profile === 'mounted',
  });
}

function refuseFirst(flag: string, beside: Readonly<Record<string, boolean>>): void {
  const [other] = Object.entries(beside).find(([, isGiven]) => isGiven) ?? [];
  if (other !== undefined)
    throw new UsageError(`${flag} and ${other} exclude each other`, 'leave out one of them');
}

const Judged = z.looseObject({ verdict: Verdict });

function atLeast(structured: unknown, limit: 'critical' | 'warning' | undefined): boolean {
  if (limit === undefined) return false;
  const { verdict } = Judged.parse(structured);
  // "unknown" is no all-clear: who asks for an exit code wants to hear of it.
  if (verdict === 'healthy') return false;
  return limit === 'warning' || verdict !== 'warning';
}
