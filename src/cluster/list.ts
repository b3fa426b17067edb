import { ClusterError } from '../contract/errors.ts';
import { ANNOTATIONS } from '../contract/labels.ts';
import { LIST_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { admissionRefusal } from './admission.ts';
import type { ApiServer } from './http.ts';
import { isObject, type Json, listAt, numberOf, objectAt, textOf, textsOf } from './json.ts';
import {
  ApiError,
  type ContainerState,
  type NodeLease,
  type NodeState,
  type ObjectEvent,
  type OwnObject,
  type PodState,
} from './port.ts';
import { provenItems } from './proven.ts';

/** More nodes or pods than that in one list are read page by page. */
const PAGE_OBJECTS = 500;
/** 100,000 objects. */
const PAGES_MAX = 200;
/** How often a list is begun anew because its pages expired between two of them. */
const STARTS_MAX = 3;

export interface ListRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly doing: string;
  /** `PodList`. */
  readonly kind: string;
}

/**
 * Every object of a list, page by page: all of them or none.
 *
 * @throws ApiError, UnprovenAnswer, or ClusterError when there is no answer or no end.
 */
export async function listAll(
  api: Pick<ApiServer, 'object' | 'settings'>,
  list: ListRequest,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS_MAX)]);
  for (let start = 1; ; start += 1) {
    try {
      return await allPages(api, list, within);
    } catch (error) {
      signal.throwIfAborted();
      if (within.aborted) throw endless(list, `${LIST_MS_MAX / 1_000} s`);
      // The version that the pages were read at is gone: what was read of it is worth nothing.
      const expired = error instanceof ApiError && error.code === 410;
      if (!expired || start >= STARTS_MAX) throw error;
    }
  }
}

async function allPages(
  api: Pick<ApiServer, 'object' | 'settings'>,
  list: ListRequest,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const { path, doing, kind } = list;
  const items: unknown[] = [];
  let next = '';
  for (let page = 1; page <= PAGES_MAX; page += 1) {
    const query = { ...list.query, limit: String(PAGE_OBJECTS), ...(next && { continue: next }) };
    const found = await api.object({ method: 'GET', path, query, doing, kinds: [kind] }, signal);
    items.push(...provenItems(found, { doing, access: api.settings }));
    next = textOf(objectAt(found, 'metadata'), 'continue');
    if (next === '') return items;
  }
  throw endless(list, `${PAGES_MAX} pages`);
}

const endless = ({ doing }: ListRequest, after: string) =>
  new ClusterError(`${doing}: the list has no end after ${after}`, {
    hint: 'kubectl get --raw /metrics | grep apiserver_current_inflight; a selector (-l) makes it shorter',
  });

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
    declaredFeatures: listAt(json, 'status', 'declaredFeatures').map(String),
  };
}

/** The names of a node's images. */
export const readImages = (json: unknown): readonly (readonly string[])[] =>
  listAt(json, 'status', 'images').map(image =>
    listAt(image, 'names').filter(name => typeof name === 'string'),
  );

/** A kubelet renews its lease four times in the lease's duration: pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction. */
const RENEWALS = 4;

export function readLease(json: unknown): NodeLease | undefined {
  const spec = objectAt(json, 'spec');
  // The node's clock may be off: who wrote when is noted by the API server's.
  const written = listAt(json, 'metadata', 'managedFields').map(field => textOf(field, 'time'));
  const renewTime = textOf(spec, 'renewTime');
  const [noted] = written.toSorted().toReversed();
  const renewedMs = Date.parse(noted ?? renewTime);
  const seconds = numberOf(spec, 'leaseDurationSeconds') ?? 40;
  if (Number.isNaN(renewedMs)) return undefined;
  const aheadMs = noted === undefined ? Number.NaN : Date.parse(renewTime) - renewedMs;
  return {
    ...{ renewedMs, everyMs: (seconds * 1_000) / RENEWALS },
    ...(Number.isNaN(aheadMs) ? {} : { aheadMs }),
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
    phase: word(textOf(status, 'phase')),
    reason: textOf(status, 'reason'),
    message: textOf(status, 'message'),
    createdAt: textOf(metadata, 'creationTimestamp'),
    startedAt: textOf(status, 'startTime'),
    deleting: textOf(metadata, 'deletionTimestamp') !== '',
    containers: listAt(status, 'containerStatuses').map(readContainer),
    hasEnded: hasEnded(status),
    limits: extendedLimits(listAt(json, 'spec', 'containers')),
  };
}

/** What Kubernetes says in one word of its own, as `OOMKilled`; else somebody writes there. */
export const word = (text: string): string =>
  /^[A-Z][A-Za-z]{1,63}$/.test(text) || OUT_OF.test(text) ? text : '';

/**
 * `OutOfnvidia.com/gpu`: what a kubelet had not enough of when it refused a pod (pkg/kubelet/lifecycle/predicate.go,
 * InsufficientResourceError). Resources of Kubernetes and NVIDIA: another domain may be its owner's name.
 */
const OUT_OF =
  /^OutOf(?:cpu|memory|pods|ephemeral-storage|hugepages-\d{1,4}[KMG]i|nvidia\.com\/[a-z\d](?:[a-z\d.-]{0,61}[a-z\d])?)$/;

/** No container runs any more, not one that was put in or attached for debugging either. */
function hasEnded(status: Json): boolean {
  const own = listAt(status, 'containerStatuses');
  const more = [
    ...listAt(status, 'initContainerStatuses'),
    ...listAt(status, 'ephemeralContainerStatuses'),
  ];
  const ended = (json: unknown) => readContainer(json).state === 'terminated';
  return own.length > 0 && [...own, ...more].every(ended);
}

export function readContainer(json: unknown): ContainerState {
  const states = objectAt(json, 'state');
  const kind = (['running', 'terminated'] as const).find(name => isObject(states[name]));
  const state: Json = objectAt(states, kind ?? 'waiting');
  const exitCode = numberOf(state, 'exitCode');
  return {
    name: textOf(json, 'name'),
    image: textOf(json, 'image'),
    ...optional({ imageId: textOf(json, 'imageID') || undefined }),
    restarts: numberOf(json, 'restartCount') ?? 0,
    state: kind ?? 'waiting',
    reason: textOf(state, 'reason'),
    message: textOf(state, 'message'),
    ...optional({ exitCode }),
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

/** A Job that asks for no pod is complete at once, and owns pods that run. */
const isFinishedJob = (json: unknown) =>
  numberOf(objectAt(json, 'spec'), 'completions') !== 0 &&
  listAt(json, 'status', 'conditions').some(
    condition =>
      ['Complete', 'Failed'].includes(textOf(condition, 'type')) &&
      textOf(condition, 'status') === 'True',
  );
