import type { ClusterContainer, ClusterEvent, ClusterPod } from './cluster-view.ts';
import { known } from './reading.ts';

/** A pod of which nothing begins: the kubelet still prepares it, and tells why only in events. */
export interface IdlePod {
  /** Whose turn it is. */
  readonly container: ClusterContainer;
  /** How long nothing of it has begun or ended, milliseconds of the API server's clock. */
  readonly idleMs: number;
  /** The kubelet's last word, where that is a refusal. */
  readonly refusal?: ClusterEvent;
}

/** Nobody tells why: an image of a driver or of CUDA is tens of gigabytes in some minutes. */
const IDLE_MS = 600_000;
/** The kubelet tries a sandbox again after seconds, and a mount after two minutes at most. */
const REFUSED_MS = 120_000;

/** What every container says while it comes up, and one that waits for the init containers. */
export const BEGINS = /^(?:|ContainerCreating|PodInitializing)$/;

/**
 * Whether a pod is idle for longer than preparing one takes: refused, and tried again, or with no word of
 * why, as an image that is still being pulled.
 */
export function idlePod(pod: ClusterPod, readAt: string | undefined): IdlePod | undefined {
  const idle = mayBeIdle(pod, readAt, pod.startedAt === undefined ? scheduledIn(pod.events) : '');
  if (!idle) return undefined;
  const refusal = refusalIn(known(pod.events) ?? []);
  if (refusal) return { ...idle, refusal };
  return idle.idleMs >= IDLE_MS ? idle : undefined;
}

/**
 * When a pod that its kubelet has not taken up was given to it: it may have waited for hours in a queue before.
 * Empty where no event tells it: that is over an hour later.
 */
const scheduledIn = (events: ClusterPod['events']): string =>
  (events && known(events))?.find(({ reason }) => reason === 'Scheduled')?.lastAt ?? '';

/** Whether events would tell of a pod why nothing of it begins. */
export function mayBeIdle(
  pod: ClusterPod,
  readAt: string | undefined,
  scheduledAt = '',
): IdlePod | undefined {
  const { phase, deleting, containers, startedAt, createdAt } = pod;
  if (deleting || (phase !== 'Pending' && phase !== 'Running')) return undefined;
  const container = containers.find(
    ({ state, reason }) => state === 'waiting' && BEGINS.test(reason),
  );
  // One that runs before it, or waits for a reason of its own, has the word.
  const isNext = ({ init, sidecar, state, reason }: ClusterContainer): boolean =>
    (state === 'running' && (!init || sidecar === true)) ||
    state === 'terminated' ||
    (state === 'waiting' && BEGINS.test(reason));
  if (!container || readAt === undefined || !containers.every(isNext)) return undefined;
  const ends = containers.flatMap(({ ended }) => ended?.finishedAt ?? []);
  const since = [startedAt ?? createdAt, scheduledAt, ...ends]
    .map(Date.parse)
    .filter(ms => !Number.isNaN(ms));
  const idleMs = since.length === 0 ? 0 : Date.parse(readAt) - Math.max(...since);
  return idleMs >= REFUSED_MS ? { container, idleMs } : undefined;
}

/** What the kubelet writes as it gets on with a pod: pkg/kubelet/events/event.go. */
const GETS_ON = /^(?:Pulling|Pulled|Created|Started)$/;

/**
 * What it writes of what it then tries again. Other warnings stand in the way of nothing: no DNS of the
 * cluster (MissingClusterDNS), a pull secret that is not there (FailedToRetrieveImagePullSecret).
 */
const REFUSES = /^(?:Failed(?!ToRetrieveImagePullSecret)|NetworkNotReady$)/;

/** The newest refusal, unless the pod has got on since. Newest first. */
function refusalIn(events: readonly ClusterEvent[]): ClusterEvent | undefined {
  const isRefusal = ({ type, reason }: ClusterEvent) => type === 'Warning' && REFUSES.test(reason);
  const last = events.find(event => isRefusal(event) || GETS_ON.test(event.reason));
  return last && isRefusal(last) ? last : undefined;
}
