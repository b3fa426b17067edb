import { once } from 'node:events';
import {
  type AttachStream,
  type Cluster,
  type Created,
  isMissingRight,
  type NodeState,
  NotAttachable,
  type ObjectName,
} from '../cluster/port.ts';
import { inFull, SessionError, type Shown } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import {
  POD_EVENTS_AFTER_MS,
  POD_EVENTS_AMONG_MANY_MS,
  POD_LIFE_SECONDS,
  POD_START_MS_MAX,
  WHO_AM_I_MS_MAX,
} from '../contract/limits.ts';
import type { Progress } from '../mcp/tool-call.ts';
import { endedAtOnce, explainEnd } from './agent-end.ts';
import { attachAtOnce } from './attach-at-once.ts';
import { carryAgent, withCarriedAgent } from './carried-agent.ts';
import { type Held, Holding } from './holding.ts';
import { jobSpec } from './job.ts';
import type { Link, LinkClosed } from './link.ts';
import { type PodChoices, type PodOptions, podName, podSpec, SESSION_LABEL } from './pod-spec.ts';
import type { Reaper } from './reaper.ts';
import { withRuntimeClass } from './runtime-class.ts';
import { whoIsSilent } from './silence.ts';
import { unusableNode } from './start-signs.ts';
import {
  LackingMount,
  LOG_LINES_MAX,
  NoPodOfJob,
  type RunningPod,
  waitUntilRunning,
} from './wait-until-running.ts';

/**
 * Starts a pod on the node and attaches to its agent.
 *
 * @throws ClusterError when the cluster refuses, SessionError when the pod does not come to run;
 * nothing is left then.
 */
export async function openKubernetesLink(
  options: StartOptions,
  signal: AbortSignal,
  onProgress: Progress,
): Promise<Link> {
  const started = await startPod({ attachEarly: true, ...options }, signal, onProgress);
  const { cluster, onPod, foreign = inFull } = options;
  onPod?.(started.pod, started.choices);
  try {
    const stream =
      started.stream ?? (await cluster.attach({ ...started.pod, container: CONTAINER }, signal));
    const { carried, image } = started.choices;
    if (carried) {
      const to = { carried, image, node: options.node, foreign };
      await carryAgent(stream, to, { nowMs: () => cluster.nowMs(), signal, say: onProgress });
    }
    return {
      ...linkOver(cluster, started, stream, foreign),
      whoIsSilent: by => whoIsSilent(cluster, options.node, by, foreign),
      firstWords: by =>
        cluster
          .podLog(started.pod, { container: CONTAINER, linesMax: LOG_LINES_MAX }, by)
          .catch(() => undefined),
    };
  } catch (error) {
    const ended =
      error instanceof NotAttachable && (await endedAtOnce(cluster, started.pod, foreign));
    await started.holding.remove();
    throw ended || error;
  }
}

function linkOver(
  cluster: Cluster,
  { pod, holding }: StartedPod,
  stream: AttachStream,
  foreign: Shown,
): Link {
  let closing: Promise<LinkClosed> | undefined;
  const beganMs = cluster.nowMs();
  const hadItsTime = () => cluster.nowMs() - beganMs >= POD_LIFE_SECONDS * 1_000 - POD_START_MS_MAX;
  const ended = stream.ended.then(end =>
    closing
      ? { kind: 'closed' as const, detail: 'closed' }
      : explainEnd(cluster, pod, { ...end, hadItsTime: hadItsTime() }, foreign),
  );
  return {
    toAgent: stream.stdin,
    fromAgent: stream.stdout,
    ended,
    close: () => {
      closing ??= close(holding, stream);
      return closing;
    },
  };
}

/** The half-close and the DELETE leave at the same time: either alone ends the pod. */
async function close(holding: Holding, stream: AttachStream): Promise<LinkClosed> {
  stream.stdin.end();
  const verified = await holding.end();
  stream.destroy();
  return { removed: holding.name, verified };
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
  /** Guards over our own death what the cluster would not remove; absent: nobody does. */
  readonly startReaper?: (() => Reaper) | undefined;
  /**
   * One of many nodes. Its Job is guarded too: the cluster's controller ends a few a second. And each
   * request counts: its events are asked for later, and its pod's end is left to its kubelet.
   */
  readonly amongMany?: boolean;
  /** Is told of everything that may be left, before it is made. */
  readonly onHeld?: (held: Held) => void;
  /** Is told of the pod that runs, and what it was chosen to be. */
  readonly onPod?:
    | ((pod: ObjectName & { readonly uid: string }, choices: PodChoices) => void)
    | undefined;
  /** What may be said of a text of others: a kubelet's, an admission rule's. */
  readonly foreign?: Shown | undefined;
  readonly startMsMax?: number;
  /** Attaches before the container is reported to run, where that can be done. */
  readonly attachEarly?: boolean;
}

