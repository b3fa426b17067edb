import { randomBytes } from 'node:crypto';
import { connect } from '../../src/cluster/kubernetes-cluster.ts';
import { openKubernetesLink } from '../../src/session/kubernetes-link.ts';
import { McpPeer } from './mcp-peer.ts';
import type { Scope } from './scope.ts';
import { type BenchCluster, DRIVER_ROOT, NAMESPACE, NODE } from './world.ts';

const clock = { nowMs: () => Date.now() };

/**
 * An agent in a pod of its own, reached in the product's own way, without bridge and client in
 * between. Its `initialize` has been answered.
 */
export async function openAttached({ environment, image }: BenchCluster, scope: Scope) {
  const cluster = await connect({
    flags: { kubeconfig: environment['KUBECONFIG'], namespace: NAMESPACE },
    environment,
    clock,
  });
  const link = await openKubernetesLink(
    {
      cluster,
      node: NODE,
      namespace: NAMESPACE,
      pod: { image, agentArguments: ['--driver-root', DRIVER_ROOT] },
      lifetime: 'auto',
      randomSuffix: () => randomBytes(5).toString('hex'),
    },
    scope.signal,
    () => undefined,
  );
  const close = async () => {
    await link.close();
    cluster.close();
  };
  scope.defer(close);
  const peer = new McpPeer(link.fromAgent, link.toAgent);
  await peer.initialize();
  return { peer, close };
}
