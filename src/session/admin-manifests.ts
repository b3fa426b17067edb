import { LABELS, MANAGED_BY } from '../contract/labels.ts';

/** A Kubernetes object as it is written for `kubectl apply`. */
export type Manifest = Readonly<Record<string, unknown>>;

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
      metadata: { ...metadata, namespace },
      rules: [
        rule('batch', ['jobs'], ['create', 'get', 'list', 'watch', 'delete']),
        rule('', ['pods'], ['create', 'get', 'list', 'watch', 'delete']),
        // `get` for a WebSocket attach before 1.35, `create` since and for SPDY.
        rule('', ['pods/attach'], ['create', 'get']),
        // Why a pod died, and how its image comes along.
        rule('', ['pods/log'], ['get']),
        rule('', ['events'], ['list', 'watch']),
      ],
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
      rules: [
        rule('', ['nodes'], ['get', 'list']),
        // Which GPU a device of DRA is; a cluster without that API has no use for it.
        rule('resource.k8s.io', ['resourceslices'], ['list']),
      ],
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

const rule = (group: string, resources: readonly string[], verbs: readonly string[]) => ({
  apiGroups: [group],
  resources,
  verbs,
});
