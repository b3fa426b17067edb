import type { Occurrence } from './ending.ts';
import type { Line } from './log-lines.ts';

/**
 * What the programs of the GPU stack print as they start: NVIDIA/k8s-device-plugin (device plugin, feature discovery),
 * NVIDIA/dcgm-exporter, NVIDIA/gpu-operator (its controller and validator), NVIDIA/mig-parted,
 * NVIDIA/nvidia-container-toolkit, NVIDIA/gpu-driver-container, kubernetes-sigs/node-feature-discovery.
 */
const STARTS =
  /\bStarting (?:NVIDIA Device Plugin|dcgm-exporter|nv-hostengine|(?:FS|OS) watcher|GRPC server for 'nvidia\.com\/|installation of NVIDIA driver)|\bDCGM successfully initialized\b|\bRetr(?:ie|ei)ving plugins\b|\bNode Feature Discovery (?:Worker|Master)\b|\bInstalling NVIDIA container toolkit\b|\bUpdating to MIG config\b|\bcontrollers\.ClusterPolicy\b|\bvalidating (?:driver|toolkit|plugin|CUDA) (?:installation|workload)\b/;
const BEGIN_LINES = 40;

/** What such a program could not do is of its node or of how it is set up, where its words tell nobody's hand. */
export function ofStack(
  told: readonly Occurrence[],
  lines: readonly Line[],
): readonly Occurrence[] {
  const isOpen = ({ meaning: { id, layer, action } }: Occurrence): boolean =>
    id === 'first-error' && layer === 'application' && action === 'watch';
  if (!told.some(isOpen)) return told;
  if (!lines.slice(0, BEGIN_LINES).some(({ text }) => STARTS.test(text))) return told;
  return told.map(one =>
    isOpen(one) ? { ...one, meaning: { ...one.meaning, layer: 'configuration' } } : one,
  );
}
