import type { ClusterPod, StackPod } from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { listAt, objectAt, textOf, textsOf } from './json.ts';

/** A pod of a node in the API server's JSON, and what was read of it. */
interface Read {
  readonly json: unknown;
  readonly pod: ClusterPod;
}

/**
 * The pods of NVIDIA's software among those of a node. Whoever may create a pod may give it any label and
 * any name: what cannot be shown to be of a platform is a claim.
 */
export function stackPods(own: readonly Read[]): readonly StackPod[] {
  const found = own.flatMap(({ json, pod }) => {
    const part = stackPart(json);
    return part ? [{ ...pod, part, ...imageVersion(json) }] : [];
  });
  const homes = homesOf(found.filter(isOfNode));
  return found.map(pod =>
    isOfNode(pod) && homes.has(pod.namespace) ? pod : { ...pod, isClaim: true },
  );
}

/** A DaemonSet's, or a static pod, which belongs to its node (kubernetes.io, Create static Pods). */
const isOfNode = ({ owner = '', node }: StackPod): boolean =>
  owner.startsWith('DaemonSet/') || owner === `Node/${node}`;

/**
 * Namespaces of the charts' and platforms' documentation, which no tenant makes: GPU Operator, also of
 * OpenShift and MicroK8s, Network Operator, DRA driver, device plugin, GKE, AKS.
 */
const PLATFORM = new Set([
  ...['kube-system', 'gke-managed-system', 'gpu-resources'],
  ...['gpu-operator', 'nvidia-gpu-operator', 'gpu-operator-resources'],
  ...['nvidia-network-operator', 'nvidia-dra-driver-gpu', 'nvidia-device-plugin'],
]);

/** Parts that some other part of GPU Operator waits for, or that pods have their GPUs from. */
const CORE = ['driver', 'container toolkit', 'validator', 'device plugin', 'DRA driver'];

/** Two parts are an operator's; more than any other namespace has. */
const PARTS_LEAST = 2;

/**
 * The namespaces where NVIDIA's software is: those of a platform, and where none of them has a part that
 * counts, the one of all others in which most parts agree.
 */
function homesOf(pods: readonly StackPod[]): ReadonlySet<string> {
  const isPlatforms = ({ namespace }: StackPod) => PLATFORM.has(namespace);
  if (pods.some(pod => isPlatforms(pod) && CORE.includes(pod.part))) return PLATFORM;
  const partsIn = Map.groupBy(
    pods.filter(pod => !isPlatforms(pod)),
    ({ namespace }) => namespace,
  );
  const [most, next] = [...partsIn]
    .map(([namespace, of]) => ({ namespace, parts: new Set(of.map(({ part }) => part)).size }))
    .toSorted((a, b) => b.parts - a.parts);
  const agrees = most && most.parts >= PARTS_LEAST && most.parts > (next?.parts ?? 0);
  return agrees ? new Set([...PLATFORM, most.namespace]) : PLATFORM;
}

/**
 * What a pod of NVIDIA's software is, by its labels, else by the name that its DaemonSet gave it: the
 * operands of GPU Operator and Network Operator, the charts of device plugin, DRA driver and DCGM
 * exporter, GKE's and AKS' own.
 */
const STACK: readonly (readonly [RegExp, StackPod['part']])[] = [
  [
    /^nvidia-(?:gpu-)?driver|^nvidia-vgpu-manager|^nvidia-vfio-manager|nvidia-driver-installer/,
    'driver',
  ],
  [/^nvidia-container-toolkit/, 'container toolkit'],
  [/^nvidia-(?:operator|cuda|device-plugin|sandbox)-validator|^nvidia-validator/, 'validator'],
  [
    /^nvidia-(?:gpu-)?device-plugin|^nvdp-nvidia-device-plugin|^nvidia-sandbox-device-plugin/,
    'device plugin',
  ],
  [/^(?:nvidia-dra-driver-gpu|dra-driver-nvidia-gpu)/, 'DRA driver'],
  [/^nvidia-mig-manager/, 'MIG manager'],
  [/^gpu-feature-discovery|^nvidia-gpu-feature-discovery/, 'feature discovery'],
  [/^(?:nvidia-)?dcgm/, 'DCGM'],
  [/^mofed-|^nvidia-network-operator|^rdma-shared-dp/, 'network operator'],
  [/^nvidia-imex|^computedomain-daemon/, 'IMEX'],
];

function stackPart(json: unknown): StackPod['part'] | undefined {
  const metadata = objectAt(json, 'metadata');
  const labels = textsOf(metadata['labels']);
  const names = [
    labels['app'],
    labels['app.kubernetes.io/name'],
    labels['k8s-app'],
    labels['name'],
  ];
  return [...names, textOf(metadata, 'name')].flatMap(
    name => STACK.find(([of]) => name !== undefined && of.test(name))?.[1] ?? [],
  )[0];
}

/**
 * Images whose tag begins with the version of what they hold: `driver:580.126.09-ubuntu22.04`,
 * `dcgm:4.2.3-1-ubuntu22.04`, `dcgm-exporter:4.2.3-4.1.3-ubuntu22.04`, of which the first is DCGM's
 * (NVIDIA/dcgm-exporter issue 319). A precompiled driver has its branch there alone.
 */
const VERSIONED = /(?:^|\/)(?:driver|dcgm|dcgm-exporter):(\d{1,4}(?:\.\d{1,4}){1,3})-/;

function imageVersion(json: unknown): Pick<StackPod, 'version'> {
  const [version] = listAt(json, 'spec', 'containers').flatMap(
    container => VERSIONED.exec(textOf(container, 'image'))?.[1] ?? [],
  );
  return optional({ version });
}