/** A pod that runs, and what must be deleted for it to be gone. */
interface StartedPod {
  readonly pod: Omit<RunningPod, 'others'>;
  readonly choices: PodChoices;
  readonly holding: Holding;
  /** Where it could be attached to before it was reported to run. */
  readonly stream?: AttachStream | undefined;
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
  onProgress: Progress,
): Promise<StartedPod> {
  const { cluster } = options;
  const user = userOf(cluster, signal);
  const node = await cluster.getNode(options.node, signal);
  const unusable = unusableNode(node, options.foreign);
  if (unusable) throw new SessionError(unusable.sentence, { hint: unusable.hint });
  const lacking: string[] = [];
  let { lifetime } = options;
  const chosen = await withCarriedAgent(options.pod, node, onProgress);
  const pod = await withRuntimeClass(chosen, cluster, signal, onProgress);
  let late: NoPodOfJob | undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const attempted = { ...options, pod, lifetime, lacking, state: node, user: await user };
      // What ended the question ended that of the user too, and nothing is made for it.
      signal.throwIfAborted();
      return await tryOnce(attempted, signal, onProgress);
    } catch (error) {
      if (attempt >= TRIES_MAX) throw error;
      if (error instanceof LackingMount) {
        lacking.push(error.path);
        onProgress(`the node has no ${error.path}: trying without it`);
      } else if (error instanceof NoPodOfJob) {
        late = error;
        lifetime = 'pod';
        onProgress(`${error.message}: its controller is slow; trying without a Job`, 'warning');
      } else if (late && isMissingRight(error)) {
        // No bare pods for this user: the Job, however long it takes.
        late = undefined;
        lifetime = 'job';
      } else throw error;
    }
  }
}

/** Who asks; undefined where the API server does not tell it in time: nobody waits for a name. */
export async function userOf(cluster: Cluster, signal: AbortSignal): Promise<string | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(WHO_AM_I_MS_MAX)]);
  const late = once(within, 'abort').then(() => undefined);
  return Promise.race([cluster.whoAmI(within), late]).catch(() => undefined);
}

interface Try extends StartOptions {
  readonly state: NodeState;
  readonly user: string | undefined;
  readonly lacking: readonly string[];
}

async function tryOnce(
  options: Try,
  signal: AbortSignal,
  onProgress: Progress,
): Promise<StartedPod> {
  const { cluster, namespace, state, foreign = inFull } = options;
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
  const pods = { namespace, labelSelector: `${SESSION_LABEL}=${session}` };
  const watches = !options.amongMany;
  const holding = new Holding(cluster, options.startReaper, pods, { watches });
  options.onHeld?.(holding);
  // The watch is open before the pod exists: no state is missed and no round trip is added.
  const eventsAfterMs = options.amongMany ? POD_EVENTS_AMONG_MANY_MS : POD_EVENTS_AFTER_MS;
  const waiting = { cluster, pod, onProgress, over, startMsMax, eventsAfterMs, foreign };
  const running = waitUntilRunning(waiting, bounded);
  let early: AttachStream | undefined;
  try {
    const job = await createObject(options, pod, holding);
    signal.throwIfAborted();
    onProgress(`pod ${namespace}/${pod.name} is being created on ${state.name}`);
    const patient = options.lifetime !== 'auto' || !job;
    const reported = patient ? running.pod : running.podOfJob();
    reported.catch(() => undefined);
    if (options.attachEarly) {
      early = await attachAtOnce(cluster, { running, reported, node: state }, bounded);
    }
    const found = (early && running.seen()) ?? nameOf(await reported);
    if (job) holding.add({ kind: 'pod', ...found });
    onProgress(`pod ${namespace}/${found.name} is running`, 'info');
    const guarding = running.pod.then(({ others }) => {
      if (others.length === 0) return;
      // The Job does not end with our container while another one runs.
      holding.guard();
      onProgress(`the cluster put more containers into the pod: ${foreign(others.join(', '))}`);
    });
    if (early) void guarding.catch(() => undefined).finally(() => running[Symbol.asyncDispose]());
    else await guarding;
    return { pod: found, choices: options.pod, holding, stream: early };
  } catch (error) {
    early?.destroy();
    early = undefined;
    const seen = running.seen();
    if (seen) holding.add({ kind: 'pod', ...seen });
    // No second try beside a pod that may still be there.
    const asksForAnother = error instanceof LackingMount || error instanceof NoPodOfJob;
    if (!(await holding.remove()) && asksForAnother) throw withoutRetry(error);
    throw error;
  } finally {
    if (!early) await running[Symbol.asyncDispose]();
  }
}

/** The session's Job, or where there is none its bare pod; whether it is a Job. */
async function createObject(options: Try, pod: PodOptions, holding: Holding): Promise<boolean> {
  // A shell waits longer for its first byte than the agent does.
  if (options.amongMany || pod.carried) holding.guard();
  if (options.lifetime !== 'pod' && (await createJob(options, pod, holding))) return true;
  holding.guard();
  const bare = { kind: 'pod', namespace: pod.namespace, name: pod.name } as const;
  await holding.create(bare, () => options.cluster.createPod(podSpec(pod), UNSTOPPED));
  return false;
}

const withoutRetry = (cause: SessionError): SessionError =>
  new SessionError(`${cause.message}, and what was made of it cannot be removed yet`, {
    cause,
  });

const nameOf = ({ namespace, name, uid }: RunningPod) => ({ namespace, name, uid });

/** A create that is broken off half-way may have been done: it is let run to its own time-out. */
const UNSTOPPED = new AbortController().signal;

/** Creates the Job; false where the pod must go bare. */
async function createJob(options: Try, pod: PodOptions, holding: Holding): Promise<boolean> {
  const { cluster, lifetime, namespace } = options;
  const spec = jobSpec(pod);
  let job: Created;
  try {
    const asked = { kind: 'job', namespace, name: pod.name } as const;
    job = await holding.create(asked, () => cluster.createJob(spec, UNSTOPPED));
  } catch (error) {
    if (lifetime === 'auto' && isMissingRight(error)) return false;
    throw error;
  }
  if (!job.suspended) return true;
  await holding.remove();
  if (lifetime === 'auto') return false;
  throw new SessionError(`something holds the Job ${job.namespace}/${job.name} back (suspend)`, {
    hint: '--lifetime pod starts the pod without a Job',
  });
}
