import type { ConnectionFlags } from '../cluster/connection-flags.ts';
import type { Cluster } from '../cluster/port.ts';
import type { Invocation } from './command.ts';

/** Connects as the flags say, works with the cluster, and lets go of it whatever happens. Who asks none loads none. */
export async function withCluster<T>(
  { args, io }: Pick<Invocation<ConnectionFlags>, 'args' | 'io'>,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const { connect } = await import('../cluster/kubernetes-cluster.ts');
  const { environment, clock } = io;
  const cluster = await connect({ flags: args, environment, clock });
  try {
    return await work(cluster);
  } finally {
    cluster.close();
  }
}
