import * as z from 'zod';
import { connect } from '../cluster/connect.ts';
import { type ReaperOrders, reap as reapPod } from '../session/reaper.ts';
import { Arguments, connectionFlags } from './arguments.ts';
import type { Command } from './command.ts';

const Orders = z.object({ connection: Arguments, namespace: z.string(), name: z.string() });

/** The detached process that outlives a killed plugin; started by us alone, so it has no help. */
export const reap: Command = {
  command: 'reap',
  description: false,
  options: yargs => yargs,
  async run({ io }) {
    const outcome = await reapPod<Arguments>({
      input: io.stdin,
      isOrders: (value): value is ReaperOrders<Arguments> => Orders.safeParse(value).success,
      connect: connection =>
        connect({
          flags: connectionFlags(connection),
          environment: io.environment,
          clock: io.clock,
        }),
    });
    return outcome === 'failed' ? 4 : 0;
  },
};
