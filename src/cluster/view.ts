import type {
  ClusterDevice,
  ClusterEvent,
  ClusterPods,
  ClusterQuestion,
  ClusterSession,
  ClusterView,
  StackPod,
  TargetJob,
} from '../contract/cluster-view.ts';
import { ANNOTATIONS, LABELS, MANAGED_BY } from '../contract/labels.ts';
import { CLUSTER_VIEW_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { pciKey } from '../contract/pci.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { isObject, listAt, numberOf, objectAt, textOf, textsOf } from './json.ts';
import { listAll, readPod } from './list.ts';
import { eventList, podList, podPath, sliceList } from './paths.ts';
import { ApiError, isMissingRight } from './port.ts';
import { readClusterEvent, readClusterNode, readClusterPod } from './read-view.ts';

/** Events about nodes are written to this namespace: k8s.io/client-go/tools/record/event.go. */
const NODE_EVENTS_NAMESPACE = 'default';
const EVENTS_MAX = 40;
const PODS_MAX = 256;

type Api = Pick<ApiServer, 'object' | 'settings' | 'text'>;
/** Which versions of resource.k8s.io the API server has, newest first; asked once, for all nodes. */
export type SliceVersions = () => Promise<readonly string[]>;

/**
 * What the cluster knows of a node, its GPU pods and, where asked for, one pod or the devices of DRA:
 * three to six requests side by side, and those for logs. Never rejects: a part that could not be read says why.
 */
export async function readClusterView(
  api: Api,
  { node, pod, devices: devicesToo = false, logs = false }: ClusterQuestion,
  {
    signal,
    sliceVersions,
  }: { readonly signal: AbortSignal; readonly sliceVersions: SliceVersions },
): Promise<ClusterView> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)]);
  const get = (path: string, kind: string, name: string) =>
    api.object(
      { method: 'GET', path, doing: `get ${kind.toLowerCase()} "${name}"`, kinds: [kind], name },
      within,
    );
  const named = pod && { namespace: pod.namespace ?? api.settings.namespace, name: pod.name };
  const podJson = named && tried(() => get(podPath(named), 'Pod', named.name));
  const [state, pods, nodeEvents, onePod, podEvents, devices, told] = await Promise.all([
    tried(() => get(`/api/v1/nodes/${encodeURIComponent(node)}`, 'Node', node)),
    podsOf(api, node, within),
    eventsOf(api, { kind: 'Node', namespace: NODE_EVENTS_NAMESPACE, name: node }, within),
    podJson,
    named && eventsOf(api, { kind: 'Pod', ...named }, within),
    devicesToo ? devicesOf(api, node, { signal: within, sliceVersions }) : undefined,
    logs ? podJson?.then(json => logsOf(api, json, within)) : undefined,
  ]);
  return {
    node: mapReading(state, readClusterNode),
    pods,
    nodeEvents,
    ...(onePod && { pod: mapReading(onePod, readClusterPod) }),
    ...(podEvents && { podEvents }),
    ...(devices && { devices }),
    ...told,
  };
}

/** What the log of a pod that failed says, and the logs of its job's other pods. */
async function logsOf(
  api: Api,
  json: Reading<unknown>,
  signal: AbortSignal,
): Promise<Pick<ClusterView, 'log' | 'job'>> {
  if (!json.ok) return {};
  // Its tables of texts are no part of a start.
  const { failedRunLog, podJob } = await import('./job-logs.ts');
  const reading = failedRunLog(api, readClusterPod(json.value), signal);
  if (!reading) return {};
  const [log, job] = await Promise.all([
    tried(() => reading),
    podJob(api, json.value, { tried, signal }),
  ]);
  return { log, ...(job && { job }) };
}

/** The job with what its pods that failed wrote, of those that ended first. Never rejects for a log. */
export async function withLogs(api: Api, job: TargetJob, signal: AbortSignal): Promise<TargetJob> {
  const { targetLogs } = await import('./job-logs.ts');
  const within = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)]);
  return targetLogs(api, job, { tried, signal: within });
}

