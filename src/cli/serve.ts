import { serveBridge } from '../bridge/bridge.ts';
import { namedNodes } from '../bridge/node-pool.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { toggle } from '../contract/flag.ts';
import { defineCommand } from './command.ts';
import { NODES, POD, TARGET } from './flags.ts';
import { openTargets } from './targets.ts';
import { aborted } from './until-aborted.ts';

/** MCP on stdin and stdout: what an AI client starts. */
export const serve = defineCommand({
  command: '$0 [target..]',
  description: 'MCP server on stdin/stdout for these nodes: what an AI client starts',
  examples: [
    ['$0 gpu-node-3', 'serve one node over MCP'],
    ['$0 triage gpu-node-3', 'the report for a person'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...TARGET,
    ...POD,
    eager: toggle('Start the pod at once, not at the first call'),
  },
  async run({ args, io, progress }) {
    const targets = await openTargets({ args, io, progress });
    if (args.eager) {
      for (const session of targets.sessions) {
        // What fails here is told again, and better, by the first call.
        session.start(io.signal, message => progress.say(message)).catch(() => undefined);
      }
    }
    const ended = serveBridge({
      nodes: namedNodes(targets.sessions),
      clock: io.clock,
      input: io.stdin,
      output: io.stdout,
    });
    await Promise.race([ended, aborted(io.signal)]);
    await targets.close();
    return io.signal.aborted ? 130 : 0;
  },
});
