import { parseArgs } from 'node:util';
import * as z from 'zod';
import { dashed } from '../contract/flag.ts';
import { AGENT_ENVIRONMENT, EPHEMERAL, REDACT_NAMES } from '../contract/labels.ts';
import { optional } from '../contract/optional.ts';

/** What the agent is told: by its environment and arguments in a pod, by flags as a local child. */
const FLAGS = {
  /** The root of the node's file system: `/host` in a pod, `/` on the machine itself. */
  hostRoot: z.string().startsWith('/').default('/'),
  driverRoot: z.string().startsWith('/').optional(),
  simulate: z.string().optional(),
  /** The bundle that is replayed: nothing of this machine is read. */
  from: z.string().optional(),
  node: z.string().optional(),
  /** Names become tokens under a key that is the first line of stdin; without it they leave as they are. */
  redactNames: z.literal(REDACT_NAMES[1]).optional(),
  /** What it will be asked first, as first-question.ts writes it. */
  firstQuestion: z.string().optional(),
  /** The file that a triage's row is written to: it is read once, and no stream is served. */
  rowTo: z.string().startsWith('/').optional(),
  /** What the pod has of its node: without it all. */
  profile: z.enum(['restricted', EPHEMERAL]).optional(),
  /** The pod that it was added to. */
  podUid: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  /** The container in whose PIDs it runs, by its runtime's id. */
  container: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** It ends by then, where no kubelet ends it. */
  lifeSeconds: z.coerce.number().int().positive().optional(),
  /** How far a simulated machine's clock is ahead of the true time. */
  clockSkewMs: z.coerce.number().int().default(0),
} as const;

const AgentArguments = z
  .object(FLAGS)
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
  const names = Object.keys(FLAGS).map(key => [key, dashed(key)] as const);
  const options = Object.fromEntries(names.map(([, name]) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ args: [...argv], options });
  const given = names.map(([key, name]) => [key, values[name]] as const);
  const set = Object.entries(AGENT_ENVIRONMENT).map(([key, name]) => [key, environment[name]]);
  return AgentArguments.parse({
    ...Object.fromEntries(set),
    ...optional(Object.fromEntries(given)),
  });
}
