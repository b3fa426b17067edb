import type { Clock } from '../contract/time.ts';
import { type ConnectionFlags, kubectlFlags, requestTimeoutMs } from './connection-flags.ts';
import { ApiServer } from './http.ts';
import { KubernetesCluster } from './kubernetes-cluster.ts';
import type { Cluster } from './port.ts';
import type { Environment } from './proxy.ts';
import { connectionSettings } from './settings.ts';

export type { ConnectionFlags } from './connection-flags.ts';

export interface ConnectOptions {
  readonly flags: ConnectionFlags;
  readonly environment: Environment;
  readonly clock: Clock;
  /** How the attach goes; `websocket` falls back to kubectl by itself. */
  readonly transport?: 'websocket' | 'kubectl' | undefined;
}

/**
 * The cluster that kubectl would talk to with these flags. Reads files only: nothing is sent
 * before the first question.
 *
 * @throws ClusterError naming the kubeconfig, context or file that cannot be used; UsageError.
 */
export async function connect(options: ConnectOptions): Promise<Cluster> {
  const { flags, environment } = options;
  const settings = await connectionSettings(flags, environment);
  const api = new ApiServer(settings, options.clock, requestTimeoutMs(flags.requestTimeout));
  return new KubernetesCluster(api, {
    transport: options.transport ?? 'websocket',
    kubectl: environment['KUBECTL_PATH'] || 'kubectl',
    kubectlFlags: kubectlFlags(flags),
  });
}
