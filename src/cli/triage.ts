import * as z from 'zod';
import { Verdict } from '../contract/finding.ts';
import { askAll, exitOf } from './ask.ts';
import type { Command } from './command.ts';
import { COMMON, CONNECTION, OUTPUT, POD, TARGET } from './options.ts';

/** The report for a person. */
export const triage: Command = {
  command: 'triage [target..]',
  description: 'Says what is wrong with a node, worst first, and what to do',
  examples: [
    ['$0 triage gpu-node-3', 'one node'],
    ['$0 triage gpu-node-3 --since 7d --fail-on critical', 'for scripts: exit code 1 on a finding'],
    ['$0 triage --simulate lost-gpu', 'see a report without any cluster'],
  ],
  options: yargs =>
    yargs
      .positional('target', { type: 'string', array: true, describe: 'NAME, node/NAME, pod/NAME' })
      .options({ ...COMMON, ...CONNECTION, ...TARGET, ...POD, ...OUTPUT })
      .option('since', { type: 'string', describe: 'How far back: 30m, 24h, 7d or an ISO time' })
      .option('fail-on', {
        choices: ['critical', 'warning'] as const,
        describe: 'Exit code 1 when the verdict is this or worse',
      }),
  async run(invocation) {
    const { args } = invocation;
    const outcome = await askAll(invocation, {
      targets: args.target,
      tool: 'triage_gpu_node',
      input: args.since === undefined ? {} : { since: args.since },
    });
    const failed = outcome.answers.some(answer => atLeast(answer.structured, args.failOn));
    return exitOf(outcome, failed ? 1 : 0);
  },
};

const Answered = z.looseObject({ verdict: Verdict });

function atLeast(structured: unknown, limit: 'critical' | 'warning' | undefined): boolean {
  if (limit === undefined) return false;
  const { verdict } = Answered.parse(structured);
  // "unknown" is no all-clear: who asks for an exit code wants to hear of it.
  if (verdict === 'healthy') return false;
  return limit === 'warning' || verdict !== 'warning';
}
