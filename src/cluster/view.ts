import type {
  ClusterEvent,
  ClusterPods,
  ClusterQuestion,
  ClusterSession,
  ClusterView,
} from '../contract/cluster-view.ts';
import { ANNOTATIONS, LABELS, MANAGED_BY } from '../contract/labels.ts';
import { CLUSTER_VIEW_MS_MAX } from '../contract/limits.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { stuckParts } from '../contract/stuck-stack.ts';
import type { TargetJob } from '../contract/target-job.ts';
import { plainText } from '../contract/untrusted.ts';
import { type DraVersions, readDra, type SharedLists } from './dra.ts';
import type { ApiServer } from './http.ts';
import { withIdleEvents } from './idle-events.ts';
import { objectAt, textOf } from './json.ts';
import { listAll, readPod } from './list.ts';
import { eventList, nodeClaimPath, podList, podPath } from './paths.ts';
import {
  nodeClaimOf,
  readClusterEvent,
  readClusterNode,
  readClusterPod,
  readNodeClaim,
} from './read-view.ts';
import { stackPods } from './stack-pods.ts';
import { tried } from './tried.ts';

/** Events about nodes are written to this namespace: k8s.io/client-go/tools/record/event.go. */
const NODE_EVENTS_NAMESPACE = 'default';
const EVENTS_MAX = 40;
const PODS_MAX = 256;

type Api = Pick<ApiServer, 'nowMs' | 'object' | 'settings' | 'text'>;
/**
 * What the cluster knows of a node, its GPU pods and, where asked for, one pod or its DRA: three to six
 * requests side by side, one more behind the node where Karpenter made it, and those for logs; where the node has devices of DRA up to five more, and one
 * for each claim of its pods. Never rejects: a part that could not be read says why.
 */
export async function readClusterView(
  api: Api,
  { node, pod, devices: devicesToo = false, logs = false }: ClusterQuestion,
  {
    signal,
    draVersions,
    shared,
  }: {
    readonly signal: AbortSignal;
    readonly draVersions: DraVersions;
    readonly shared: SharedLists;
  },
): Promise<ClusterView> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)]);
  const get = (path: string, kind: string, name: string) =>
    api.object(
      { method: 'GET', path, doing: `get ${kind.toLowerCase()} "${name}"`, kinds: [kind], name },
      within,
    );
  const named = pod && { namespace: pod.namespace ?? api.settings.namespace, name: pod.name };
  const podJson = named && tried(() => get(podPath(named), 'Pod', named.name));
  const nodeJson = tried(() => get(`/api/v1/nodes/${encodeURIComponent(node)}`, 'Node', node));
  const podJsons = podsOf(api, node, within);
  const podsView = podJsons.then(async read => {
    const pods = mapReading(read, here => readPods(here, api.nowMs()));
    if (!pods.ok) return pods;
    const told = await withIdleEvents(pods.value, ({ namespace, name }) =>
      eventsOf(api, { kind: 'Pod', namespace, name }, within),
    );
    if (!logs) return present(told);
    const json = await nodeJson;
    const areMigFailed = json.ok && hasMigFailed(json.value);
    return present(
      areMigFailed || stuckParts(told).length > 0
        ? await withStackLogOf(api, { pods: told, areMigFailed }, within)
        : told,
    );
  });
  const [state, claim, pods, nodeEvents, onePod, podEvents, dra, told] = await Promise.all([
    nodeJson,
    nodeJson.then(json => {
      const name = json.ok ? nodeClaimOf(json.value) : '';
      return name === '' ? undefined : tried(() => get(nodeClaimPath(name), 'NodeClaim', name));
    }),
    podsView,
    eventsOf(api, { kind: 'Node', namespace: NODE_EVENTS_NAMESPACE, name: node }, within),
    podJson,
    named && eventsOf(api, { kind: 'Pod', ...named }, within),
    devicesToo
      ? readDra(api, node, {
          ...{ signal: within, versions: draVersions, shared },
          pods: podJsons.then(read => mapReading(read, ({ here }) => here)),
        })
      : undefined,
    logs ? podJson?.then(json => logsOf(api, json, within)) : undefined,
  ]);
  return {
    node: mapReading(state, readClusterNode),
    pods,
    nodeEvents,
    ...(claim && { nodeClaim: mapReading(claim, readNodeClaim) }),
    ...(onePod && { pod: mapReading(onePod, readClusterPod) }),
    ...(podEvents && { podEvents }),
    ...dra,
    ...told,
  };
}

/** Of a pod the events alone: it and its node were read moments ago. Never rejects. */
export async function readPodEvents(
  api: Api,
  { pod }: ClusterQuestion,
  { signal }: { readonly signal: AbortSignal },
): Promise<ClusterView> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)]);
  const unread = missing('not_read');
  const view = { node: unread, pods: unread, nodeEvents: unread };
  if (!pod) return view;
  const { name, namespace = api.settings.namespace } = pod;
  return { ...view, podEvents: await eventsOf(api, { kind: 'Pod', namespace, name }, within) };
}

