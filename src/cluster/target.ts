import { ClusterError, UsageError } from '../contract/errors.ts';
import { shell } from '../contract/printed-command.ts';
import type { ApiServer } from './http.ts';
import { objectAt, textOf, textsOf } from './json.ts';
import type { Cluster, PodState, TargetNode } from './port.ts';

/** Kinds whose pods we follow, by every name that kubectl takes for them. */
const WORKLOADS = {
  deployments: {
    kind: 'Deployment',
    path: 'apis/apps/v1',
    names: ['deployment', 'deployments', 'deploy'],
  },
  daemonsets: { kind: 'DaemonSet', path: 'apis/apps/v1', names: ['daemonset', 'daemonsets', 'ds'] },
  statefulsets: {
    kind: 'StatefulSet',
    path: 'apis/apps/v1',
    names: ['statefulset', 'statefulsets', 'sts'],
  },
  replicasets: {
    kind: 'ReplicaSet',
    path: 'apis/apps/v1',
    names: ['replicaset', 'replicasets', 'rs'],
  },
  jobs: { kind: 'Job', path: 'apis/batch/v1', names: ['job', 'jobs'] },
} as const;
const NODES = ['node', 'nodes', 'no'];
const PODS = ['pod', 'pods', 'po'];

/**
 * The nodes that a TARGET names: itself, or those where its pods run.
 * A plain name is not looked up: the session does that at its start.
 *
 * @throws UsageError for a kind that we do not follow, ClusterError when nothing runs there.
 */
export async function resolveTarget(
  cluster: Pick<Cluster, 'access' | 'getPod' | 'listPods'>,
  api: ApiServer,
  target: string,
  signal: AbortSignal,
): Promise<readonly TargetNode[]> {
  const [kind = '', name, ...more] = target.split('/');
  if (name === undefined) return [{ node: checkedName(target) }];
  if (more.length > 0) throw new UsageError(`"${target}" is not KIND/NAME`);
  if (NODES.includes(kind)) return [{ node: checkedName(name) }];
  const { namespace } = cluster.access;
  if (PODS.includes(kind)) {
    const pod = await cluster.getPod({ namespace, name: checkedName(name) }, signal);
    if (!pod) {
      throw new ClusterError(`pod "${name}" was not found in namespace "${namespace}"`, {
        hint: shell`kubectl get pods -n ${namespace}; or -n with its namespace`,
      });
    }
    return [nodeOf(pod)];
  }
  const selector = await podSelector(api, { kind, name: checkedName(name), namespace }, signal);
  const pods = await cluster.listPods({ namespace, labelSelector: selector }, signal);
  const placed = pods.filter(pod => pod.node !== '' && !pod.deleting);
  if (placed.length === 0) {
    throw new ClusterError(`${target} has no pod on any node in namespace "${namespace}"`, {
      hint: shell`kubectl get pods -n ${namespace} -l ${selector}`,
    });
  }
  // Nodes where one of them runs come first.
  const rank = (pod: PodState) => (pod.phase === 'Running' ? 1 : 0);
  const nodes = placed.toSorted((a, b) => rank(b) - rank(a)).map(({ node }) => node);
  return [...new Set(nodes)].map(node => ({ node }));
}

function nodeOf(pod: PodState): TargetNode {
  if (pod.node === '') {
    throw new ClusterError(`pod "${pod.name}" runs on no node: it is ${pod.phase}`, {
      hint: shell`kubectl describe pod ${pod.name} -n ${pod.namespace}`,
    });
  }
  return { node: pod.node };
}

async function podSelector(
  api: ApiServer,
  workload: { kind: string; name: string; namespace: string },
  signal: AbortSignal,
): Promise<string> {
  const found = Object.entries(WORKLOADS).find(([, { names }]) =>
    names.some(name => name === workload.kind),
  );
  if (!found) {
    throw new UsageError(
      `"${workload.kind}/" is not a kind of target`,
      'name a node, or node/, pod/, deployment/, statefulset/, daemonset/, replicaset/ or job/NAME',
    );
  }
  const [resource, { path, kind }] = found;
  const object = await api.object(
    {
      method: 'GET',
      path: `/${path}/namespaces/${workload.namespace}/${resource}/${workload.name}`,
      doing: `get ${workload.kind}/${workload.name} in namespace "${workload.namespace}"`,
      kinds: [kind],
      name: workload.name,
    },
    signal,
  );
  const labels = textsOf(objectAt(object, 'spec', 'selector', 'matchLabels'));
  const selector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  if (selector !== '') return selector;
  throw new ClusterError(
    `${workload.kind}/${workload.name} selects its pods in a way we cannot follow`,
    {
      hint: `name one of its pods: pod/NAME; uid ${textOf(objectAt(object, 'metadata'), 'uid')}`,
    },
  );
}

/** Names of objects are DNS subdomains; what is none never reaches a path. */
function checkedName(name: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new UsageError(`"${name.slice(0, 80)}" is not the name of a Kubernetes object`);
}
