import * as z from 'zod';
import { connect } from '../cluster/connect.ts';
import { UsageError } from '../contract/errors.ts';
import { asYaml } from '../report/answer.ts';
import { jobSpec } from '../session/job.ts';
import { podName, podSpec } from '../session/pod-spec.ts';
import { connectionFlags } from './arguments.ts';
import type { Command } from './command.ts';
import { write } from './io.ts';
import { CONNECTION, POD } from './options.ts';
import { podChoices } from './targets.ts';

/** What would be created, for an admin to read, sign or apply. */
export const manifest: Command = {
  command: 'manifest <kind> [node]',
  description: 'Prints what would be created: manifest pod NODE',
  examples: [['$0 manifest pod gpu-node-3', 'the Job and pod of a session, as YAML']],
  options: yargs =>
    yargs
      .positional('kind', { type: 'string', choices: ['pod'], describe: 'What to print' })
      .positional('node', { type: 'string', describe: 'The node it is for' })
      .options({ ...CONNECTION, ...POD }),
  async run({ args, raw, io }) {
    const { node: name } = Named.parse(raw);
    if (name === undefined)
      throw new UsageError('name the node', 'kubectl gpu-mcp manifest pod NODE');
    const cluster = await connect({
      flags: connectionFlags(args),
      environment: io.environment,
      clock: io.clock,
    });
    try {
      const node = await cluster.getNode(name.replace(/^nodes?\//, ''), io.signal);
      const session = 'manifest';
      const options = {
        ...podChoices({ args, io }),
        name: podName(node.name, session),
        namespace: cluster.access.namespace,
        node,
        session,
        nowMs: io.clock.nowMs(),
      };
      const object = args.lifetime === 'pod' ? podSpec(options) : jobSpec(options);
      await write(io.stdout, asYaml(object));
      return 0;
    } finally {
      cluster.close();
    }
  },
};

const Named = z.looseObject({ node: z.string().optional() });
