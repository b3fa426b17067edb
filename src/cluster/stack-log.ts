import type { ClusterPods } from '../contract/cluster-view.ts';
import { PEER_LOG_BYTES_MAX, PEER_LOG_LINES_MAX } from '../contract/limits.ts';
import { present, type Reading } from '../contract/reading.ts';
import type { StackLog } from '../contract/stack-log.ts';
import { hasRun, isInitRunning, type StuckPart, stuckParts } from '../contract/stuck-stack.ts';
import { readStackLog } from '../job-log/stack-log.ts';
import type { ApiServer } from './http.ts';
import { fetchedLog } from './pod-log.ts';
import { tried } from './tried.ts';

const BOUNDS = { linesMax: PEER_LOG_LINES_MAX, bytesMax: PEER_LOG_BYTES_MAX };

/**
 * The pods of a node with what the log of the first part that is stuck says. One that only claims to be of
 * the stack may be anyone's, and nothing comes of what it says: its log is not read. Never rejects.
 */
export async function withStackLog(
  api: Pick<ApiServer, 'text'>,
  { pods, areMigFailed }: { readonly pods: ClusterPods; readonly areMigFailed: boolean },
  signal: AbortSignal,
): Promise<ClusterPods> {
  const [first = areMigFailed ? migManager(pods) : undefined] = stuckParts(pods);
  if (!first?.container || first.pod.isClaim || !hasRun(first.container)) return pods;
  const log = await stackLog(api, first, signal);
  return {
    ...pods,
    stack: pods.stack?.map(pod => (pod === first.pod ? { ...pod, log } : pod)) ?? [],
  };
}

/** It goes on whatever it could not do: that MIG could not be set a label of the node says alone. */
function migManager({ stack = [] }: ClusterPods): StuckPart | undefined {
  const pod = stack.find(
    ({ part, isClaim, deleting }) => part === 'MIG manager' && !isClaim && !deleting,
  );
  return pod && { pod, container: pod.containers.find(({ init }) => !init), loops: false };
}

/**
 * Of the run that tells: of one that ends and begins anew the last that has ended, for the one that goes on
 * has not come to its end; of one that waits the run that waits. Where that tells no cause, of the other.
 */
async function stackLog(
  api: Pick<ApiServer, 'text'>,
  { pod, container, loops }: StuckPart,
  signal: AbortSignal,
): Promise<Reading<StackLog>> {
  const { name = '', init = false, state, endedBefore } = container ?? {};
  const logOf = (previous: boolean) =>
    tried(async () => {
      const run = { pod, container: name, previous };
      const { isCutAtEnd: _, ...read } = await fetchedLog(api, run, { bounds: BOUNDS, signal });
      return readStackLog({ part: pod.part, container: name, init, previous, ...read });
    });
  // The kubelet gives the last run of a container that waits for its next, asked either way.
  const isOfNow = container !== undefined && (loops || isInitRunning(container));
  const areTwo = state === 'running' && endedBefore !== undefined && isOfNow;
  const first = await logOf(areTwo && loops);
  const isEnough = first.ok ? first.value.cause !== undefined : first.reason === 'no_permission';
  if (!areTwo || isEnough) return first;
  const other = await logOf(!loops);
  if (!other.ok) return first;
  const told = !first.ok || other.value.cause !== undefined ? other.value : first.value;
  return present({
    ...told,
    requests: other.value.requests + (first.ok ? first.value.requests : 1),
    bytes: other.value.bytes + (first.ok ? first.value.bytes : 0),
  });
}
