import * as z from 'zod';
import { CONNECTION, ConnectionFlags } from '../cluster/connection-flags.ts';
import { connect } from '../cluster/kubernetes-cluster.ts';
import { toggle } from '../contract/flag.ts';
import { optional } from '../contract/optional.ts';
import { momentMs } from '../contract/time.ts';
import { type ReaperOrders, reap as reapPod } from '../session/reaper.ts';
import { clean as cleanUp } from '../session/sweep.ts';
import { withCluster } from './cluster.ts';
import { defineCommand } from './command.ts';
import { moment } from './flags.ts';
import { write } from './io.ts';

const WORDS = {
  deleted: 'deleted',
  would_delete: 'would be deleted',
  gone: 'was gone already',
  kept: 'kept: it still runs (--older-than 0s deletes it)',
} as const;

/** Removes what earlier sessions left. */
export const clean = defineCommand({
  command: 'clean',
  description: 'Removes pods and Jobs that earlier sessions left, and lists those still running',
  flags: {
    ...CONNECTION,
    allNamespaces: toggle('In all namespaces', { alias: 'A' }),
    dryRun: toggle('Only list'),
    olderThan: moment('Also running sessions of at least this age, for example 1h'),
  },
  run: invocation =>
    withCluster(invocation, async cluster => {
      const { args, io } = invocation;
      const { clock } = io;
      const nowMs = clock.nowMs();
      const { olderThan, dryRun } = args;
      const olderThanMs = olderThan === undefined ? undefined : nowMs - momentMs(olderThan, nowMs);
      const namespace = args.allNamespaces ? null : cluster.access.namespace;
      const cleaned = await cleanUp(
        { cluster, namespace, clock, dryRun, ...optional({ olderThanMs }) },
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
    }),
});

const Orders = z.object({ connection: ConnectionFlags, namespace: z.string(), name: z.string() });

/** The detached process that outlives a killed plugin; started by us alone, so it has no help. */
export const reap = defineCommand({
  command: 'reap',
  description: false,
  flags: {},
  async run({ io }) {
    const outcome = await reapPod<ConnectionFlags>({
      input: io.stdin,
      isOrders: (value): value is ReaperOrders<ConnectionFlags> => Orders.safeParse(value).success,
      connect: flags => connect({ flags, environment: io.environment, clock: io.clock }),
    });
    return outcome === 'failed' ? 4 : 0;
  },
});
