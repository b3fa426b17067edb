import * as z from 'zod';
import { connect } from '../cluster/connect.ts';
import { ConnectionFlags } from '../cluster/connection-flags.ts';
import { type ReaperOrders, reap as reapPod } from '../session/reaper.ts';
import { defineCommand } from './command.ts';

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
