import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import type { DeviceRef, PodState } from '../../host/port.ts';
import { gpuAt, type NodeFacts } from '../facts.ts';

/** Where a GPU can be seen, from the metal up to the scheduler. */
const LAYERS = [
  'the PCI bus',
  '/proc/driver/nvidia',
  '/dev',
  'NVML',
  "the kubelet's allocatable devices",
] as const;
export type Layer = (typeof LAYERS)[number];

/** One GPU at all layers; a layer that could not be read, or cannot tell GPUs apart, is in neither list. */
export interface LayeredGpu {
  readonly pci: string;
  readonly uuid?: string;
  readonly minor?: number;
  /** Label of the physical slot, where the firmware names one. */
  readonly slot?: string;
  readonly seenBy: readonly Layer[];
  readonly missingFrom: readonly Layer[];
}

/**
 * Every GPU that the bus, the kernel module or NVML knows and that NVIDIA's driver is to hold, with
 * the layers that see it and those that do not. GPUs of another driver (vfio-pci) are left out.
 */
export function layeredGpus(facts: NodeFacts): readonly LayeredGpu[] {
  const { host, driver } = facts;
  const bus = known(host.pciDevices)?.filter(
    ({ kind, function: fn }) => kind === 'gpu' && fn === 0,
  );
  const ours = bus?.filter(device => device.driver === undefined || device.driver === 'nvidia');
  const byModule = known(host.driverGpus);
  const byNvml = driver.initialized.ok ? driver.gpus.filter(gpu => gpu.handle.ok) : undefined;
  const nodes = known(host.deviceNodes);
  const offered = offeredDevices(facts);
  const places = new Set([
    ...(ours ?? []).map(({ pci }) => pci),
    ...(byModule ?? []).map(({ pci }) => pci),
    ...(byNvml ?? []).flatMap(gpu => known(gpu.pci) ?? []),
  ]);
  return [...places].map(pci => {
    const nvml = byNvml?.find(gpu => known(gpu.pci) === pci);
    const proc = byModule?.find(gpu => gpu.pci === pci);
    const { uuid } = gpuAt(facts, pci);
    const minor = known(nvml?.minorNumber) ?? known(proc?.minor);
    const slot = known(bus?.find(device => device.pci === pci)?.slot);
    const sights: readonly (readonly [Layer, boolean | undefined])[] = [
      ['the PCI bus', bus?.some(device => device.pci === pci)],
      ['/proc/driver/nvidia', byModule && proc !== undefined],
      ['/dev', nodes && minor !== undefined ? nodes.includes(`nvidia${minor}`) : undefined],
      ['NVML', byNvml && nvml !== undefined],
      ["the kubelet's allocatable devices", isOffered(offered, { uuid, minor })],
    ];
    return {
      ...optional({ pci, uuid, minor, slot }),
      seenBy: sights.flatMap(([layer, seen]) => (seen === true ? layer : [])),
      missingFrom: sights.flatMap(([layer, seen]) => (seen === false ? layer : [])),
    };
  });
}

/** As much of NodeFacts as tells what the kubelet offers. */
export interface OfferingHost {
  readonly host: { readonly pods: Pick<PodState, 'allocatable'> };
}

/** Devices of NVIDIA's that the kubelet may hand out; undefined where it could not be asked. */
export const offeredDevices = (facts: OfferingHost): readonly DeviceRef[] | undefined =>
  known(facts.host.pods.allocatable)
    ?.filter(({ resource }) => isGpuResource(resource))
    .flatMap(({ devices }) => devices);

/** nvidia.com/gpu, nvidia.com/mig-1g.10gb, nvidia.com/gpu.shared, gpu.nvidia.com (DRA). */
export const isGpuResource = (resource: string): boolean =>
  /^(?:nvidia\.com\/|gpu\.nvidia\.com|mig\.nvidia\.com)/.test(resource);

/** Undefined where nothing is offered at all, or a device does not tell its GPU. */
function isOffered(
  offered: readonly DeviceRef[] | undefined,
  { uuid, minor }: { readonly uuid: string | undefined; readonly minor: number | undefined },
): boolean | undefined {
  if (!offered || offered.length === 0) return undefined;
  if (offered.some(device => device.gpuUuid === undefined && device.minor === undefined)) {
    return undefined;
  }
  // Devices told by a name that could not be read of this GPU are no sign against it.
  const comparable = offered.every(
    device =>
      (uuid !== undefined && device.gpuUuid !== undefined) ||
      (minor !== undefined && device.minor !== undefined),
  );
  if (!comparable) return undefined;
  return offered.some(
    device =>
      (uuid !== undefined && device.gpuUuid === uuid) ||
      (minor !== undefined && device.minor === minor),
  );
}