/** The API's versions, newest first: 1.34, 1.33, 1.32. */
const SLICE_VERSIONS = ['v1', 'v1beta2', 'v1beta1'];

/**
 * Those of them that the API server has, none without DRA.
 *
 * @throws as every request does.
 */
export async function findSliceVersions(
  api: Pick<ApiServer, 'object'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const group = await api
    .object(
      {
        method: 'GET',
        path: '/apis/resource.k8s.io',
        kinds: ['APIGroup'],
        doing: 'ask for the versions of resource.k8s.io',
      },
      signal,
    )
    .catch(error => {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    });
  const served = listAt(group, 'versions').map(version => textOf(version, 'version'));
  return SLICE_VERSIONS.filter(version => served.includes(version));
}

const NO_DRA = missing('not_found', 'the cluster has no resource.k8s.io: no DRA');

/** What DRA drivers publish for this node; an older API server knows an older version only. */
async function devicesOf(
  api: Api,
  node: string,
  {
    signal,
    sliceVersions,
  }: { readonly signal: AbortSignal; readonly sliceVersions: SliceVersions },
): Promise<Reading<readonly ClusterDevice[]>> {
  const versions = await tried(sliceVersions);
  if (!versions.ok) return versions;
  let found: Reading<readonly unknown[]> = NO_DRA;
  for (const version of versions.value) {
    found = await tried(() => listAll(api, sliceList(version, node), signal));
    if (found.ok || found.reason !== 'not_found') break;
  }
  return mapReading(found, readClusterDevices);
}

/** All pods of the node; where the user may not list them all, those of the user's namespace. */
async function podsOf(api: Api, node: string, signal: AbortSignal): Promise<Reading<ClusterPods>> {
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
  const own = found.value.map(json => ({ json, pod: readClusterPod(json) }));
  const here = own.filter(({ pod }) => pod.node === node);
  const pods = here.map(({ pod }) => pod);
  const sessions = here.flatMap(({ json }) => readSession(json));
  const gpuPods = pods.filter(pod => Object.keys(pod.gpus).length + pod.claims.length > 0);
  return present({
    namespace: denied ? namespace : null,
    total: pods.length,
    gpuPods: gpuPods.slice(0, PODS_MAX),
    ...(sessions.length > 0 && { sessions: sessions.slice(0, PODS_MAX) }),
    stack: here.flatMap(({ json, pod }) => {
      const part = stackPart(json);
      return part ? { ...pod, part } : [];
    }),
  });
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

/**
 * What a pod of NVIDIA's software is, by its labels, else by the name that its DaemonSet gave it: the
 * operands of GPU Operator and Network Operator, the charts of device plugin, DRA driver and DCGM
 * exporter, GKE's and AKS' own.
 */
const STACK: readonly (readonly [RegExp, StackPod['part']])[] = [
  [
    /^nvidia-(?:gpu-)?driver|^nvidia-vgpu-manager|^nvidia-vfio-manager|nvidia-driver-installer/,
    'driver',
  ],
  [/^nvidia-container-toolkit/, 'container toolkit'],
  [/^nvidia-(?:operator|cuda|device-plugin|sandbox)-validator|^nvidia-validator/, 'validator'],
  [
    /^nvidia-(?:gpu-)?device-plugin|^nvdp-nvidia-device-plugin|^nvidia-sandbox-device-plugin/,
    'device plugin',
  ],
  [/^(?:nvidia-dra-driver-gpu|dra-driver-nvidia-gpu)/, 'DRA driver'],
  [/^nvidia-mig-manager/, 'MIG manager'],
  [/^gpu-feature-discovery|^nvidia-gpu-feature-discovery/, 'feature discovery'],
  [/^(?:nvidia-)?dcgm/, 'DCGM'],
  [/^mofed-|^nvidia-network-operator|^rdma-shared-dp/, 'network operator'],
  [/^nvidia-imex|^computedomain-daemon/, 'IMEX'],
];

function stackPart(json: unknown): StackPod['part'] | undefined {
  const metadata = objectAt(json, 'metadata');
  const labels = textsOf(metadata['labels']);
  const names = [
    labels['app'],
    labels['app.kubernetes.io/name'],
    labels['k8s-app'],
    labels['name'],
  ];
  return [...names, textOf(metadata, 'name')].flatMap(
    name => STACK.find(([of]) => name !== undefined && of.test(name))?.[1] ?? [],
  )[0];
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

/** What the API server gave, or why it did not, in our words for a missing reading. */
async function tried<T>(ask: () => Promise<T>): Promise<Reading<T>> {
  try {
    return present(await ask());
  } catch (error) {
    const words = plainText(error instanceof Error ? error.message : String(error), 300);
    if (isMissingRight(error)) return missing('no_permission', words);
    if (error instanceof ApiError && error.code === 404) return missing('not_found', words);
    if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)) {
      return missing('timeout', words);
    }
    return missing('unreadable', words);
  }
}

