import type { ClusterDevice, ClusterNode, ClusterView } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import type { HostState } from '../../host/port.ts';
import { gpuAt, type NodeFacts } from '../facts.ts';
import { taintsOf } from './device-taint-rules.ts';
import { instanceType } from './instance-types.ts';
import { isLostIncident } from './places.ts';

/** How many GPUs each layer counts, from the metal up to what was paid for; absent: not read. */
export interface GpuCounts {
  readonly pciBus?: number | undefined;
  readonly kernelModule?: number | undefined;
  readonly deviceNodes?: number | undefined;
  readonly nvml?: number | undefined;
  readonly kubeletAllocatable?: number | undefined;
  readonly nodeCapacity?: number | undefined;
  readonly nodeAllocatable?: number | undefined;
  readonly draPublished?: number | undefined;
  readonly draOffered?: number | undefined;
  readonly nodeLabel?: number | undefined;
  readonly instanceType?: number | undefined;
}

/** The layers that the node itself knows. Devices of the kubelet may be MIG instances or slices. */
export function countsOfNode(
  host: Pick<HostState, 'pciDevices' | 'deviceNodes' | 'driverGpus' | 'pods'>,
  nvml: number | undefined,
): GpuCounts {
  const bus = known(host.pciDevices)?.filter(
    device => device.kind === 'gpu' && device.function === 0,
  );
  const nodes = known(host.deviceNodes)?.filter(name => /^nvidia\d+$/.test(name));
  const whole = known(host.pods.allocatable)?.filter(
    ({ resource }) => resource === 'nvidia.com/gpu',
  );
  return optional({
    pciBus: bus?.length,
    kernelModule: known(host.driverGpus)?.length,
    deviceNodes: nodes?.length,
    nvml,
    kubeletAllocatable: whole?.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0),
  });
}

/** What the scheduler counts, and what label and instance type say there should be. */
export function countsOfCluster(node: ClusterNode): GpuCounts {
  // With the MIG strategy `single` the label counts MIG devices (gpu-feature-discovery).
  const mig = /-MIG-/.test(node.labels['nvidia.com/gpu.product'] ?? '');
  const label = mig ? '' : (node.labels['nvidia.com/gpu.count'] ?? '');
  return optional({
    nodeCapacity: node.capacity['nvidia.com/gpu'],
    nodeAllocatable: node.allocatable['nvidia.com/gpu'],
    nodeLabel: /^\d{1,4}$/.test(label) ? Number(label) : undefined,
    instanceType: instanceType(node.instanceType)?.gpus,
  });
}

/**
 * What DRA publishes, and what of it no taint keeps from pods, beside what the device plugin counts;
 * parts of a GPU are not counted. A rule of an admin that was not read keeps none.
 */
export function countsOfDra(view: Pick<ClusterView, 'devices' | 'taintRules'>): GpuCounts {
  const gpus = known(view.devices)?.filter(
    ({ driver, parentUuid }) => driver === 'gpu.nvidia.com' && parentUuid === undefined,
  );
  if (!gpus || gpus.length === 0) return {};
  const rules = known(view.taintRules) ?? [];
  const isFree = (device: ClusterDevice) =>
    taintsOf(device, rules).every(({ taint }) => taint.effect === 'None');
  return { draPublished: gpus.length, draOffered: gpus.filter(isFree).length };
}

const WORDS: Readonly<Record<keyof GpuCounts, string>> = {
  pciBus: 'PCI bus',
  kernelModule: 'kernel module',
  deviceNodes: '/dev',
  nvml: 'NVML',
  kubeletAllocatable: 'kubelet',
  nodeCapacity: 'node capacity',
  nodeAllocatable: 'node allocatable',
  draPublished: 'DRA published',
  draOffered: 'DRA without taint',
  nodeLabel: 'node label',
  instanceType: 'instance type',
};

/** `PCI bus 7, NVML 7, node label 8`: layers that were not read are left out. */
export const countsText = (counts: GpuCounts): string =>
  Object.entries(WORDS)
    .flatMap(([key, word]) => {
      const amount = Object.entries(counts).find(([other]) => other === key)?.[1];
      return amount === undefined ? [] : [`${word} ${amount}`];
    })
    .join(', ');

/** A GPU that the driver once named or lost, and that the PCI bus does not show now. */
export interface GoneGpu {
  readonly pci: string;
  readonly uuid?: string;
  readonly serial?: string;
  /** When the kernel log says that it went; ISO 8601 UTC. */
  readonly since?: string;
}

/** Which GPUs the kernel log knows and the bus does not; none where either could not be read. */
export function goneGpus(facts: NodeFacts): readonly GoneGpu[] {
  const bus = known(facts.host.pciDevices)?.flatMap(({ pci, kind }) => (kind === 'gpu' ? pci : []));
  if (!bus || !facts.log) return [];
  const lost = facts.log.incidents.filter(isLostIncident);
  const named = [...facts.log.gpus.map(({ pci }) => pci), ...lost.flatMap(({ gpu }) => gpu ?? [])];
  return [...new Set(named)]
    .filter(pci => !bus.includes(pci))
    .map(pci => {
      const serial = facts.log?.gpus.find(gpu => gpu.pci === pci)?.serial;
      const { uuid } = gpuAt(facts, pci);
      const since = lost.find(({ gpu }) => gpu === pci)?.firstTime;
      return {
        ...optional({ pci, uuid }),
        ...(serial ? { serial } : {}),
        ...(since ? { since } : {}),
      };
    });
}
