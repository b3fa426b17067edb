import type { AttachStream, Cluster, OwnContainer, TargetPod } from '../cluster/port.ts';
import type { Shown } from '../contract/errors.ts';

/** The container of one session. */
export interface Own {
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

export const whereOf = ({ pod }: Pick<Own, 'pod'>) => `pod ${pod.namespace}/${pod.name}`;
export const titleOf = (own: Own) => `container ${own.name} in ${whereOf(own)}`;

/** What Kubernetes keeps of it, whatever becomes of it. */
export const ENTRY_STAYS = 'its entry stays in the pod until the pod is deleted';

export async function hold(own: Own, signal: AbortSignal): Promise<AttachStream> {
  own.hasRun = true;
  own.stream = await own.cluster.attach({ ...own.pod, container: own.name }, signal);
  return own.stream;
}

/** That very pod: another of its name is another's. */
export async function lookAt(own: Own, signal: AbortSignal): Promise<TargetPod | undefined> {
  const { cluster, pod } = own;
  const found = await cluster.targetPod(pod, signal);
  if (found?.uid !== pod.uid) return undefined;
  own.isThere ||= ownIn(found, own) !== undefined;
  return found;
}

export const ownIn = (
  pod: TargetPod | undefined,
  own: Pick<Own, 'name'>,
): OwnContainer | undefined => pod?.own.find(({ name }) => name === own.name);
