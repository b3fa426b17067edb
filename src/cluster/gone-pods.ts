import type { ClusterEvent } from '../contract/cluster-view.ts';
import { EVENT_CLOCKS_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { missing, present, type Reading } from '../contract/reading.ts';
import type { OwnerEnd, TargetJob } from '../contract/target-job.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { type Json, listAt, numberOf, objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';
import { eventList } from './paths.ts';
import { isMissingRight } from './port.ts';
import { readClusterEvent } from './read-view.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

/** Of how many owners events are read: a JobSet has a Job for each kind of its pods. */
const OWNERS_MAX = 8;
const GONE_MAX = 256;
const EVENTS_MAX = 4;

interface JobNames {
  /** Of those that make its pods. */
  readonly owners: readonly string[];
  /** Of its pods that are there. */
  readonly there: readonly string[];
  /** Of pods that it makes without an event. */
  readonly named?: readonly string[] | undefined;
  /** When it was made itself, in RFC 3339: what events tell of before that was another one of its name. */
  readonly madeAt?: string | undefined;
}

/**
 * Pods that controllers created and that are not there any more, and where the scheduler put them; and what a
 * controller last complained of.
 */
export async function eventsTold(
  api: Api,
  { owners, there, named: ofJob = [], madeAt = '' }: JobNames,
  signal: AbortSignal,
) {
  const { namespace } = api.settings;
  try {
    const lists = await Promise.all(
      owners.slice(0, OWNERS_MAX).map(name => listAll(api, eventList({ namespace, name }), signal)),
    );
    const since = Date.parse(madeAt) - EVENT_CLOCKS_MS_MAX;
    const isOfIt = (event: unknown) => !(timeOf(event) < since);
    const events = lists.flat().filter(isOfIt);
    const messages = events.map(event => textOf(event, 'message'));
    const created = messages.flatMap(createdPod);
    // A pod that was named itself.
    const named = events.flatMap(event => {
      const about = objectAt(event, 'involvedObject');
      return textOf(about, 'kind') === 'Pod' ? textOf(about, 'name') : [];
    });
    const isGone = (name: string) => !there.includes(name);
    const told = [...new Set([...created, ...named])].filter(isGone);
    const silent = ofJob.filter(isGone);
    const areGone = told.length + silent.length > 0;
    const placed = areGone ? await scheduledTo(api, isOfIt, signal) : new Map<string, PlacedPod>();
    // What was never placed was never there.
    const pods = [...new Set([...told, ...silent.filter(name => placed.has(name))])].slice(
      0,
      GONE_MAX,
    );
    const ends =
      pods.length === 0
        ? new Map<string, ClusterEvent[]>()
        : await endsOf(api, event => isOfIt(event) && isOfLife(event, placed), signal);
    const [warning] = events
      .map(readClusterEvent)
      .filter(({ type }) => type === 'Warning')
      .toSorted((a, b) => (b.lastAt ?? '').localeCompare(a.lastAt ?? ''));
    return present({
      gone: pods.map(pod => {
        const node = placed.get(pod)?.node;
        return {
          pod: plainText(pod, 253),
          ...optional({ node, events: ends.get(pod)?.slice(0, EVENTS_MAX) }),
        };
      }),
      warning: warning && `${warning.reason}: ${warning.message}`,
    });
  } catch (error) {
    signal.throwIfAborted();
    const words = plainText(error instanceof Error ? error.message : String(error), 300);
    return missing(isMissingRight(error) ? 'no_permission' : 'unreadable', words);
  }
}

/**
 * How controllers say that they created a pod: pkg/controller/controller_utils.go and statefulset/stateful_pod_control.go of
 * Kubernetes, and KubeRay's raycluster_controller.go. Kubeflow's operators say it as Kubernetes does.
 */
const CREATED: readonly RegExp[] = [
  /^Created pod: (\S{1,253})$/,
  /^create Pod (\S{1,253}) in StatefulSet \S{1,253} successful$/,
  /^Created (?:head|worker) Pod (?:\S{1,63}\/)?(\S{1,253})$/,
];

const createdPod = (message: string): readonly string[] =>
  CREATED.flatMap(form => form.exec(message)?.[1] ?? []).slice(0, 1);

/** `Successfully assigned NAMESPACE/POD to NODE`: pkg/scheduler/schedule_one.go of Kubernetes. */
const ASSIGNED = /^Successfully assigned \S{1,63}\/(\S{1,253}) to (\S{1,253})$/;

/** Where the last pod of a name was put. */
interface PlacedPod {
  readonly node: string;
  readonly uid: string;
  readonly atMs: number;
}

async function scheduledTo(
  api: Api,
  isOfIt: (event: unknown) => boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PlacedPod>> {
  const { namespace } = api.settings;
  const list = eventList({ namespace, name: '' });
  const events = await listAll(
    api,
    { ...list, query: { fieldSelector: 'reason=Scheduled' } },
    signal,
  );
  const placed = events.filter(isOfIt).flatMap(event => {
    const [, pod, node] = ASSIGNED.exec(textOf(event, 'message')) ?? [];
    if (pod === undefined || node === undefined) return [];
    const uid = textOf(objectAt(event, 'involvedObject'), 'uid');
    return [[pod, { node: plainText(node, 253), uid, atMs: timeOf(event) }] as const];
  });
  // Of one name, as a StatefulSet's, the last one stays.
  return new Map(placed.toSorted(([, a], [, b]) => (a.atMs || 0) - (b.atMs || 0)));
}

/** An earlier pod of that name ended elsewhere; the taint manager's events have no uid. */
function isOfLife(event: unknown, placed: ReadonlyMap<string, PlacedPod>): boolean {
  const about = objectAt(event, 'involvedObject');
  const uid = textOf(about, 'uid');
  const life = placed.get(textOf(about, 'name'));
  if (!life) return true;
  return uid !== '' && life.uid !== ''
    ? uid === life.uid
    : !(timeOf(event) < life.atMs - EVENT_CLOCKS_MS_MAX);
}

/** When an event last came, in milliseconds; NaN where it has no time. */
function timeOf(event: unknown): number {
  const { lastAt = '' } = readClusterEvent(event);
  return Date.parse(lastAt);
}

/** What every start of a pod brings, and its orderly end: Kubernetes, pkg/kubelet/events/event.go. */
const OF_EVERY_LIFE = ['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started', 'Killing'];

/** What events say of pods beside that they were started, newest first, by their names. */
async function endsOf(
  api: Api,
  isOfIt: (event: unknown) => boolean,
  signal: AbortSignal,
): Promise<Map<string, ClusterEvent[]>> {
  const list = eventList({ namespace: api.settings.namespace, name: '' });
  const fieldSelector = [
    'involvedObject.kind=Pod',
    ...OF_EVERY_LIFE.map(word => `reason!=${word}`),
  ];
  const events = await listAll(
    api,
    { ...list, query: { fieldSelector: fieldSelector.join(',') } },
    signal,
  );
  // A StatefulSet may bear the name of a pod.
  const own = events
    .filter(json => textOf(objectAt(json, 'involvedObject'), 'kind') === 'Pod' && isOfIt(json))
    .map(json => ({
      pod: textOf(objectAt(json, 'involvedObject'), 'name'),
      event: readClusterEvent(json),
    }))
    .filter(({ event }) => !OF_EVERY_LIFE.includes(event.reason))
    .toSorted((a, b) => (b.event.lastAt ?? '').localeCompare(a.event.lastAt ?? ''));
  const byPod = new Map<string, ClusterEvent[]>();
  for (const { pod, event } of own) byPod.set(pod, [...(byPod.get(pod) ?? []), event]);
  return byPod;
}

/** The Jobs of a JobSet that is there without a pod, with what they say of their ends. */
export async function jobsOf(
  api: Api,
  { kind, name }: { readonly kind: string; readonly name: string },
  signal: AbortSignal,
): Promise<Reading<readonly Json[]>> {
  if (kind !== 'JobSet' && kind !== 'TrainJob') return present([]);
  const { namespace } = api.settings;
  const path = `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`;
  const query = { labelSelector: `jobset.sigs.k8s.io/jobset-name=${name}` };
  const list = { path, query, doing: 'list jobs', kind: 'JobList' };
  // A right that is missing here leaves what the JobSet itself says.
  return listAll(api, list, signal).then(
    jobs => present(jobs.map(job => objectAt(job))),
    error => {
      signal.throwIfAborted();
      return missing(isMissingRight(error) ? 'no_permission' : 'unreadable');
    },
  );
}

/**
 * The names that a controller gives to what it makes, by its spec: JobSet's Jobs (jobset_types.go, ReplicatedJob), the
 * StatefulSets of a LeaderWorkerSet (its own name and one for each group), and Volcano's pods, of which no event tells
 * (pkg/controllers/job/helpers, PodNameFmt).
 */
export function namesMade(
  kind: string,
  object: Json | undefined,
): { readonly owners: readonly string[]; readonly pods: readonly string[] } {
  const name = textOf(objectAt(object, 'metadata'), 'name');
  const each = (key: string) =>
    listAt(object, 'spec', key).flatMap(part =>
      Array.from({ length: Math.min(numberOf(part, 'replicas') ?? 1, GONE_MAX) }, (_, index) =>
        [name, textOf(part, 'name'), index].join('-'),
      ),
    );
  if (kind === 'JobSet') return { owners: each('replicatedJobs'), pods: [] };
  if (kind === 'LeaderWorkerSet') {
    const groups = Math.min(numberOf(objectAt(object, 'spec'), 'replicas') ?? 1, OWNERS_MAX);
    return { owners: Array.from({ length: groups }, (_, index) => `${name}-${index}`), pods: [] };
  }
  return { owners: [], pods: each('tasks').slice(0, GONE_MAX) };
}

/**
 * That it failed, by a condition (batch/v1, JobSet, Kubeflow's and TrainJob alike) or by Volcano's state, and how often
 * it was started anew. What ended well, or runs, says nothing here.
 */
export function ownerEnd(owner: string, object: Json | undefined): OwnerEnd | undefined {
  const status = objectAt(object, 'status');
  const state = objectAt(status, 'state');
  const said =
    listAt(status, 'conditions').find(
      one => textOf(one, 'type') === 'Failed' && textOf(one, 'status') === 'True',
    ) ?? (VOLCANO_ENDS.includes(textOf(state, 'phase')) && !wasHeld(status) ? state : undefined);
  if (said === undefined) return undefined;
  const at = new Date(textOf(said, 'lastTransitionTime'));
  const restarts = numberOf(status, 'restarts') ?? numberOf(status, 'retryCount');
  const parts = [
    ...listAt(status, 'replicatedJobsStatus'),
    ...Object.values(objectAt(status, 'replicaStatuses')),
  ].flatMap(part => numberOf(part, 'failed') ?? []);
  const failed =
    numberOf(status, 'failed') ?? (parts.length > 0 ? parts.reduce((a, b) => a + b) : undefined);
  return {
    owner: plainText(owner, 128),
    reason: plainText(textOf(said, 'reason') || textOf(said, 'phase'), 128),
    message: plainText(textOf(said, 'message'), 400),
    ...optional({ at: timeText(at), restarts, failed }),
  };
}

const timeText = (at: Date): string | undefined =>
  Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace('.000Z', 'Z');

/**
 * What explains pods that are gone, where it did not fail: that it ended well (batch/v1 and TrainJob, JobSet,
 * Kubeflow's, Volcano, KubeRay's RayJob in this order), or that it is suspended, which ends its pods.
 */
export function ownerState(object: Json | undefined): TargetJob['controller'] {
  const status = objectAt(object, 'status');
  const isTrue = (types: readonly string[]) =>
    listAt(status, 'conditions').some(
      one => types.includes(textOf(one, 'type')) && textOf(one, 'status') === 'True',
    );
  if (ownerEnd('', object) !== undefined) return undefined;
  if (
    isTrue(['Complete', 'Completed', 'Succeeded']) ||
    textOf(objectAt(status, 'state'), 'phase') === 'Completed' ||
    textOf(status, 'jobStatus') === 'SUCCEEDED'
  ) {
    return 'ended_well';
  }
  const spec = objectAt(object, 'spec');
  const isHeld = [spec, objectAt(spec, 'runPolicy')].some(part => part['suspend'] === true);
  return isHeld || wasHeld(status) ? 'suspended' : undefined;
}

/**
 * Whether Volcano aborted it, for a person (`vcctl job suspend`) or by a policy, before any of its pods had failed: those that
 * fail are kept and counted (pkg/controllers/job/state, PodRetainPhaseSoft), and `vcctl job resume` starts it again.
 */
const wasHeld = (status: Json): boolean =>
  textOf(objectAt(status, 'state'), 'phase') === 'Aborted' &&
  (numberOf(status, 'failed') ?? 0) === 0;

/** volcano.sh/apis/pkg/apis/batch/v1alpha1/job.go, JobPhase. */
const VOLCANO_ENDS: readonly string[] = ['Failed', 'Aborted', 'Terminated'];
