import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run, succeeds, waitUntil } from './command.ts';
import {
  endedProcess,
  startApiServer,
  startControllerManager,
  writeIdentities,
} from './control-plane.ts';
import { createBridge } from './network.ts';
import { startKubelet, startNode } from './node.ts';
import type { NodeFile } from './node-config.ts';
import { programs } from './parts.ts';
import { type ClusterState, foldersOf, readState } from './state.ts';

const NODES_READY_SECONDS_MAX = 90;
const SERVICE_ACCOUNT_SECONDS_MAX = 30;

/** Starts all parts of a claimed cluster and waits until a pod can be made on each node. */
export async function startParts({
  state,
  files,
  report,
}: {
  state: ClusterState;
  files: Readonly<Record<string, Readonly<Record<string, NodeFile>>>>;
  report: (line: string) => void;
}): Promise<void> {
  const startMs = performance.now();
  const seconds = (): string => ((performance.now() - startMs) / 1000).toFixed(1);
  for (const folder of Object.values(foldersOf(state.folder))) mkdirSync(folder, { mode: 0o700 });
  const kubeconfig = writeIdentities(state.folder);
  await createBridge();
  const nodes = state.nodes.map(({ name }, index) =>
    startNode({ state, index, files: files[name] ?? {} }),
  );
  await allOf([startControlPlane(state, kubeconfig), ...nodes]);
  report(`control plane and containerd: up after ${seconds()} s`);
  await allOf(state.nodes.map((_node, index) => startKubelet(state, index)));
  await waitForNodes(state, kubeconfig);
  report(`${state.nodes.length} nodes: Ready after ${seconds()} s`);
}

// Nothing may still be starting when the take-down after a failure begins.
async function allOf(starts: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(starts);
  await Promise.all(starts);
}

async function startControlPlane(state: ClusterState, kubeconfig: string): Promise<void> {
  await startApiServer(state, kubeconfig);
  await startControllerManager(state);
}

// A pod can be made when its node is Ready and its namespace has its service account.
async function waitForNodes(state: ClusterState, kubeconfig: string): Promise<void> {
  const { logs } = foldersOf(state.folder);
  const kubectl = [programs(state.partsFolder).kubectl, '--kubeconfig', kubeconfig];
  const condition = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const names = state.nodes.map(({ name }) => name);
  await waitUntil({
    what: `The cluster of ${names.join(', ')}`,
    ready: async () => {
      const readiness = await run([...kubectl, 'get', 'nodes', '-o', `jsonpath=${condition}`]);
      return readiness.split('\n').filter(line => line === 'True').length === names.length;
    },
    failed: () => endedProcess(Object.keys(readState()?.processes ?? {})),
    secondsMax: NODES_READY_SECONDS_MAX,
    log: join(logs, `${names[0]}-kubelet.log`),
  });
  await waitUntil({
    what: 'The default service account',
    ready: () => succeeds([...kubectl, '-n', 'default', 'get', 'serviceaccount', 'default']),
    failed: () => endedProcess(['kube-controller-manager']),
    secondsMax: SERVICE_ACCOUNT_SECONDS_MAX,
    log: join(logs, 'kube-controller-manager.log'),
  });
}
