import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachStream, Cluster, NodeState, TriedStream } from '../cluster/port.ts';
import { CONTAINER } from '../contract/labels.ts';
import { ATTACH_EARLY_MS, ATTACH_EARLY_TRIES_MAX, ATTACH_REFUSED_MS } from '../contract/limits.ts';
import type { Wait } from './wait-until-running.ts';

interface Starting {
  readonly running: Wait;
  /** That the container runs, or why it does not come to. */
  readonly reported: Promise<unknown>;
  readonly node: NodeState;
}

/**
 * Attaches as soon as the container runs. The kubelet reports that it does some 100 ms later, and the
 * agent starts meanwhile. One try at a time: of two streams the end of one ends the agent's stdin.
 * Undefined where it was reported first, or where that takes longer; whoever waits for the report says
 * why the wait was over.
 */
export async function attachAtOnce(
  cluster: Cluster,
  { running, reported, node }: Starting,
  signal: AbortSignal,
): Promise<AttachStream | undefined> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  const settled = reported.then(over, over);
  for (let tries = 0; tries < ATTACH_EARLY_TRIES_MAX && !isOver; ) {
    const pod = running.seen();
    let stream: TriedStream | undefined;
    try {
      if (pod) {
        tries += 1;
        stream = await cluster.tryAttach({ ...pod, container: CONTAINER }, signal);
        if (stream && (await isAttached(stream, { reported, node }, signal))) return stream;
      }
      await Promise.race([settled, sleep(ATTACH_EARLY_MS, undefined, { signal })]);
    } catch (error) {
      stream?.destroy();
      if (!signal.aborted) throw error;
      return undefined;
    }
  }
  return undefined;
}

/** k8s.io/kubernetes/pkg/registry/core/pod/rest/subresources.go: then the kubelet itself answers an attach. */
const ANSWERS_ITSELF = 'ExtendWebSocketsToKubelet';

/**
 * Whether an open stream has the container at its other end. Where the API server translates for the
 * kubelet (always before 1.36) it says that the stream is open before it has asked the kubelet, whose
 * refusal is the stream's end. A word of the container proves it; the agent's first one is its start.
 */
async function isAttached(
  stream: TriedStream,
  { reported, node }: Pick<Starting, 'reported' | 'node'>,
  signal: AbortSignal,
): Promise<boolean> {
  if (node.declaredFeatures.includes(ANSWERS_ITSELF)) return true;
  // It runs, and no refusal came: the container had said its first word before.
  const isUnrefused = reported.then(async () => {
    await once(AbortSignal.timeout(ATTACH_REFUSED_MS), 'abort', { signal });
    return true;
  });
  isUnrefused.catch(() => undefined);
  const isRefused = stream.ended.then(() => false);
  return Promise.race([stream.heard.then(() => true), isRefused, isUnrefused]);
}
