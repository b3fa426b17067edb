import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiError,
  type AttachEnd,
  type AttachStream,
  type Cluster,
  type ObjectName,
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
  ATTACH_EARLY_MS,
  POD_LIFE_SECONDS,
  POD_START_MS_MAX,
  SILENCE_LOOK_MS_MAX,
} from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Progress } from '../mcp/tool-call.ts';
import { ENDS_ITSELF, fateOf, heldOf, isEnded, targetEnd } from './container-end.ts';
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
import { ENTRY_STAYS, hold, lookAt, type Own, ownIn, titleOf, whereOf } from './own-container.ts';
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

/** Nothing deletes it: it ends because its stdin does. */
async function closed(own: Own, stream: AttachStream): Promise<LinkClosed> {
  stream.stdin.end();
  return { removed: titleOf(own), verified: await isEnded(own), stays: ENTRY_STAYS };
}
