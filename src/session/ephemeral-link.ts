import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiError,
  type AttachEnd,
  type AttachStream,
  type Cluster,
  type ObjectName,
  type OwnContainer,
  type TargetPod,
} from '../cluster/port.ts';
import {
  ClusterError,
  inFull,
  ServerError,
  SessionError,
  type Shown,
  sentenceOf,
} from '../contract/errors.ts';
import { AGENT_HELLO, CONTAINER } from '../contract/labels.ts';
import {
  AGENT_FIRST_BYTE_MS_MAX,
  AGENT_IDLE_MS_MAX,
  ATTACH_EARLY_MS,
  CONTAINER_END_MS_MAX,
  POD_END_MS_MAX,
  POD_LIFE_SECONDS,
  POD_LOOK_MS,
  POD_START_MS_MAX,
  SILENCE_LOOK_MS_MAX,
} from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Progress } from '../mcp/tool-call.ts';
import {
  type ContainerChoices,
  ephemeralContainer,
  explained,
  ownContainerName,
  targetOf,
  withRole,
} from './ephemeral-container.ts';
import { type Held, isRefusal, lateBehind } from './holding.ts';
import { userOf } from './kubernetes-link.ts';
import type { Link, LinkClosed, LinkEnd } from './link.ts';
import type { Silence } from './silence.ts';
import { readPodSign } from './start-signs.ts';
import { LOG_LINES_MAX } from './wait-until-running.ts';

export interface ContainerStart {
  readonly cluster: Cluster;
  readonly pod: ObjectName;
  /** Of its containers; absent: the only one. */
  readonly container: string | undefined;
  readonly choices: ContainerChoices;
  readonly randomSuffix: () => string;
  /** Is told of it before it is made. */
  readonly onHeld?: (held: Held) => void;
  readonly onContainer?: (own: { readonly uid: string; readonly container: string }) => void;
  /** Is told of the pod before anything is said of it. */
  readonly onPod?: (pod: TargetPod) => void;
  /** What may be said of a text of others: a kubelet's, an admission rule's. */
  readonly foreign?: Shown;
}

const UNHEARD = `it ends by itself within ${AGENT_FIRST_BYTE_MS_MAX / 1_000} s of its start, for nobody speaks to it`;
const ENDS_ITSELF = `its kubelet may still start it: ${UNHEARD}`;
const BY_SILENCE = `it ends by itself within ${AGENT_IDLE_MS_MAX / 1_000} s of our last word, or with its pod`;

/** What Kubernetes keeps of it, whatever becomes of it. */
export const ENTRY_STAYS = 'its entry stays in the pod until the pod is deleted';

/**
 * Adds a container to a pod and attaches to its agent.
 *
 * @throws UsageError, ClusterError or SessionError where it cannot be added, does not start or cannot be
 * attached to: it ends by itself then.
 */
export async function openEphemeralLink(
  ...start: readonly [options: ContainerStart, signal: AbortSignal, onProgress: Progress]
): Promise<Link> {
  return await opened(...start).catch(error => {
    throw withRole(error, start[0].pod);
  });
}

