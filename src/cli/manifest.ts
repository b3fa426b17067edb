import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { flag } from '../contract/flag.ts';
import { LABELS, MANAGED_BY } from '../contract/labels.ts';
import { asYaml } from '../report/render.ts';
import { jobSpec } from '../session/job.ts';
import { podName, podSpec } from '../session/pod-spec.ts';
import { rbacRules } from '../session/rights.ts';
import { withCluster } from './cluster.ts';
import { defineCommand, type Invocation } from './command.ts';
import { optionalWord, POD } from './flags.ts';
import { write } from './io.ts';
import { podChoices } from './node-sessions.ts';
import { SUMMARIES } from './summaries.ts';

const NAMESPACE = 'gpu-mcp';
const KINDS = ['pod', 'namespace', 'rbac'] as const;

const FLAGS = {
  kind: flag(z.enum(KINDS), { type: 'string', choices: KINDS, isWord: true }),
  node: optionalWord('The node, for pod', { names: 'node' }),
  ...CONNECTION,
  ...POD,
};
type ManifestFlags = z.output<z.ZodObject<typeof FLAGS>>;

/** What would be created, and what an admin prepares: to read, sign or apply. */
export const manifest = defineCommand({
  ...SUMMARIES.manifest,
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

/** A Kubernetes object as it is written for `kubectl apply`. */
type Manifest = Readonly<Record<string, unknown>>;

const PART_OF = { [LABELS.managedBy]: MANAGED_BY };
const PSA = 'pod-security.kubernetes.io';

/** A namespace in which Pod Security lets the debug pod run; give people rights in it alone. */
export const namespaceManifest = (name: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    labels: { ...PART_OF, [`${PSA}/enforce`]: 'privileged', [`${PSA}/warn`]: 'privileged' },
  },
});

/** What an admin should know before anybody is bound to it. */
const MAY_ATTACH =
  'Root on every node, by the pod it may create. Holders may also attach to each other’s running sessions: kubectl gpu-mcp clean --dry-run lists whose there are.';

/**
 * The rights that a session uses, and no more. Whoever has them may run a privileged pod in that
 * namespace, which is root on every node: Kubernetes has no smaller right for this.
 */
export function rbacManifests(namespace: string): readonly Manifest[] {
  const name = 'gpu-mcp';
  const subject = { kind: 'Group', name: 'gpu-on-call', apiGroup: 'rbac.authorization.k8s.io' };
  const metadata = { name, labels: PART_OF };
  return [
    {
      apiVersion: RBAC,
      kind: 'Role',
      metadata: { ...metadata, namespace, annotations: { 'gpu-mcp/note': MAY_ATTACH } },
      rules: rbacRules('namespace'),
    },
    {
      apiVersion: RBAC,
      kind: 'RoleBinding',
      metadata: { ...metadata, namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [subject],
    },
    {
      apiVersion: RBAC,
      kind: 'ClusterRole',
      metadata,
      rules: rbacRules('cluster'),
    },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    },
  ];
}

const RBAC = 'rbac.authorization.k8s.io/v1';
