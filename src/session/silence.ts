import type { Cluster, NodeLease } from '../cluster/port.ts';
import { ClusterError, inFull, ServerError, sentenceOf } from '../contract/errors.ts';
import { LEASE_LATE_MS, SILENCE_LOOK_MS_MAX } from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { unusableNode } from './start-signs.ts';

/** Who does not answer, in a sentence with what shows it. */
export interface Silence {
  readonly who: 'link' | 'node' | 'kubelet';
  readonly sentence: string;
  readonly hint: string;
}

/**
 * Who of those between us and a pod is silent, by what the cluster says: the API server itself, the
 * node by its condition, its kubelet by its lease. Undefined where all of them answer.
 */
export async function whoIsSilent(
  cluster: Cluster,
  node: string,
  signal: AbortSignal,
  shown = inFull,
): Promise<Silence | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(SILENCE_LOOK_MS_MAX)]);
  const [state, lease] = await Promise.allSettled([
    cluster.getNode(node, within),
    cluster.lease(node, within),
  ]);
  signal.throwIfAborted();
  if (state.status === 'rejected') {
    const { reason } = state;
    const isOwn = reason instanceof ClusterError && !within.aborted;
    const said = reason instanceof ServerError ? sentenceOf(reason.told, shown) : reason.message;
    return {
      who: 'link',
      sentence: isOwn ? said : `the API server ${cluster.access.server} does not answer any more`,
      hint: (isOwn && reason.hint) || 'is the network or the VPN up? kubectl cluster-info',
    };
  }
  const unusable = unusableNode(state.value, shown);
  if (unusable) return { who: 'node', ...unusable };
  if (lease.status === 'rejected' || lease.value === undefined) return undefined;
  return lateKubelet(node, lease.value, cluster.nowMs());
}

/** A kubelet that renews its lease no more is dead or cut off, though its node is still called ready. */
export function lateKubelet(node: string, renewal: NodeLease, nowMs: number): Silence | undefined {
  const ageMs = nowMs - renewal.renewedMs;
  if (ageMs <= renewal.everyMs + LEASE_LATE_MS) return undefined;
  const [age, every] = [ageMs, renewal.everyMs].map(ms => `${Math.round(ms / 1_000)} s`);
  return {
    who: 'kubelet',
    sentence: `the kubelet of node "${node}" has not reported for ${age}, and does so every ${every}: it is dead or cut off, though the node is still called ready`,
    hint: shell`kubectl get lease -n kube-node-lease ${node} -o yaml; on the node: systemctl status kubelet`,
  };
}
