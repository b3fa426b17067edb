import { serveBridge } from '../bridge/bridge.ts';
import { namedNodes } from '../bridge/node-pool.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { toggle } from '../contract/flag.ts';
import { shellWord } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { defineCommand } from './command.ts';
import { NODES, POD, TARGET, type TargetFlags } from './flags.ts';
import { openTargets } from './targets.ts';
import { aborted } from './until-aborted.ts';

/** MCP on stdin and stdout: what an AI client starts. */
export const serve = defineCommand({
  command: '$0 [target..]',
  description: 'MCP server on stdin/stdout for these nodes: what an AI client starts',
  examples: [
    ['$0 triage gpu-node-3', 'the report for a person'],
    ['$0 gpu-node-3', 'what an AI client starts: MCP for one node'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...TARGET,
    ...POD,
    eager: toggle('Start the pod at once, not at the first call'),
  },
  isServer: true,
  async run({ args, io, progress }) {
    if (io.stdinIsTerminal) throw forClients(args);
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
    if (io.signal.aborted) return 130;
    // A mistyped command in a script ends here; its exit code must not say that all is well.
    if (!io.stdin.readableDidRead) throw forClients(args);
    return 0;
  },
});

type Asked = Partial<TargetFlags>;

/** A person, or a script, that talks to the server of an AI client. */
function forClients({ target = [], simulate, local, selector, from = [] }: Asked): UsageError {
  const words = [
    ...target,
    ...(simulate === undefined ? [] : ['--simulate', simulate]),
    ...(local ? ['--local'] : []),
    ...(selector === undefined ? [] : ['-l', selector]),
    ...from.flatMap(file => ['--from', file]),
  ];
  const bare = target.find(word => !word.includes('/'));
  return new UsageError(
    bare === undefined
      ? 'this is the MCP server for AI clients, and none talks to it on stdin'
      : `"${plainText(bare, 63)}" is no command; a node is served to AI clients, and none talks on stdin`,
    `for a person: kubectl gpu-mcp triage ${words.length > 0 ? words.map(shellWord).join(' ') : 'NODE'}`,
  );
}