async function opened(
  options: ContainerStart,
  signal: AbortSignal,
  onProgress: Progress,
): Promise<Link> {
  const { cluster, choices, pod: name } = options;
  const user = userOf(cluster, signal);
  const pod = await runningPod(cluster, name, signal);
  options.onPod?.(pod);
  const target = targetOf(pod, options.container);
  const session = options.randomSuffix();
  const made = ephemeralContainer({ ...choices, pod, target, session, user: await user });
  signal.throwIfAborted();
  const own: Own = {
    ...{ cluster, pod, name: ownContainerName(session), target: target.name },
    ...{ isThere: false, hasEnded: false, image: choices.image },
    foreign: options.foreign ?? inFull,
  };
  onProgress(
    `container ${own.name} is being added beside ${target.name} in ${whereOf(own)}; ${ENTRY_STAYS}`,
    'warning',
  );
  const held = heldOf(own);
  options.onHeld?.(held);
  // A request that is broken off half-way may have been done: it is let run to its own time-out.
  await cluster.addContainer(pod, made, new AbortController().signal).catch(async error => {
    if (isRefusal(error)) held.name = null;
    own.late = lateBehind(error);
    // By its UID it is that very pod or none.
    const mayBeAnother = error instanceof ApiError && [404, 409, 422].includes(error.code);
    if (mayBeAnother && !(await lookAt(own, signal))) {
      throw new SessionError(`${whereOf(own)} was deleted before our container was added`, {
        hint: WHO_DELETED,
      });
    }
    throw explained(error, own);
  });
  own.isThere = true;
  options.onContainer?.({ uid: pod.uid, container: own.name });
  const over = AbortSignal.timeout(POD_START_MS_MAX);
  try {
    const stream = await attached(own, AbortSignal.any([signal, over]), onProgress);
    return linkOver(own, stream);
  } catch (error) {
    signal.throwIfAborted();
    if (over.aborted)
      throw new SessionError(`container ${own.name} in ${whereOf(own)} did not start in time`, {
        hint: ENDS_ITSELF,
      });
    throw error;
  }
}

/** @throws SessionError where there is no pod of that name. */
export async function runningPod(
  cluster: Pick<Cluster, 'targetPod'>,
  name: ObjectName,
  signal: AbortSignal,
): Promise<TargetPod> {
  const pod = await cluster.targetPod(name, signal);
  if (pod) return pod;
  throw new SessionError(`pod ${name.namespace}/${name.name} is not there`, {
    hint: shell`kubectl get pods -n ${name.namespace}; or -n with its namespace`,
  });
}

/** The container of one session. */
interface Own {
  readonly cluster: Cluster;
  readonly pod: TargetPod;
  readonly name: string;
  readonly image: string;
  /** The container beside it. */
  readonly target: string;
  readonly foreign: Shown;
  /** The API server has said that it was added, or it was seen in the pod. */
  isThere: boolean;
  /** It was seen to have ended. */
  hasEnded: boolean;
  /** It was seen to run. */
  hasRun?: boolean;
  /** Until when it may be added behind the API server's answer. */
  late?: AbortSignal | undefined;
  /** The stream that holds it. */
  stream?: AttachStream;
}

const whereOf = ({ pod }: Pick<Own, 'pod'>) => `pod ${pod.namespace}/${pod.name}`;
const titleOf = (own: Own) => `container ${own.name} in ${whereOf(own)}`;

const WHO_DELETED = 'who deleted it? kubectl get events';

/** Attaches as soon as it runs: the kubelet reports that later. */
async function attached(
  own: Own,
  signal: AbortSignal,
  onProgress: Progress,
): Promise<AttachStream> {
  const said = new Set<string>();
  for (let pullsFailed = 0; ; ) {
    const found = await lookAt(own, signal);
    const sign = signOf(found, own, pullsFailed);
    if (sign.kind === 'failed') throw new SessionError(sign.sentence, { hint: sign.hint });
    if (sign.kind === 'waiting' && sign.say && !said.has(sign.say)) {
      said.add(sign.say);
      onProgress(sign.say);
    }
    if (ownIn(found, own)?.reason === 'ImagePullBackOff') pullsFailed += 1;
    // Before 1.36 an API server says that a stream is open before the kubelet knows the container.
    if (sign.kind === 'running') return hold(own, signal);
    await sleep(ATTACH_EARLY_MS, undefined, { signal });
  }
}

async function hold(own: Own, signal: AbortSignal): Promise<AttachStream> {
  own.hasRun = true;
  own.stream = await own.cluster.attach({ ...own.pod, container: own.name }, signal);
  return own.stream;
}

/** That very pod: another of its name is another's. */
async function lookAt(own: Own, signal: AbortSignal): Promise<TargetPod | undefined> {
  const { cluster, pod } = own;
  const found = await cluster.targetPod(pod, signal);
  if (found?.uid !== pod.uid) return undefined;
  own.isThere ||= ownIn(found, own) !== undefined;
  return found;
}

