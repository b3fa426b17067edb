import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildParts } from './build.ts';
import { TestClusterError, waitUntil } from './command.ts';
import { waitForApiServer } from './control-plane.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { refuseSecondCluster, requireMachine, runningState } from './machine.ts';
import { type ClusterNode, nodeOf } from './node.ts';
import type { NodeFile } from './node-config.ts';
import { programs, type Release } from './parts.ts';
import { type Daemon, daemonOf } from './processes.ts';
import { startParts } from './start.ts';
import { type ClusterState, foldersOf, readState } from './state.ts';
import { removeLeftovers, takeDown } from './teardown.ts';
import { claimMachine } from './watched.ts';

export { TestClusterError } from './command.ts';
export type { ClusterNode, PodProcess } from './node.ts';
export type { NodeFile } from './node-config.ts';
export type { Daemon } from './processes.ts';
export { residue } from './teardown.ts';

export interface ClusterOptions {
  /** Node names; node-a and node-b unless told. */
  nodes?: readonly string[];
  /** Files by node name and absolute path; they are there before the node's containerd starts. */
  files?: Readonly<Record<string, Readonly<Record<string, NodeFile>>>>;
  /** `owner`: the cluster ends when this process does, kill -9 included. `detached`: it stays. */
  lifetime?: 'owner' | 'detached';
  /** A node that has reported nothing for so long is NotReady: 12, so that a test need not wait for a minute. */
  nodeGraceSeconds?: number;
  /** Which Kubernetes; `present` unless told. */
  kubernetes?: Release;
  /** Is told of each step. */
  report?: (line: string) => void;
}

/** A running test cluster. */
export interface Cluster {
  /** The admin's kubeconfig, a path. */
  kubeconfig: string;
  server: string;
  nodes: readonly ClusterNode[];
  /** The built kubectl, a path. */
  kubectl: string;
  /** The folder of the logs of all parts. */
  logs: string;
  apiServer: Daemon;
  controllerManager: Daemon;
  /** Imports an image archive (docker-archive or OCI layout, tar) into every node. */
  importImage(tarPath: string): Promise<void>;
  /** Writes a kubeconfig of another user, who has no rights but those bound to these names. */
  kubeconfigFor(user: string, groups?: readonly string[]): string;
  /** Takes everything down and leaves nothing. */
  stop(): Promise<void>;
}

/** Builds what is missing, takes down what an earlier run left, and starts a cluster of Ready nodes. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { nodes = ['node-a', 'node-b'], files = {}, lifetime = 'owner' } = options;
  const { nodeGraceSeconds = 12, kubernetes = 'present' } = options;
  const report = options.report ?? (() => undefined);
  await requireMachine();
  refuseSecondCluster();
  const partsFolder = await buildParts(report, kubernetes);
  await removeLeftovers();
  const { state, watchdog } = claimMachine({ nodes, partsFolder, nodeGraceSeconds });
  const stop = async (): Promise<void> => {
    await takeDown(readState() ?? state);
    await watchdog.end();
  };
  try {
    await startParts({ state, files, report });
    if (lifetime === 'detached') await watchdog.dismiss();
    return { ...clusterOf(state), stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/** The cluster that runs on this machine, if one does: for a second process, such as a bench. */
export function openCluster(): Cluster | undefined {
  const state = runningState();
  return state && clusterOf(state);
}

/** Takes down the cluster on this machine, running or left over. */
export async function stopCluster(): Promise<void> {
  await removeLeftovers();
}

function clusterOf(state: ClusterState): Cluster {
  const { id, folder, server } = state;
  const { pki, logs } = foldersOf(folder);
  const kubeconfig = join(pki, 'admin.kubeconfig');
  const nodes = state.nodes.map((_node, index) => nodeOf(state, index));
  return {
    kubeconfig,
    server,
    nodes,
    kubectl: programs(state.partsFolder).kubectl,
    logs,
    apiServer: daemonOf(id, 'kube-apiserver', () => waitForApiServer(state, kubeconfig)),
    controllerManager: daemonOf(id, 'kube-controller-manager'),
    importImage: tarPath => importImage(nodes, tarPath),
    kubeconfigFor: (user, groups = []) => {
      const name = `user-${encodeURIComponent(user)}`;
      const subject = { commonName: user, organizations: groups };
      return writeKubeconfig({ folder: pki, name, server, subject });
    },
    stop: () => takeDown(state),
  };
}

// The kubelet sees an image only when containerd's own Kubernetes part has taken note of it.
async function importImage(nodes: readonly ClusterNode[], tarPath: string): Promise<void> {
  if (!existsSync(tarPath)) throw new TestClusterError(`There is no image archive ${tarPath}.`);
  await Promise.all(
    nodes.map(async node => {
      await node.ctr(['images', 'import', tarPath]);
      await waitUntil({
        what: `The image ${tarPath} on ${node.name}`,
        ready: async () => {
          const lines = (await node.ctr(['images', 'list'])).trimEnd().split('\n').slice(1);
          return lines.every(line => line.includes('io.cri-containerd.image=managed'));
        },
        secondsMax: 20,
      });
    }),
  );
}
