import { connect } from '../cluster/connect.ts';
import { momentMs } from '../contract/time.ts';
import { clean as cleanUp } from '../session/sweep.ts';
import { connectionFlags } from './arguments.ts';
import type { Command } from './command.ts';
import { write } from './io.ts';
import { CONNECTION } from './options.ts';

const WORDS = {
  deleted: 'deleted',
  would_delete: 'would be deleted',
  gone: 'was gone already',
  kept: 'kept: it still runs (--older-than 0s deletes it)',
} as const;

/** Removes what earlier sessions left. */
export const clean: Command = {
  command: 'clean',
  description: 'Removes pods and Jobs that earlier sessions left, and lists those still running',
  options: yargs =>
    yargs
      .options(CONNECTION)
      .option('all-namespaces', { alias: 'A', type: 'boolean', describe: 'In all namespaces' })
      .option('dry-run', { type: 'boolean', describe: 'Only list' })
      .option('older-than', {
        type: 'string',
        requiresArg: true,
        describe: 'Also running sessions of at least this age, for example 1h',
      }),
  async run({ args, io }) {
    const nowMs = io.clock.nowMs();
    const olderThanMs = args.olderThan && nowMs - momentMs(args.olderThan, nowMs);
    const cluster = await connect({
      flags: connectionFlags(args),
      environment: io.environment,
      clock: io.clock,
    });
    try {
      const cleaned = await cleanUp(
        {
          cluster,
          namespace: args.allNamespaces ? null : cluster.access.namespace,
          clock: io.clock,
          dryRun: args.dryRun,
          ...(typeof olderThanMs === 'number' ? { olderThanMs } : {}),
        },
        io.signal,
      );
      const lines = cleaned.map(
        ({ object, outcome }) =>
          `${object.kind} ${object.namespace}/${object.name} on ${object.node}: ${WORDS[outcome]}`,
      );
      await write(
        io.stdout,
        `${lines.length === 0 ? 'nothing of ours is left' : lines.join('\n')}\n`,
      );
      return 0;
    } finally {
      cluster.close();
    }
  },
};
