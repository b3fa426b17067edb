import type { NodeState } from '../cluster/port.ts';

/** A directory of the node that the pod sees read-only under HOST_ROOT, at the same path. */
export interface HostMount {
  readonly name: string;
  readonly path: string;
  /** Where it appears under HOST_ROOT, when that is not the same path. */
  readonly as?: string;
}

type NodeFacts = Pick<NodeState, 'osImage' | 'labels' | 'kubeletVersion'>;

interface Rule extends HostMount {
  readonly when: (node: NodeFacts) => boolean;
}

const always = () => true;
const isCos = (node: NodeFacts) => /Container-Optimized OS/i.test(node.osImage);
const isK0s = (node: NodeFacts) => /\+k0s/.test(node.kubeletVersion);
const hasOperatorDriver = (node: NodeFacts) =>
  node.labels['nvidia.com/gpu.deploy.driver'] !== undefined;

/**
 * Every hostPath that `--profile mounted` may mount and why; nothing else is. Each is checked to be a directory, because
 * without a type the runtime would create what is missing, on the node. One that a node lacks is
 * left out at the second try (start.ts).
 */
const RULES: readonly Rule[] = [
  // The driver's library in all layouts but COS' and the operator's, and os-release. Programs and
  // libraries only; every Linux has it.
  { name: 'usr', path: '/usr', when: always },
  // The kernel's log of this and earlier boots, and pod names from /var/log/pods. The parent,
  // because the journal's own directory may be absent, and it always exists where a kubelet runs.
  { name: 'var-log', path: '/var/log', when: always },
  // A journal that is not kept over a boot. Only journald's files are in it; systemd makes it.
  {
    name: 'run-log',
    path: '/run/log',
    when: node => !/Talos|COS|Container-Optimized/i.test(node.osImage),
  },
  // The operator's driver container and its driver-ready file. Not /run: containerd.sock is there.
  { name: 'run-nvidia', path: '/run/nvidia', when: hasOperatorDriver },
  // The library on GKE, where /usr holds none.
  {
    name: 'gke-nvidia',
    path: '/home/kubernetes/bin/nvidia',
    when: node => isCos(node) || node.labels['cloud.google.com/gke-accelerator'] !== undefined,
  },
  // Debian's library is a link through here. Links only.
  { name: 'alternatives', path: '/etc/alternatives', when: node => /Debian/i.test(node.osImage) },
  // Which pod holds which GPU: one socket that answers and takes no orders. Never its parent,
  // which holds the kubelet's keys and other pods' tokens.
  { name: 'pod-resources', path: '/var/lib/kubelet/pod-resources', when: node => !isK0s(node) },
  {
    name: 'pod-resources',
    path: '/var/lib/k0s/kubelet/pod-resources',
    as: '/var/lib/kubelet/pod-resources',
    when: isK0s,
  },
];

const mountOf = ({ name, path, as }: HostMount): HostMount =>
  as === undefined ? { name, path } : { name, path, as };

/** The mounts of nodes of every kind. */
export const everyHostMount = (): readonly HostMount[] => RULES.map(mountOf);

/** The mounts for a node of this kind, less those it was found to lack. */
export function hostMounts(node: NodeFacts, lacking: readonly string[]): readonly HostMount[] {
  return RULES.filter(({ when, path }) => when(node) && !lacking.includes(path)).map(mountOf);
}

/**
 * Whether `recursiveReadOnly` is understood there: on by default since 1.31 (KEP-3857). The API
 * server is never older than its kubelets.
 */
export function knowsRecursiveReadOnly(kubeletVersion: string): boolean {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(kubeletVersion) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 31);
}
