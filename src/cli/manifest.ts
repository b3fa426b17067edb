import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { flag } from '../contract/flag.ts';
import { asYaml } from '../report/render.ts';
import { namespaceManifest, rbacManifests } from '../session/admin-manifests.ts';
import { jobSpec } from '../session/job.ts';
import { podName, podSpec } from '../session/pod-spec.ts';
import { withCluster } from './cluster.ts';
import { defineCommand, type Invocation } from './command.ts';
import { optionalWord, POD } from './flags.ts';
import { write } from './io.ts';
import { podChoices } from './node-sessions.ts';

const NAMESPACE = 'gpu-mcp';
const KINDS = ['pod', 'namespace', 'rbac'] as const;

const FLAGS = {
  kind: flag(z.enum(KINDS), { type: 'string', choices: KINDS, isWord: true }),
  node: optionalWord('The node, for pod'),
  ...CONNECTION,
  ...POD,
};
type ManifestFlags = z.output<z.ZodObject<typeof FLAGS>>;

/** What would be created, and what an admin prepares: to read, sign or apply. */
export const manifest = defineCommand({
  command: 'manifest <kind> [node]',
  description:
    'Prints what would be created (pod NODE), or what an admin prepares (namespace, rbac)',
  examples: [
    ['$0 manifest pod gpu-node-3', 'the Job and pod of a session, as YAML'],
    ['$0 manifest namespace -n gpu-mcp | kubectl apply -f -', 'a namespace that lets the pod run'],
  ],
  flags: FLAGS,
  async run(invocation) {
    const { args, io } = invocation;
    const { kind, namespace = NAMESPACE } = args;
    const objects =
      kind === 'pod'
        ? [await podManifest(invocation)]
        : kind === 'namespace'
          ? [namespaceManifest(namespace)]
          : rbacManifests(namespace);
    await write(io.stdout, objects.map(asYaml).join('---\n'));
    return 0;
  },
});

/** Exactly what a session would create on that node now. */
async function podManifest(invocation: Invocation<ManifestFlags>) {
  const { args, io } = invocation;
  const { node: name } = args;
  if (name === undefined) {
    throw new UsageError('name the node', 'kubectl gpu-mcp manifest pod NODE');
  }
  return withCluster(invocation, async cluster => {
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
  });
}
