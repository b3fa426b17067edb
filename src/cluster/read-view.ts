import type {
  ClusterCondition,
  ClusterContainer,
  ClusterEvent,
  ClusterNode,
  ClusterPod,
  ContainerEnd,
  FieldManager,
  NodeClaim,
} from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { isObject, listAt, numberOf, objectAt, textOf, textsOf } from './json.ts';
import { readQuarantine } from './quarantine.ts';

const LABEL =
  /nvidia\.com\/|accelerator|instance-type|gpu|topology\.kubernetes\.io|nodepool|maintenance|spot|preemptible|capacity-?type|cordon-|fault-behavior|report-and-replace|node-health|termination-handler/i;
const LABELS_MAX = 80;
const LIST_MAX = 48;
const CLAIM_CONDITIONS_MAX = 16;
/** One of each family (Kubernetes, Pod v1, podIPs). */
const IPS_MAX = 2;

/** A node as ClusterView tells it; texts cut and made plain. */
export function readClusterNode(json: unknown): ClusterNode {
  const metadata = objectAt(json, 'metadata');
  const spec = objectAt(json, 'spec');
  const info = objectAt(json, 'status', 'nodeInfo');
  const all = textsOf(metadata['labels']);
  const instanceType =
    all['node.kubernetes.io/instance-type'] ?? all['beta.kubernetes.io/instance-type'];
  const cordonedBy = managerOf(metadata, 'f:unschedulable');
  const taintsBy = managerOf(metadata, 'f:taints');
  const cordoned = spec['unschedulable'] === true;
  const taints = listAt(spec, 'taints').slice(0, LIST_MAX);
  const labels = Object.entries(all).filter(([key]) => LABEL.test(key));
  return {
    name: text(metadata, 'name'),
    labels: Object.fromEntries(
      labels
        .slice(0, LABELS_MAX)
        .map(([key, value]) => [plainText(key, 128), plainText(value, 128)]),
    ),
    ...(instanceType && { instanceType: plainText(instanceType, 64) }),
    ...unlessEmpty('providerId', text(spec, 'providerID', 512)),
    cordoned,
    ...(cordoned && cordonedBy && { cordonedBy }),
    taints: taints.map(taint => ({
      key: text(taint, 'key'),
      value: text(taint, 'value'),
      effect: text(taint, 'effect'),
      ...unlessEmpty('since', text(taint, 'timeAdded')),
    })),
    ...(taints.length > 0 && taintsBy && { taintsBy }),
    conditions: listAt(json, 'status', 'conditions').slice(0, LIST_MAX).map(readCondition),
    ...optional({ quarantine: readQuarantine(metadata) }),
    capacity: gpuQuantities(objectAt(json, 'status', 'capacity')),
    allocatable: gpuQuantities(objectAt(json, 'status', 'allocatable')),
    kubeletVersion: text(info, 'kubeletVersion'),
    containerRuntime: text(info, 'containerRuntimeVersion'),
    bootId: text(info, 'bootID').replaceAll('-', ''),
    createdAt: text(metadata, 'creationTimestamp'),
  };
}

function readCondition(json: unknown): ClusterCondition {
  const status = textOf(json, 'status');
  return {
    type: text(json, 'type'),
    status: status === 'True' || status === 'False' ? status : 'Unknown',
    reason: text(json, 'reason'),
    message: text(json, 'message', 300),
    since: text(json, 'lastTransitionTime'),
  };
}

/** Who wrote a field of the spec last, by metadata.managedFields (fieldsV1). */
function managerOf(metadata: unknown, field: string): FieldManager | undefined {
  const [last] = listAt(metadata, 'managedFields')
    .filter(entry => field in objectAt(entry, 'fieldsV1', 'f:spec'))
    .toSorted((a, b) => textOf(b, 'time').localeCompare(textOf(a, 'time')));
  if (last === undefined) return undefined;
  return { manager: text(last, 'manager'), ...unlessEmpty('time', text(last, 'time')) };
}

