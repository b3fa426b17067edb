import type { Cluster, Created, NodeState, ObjectRef } from '../cluster/port.ts';
import { ApiError, isMissingRight } from '../cluster/port.ts';
import { SessionError } from '../contract/errors.ts';
import { POD_START_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { jobSpec } from './job.ts';
import { type PodChoices, type PodOptions, podName, podSpec } from './pod-spec.ts';
import type { Reaper } from './reaper.ts';
import { removeObjects } from './remove.ts';
import { unusableNode } from './start-signs.ts';
import { LackingMount, type RunningPod, waitUntilRunning } from './wait-until-running.ts';

export type Lifetime = 'auto' | 'job' | 'pod';

export interface StartOptions {
  readonly cluster: Cluster;
  readonly node: string;
  readonly namespace: string;
  readonly pod: PodChoices;
  /** auto: in a Job, or bare where Jobs are not allowed or held back. */
  readonly lifetime: Lifetime;
  readonly clock: Clock;
  /** Five characters or more of [a-z0-9], new at each call. */
  readonly randomSuffix: () => string;
  /** Guards a bare pod over our own death; absent: nobody does. */
  readonly startReaper?: ((guarded: { namespace: string; name: string }) => Reaper) | undefined;
  readonly startMsMax?: number;
}

/** A pod that runs, and what must be deleted for it to be gone. */
export interface StartedPod {
  readonly pod: RunningPod;
  /** The Job first, where there is one. */
  readonly objects: readonly ObjectRef[];
  readonly reaper: Reaper | undefined;
}

/** A host directory that a node lacks costs one more try each; more than these we do not mount. */
const TRIES_MAX = 6;

/**
 * Creates the pod on the node and waits until it runs. On any failure what was created is deleted.
 *
 * @throws ClusterError when the cluster refuses, SessionError when the pod does not come to run.
 */
export async function startPod(
  options: StartOptions,
  signal: AbortSignal,
  onProgress: (message: string) => void,
): Promise<StartedPod> {
  const { cluster } = options;
  const user = cluster.whoAmI(signal).catch(() => undefined);
  const node = await cluster.getNode(options.node, signal);
  const unusable = unusableNode(node);
  if (unusable) throw new SessionError(unusable.sentence, { hint: unusable.hint });
  const lacking: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryOnce(
        { ...options, lacking, state: node, user: await user },
        signal,
        onProgress,
      );
    } catch (error) {
      if (!(error instanceof LackingMount) || attempt >= TRIES_MAX) throw error;
      lacking.push(error.path);
      onProgress(`the node has no ${error.path}: trying without it`);
    }
  }
}

interface Try extends StartOptions {
  readonly state: NodeState;
  readonly user: string | undefined;
  readonly lacking: readonly string[];
}

async function tryOnce(
  options: Try,
  signal: AbortSignal,
  onProgress: (message: string) => void,
): Promise<StartedPod> {
  const { cluster, namespace, state } = options;
  const session = options.randomSuffix();
  const pod: PodOptions = {
    ...options.pod,
    name: podName(state.name, session),
    namespace,
    node: state,
    session,
    user: options.user,
    nowMs: options.clock.nowMs(),
    lackingMounts: options.lacking,
  };
  const startMsMax = options.startMsMax ?? POD_START_MS_MAX;
  const over = AbortSignal.timeout(startMsMax);
  const bounded = AbortSignal.any([signal, over]);
  const made: ObjectRef[] = [];
  let reaper: Reaper | undefined;
  // The watch is open before the pod exists: no state is missed and no round trip is added.
  await using running = waitUntilRunning({ cluster, pod, onProgress, over, startMsMax }, bounded);
  try {
    const job = options.lifetime === 'pod' ? undefined : await createJob(options, pod, made);
    if (!job) {
      reaper = options.startReaper?.({ namespace, name: pod.name });
      const bare = await create(made, 'pod', pod, () => cluster.createPod(podSpec(pod), UNSTOPPED));
      reaper?.guard(bare.uid);
    }
    signal.throwIfAborted();
    onProgress(`pod ${namespace}/${pod.name} is being created on ${state.name}`);
    const found = await running.pod;
    if (job) made.push({ kind: 'pod', ...found });
    onProgress(`pod ${namespace}/${found.name} is running`);
    return { pod: found, objects: made, reaper };
  } catch (error) {
    const seen = running.seen();
    if (seen && !made.some(({ uid }) => uid === seen.uid)) made.push({ kind: 'pod', ...seen });
    const removed = await removeObjects(cluster, made);
    if (removed) reaper?.dismiss();
    throw error;
  }
}

/** A create that is broken off half-way may have been done: it is let run to its own time-out. */
const UNSTOPPED = new AbortController().signal;

/**
 * Creates and notes what must be removed: the object; where the answer never came, whatever bears
 * its name, which is new; where the API server refused, nothing.
 */
async function create(
  made: ObjectRef[],
  kind: 'pod' | 'job',
  { namespace, name }: PodOptions,
  ask: () => Promise<Created>,
): Promise<Created> {
  try {
    const created = await ask();
    made.push(created);
    return created;
  } catch (error) {
    if (!(error instanceof ApiError)) made.push({ kind, namespace, name, uid: '' });
    throw error;
  }
}

/** The Job; undefined where the pod must go bare. */
async function createJob(
  options: Try,
  pod: PodOptions,
  made: ObjectRef[],
): Promise<Created | undefined> {
  const { cluster, lifetime } = options;
  const spec = jobSpec(pod);
  let job: Created;
  try {
    job = await create(made, 'job', pod, () => cluster.createJob(spec, UNSTOPPED));
  } catch (error) {
    if (lifetime === 'auto' && isMissingRight(error)) return undefined;
    throw error;
  }
  if (!job.suspended) return job;
  await removeObjects(cluster, [job]);
  made.length = 0;
  if (lifetime === 'auto') return undefined;
  throw new SessionError(`something holds the Job ${job.namespace}/${job.name} back (suspend)`, {
    hint: '--lifetime pod starts the pod without a Job',
  });
}
