import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachEnd, AttachStream, Cluster, ObjectName } from '../cluster/port.ts';
import { CONTAINER } from '../contract/labels.ts';
import { POD_END_MS_MAX, POD_GONE_MS_MAX, POD_LOOK_MS } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Link, LinkClosed, LinkEnd } from './link.ts';
import { removeObjects } from './remove.ts';
import { type StartedPod, type StartOptions, startPod } from './start.ts';

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
