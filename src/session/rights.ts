import type { Profile } from '../contract/labels.ts';

/** The namespace of sessions that an admin prepares, where none is named. */
export const NAMESPACE = 'gpu-mcp';

/** What the printed roles and their bindings are called: those of two namespaces, for two people, are two. */
export const roleName = (namespace: string): string =>
  namespace === NAMESPACE ? NAMESPACE : `${NAMESPACE}.${namespace}`;

/** A verb on a resource that a session uses. */
export interface Right {
  readonly scope: 'namespace' | 'cluster';
  /** '' for Kubernetes' own. */
  readonly group: string;
  /** `pods/attach` for a part of an object. */
  readonly resource: string;
  readonly verb: string;
  /** What goes without it. */
  readonly without: string;
  /** Whether a session ends for want of it; a version: with API servers from 1.x on. */
  readonly stops?: true | { readonly from: number };
  /** A right that does as well. */
  readonly or?: string;
  /** The only profile that uses it. */
  readonly profile?: Profile;
}

type Verb = Pick<Right, 'without' | 'stops' | 'or' | 'profile'>;

interface Row extends Pick<Right, 'scope' | 'group' | 'resource'> {
  readonly verbs: Readonly<Record<string, Verb>>;
}

const unseen = 'that it is gone cannot be seen at the end';
const leftovers = 'what earlier sessions left is not found';

/** Every right that a session uses, and no more: roles are printed from it, and the doctor asks for it. */
const ROWS: readonly Row[] = [
  {
    ...{ scope: 'namespace', group: 'batch', resource: 'jobs' },
    verbs: {
      create: {
        without: 'a session starts a bare pod, which the cluster does not remove by itself',
        stops: true,
        or: 'create pods',
      },
      get: { without: unseen },
      list: { without: leftovers },
      delete: { without: 'the cluster removes the Job, when its pod has ended' },
    },
  },
  {
    ...{ scope: 'namespace', group: '', resource: 'pods' },
    verbs: {
      create: {
        without: 'there is no bare pod where a Job is held back, and no dry run of the pod',
        stops: true,
        or: 'create jobs.batch',
      },
      get: { without: 'why a pod ended is not told' },
      list: { without: leftovers, stops: true, or: 'watch pods' },
      watch: { without: 'the pod is asked for twice a second', stops: true, or: 'list pods' },
      delete: { without: 'a bare pod stays until its deadline' },
      deletecollection: { without: 'the pods of triage --fleet are deleted one by one' },
    },
  },
  {
    ...{ scope: 'namespace', group: '', resource: 'pods/attach' },
    verbs: {
      // Since 1.35 a WebSocket asks for `create` too, which was SPDY's.
      create: { without: 'nobody can talk to the agent', stops: { from: 35 } },
      get: { without: 'nobody can talk to the agent', stops: true },
    },
  },
  {
    ...{ scope: 'namespace', group: '', resource: 'pods/log' },
    verbs: {
      get: {
        without:
          'the last words of a pod that died are not told; the log of NVIDIA’s stuck software takes it in that software’s namespace',
      },
    },
  },
  {
    ...{ scope: 'namespace', group: '', resource: 'events' },
    verbs: {
      list: { without: 'why a pod does not start is told less well', or: 'watch events' },
      watch: { without: 'why a pod does not start is told later', or: 'list events' },
    },
  },
  {
    ...{ scope: 'cluster', group: '', resource: 'nodes' },
    verbs: {
      get: { without: 'no session starts', stops: true },
      list: { without: 'nodes must be named: no -l, no `nodes`' },
    },
  },
  {
    ...{ scope: 'cluster', group: 'node.k8s.io', resource: 'runtimeclasses' },
    verbs: {
      get: {
        without: 'a pod of --profile restricted has a RuntimeClass only by --runtime-class',
        profile: 'restricted',
      },
    },
  },
  {
    // The node is called ready for a minute after its death.
    ...{ scope: 'cluster', group: 'coordination.k8s.io', resource: 'leases' },
    verbs: { get: { without: 'a dead kubelet is noticed a minute later' } },
  },
  {
    ...{ scope: 'cluster', group: 'karpenter.sh', resource: 'nodeclaims' },
    verbs: {
      get: { without: 'what Karpenter does with a node is known by taints and events alone' },
    },
  },
  {
    // A cluster without that API has no use for it.
    ...{ scope: 'cluster', group: 'resource.k8s.io', resource: 'resourceslices' },
    verbs: { list: { without: 'which GPU a device of DRA is stays unknown' } },
  },
  {
    ...{ scope: 'cluster', group: 'resource.k8s.io', resource: 'devicetaintrules' },
    verbs: { list: { without: 'devices that an admin keeps from pods by a rule look free' } },
  },
  {
    ...{ scope: 'cluster', group: 'resource.k8s.io', resource: 'resourceclaims' },
    verbs: { get: { without: 'which pod holds a device of DRA is known by the kubelet alone' } },
  },
  {
    ...{ scope: 'cluster', group: 'resource.nvidia.com', resource: 'computedomains' },
    verbs: { list: { without: 'the state of NVLink domains of several nodes stays unknown' } },
  },
];

export const RIGHTS: readonly Right[] = ROWS.flatMap(({ verbs, ...row }) =>
  Object.entries(verbs).map(([verb, of]) => ({ ...row, verb, ...of })),
);

/** All that --profile ephemeral uses, in the namespace of the pod. */
export const EPHEMERAL_RULES: readonly RbacRule[] = [
  rbacRule('', 'pods', ['get']),
  rbacRule('', 'pods/ephemeralcontainers', ['patch']),
  rbacRule('', 'pods/attach', ['create', 'get']),
  rbacRule('', 'pods/log', ['get']),
  rbacRule('', 'events', ['list']),
];

/** `create jobs.batch`: as `kubectl auth can-i` takes it. */
export const rightWords = ({
  verb,
  group,
  resource,
}: Pick<Right, 'verb' | 'group' | 'resource'>): string => {
  const [plain = '', part] = resource.split('/');
  return `${verb} ${plain}${group === '' ? '' : `.${group}`}${part === undefined ? '' : `/${part}`}`;
};

/** A rule of a Role or ClusterRole. */
export interface RbacRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function rbacRule(group: string, resource: string, verbs: readonly string[]): RbacRule {
  return { apiGroups: [group], resources: [resource], verbs };
}

/** The rules of the role that a session takes, in a namespace or in the whole cluster. */
export const rbacRules = (scope: Right['scope']): readonly RbacRule[] =>
  ROWS.filter(row => row.scope === scope).map(({ group, resource, verbs }) =>
    rbacRule(group, resource, Object.keys(verbs)),
  );