const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed'] as const;

/** A pod as ClusterView tells it. */
export function readClusterPod(json: unknown): ClusterPod {
  const metadata = objectAt(json, 'metadata');
  const spec = objectAt(json, 'spec');
  const status = objectAt(json, 'status');
  const owner = ownerOf(json);
  const ips = listAt(status, 'podIPs')
    .slice(0, IPS_MAX)
    .flatMap(each => text(each, 'ip', 45) || []);
  const containers = [
    ...listAt(spec, 'initContainers').map(one => readContainer(one, status, true)),
    ...listAt(spec, 'containers').map(one => readContainer(one, status, false)),
  ];
  return {
    namespace: text(metadata, 'namespace'),
    name: text(metadata, 'name', 253),
    uid: text(metadata, 'uid'),
    node: text(spec, 'nodeName', 253),
    ...(ips.length > 0 && { ips }),
    ...unlessEmpty('hostname', text(spec, 'hostname', 63)),
    ...(owner !== undefined && { owner: `${text(owner, 'kind')}/${text(owner, 'name', 253)}` }),
    phase: PHASES.find(phase => phase === textOf(status, 'phase')) ?? 'Unknown',
    reason: text(status, 'reason'),
    message: text(status, 'message', 300),
    createdAt: text(metadata, 'creationTimestamp'),
    ...unlessEmpty('startedAt', text(status, 'startTime')),
    deleting: textOf(metadata, 'deletionTimestamp') !== '',
    gpus: effectiveGpus(spec),
    claims: listAt(spec, 'resourceClaims')
      .slice(0, LIST_MAX)
      .map(claim => text(claim, 'name')),
    containers: containers.slice(0, LIST_MAX),
  };
}

/** The controller's reference; undefined of a bare pod. */
export const ownerOf = (json: unknown): unknown =>
  listAt(json, 'metadata', 'ownerReferences').find(one => objectAt(one)['controller'] === true);

/** As the scheduler counts: sidecars and containers add up, an init container is a minimum. */
function effectiveGpus(spec: unknown): Readonly<Record<string, number>> {
  const init = listAt(spec, 'initContainers');
  const sum: Record<string, number> = {};
  for (const one of [...listAt(spec, 'containers'), ...init.filter(isSidecar)]) {
    for (const [name, count] of Object.entries(gpusOf(one))) sum[name] = (sum[name] ?? 0) + count;
  }
  for (const one of init.filter(other => !isSidecar(other))) {
    for (const [name, count] of Object.entries(gpusOf(one))) {
      sum[name] = Math.max(sum[name] ?? 0, count);
    }
  }
  return sum;
}

/** Of an init container: it runs for good, beside the others (kubernetes.io, Sidecar Containers). */
const isSidecar = (one: unknown) => textOf(one, 'restartPolicy') === 'Always';

/** Extended resources are requested by their limits; requests alone are not allowed. */
const gpusOf = (container: unknown) => gpuQuantities(objectAt(container, 'resources', 'limits'));

function gpuQuantities(quantities: unknown): Readonly<Record<string, number>> {
  const pairs = Object.entries(textsOf(quantities)).flatMap(([name, quantity]) =>
    /^nvidia\.com\//.test(name) && /^\d{1,9}$/.test(quantity)
      ? [[plainText(name, 128), Number(quantity)] as const]
      : [],
  );
  return Object.fromEntries(pairs.filter(([name]) => !/\/(?:cc|sandbox|vgpu)\./.test(name)));
}