const ownIn = (pod: TargetPod | undefined, own: Pick<Own, 'name'>): OwnContainer | undefined =>
  pod?.own.find(({ name }) => name === own.name);

function signOf(pod: TargetPod | undefined, own: Own, pullsFailed: number) {
  const where = whereOf(own);
  const failed = (sentence: string, hint: string) => ({ kind: 'failed', sentence, hint }) as const;
  if (!pod || pod.deleting) {
    return failed(`${where} was deleted before our container ran`, WHO_DELETED);
  }
  const found = ownIn(pod, own);
  if (found?.state === 'terminated') {
    const why = [found.reason, `exit code ${found.exitCode ?? 'unknown'}`]
      .filter(Boolean)
      .join(', ');
    const ended = targetEnd(pod, own);
    const message = plainText(own.foreign(found.message), 400);
    return failed(
      `container ${own.name} in ${where} ended at once (${ended ?? why})${message ? `: ${message}` : ''}`,
      ended ? 'ask again when it runs' : 'is it the right image?',
    );
  }
  // Of its image and its start the kubelet says the same as of a pod of ours.
  const container = found && { ...found, image: own.image, name: CONTAINER, restarts: 0 };
  const sign = readPodSign(
    {
      ...{ namespace: pod.namespace, name: pod.name, uid: pod.uid, node: pod.node },
      ...{ phase: 'Running', reason: '', message: '', deleting: false, hasEnded: false },
      ...{ labels: {}, annotations: {}, limits: {}, createdAt: '', startedAt: '' },
      containers: container ? [container] : [],
    },
    pullsFailed,
    { shown: own.foreign },
  );
  if (sign.kind !== 'failed') return sign;
  return { ...sign, hint: `${sign.hint}; ${ENDS_ITSELF}` };
}

/** How the container beside it ended, which takes all processes of its PIDs with it; undefined where it did not. */
function targetEnd(pod: TargetPod, own: Own): string | undefined {
  const all = (of: TargetPod) => [...of.containers, ...of.sidecars];
  const [now, before] = [pod, own.pod].map(of => all(of).find(({ name }) => name === own.target));
  if (!now || (now.state === 'running' && now.id === before?.id)) return undefined;
  const how = now.state === 'running' ? 'was started anew' : 'ended';
  const why = [now.reason, now.exitCode === undefined ? '' : `exit code ${now.exitCode}`];
  const words = why.filter(Boolean).join(', ');
  return `container ${own.target} ${how}${words ? ` (${words})` : ''}, and ours with it: they share its PIDs`;
}

function linkOver(own: Own, stream: AttachStream): Link {
  const { cluster, pod, name } = own;
  let closing: Promise<LinkClosed> | undefined;
  const beganMs = cluster.nowMs();
  const hadItsTime = () => cluster.nowMs() - beganMs >= POD_LIFE_SECONDS * 1_000 - POD_START_MS_MAX;
  return {
    toAgent: stream.stdin,
    fromAgent: stream.stdout,
    ended: stream.ended.then(end =>
      closing ? { kind: 'closed', detail: 'closed' } : endOf(own, end, hadItsTime()),
    ),
    whoIsSilent: by => silenceOf(own, by),
    firstWords: by =>
      cluster.podLog(pod, { container: name, linesMax: LOG_LINES_MAX }, by).catch(() => undefined),
    close() {
      closing ??= closed(own, stream);
      return closing;
    },
  };
}

/** Who may not read nodes knows of the API server alone whether it is there. */
async function silenceOf(own: Own, signal: AbortSignal): Promise<Silence | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(SILENCE_LOOK_MS_MAX)]);
  try {
    await lookAt(own, within);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const isOwn = error instanceof ClusterError && !within.aborted;
    return {
      who: 'link',
      sentence: isOwn
        ? error instanceof ServerError
          ? sentenceOf(error.told, own.foreign)
          : error.message
        : `the API server ${own.cluster.access.server} does not answer any more`,
      hint: (isOwn && error.hint) || 'is the network or the VPN up? kubectl cluster-info',
    };
  }
}