/** The same with what the log of the part that is stuck says: its table of texts is no part of a start. */
async function withStackLogOf(
  api: Api,
  told: { readonly pods: ClusterPods; readonly areMigFailed: boolean },
  signal: AbortSignal,
) {
  const { withStackLog } = await import('./stack-log.ts');
  return withStackLog(api, told, signal);
}

/** By the label of the MIG manager (NVIDIA/mig-parted, pkg/mig/reconfigure). */
const hasMigFailed = (node: unknown): boolean =>
  textOf(objectAt(node, 'metadata', 'labels'), 'nvidia.com/mig.config.state') === 'failed';

/** What the log of a pod that failed says, and the logs of its job's other pods. */
async function logsOf(
  api: Api,
  json: Reading<unknown>,
  signal: AbortSignal,
): Promise<Pick<ClusterView, 'log' | 'beside' | 'job'>> {
  if (!json.ok) return {};
  // Its tables of texts are no part of a start.
  const { failedRunLog, podBeside, podJob } = await import('./job-logs.ts');
  const pod = readClusterPod(json.value);
  const reading = failedRunLog(api, pod, signal);
  if (!reading) return {};
  const [log, beside, job] = await Promise.all([
    tried(() => reading),
    podBeside(api, pod, { tried, signal }),
    podJob(api, json.value, { tried, signal }),
  ]);
  return { log, ...beside, ...(job && { job }) };
}

/** The job with what its pods wrote: those that failed, and the last words of others. Never rejects for a log. */
export async function withLogs(api: Api, job: TargetJob, signal: AbortSignal): Promise<TargetJob> {
  const { targetLogs } = await import('./job-logs.ts');
  const within = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)]);
  return targetLogs(api, job, { tried, signal: within });
}

interface NodePods {
  /** As in ClusterPods. */
  readonly namespace: string | null;
  readonly here: readonly unknown[];
}

/** All pods of the node; where the user may not list them all, those of the user's namespace. */
async function podsOf(api: Api, node: string, signal: AbortSignal): Promise<Reading<NodePods>> {
  const list = (namespace: string | null) =>
    tried(() =>
      listAll(api, podList({ namespace, fieldSelector: `spec.nodeName=${node}` }), signal),
    );
  const all = await list(null);
  const { namespace } = api.settings;
  const denied = !all.ok && all.reason === 'no_permission';
  const found = denied ? await list(namespace) : all;
  if (!found.ok) return denied ? all : found;
  // The API server's own selector; what a proxy in between let through is left out here.
  const here = found.value.filter(json => textOf(objectAt(json, 'spec'), 'nodeName') === node);
  return present({ namespace: denied ? namespace : null, here });
}

function readPods({ namespace, here }: NodePods, nowMs: number): ClusterPods {
  const own = here.map(json => ({ json, pod: readClusterPod(json) }));
  const sessions = here.flatMap(readSession);
  const gpuPods = own.flatMap(({ pod }) =>
    Object.keys(pod.gpus).length + pod.claims.length > 0 ? [pod] : [],
  );
  return {
    namespace,
    total: here.length,
    gpuPods: gpuPods.slice(0, PODS_MAX),
    ...(sessions.length > 0 && { sessions: sessions.slice(0, PODS_MAX) }),
    stack: stackPods(own),
    readAt: new Date(nowMs).toISOString(),
  };
}

/** A pod of ours on the node that has not ended. */
function readSession(pod: unknown): readonly ClusterSession[] {
  const { namespace, name, labels, annotations, createdAt, phase } = readPod(pod);
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  if (labels[LABELS.managedBy] !== MANAGED_BY || hasEnded) return [];
  const user = plainText(annotations[ANNOTATIONS.user] ?? '', 120);
  return [
    {
      ...{ namespace: plainText(namespace, 63), pod: plainText(name, 253) },
      ...(user && { user }),
      session: plainText(labels[ANNOTATIONS.session] ?? '', 63),
      since: plainText(createdAt, 40),
    },
  ];
}

async function eventsOf(
  api: Api,
  about: { readonly kind: string; readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<Reading<readonly ClusterEvent[]>> {
  const found = await tried(() => listAll(api, eventList(about), signal));
  return mapReading(found, events =>
    events
      .filter(event => textOf(objectAt(event, 'involvedObject'), 'kind') === about.kind)
      .map(readClusterEvent)
      .toSorted((a, b) => (b.lastAt ?? '').localeCompare(a.lastAt ?? ''))
      .slice(0, EVENTS_MAX),
  );
}