function readContainer(spec: unknown, status: unknown, init: boolean): ClusterContainer {
  const name = textOf(spec, 'name');
  const statuses = listAt(status, init ? 'initContainerStatuses' : 'containerStatuses');
  const found = statuses.find(one => textOf(one, 'name') === name);
  const { ready } = objectAt(found);
  const states = objectAt(found, 'state');
  const kind = (['running', 'terminated'] as const).find(other => isObject(states[other]));
  const state = objectAt(states, kind ?? 'waiting');
  const ended = endOf(states);
  const endedBefore = endOf(objectAt(found, 'lastState'));
  return {
    name: plainText(name, 64),
    init,
    ...(init && isSidecar(spec) && { sidecar: true as const }),
    gpus: gpusOf(spec),
    restarts: numberOf(found, 'restartCount') ?? 0,
    ...(typeof ready === 'boolean' && { ready }),
    state: kind ?? 'waiting',
    reason: text(state, 'reason'),
    // The runtime says the same image three times before it says why it does not come.
    message: text(state, 'message', 600),
    ...unlessEmpty('startedAt', text(state, 'startedAt')),
    ...(ended && { ended }),
    ...(endedBefore && { endedBefore }),
  };
}

function endOf(states: unknown): ContainerEnd | undefined {
  const ended = objectAt(states, 'terminated');
  const exitCode = numberOf(ended, 'exitCode');
  if (exitCode === undefined) return undefined;
  const signal = numberOf(ended, 'signal');
  return {
    exitCode,
    ...optional({ signal }),
    reason: text(ended, 'reason'),
    message: text(ended, 'message', 300),
    ...unlessEmpty('startedAt', text(ended, 'startedAt')),
    ...unlessEmpty('finishedAt', text(ended, 'finishedAt')),
  };
}

/** An event as ClusterView tells it; newer writers fill eventTime and series, older the timestamps. */
export function readClusterEvent(json: unknown): ClusterEvent {
  const series = objectAt(json, 'series');
  const first = text(json, 'firstTimestamp') || text(json, 'eventTime');
  const last = text(json, 'lastTimestamp') || text(series, 'lastObservedTime') || first;
  return {
    type: textOf(json, 'type') === 'Warning' ? 'Warning' : 'Normal',
    reason: text(json, 'reason'),
    message: text(json, 'message', 400),
    count: numberOf(json, 'count') ?? numberOf(series, 'count') ?? 1,
    ...unlessEmpty('firstAt', first),
    ...unlessEmpty('lastAt', last),
    from: text(objectAt(json, 'source'), 'component') || text(json, 'reportingComponent'),
  };
}

const text = (value: unknown, key: string, charactersMax = 128): string =>
  plainText(textOf(value, key), charactersMax);

/** Leaves a key out where its text is empty. */
const unlessEmpty = <Key extends string>(key: Key, value: string): Partial<Record<Key, string>> => {
  const pair: Partial<Record<string, string>> = value === '' ? {} : { [key]: value };
  return pair;
};

/** The NodeClaim that owns a node (pkg/utils/nodeclaim/nodeclaim.go); empty for one of another make. */
export function nodeClaimOf(node: unknown): string {
  const owner = listAt(node, 'metadata', 'ownerReferences').find(
    one =>
      textOf(one, 'kind') === 'NodeClaim' && /^karpenter\.sh\//.test(textOf(one, 'apiVersion')),
  );
  return textOf(owner, 'name');
}

/** When Karpenter deletes what still runs there (pkg/apis/v1/labels.go). */
const ENDS_AT = 'karpenter.sh/nodeclaim-termination-timestamp';

/** A NodeClaim as ClusterView tells it; texts cut and made plain. */
export function readNodeClaim(json: unknown): NodeClaim {
  const metadata = objectAt(json, 'metadata');
  const endsAt = plainText(textOf(metadata['annotations'], ENDS_AT), 64);
  return {
    name: plainText(textOf(metadata, 'name'), 253),
    deleting: textOf(metadata, 'deletionTimestamp') !== '',
    ...(endsAt !== '' && { endsAt }),
    conditions: listAt(json, 'status', 'conditions')
      .slice(0, CLAIM_CONDITIONS_MAX)
      .map(readCondition),
  };
}
