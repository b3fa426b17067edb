import type { ClusterPods } from '../contract/cluster-view.ts';
import { PEER_LOG_BYTES_MAX, PEER_LOG_LINES_MAX } from '../contract/limits.ts';
import type { StackLog } from '../contract/stack-log.ts';
import { hasRun, type StuckPart, stuckParts } from '../contract/stuck-stack.ts';
import { readStackLog } from '../job-log/stack-log.ts';
import type { ApiServer } from './http.ts';
import { fetchedLog } from './pod-log.ts';
import { tried } from './tried.ts';

const BOUNDS = { linesMax: PEER_LOG_LINES_MAX, bytesMax: PEER_LOG_BYTES_MAX };

/** The pods of a node with what the log of the first part that is stuck says. Never rejects. */
export async function withStackLog(
  api: Pick<ApiServer, 'text'>,
  pods: ClusterPods,
  signal: AbortSignal,
): Promise<ClusterPods> {
  const [first] = stuckParts(pods.stack ?? []);
  if (!first?.container || !hasRun(first.container)) return pods;
  const log = await tried(() => stackLog(api, first, signal));
  return {
    ...pods,
    stack: pods.stack?.map(pod => (pod === first.pod ? { ...pod, log } : pod)) ?? [],
  };
}

/** Of the run that is, or was last; where that says nothing, of the one before it. */
async function stackLog(
  api: Pick<ApiServer, 'text'>,
  { pod, container }: StuckPart,
  signal: AbortSignal,
): Promise<StackLog> {
  const { name = '', state, endedBefore } = container ?? {};
  const logOf = async (previous: boolean) => {
    const run = { pod, container: name, previous };
    const { isCutAtEnd: _, ...read } = await fetchedLog(api, run, { bounds: BOUNDS, signal });
    return readStackLog({ container: name, previous, ...read });
  };
  // The kubelet gives the last run of a container that waits for its next, asked either way.
  const last = await logOf(false);
  if (last.cause !== undefined || state !== 'running' || endedBefore === undefined) return last;
  const before = await logOf(true);
  return {
    ...(before.cause === undefined ? last : before),
    requests: last.requests + before.requests,
    bytes: last.bytes + before.bytes,
  };
}
