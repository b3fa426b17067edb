import type { ObjectName, PodQuery } from './port.ts';

/** Where objects live in the API, and what we say we do there. */
export const podPath = (pod: ObjectName) => objectPath('pod', pod);

export function collection(kind: 'pod' | 'job', namespace: string | null): string {
  const within = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return kind === 'pod' ? `/api/v1${within}/pods` : `/apis/batch/v1${within}/jobs`;
}

export const KINDS = { pod: 'Pod', job: 'Job' } as const;

export const objectPath = (kind: 'pod' | 'job', { namespace, name }: ObjectName) =>
  `${collection(kind, namespace)}/${encodeURIComponent(name)}`;

export function podList({ namespace, labelSelector, fieldSelector }: PodQuery) {
  return {
    path: collection('pod', namespace),
    kind: 'PodList',
    doing: `list pods${namespace === null ? '' : ` in namespace "${namespace}"`}`,
    query: { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) },
  };
}

export const eventList = ({ namespace, name }: ObjectName) => ({
  path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
  kind: 'EventList',
  doing: `list events in namespace "${namespace}"`,
  query: { fieldSelector: `involvedObject.name=${name}` },
});

export const sliceList = (version: string, node: string) => ({
  path: `/apis/resource.k8s.io/${version}/resourceslices`,
  kind: 'ResourceSliceList',
  doing: 'list resourceslices',
  query: { fieldSelector: `spec.nodeName=${node}` },
});

export const taintRuleList = (version: string) => ({
  path: `/apis/resource.k8s.io/${version}/devicetaintrules`,
  kind: 'DeviceTaintRuleList',
  doing: 'list devicetaintrules',
  query: {},
});

export const resourceClaimPath = (version: string, { namespace, name }: ObjectName) =>
  `/apis/resource.k8s.io/${version}/namespaces/${encodeURIComponent(namespace)}/resourceclaims/${encodeURIComponent(name)}`;

/** kubernetes-sigs/karpenter, pkg/apis/crds/karpenter.sh_nodeclaims.yaml: v1 since 1.0, of no namespace. */
export const nodeClaimPath = (name: string) =>
  `/apis/karpenter.sh/v1/nodeclaims/${encodeURIComponent(name)}`;

/** NVIDIA/k8s-dra-driver-gpu, resource.nvidia.com_computedomains.yaml. */
export const computeDomainList = {
  path: '/apis/resource.nvidia.com/v1beta1/computedomains',
  kind: 'ComputeDomainList',
  doing: 'list computedomains',
  query: {},
};

export const ATTACH_STREAMS = {
  stdin: 'true',
  stdout: 'true',
  stderr: 'true',
  tty: 'false',
} as const;
