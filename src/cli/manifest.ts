import * as z from 'zod';
import { connect } from '../cluster/connect.ts';
import { UsageError } from '../contract/errors.ts';
import { asYaml } from '../report/answer.ts';
import { namespaceManifest, rbacManifests } from '../session/admin-manifests.ts';
import { jobSpec } from '../session/job.ts';
import { podName, podSpec } from '../session/pod-spec.ts';
import { connectionFlags } from './arguments.ts';
import type { Command, Invocation } from './command.ts';
import { write } from './io.ts';
import { CONNECTION, POD } from './options.ts';
import { podChoices } from './targets.ts';

const Named = z.looseObject({
  kind: z.enum(['pod', 'namespace', 'rbac']),
  node: z.string().optional(),
});
const NAMESPACE = 'gpu-mcp';

/** What would be created, and what an admin prepares: to read, sign or apply. */
export const manifest: Command = {
  command: 'manifest <kind> [node]',
  description:
    'Prints what would be created (pod NODE), or what an admin prepares (namespace, rbac)',
  examples: [
    ['$0 manifest pod gpu-node-3', 'the Job and pod of a session, as YAML'],
    ['$0 manifest namespace -n gpu-mcp | kubectl apply -f -', 'a namespace that lets the pod run'],
  ],
  options: yargs =>
    yargs
      .positional('kind', { type: 'string', choices: ['pod', 'namespace', 'rbac'] as const })
      .positional('node', { type: 'string', describe: 'The node, for pod' })
      .options({ ...CONNECTION, ...POD }),
  async run(invocation) {
    const { args, raw, io } = invocation;
    const { kind, node } = Named.parse(raw);
    const namespace = args.namespace ?? NAMESPACE;
    const objects =
      kind === 'pod'
        ? [await podManifest(invocation, node)]
        : kind === 'namespace'
          ? [namespaceManifest(namespace)]
          : rbacManifests(namespace);
    await write(io.stdout, objects.map(asYaml).join('---\n'));
    return 0;
  },
};

/** Exactly what a session would create on that node now. */
async function podManifest({ args, io }: Invocation, name: string | undefined) {
  if (name === undefined) {
    throw new UsageError('name the node', 'kubectl gpu-mcp manifest pod NODE');
  }
  const cluster = await connect({
    flags: connectionFlags(args),
    environment: io.environment,
    clock: io.clock,
  });
  try {
    const node = await cluster.getNode(name.replace(/^(nodes?|no)\//, ''), io.signal);
    const session = 'manifest';
    const options = {
      ...podChoices({ args, io }),
      name: podName(node.name, session),
      namespace: cluster.access.namespace,
      node,
      session,
      nowMs: io.clock.nowMs(),
    };
    return args.lifetime === 'pod' ? podSpec(options) : jobSpec(options);
  } finally {
    cluster.close();
  }
}