async function endOf(own: Own, end: AttachEnd, hadItsTime: boolean): Promise<LinkEnd> {
  const why = await fateOf(own);
  const stderr = plainText(own.foreign(end.stderr.replace(AGENT_HELLO, '')), 400);
  const words = [
    why ?? (own.foreign(end.detail) || 'the stream ended'),
    stderr && `its last words: ${stderr}`,
  ];
  return {
    kind: end.kind === 'finished' || why !== undefined ? 'agent_ended' : 'lost',
    detail: words.filter(Boolean).join('; '),
    ...(hadItsTime && why !== undefined && { isTimeOver: true }),
  };
}

async function fateOf(own: Own): Promise<string | undefined> {
  const signal = AbortSignal.timeout(POD_END_MS_MAX);
  const where = whereOf(own);
  try {
    for (;;) {
      const pod = await lookAt(own, signal);
      if (!pod) return `${where} was deleted, and our container with it`;
      const ended = targetEnd(pod, own);
      if (ended) return `in ${where} ${ended}`;
      if (pod.deleting) return `${where} is being deleted, and our container ended with it`;
      const found = ownIn(pod, own);
      if (found?.state === 'terminated') {
        return `the agent in ${where} ended: ${found.reason || 'unknown'}, exit code ${found.exitCode ?? 'unknown'}`;
      }
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // The API server is silent or it still runs: the stream's own words must do.
    return undefined;
  }
}

/** Nothing deletes it: it ends because its stdin does. */
async function closed(own: Own, stream: AttachStream): Promise<LinkClosed> {
  stream.stdin.end();
  return { removed: titleOf(own), verified: await isEnded(own), stays: ENTRY_STAYS };
}

/** Whether it was seen to have ended, in time: its pod is gone, or its kubelet says so. */
async function isEnded(own: Own): Promise<boolean> {
  own.hasEnded ||= await endSeen(own);
  own.stream?.destroy();
  return own.hasEnded;
}

async function endSeen(own: Own): Promise<boolean> {
  const signal = AbortSignal.timeout(CONTAINER_END_MS_MAX);
  try {
    for (let isTold = false; ; ) {
      const pod = await lookAt(own, signal);
      const found = pod && ownIn(pod, own);
      // An entry never goes: without one nothing was added.
      if (!pod || ['Succeeded', 'Failed'].includes(pod.phase)) return true;
      if (found ? found.state === 'terminated' : own.late?.aborted !== false) return true;
      // One that nobody holds is taken by its stdin, to end it sooner than it ends by itself.
      if (found?.state === 'running' && !own.stream && !isTold) {
        isTold = true;
        const stream = await hold(own, signal).catch(() => undefined);
        stream?.stdin.end();
      }
      // What cannot be started now is waited for by nobody: its kubelet goes on trying.
      if (found?.state === 'waiting' && !['', 'ContainerCreating'].includes(found.reason))
        return false;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // Not seen in time, or not allowed to look: we do not claim it.
    return false;
  }
}

/** Nothing of it can be removed, by us or by anybody after us. Without a name nothing was made. */
function heldOf(own: Own): Held & { name: string | null } {
  return {
    name: titleOf(own),
    ...{ stays: ENTRY_STAYS, left: [], remove: async () => false },
    async isGone() {
      const isGone = await isEnded(own);
      // What failed to be added, and nobody has seen there, did not end.
      if (isGone && !own.isThere) this.name = null;
      return isGone;
    },
    get ends() {
      if (own.stream) return BY_SILENCE;
      return own.hasRun ? UNHEARD : ENDS_ITSELF;
    },
    get mayRun() {
      return this.name !== null && !own.hasEnded;
    },
    guard() {},
  };
}
