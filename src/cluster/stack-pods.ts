import type { ClusterPod, StackPod } from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { listAt, objectAt, textOf, textsOf } from './json.ts';
import { ownerOf } from './read-view.ts';

/** A pod of a node in the API server's JSON, and what was read of it. */
interface Read {
  readonly json: unknown;
  readonly pod: ClusterPod;
}

/**
 * The pods of NVIDIA's software among those of a node. Whoever may create a pod may give it any label, any
 * name and any owner; what is not shown by more than that is a claim.
 *
 * In a namespace of a platform the namespace shows it: of Deployments, of validations, of bare pods. In any
 * other a DaemonSet's pod does that is given the node, as every part of such software must be, and beside it
 * in its namespace each one of a DaemonSet. Those rights Pod Security's baseline refuses, as most policies
 * do. Where nothing refuses them to a tenant, a tenant can forge it still, and is root on the node already.
 * No count of parts shows anything, nor does a priority: system-node-critical is anyone's to ask for but
 * where a quota or a cloud says otherwise (kubernetes.io, Limit Priority Class consumption).
 */
export function stackPods(own: readonly Read[]): readonly StackPod[] {
  const found = own.flatMap(({ json, pod }) => {
    const part = stackPart(json);
    if (!part) return [];
    const isSets = isOfSet(json, pod);
    return [
      {
        isSets,
        isGiven: isSets && isGivenNode(json),
        pod: { ...pod, part, ...imageVersion(json) },
      },
    ];
  });
  const homes = new Set([
    ...PLATFORM,
    ...found.flatMap(({ isGiven, pod }) => (isGiven ? [pod.namespace] : [])),
  ]);
  return found.map(({ isSets, pod }): StackPod => {
    const isShown = PLATFORM.has(pod.namespace) || (isSets && homes.has(pod.namespace));
    return isShown ? pod : { ...pod, isClaim: true };
  });
}

/** A DaemonSet's, or a static pod, which belongs to its node (kubernetes.io, Create static Pods). */
function isOfSet(json: unknown, { node }: ClusterPod): boolean {
  const owner = ownerOf(json);
  const [api, kind] = [textOf(owner, 'apiVersion'), textOf(owner, 'kind')];
  return (
    (api === 'apps/v1' && kind === 'DaemonSet') ||
    (api === 'v1' && kind === 'Node' && textOf(owner, 'name') === node)
  );
}

/**
 * Whether a pod may do with the node what a driver, a toolkit, a device plugin must: it is privileged, sees
 * the host's processes, or has a folder of the host's by which GPUs are given out.
 */
function isGivenNode(json: unknown): boolean {
  const spec = objectAt(json, 'spec');
  const containers = [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')];
  return (
    spec['hostPID'] === true ||
    containers.some(one => objectAt(one, 'securityContext')['privileged'] === true) ||
    listAt(spec, 'volumes').some(volume =>
      OWN_PATH.test(textOf(objectAt(volume, 'hostPath'), 'path')),
    )
  );
}

/**
 * The host's root, what the parts of the operators leave for each other, the kubelet's sockets, CDI, labels
 * of Node Feature Discovery, and GKE's driver; not folders that policies leave to tenants, as /var/log of GKE.
 */
const OWN_PATH =
  /^(?:\/$|(?:\/var)?\/run\/(?:nvidia|mellanox|cdi)(?:\/|$)|\/var\/lib\/kubelet\/(?:device-plugins|plugins|plugins_registry|pod-resources)(?:\/|$)|\/etc\/kubernetes\/node-feature-discovery\/|\/home\/kubernetes\/bin\/nvidia)/;

/**
 * Namespaces of the charts' and platforms' documentation, which no tenant makes: GPU Operator, also of
 * OpenShift and MicroK8s, Network Operator, DRA driver, device plugin, GKE, AKS.
 */
const PLATFORM = new Set([
  ...['kube-system', 'gke-managed-system', 'gpu-resources'],
  ...['gpu-operator', 'nvidia-gpu-operator', 'gpu-operator-resources'],
  ...['nvidia-network-operator', 'nvidia-dra-driver-gpu', 'nvidia-device-plugin'],
]);

/**
 * What a pod of NVIDIA's software is, by its labels, else by the name that its DaemonSet gave it: the
 * operands of GPU Operator (assets, manifests) and Network Operator (manifests), the charts of device
 * plugin, DRA driver, DCGM exporter and Node Feature Discovery, GKE's and AKS' own.
 */
const STACK: readonly (readonly [RegExp, StackPod['part']])[] = [
  [
    /^nvidia-(?:gpu-)?driver|^nvidia-vgpu-manager|^nvidia-vfio-manager|nvidia-driver-installer/,
    'driver',
  ],
  [/^nvidia-container-toolkit/, 'container toolkit'],
  [/^nvidia-(?:operator|cuda|device-plugin|sandbox|dra)-validator|^nvidia-validator/, 'validator'],
  [/device-plugin-mps-control-daemon/, 'MPS control daemon'],
  [
    /^nvidia-(?:gpu-)?device-plugin|^nvdp-nvidia-device-plugin|^nvidia-(?:kata-)?sandbox-device-plugin/,
    'device plugin',
  ],
  [/^(?:nvidia-dra-driver-gpu|dra-driver-nvidia-gpu)/, 'DRA driver'],
  [/^nvidia-mig-manager/, 'MIG manager'],
  [/^nvidia-vgpu-device-manager/, 'vGPU device manager'],
  [/^nvidia-kata-manager/, 'Kata manager'],
  [/^nvidia-cc-manager/, 'confidential computing manager'],
  [/^gpu-feature-discovery|^nvidia-gpu-feature-discovery/, 'feature discovery'],
  [/^node-feature-discovery|-node-feature-discovery-/, 'node feature discovery'],
  [/^(?:nvidia-)?dcgm/, 'DCGM'],
  [
    /^mofed-|^nvidia-network-operator|^rdma-shared-dp|^network-operator-sriov-device-plugin|^nic-(?:feature-discovery|configuration-daemon)|^nv-ipam|^kube-ipoib-cni/,
    'network operator',
  ],
  [/^nvidia-imex|^computedomain-daemon/, 'IMEX'],
  [/^nvidia-node-status-exporter/, 'node status exporter'],
  [/^gpu-operator(?:$|-[0-9a-f]{6,10}-[a-z0-9]{5}$)/, 'GPU Operator'],
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
