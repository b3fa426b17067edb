import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiError,
  type AttachEnd,
  type AttachStream,
  type Cluster,
  type Created,
  isMissingRight,
  type NodeState,
  type ObjectName,
  type ObjectRef,
} from '../cluster/port.ts';
import { SessionError } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import {
  POD_END_MS_MAX,
  POD_GONE_MS_MAX,
  POD_LOOK_MS,
  POD_START_MS_MAX,
  REMOVE_MS_MAX,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { jobSpec } from './job.ts';
import type { Link, LinkClosed, LinkEnd } from './link.ts';
import { type PodChoices, type PodOptions, podName, podSpec } from './pod-spec.ts';
import type { Reaper } from './reaper.ts';
import { unusableNode } from './start-signs.ts';
import { LackingMount, type RunningPod, waitUntilRunning } from './wait-until-running.ts';

/**
 * Starts a pod on the node and attaches to its agent.
 *
 * @throws ClusterError when the cluster refuses, SessionError when the pod does not come to run;
 * nothing is left then.
 */
export async function openKubernetesLink(
  options: StartOptions,
  signal: AbortSignal,
  onProgress: (message: string) => void,
): Promise<Link> {
  const started = await startPod(options, signal, onProgress);
  const { cluster } = options;
  try {
    const stream = await cluster.attach({ ...started.pod, container: CONTAINER }, signal);
    return linkOver(cluster, started, stream);
  } catch (error) {
    if (await removeObjects(cluster, started.objects)) started.reaper?.dismiss();
    throw error;
  }
}

function linkOver(cluster: Cluster, started: StartedPod, stream: AttachStream): Link {
  let closing: Promise<LinkClosed> | undefined;
  const ended = stream.ended.then(end =>
    closing ? { kind: 'closed' as const, detail: 'closed' } : explainEnd(cluster, started.pod, end),
  );
  return {
    toAgent: stream.stdin,
    fromAgent: stream.stdout,
    ended,
    close: () => {
      closing ??= close(cluster, started, stream);
      return closing;
    },
  };
}

/** The half-close and the DELETE leave at the same time: either alone ends the pod. */
async function close(
  cluster: Cluster,
  { objects, pod, reaper }: StartedPod,
  stream: AttachStream,
): Promise<LinkClosed> {
  stream.stdin.end();
  const confirmed = await removeObjects(cluster, objects);
  // Where the API server did not confirm, the reaper goes on trying after we are gone.
  if (confirmed) reaper?.dismiss();
  const verified = confirmed && (await isGone(cluster, pod));
  stream.destroy();
  const [first] = objects;
  return { removed: first ? `${first.kind} ${first.namespace}/${first.name}` : null, verified };
}

async function isGone(cluster: Cluster, pod: ObjectName & { uid: string }): Promise<boolean> {
  const signal = AbortSignal.timeout(POD_GONE_MS_MAX);
  try {
    for (;;) {
      const found = await cluster.getPod(pod, signal);
      if (found?.uid !== pod.uid) return true;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // Not seen gone in time, or not allowed to look: we do not claim it.
    return false;
  }
}

/** The stream says little: attach reports Success whatever happened. The pod's status says why. */
async function explainEnd(
  cluster: Cluster,
  pod: ObjectName & { uid: string },
  end: AttachEnd,
): Promise<LinkEnd> {
  const why = await fateOf(cluster, pod);
  const stderr = plainText(end.stderr, 400);
  const words = [why ?? (end.detail || 'the stream ended'), stderr && `its last words: ${stderr}`];
  return {
    kind: end.kind === 'finished' || why !== undefined ? 'agent_ended' : 'lost',
    detail: words.filter(Boolean).join('; '),
  };
}

async function fateOf(
  cluster: Cluster,
  pod: ObjectName & { uid: string },
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(POD_END_MS_MAX);
  const name = `pod ${pod.namespace}/${pod.name}`;
  try {
    for (;;) {
      const found = await cluster.getPod(pod, signal);
      if (found?.uid !== pod.uid) return `${name} was deleted`;
      const container = found.containers.find(one => one.name === CONTAINER);
      if (found.phase === 'Failed' && found.reason) {
        return `${name} was ended: ${found.reason}${found.message ? ` (${plainText(found.message, 200)})` : ''}`;
      }
      if (container?.state === 'terminated') {
        return `the agent in ${name} ended: ${container.reason || 'unknown'}, exit code ${container.exitCode ?? 'unknown'}`;
      }
      if (found.deleting) return `${name} is being deleted`;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // The API server is silent or the container still runs: the stream's own words must do.
    return undefined;
  }
}

export type Lifetime = 'auto' | 'job' | 'pod';

export interface StartOptions {
  readonly cluster: Cluster;
  readonly node: string;
  readonly namespace: string;
  readonly pod: PodChoices;
  /** auto: in a Job, or bare where Jobs are not allowed or held back. */
  readonly lifetime: Lifetime;
  /** Five characters or more of [a-z0-9], new at each call. */
  readonly randomSuffix: () => string;
  /** Guards a bare pod over our own death; absent: nobody does. */
  readonly startReaper?: ((guarded: { namespace: string; name: string }) => Reaper) | undefined;
  readonly startMsMax?: number;
}

/** A pod that runs, and what must be deleted for it to be gone. */
interface StartedPod {
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
    nowMs: cluster.nowMs(),
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

/**
 * Deletes all of them at once: the Job, so that it makes no other pod, and its pod, so that nobody
 * waits for the garbage collector. True when the API server has confirmed each.
 */
async function removeObjects(cluster: Cluster, objects: readonly ObjectRef[]): Promise<boolean> {
  const signal = AbortSignal.timeout(REMOVE_MS_MAX);
  const answers = await Promise.allSettled(
    objects.map(object => cluster.deleteObject(object, signal)),
  );
  return answers.every(({ status }) => status === 'fulfilled');
}
