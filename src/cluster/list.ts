import { ANNOTATIONS } from '../contract/labels.ts';
import { plainText } from '../contract/untrusted.ts';
import { admissionRefusal } from './admission.ts';
import type { ApiServer } from './http.ts';
import { isObject, type Json, listAt, numberOf, objectAt, textOf, textsOf } from './json.ts';
import type { ContainerState, NodeState, ObjectEvent, OwnObject, PodState } from './port.ts';

/** More nodes or pods than that in one list are read page by page. */
const PAGE_OBJECTS = 500;

/** Every object of a list, page by page. @throws ApiError, or ClusterError when there is no answer. */
export async function listAll(
  api: Pick<ApiServer, 'json'>,
  list: {
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    readonly doing: string;
  },
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const { path, doing } = list;
  const items: unknown[] = [];
  let next = '';
  do {
    const query = { ...list.query, limit: String(PAGE_OBJECTS), ...(next && { continue: next }) };
    const page = await api.json({ method: 'GET', path, query, doing }, signal);
    items.push(...listAt(page, 'items'));
    next = textOf(objectAt(page, 'metadata'), 'continue');
  } while (next !== '');
  return items;
}

/** The API server's JSON of a node, narrowed to what we use; absent texts are ''. */
export function readNode(json: unknown): NodeState {
  const info = objectAt(json, 'status', 'nodeInfo');
  const metadata = objectAt(json, 'metadata');
  return {
    name: textOf(metadata, 'name'),
    labels: textsOf(metadata['labels']),
    annotations: textsOf(metadata['annotations']),
    unschedulable: objectAt(json, 'spec')['unschedulable'] === true,
    taints: listAt(json, 'spec', 'taints').map(taint => ({
      key: textOf(taint, 'key'),
      value: textOf(taint, 'value'),
      effect: textOf(taint, 'effect'),
    })),
    conditions: listAt(json, 'status', 'conditions').map(condition => ({
      type: textOf(condition, 'type'),
      status: textOf(condition, 'status'),
      reason: textOf(condition, 'reason'),
      message: textOf(condition, 'message'),
      since: textOf(condition, 'lastTransitionTime'),
    })),
    osImage: textOf(info, 'osImage'),
    operatingSystem: textOf(info, 'operatingSystem'),
    architecture: textOf(info, 'architecture'),
    kubeletVersion: textOf(info, 'kubeletVersion'),
    containerRuntime: textOf(info, 'containerRuntimeVersion'),
    bootId: textOf(info, 'bootID'),
    capacity: textsOf(objectAt(json, 'status', 'capacity')),
    allocatable: textsOf(objectAt(json, 'status', 'allocatable')),
    createdAt: textOf(metadata, 'creationTimestamp'),
  };
}

export function readPod(json: unknown): PodState {
  const metadata = objectAt(json, 'metadata');
  const status = objectAt(json, 'status');
  return {
    namespace: textOf(metadata, 'namespace'),
    name: textOf(metadata, 'name'),
    uid: textOf(metadata, 'uid'),
    node: textOf(objectAt(json, 'spec'), 'nodeName'),
    labels: textsOf(metadata['labels']),
    annotations: textsOf(metadata['annotations']),
    phase: textOf(status, 'phase'),
    reason: textOf(status, 'reason'),
    message: textOf(status, 'message'),
    createdAt: textOf(metadata, 'creationTimestamp'),
    startedAt: textOf(status, 'startTime'),
    deleting: textOf(metadata, 'deletionTimestamp') !== '',
    containers: listAt(status, 'containerStatuses').map(readContainer),
    limits: extendedLimits(listAt(json, 'spec', 'containers')),
  };
}

function readContainer(json: unknown): ContainerState {
  const states = objectAt(json, 'state');
  const kind = (['running', 'terminated'] as const).find(name => isObject(states[name]));
  const state: Json = objectAt(states, kind ?? 'waiting');
  const exitCode = numberOf(state, 'exitCode');
  return {
    name: textOf(json, 'name'),
    image: textOf(json, 'image'),
    restarts: numberOf(json, 'restartCount') ?? 0,
    state: kind ?? 'waiting',
    reason: textOf(state, 'reason'),
    message: textOf(state, 'message'),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(textOf(state, 'startedAt') && { startedAt: textOf(state, 'startedAt') }),
    ...(textOf(state, 'finishedAt') && { finishedAt: textOf(state, 'finishedAt') }),
  };
}

/** Extended resources have a slash in their name; their quantities are whole numbers. */
function extendedLimits(containers: readonly unknown[]): Readonly<Record<string, number>> {
  const sum: Record<string, number> = {};
  for (const container of containers) {
    for (const [name, value] of Object.entries(objectAt(container, 'resources', 'limits'))) {
      if (name.includes('/')) sum[name] = (sum[name] ?? 0) + Number(value);
    }
  }
  return sum;
}

export function readEvent(json: unknown): ObjectEvent {
  // events.k8s.io writers fill eventTime and series, core writers the timestamps.
  const first = textOf(json, 'firstTimestamp') || textOf(json, 'eventTime');
  const refusal = admissionRefusal(plainText(textOf(json, 'message'), 1_000));
  return {
    ...(refusal && { refusal }),
    type: textOf(json, 'type'),
    reason: textOf(json, 'reason'),
    message: textOf(json, 'message'),
    count: numberOf(json, 'count') ?? numberOf(objectAt(json, 'series'), 'count') ?? 1,
    firstAt: first,
    lastAt:
      textOf(json, 'lastTimestamp') ||
      textOf(objectAt(json, 'series'), 'lastObservedTime') ||
      first,
    from: textOf(objectAt(json, 'source'), 'component') || textOf(json, 'reportingComponent'),
  };
}

export function readOwn(kind: 'pod' | 'job', json: unknown): OwnObject {
  const metadata = objectAt(json, 'metadata');
  const annotations = textsOf(metadata['annotations']);
  const owner = listAt(metadata, 'ownerReferences').find(one => textOf(one, 'kind') === 'Job');
  return {
    kind,
    namespace: textOf(metadata, 'namespace'),
    name: textOf(metadata, 'name'),
    uid: textOf(metadata, 'uid'),
    node: annotations[ANNOTATIONS.node] ?? '',
    user: annotations[ANNOTATIONS.user] ?? '',
    createdAt: textOf(metadata, 'creationTimestamp'),
    expiresAt: annotations[ANNOTATIONS.expires] ?? '',
    finished: kind === 'pod' ? isFinishedPod(json) : isFinishedJob(json),
    owner: textOf(owner, 'name'),
  };
}

const isFinishedPod = (json: unknown) =>
  ['Succeeded', 'Failed'].includes(textOf(objectAt(json, 'status'), 'phase'));

const isFinishedJob = (json: unknown) =>
  listAt(json, 'status', 'conditions').some(
    condition =>
      ['Complete', 'Failed'].includes(textOf(condition, 'type')) &&
      textOf(condition, 'status') === 'True',
  );
