import { POD_RESOURCES_MS_MAX } from '../contract/limits.ts';
import type { Reading } from '../contract/reading.ts';
import { type NodeFiles, pathInRoot } from './files.ts';
import type { ListedDevices, ListedPods } from './pod-resources-client.ts';

const SOCKET = '/var/lib/kubelet/pod-resources/kubelet.sock';

/** What the kubelet's pod-resources service v1 tells, from its socket below the node's root. */
export async function readPodResources(
  files: NodeFiles,
  root: string,
  signal: AbortSignal,
  deadlineMs: number = POD_RESOURCES_MS_MAX,
): Promise<{ pods: Reading<ListedPods>; allocatable: Reading<ListedDevices> }> {
  const socket = await pathInRoot(files, root, SOCKET);
  const seen = await files.stat(socket);
  if (!seen.ok) return { pods: seen, allocatable: seen };
  // gRPC takes a while to load: only a node with a kubelet pays for it.
  const { askPodResources } = await import('./pod-resources-client.ts');
  return askPodResources(socket, deadlineMs, signal);
}
