import { parseArgs } from 'node:util';
import * as z from 'zod';
import { AGENT_ENVIRONMENT } from '../contract/labels.ts';

/** What the agent is told: by its environment and arguments in a pod, by flags as a local child. */
const AgentArguments = z
  .object({
    /** The root of the node's file system: `/host` in a pod, `/` on the machine itself. */
    hostRoot: z.string().startsWith('/').default('/'),
    driverRoot: z.string().startsWith('/').optional(),
    simulate: z.string().optional(),
    /** The bundle that is replayed: nothing of this machine is read. */
    from: z.string().optional(),
    node: z.string().optional(),
    /** The key by which names become tokens; without it they leave as they are. */
    redactNames: z.string().min(16).optional(),
    /** How far a simulated machine's clock is ahead of the true time. */
    clockSkewMs: z.coerce.number().int().default(0),
  })
  .refine(
    ({ simulate, clockSkewMs }) => simulate !== undefined || clockSkewMs === 0,
    '--clock-skew-ms is for --simulate alone: no one may lie about the time of a real node',
  );
export type AgentArguments = z.infer<typeof AgentArguments>;

/** @throws when a flag is unknown or a root is no absolute path: the agent is only started by us. */
export function agentArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): AgentArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'host-root': { type: 'string' },
      'driver-root': { type: 'string' },
      simulate: { type: 'string' },
      from: { type: 'string' },
      node: { type: 'string' },
      'redact-names': { type: 'string' },
      'clock-skew-ms': { type: 'string' },
    },
  });
  return AgentArguments.parse({
    hostRoot: values['host-root'] ?? environment[AGENT_ENVIRONMENT.hostRoot],
    driverRoot: values['driver-root'] ?? environment[AGENT_ENVIRONMENT.driverRoot],
    simulate: values.simulate,
    from: values.from,
    node: values.node ?? environment[AGENT_ENVIRONMENT.node],
    redactNames: values['redact-names'],
    clockSkewMs: values['clock-skew-ms'],
  });
}