const DEVICES_MAX = 512;

/**
 * The devices of ResourceSlices, each once, of the newest generation of its pool: after a change
 * the old slices stay until the driver has removed them. k8s.io/api/resource/v1/types.go.
 */
function readClusterDevices(slices: readonly unknown[]): readonly ClusterDevice[] {
  const newest = new Map<string, number>();
  for (const slice of slices) {
    const { key, generation } = poolOf(slice);
    newest.set(key, Math.max(newest.get(key) ?? 0, generation));
  }
  return slices
    .filter(slice => newest.get(poolOf(slice).key) === poolOf(slice).generation)
    .flatMap(slice => {
      const { driver, pool } = poolOf(slice);
      return listAt(slice, 'spec', 'devices').map(device => readDevice(device, { driver, pool }));
    })
    .slice(0, DEVICES_MAX);
}

function poolOf(slice: unknown) {
  const spec = objectAt(slice, 'spec');
  const driver = plainText(textOf(spec, 'driver'), 253);
  const pool = plainText(textOf(spec['pool'], 'name'), 253);
  return {
    driver,
    pool,
    key: `${driver}/${pool}`,
    generation: numberOf(spec['pool'], 'generation') ?? 0,
  };
}

function readDevice(
  device: unknown,
  of: { readonly driver: string; readonly pool: string },
): ClusterDevice {
  // v1beta1 has them one level deeper.
  const own = objectAt(device, 'attributes');
  const attributes = isObject(objectAt(device)['attributes'])
    ? own
    : objectAt(device, 'basic', 'attributes');
  // A name without a domain is the driver's; k8s-dra-driver-gpu's deviceinfo.go has the names.
  const value = (...names: readonly string[]) =>
    names
      .flatMap(name => [name, `${of.driver}/${name}`])
      .map(name => plainText(textOf(attributes[name], 'string'), 96))
      .find(text => text !== '');
  const uuid = value('uuid');
  const parentUuid = value('parentUUID');
  const pci = pciKey(value('resource.kubernetes.io/pciBusID', 'pcieBusID', 'pciBusID') ?? '');
  return {
    ...of,
    name: plainText(textOf(device, 'name'), 96),
    ...optional({ uuid, parentUuid, pci }),
    ...deviceTaints(device),
  };
}

const TAINTS_MAX = 16;

/** resource.k8s.io DeviceTaint, from 1.33 on; v1beta1 has them one level deeper. */
function deviceTaints(device: unknown): Pick<ClusterDevice, 'taints'> {
  const own = listAt(device, 'taints');
  const taints = (own.length > 0 ? own : listAt(device, 'basic', 'taints')).slice(0, TAINTS_MAX);
  if (taints.length === 0) return {};
  return {
    taints: taints.map(taint => {
      const since = plainText(textOf(taint, 'timeAdded'), 40);
      return {
        key: plainText(textOf(taint, 'key'), 128),
        value: plainText(textOf(taint, 'value'), 64),
        effect: plainText(textOf(taint, 'effect'), 32),
        ...(since === '' ? {} : { since }),
      };
    }),
  };
}
